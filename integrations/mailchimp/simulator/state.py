"""The simulator's state: accounts, audiences, members with their indexes, and a clock that can be moved."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=8192)
def md5_of(email: str) -> str:
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def unique_id_of(email: str) -> str:
    """Ten hex digits of an address, the same in every audience, as unique_email_id and webhooks' data[id] are."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:10]


@lru_cache(maxsize=65536)
def iso(moment: int) -> str:
    """Epoch seconds as Mailchimp writes them; "" for never."""
    return datetime.fromtimestamp(moment, UTC).isoformat() if moment else ""


class Clock:
    """Real time plus an offset, in whole seconds; `freeze` holds it still."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self.frozen_at: int | None = None

    def now(self) -> int:
        return self.frozen_at if self.frozen_at is not None else int(time.time() + self.offset_seconds)

    def freeze(self, moment: int) -> None:
        self.frozen_at = moment

    def advance(self, seconds: float) -> None:
        if self.frozen_at is None:
            self.offset_seconds += seconds
        else:
            self.frozen_at += int(seconds)

    def reset(self) -> None:
        self.offset_seconds, self.frozen_at = 0.0, None


@dataclass(slots=True)
class Member:
    """One member. Times are epoch seconds, 0 for never.

    cause: who took the member out or let it bounce - "", api, admin, contact, abuse or bounce. It outlives
    `status`: a contact's own unsubscribing still counts while pending or archived.
    """

    contact_id: str
    web_id: int
    email: str
    status: str
    cause: str = ""
    email_type: str = "html"
    merge_fields: dict[str, Any] = field(default_factory=dict)
    tags: dict[int, int] = field(
        default_factory=dict
    )  # tag id -> when added; in the order Mailchimp shows them
    dropped_tags: list[int] = field(default_factory=list)  # in the order they were taken off
    ip_signup: str = ""
    signup_at: int = 0
    ip_opt: str = ""
    opt_at: int = 0
    changed_at: int = 0
    unsubscribed_at: int = 0
    language: str = ""
    is_vip: bool = False
    latitude: float = 0
    longitude: float = 0
    source: str = "API - Generic"
    unique_id: str = ""  # only where a recording gave one

    @property
    def hash(self) -> str:
        return md5_of(self.email)


@dataclass(slots=True)
class MergeField:
    """One merge field; `options` as in the API."""

    merge_id: int
    tag: str
    name: str
    type: str = "text"
    is_required: bool = False
    default_value: str = ""
    is_public: bool = False
    display_order: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    help_text: str = ""


@dataclass(slots=True)
class Webhook:
    webhook_id: str
    url: str
    events: dict[str, bool]
    sources: dict[str, bool]
    secret: str = field(default="", repr=False)


@dataclass(slots=True)
class Account:
    """A user with its key. A revoked key answers 401, a disabled account 403."""

    api_key: str
    name: str = "Muster's own Mailchimp"
    account_id: str = "8d3a3db4d97663a9074efcc16"
    is_revoked: bool = False
    is_disabled: bool = False
    about: dict[str, Any] = field(default_factory=dict)  # what GET / says otherwise than by default
    in_flight: int = 0
    max_in_flight: int = 0

    @property
    def centre(self) -> str:
        return self.api_key.rpartition("-")[2]


def default_merge_fields() -> dict[int, MergeField]:
    """What a new audience has."""
    fields = (
        MergeField(1, "FNAME", "First Name", options={"size": 25}, display_order=2),
        MergeField(2, "LNAME", "Last Name", options={"size": 25}, display_order=3),
        MergeField(3, "ADDRESS", "Address", "address", options={"default_country": 164}, display_order=4),
        MergeField(4, "PHONE", "Phone Number", "phone", options={"phone_format": "none"}, display_order=5),
    )
    return {field.merge_id: field for field in fields}


@dataclass(slots=True)
class Audience:
    """One list with its members, found by hash, address or contact_id; `version` counts every change."""

    list_id: str
    name: str
    api_key: str
    web_id: int = 1
    created_at: int = 0
    is_double_optin: bool = False
    merge_fields: dict[int, MergeField] = field(default_factory=default_merge_fields)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    tag_names: dict[int, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)  # md5 of erased addresses
    signup_blocks: dict[str, int] = field(
        default_factory=dict
    )  # md5 -> until when "signed up to a lot of lists"
    by_contact: dict[str, Member] = field(default_factory=dict)
    by_hash: dict[str, Member] = field(default_factory=dict)
    tag_ids: dict[str, int] = field(default_factory=dict)  # casefolded name -> id
    about: dict[str, Any] = field(default_factory=dict)  # contact, defaults, ... otherwise than by default
    version: int = 0
    shown_fields: dict[str, MergeField] | None = None
    listings: dict[tuple[Any, ...], tuple[int, list[Member]]] = field(default_factory=dict)  # see listing.py

    def find(self, key: str) -> Member | None:
        """By md5 of the address, contact_id, or the address itself."""
        if "@" in key:
            return self.by_hash.get(md5_of(key))
        return self.by_hash.get(key.lower()) or self.by_contact.get(key.lower())

    def put(self, member: Member) -> None:
        self.by_contact[member.contact_id] = member
        self.by_hash[member.hash] = member
        self.version += 1

    def drop(self, member: Member) -> None:
        self.by_contact.pop(member.contact_id, None)
        self.by_hash.pop(member.hash, None)
        self.version += 1

    def rename(self, member: Member, email: str) -> None:
        self.by_hash.pop(member.hash, None)
        member.email = email
        self.by_hash[member.hash] = member

    def tag_id(self, name: str) -> int:
        """The tag's id; made on first use. Names compare without case, the first spelling stays."""
        found = self.tag_ids.get(name.casefold())
        if found is None:
            found = max(self.tag_names, default=4_788_448) + 4
            self.name_tag(found, name)
        return found

    def name_tag(self, tag_id: int, name: str) -> None:
        self.tag_names[tag_id] = name
        self.tag_ids[name.casefold()] = tag_id

    def fields_by_tag(self) -> dict[str, MergeField]:
        """In the order shown. Remembered until the audience is saved."""
        if self.shown_fields is None:
            ordered = sorted(self.merge_fields.values(), key=lambda one: one.display_order)
            self.shown_fields = {field.tag: field for field in ordered}
        return self.shown_fields

    def members(self) -> Iterator[Member]:
        return iter(self.by_contact.values())


def new_contact_id() -> str:
    return uuid.uuid4().hex
