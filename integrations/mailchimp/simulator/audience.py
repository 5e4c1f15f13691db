"""Accounts, and audiences with their members, indexes and counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.member import Member, md5_of
from integrations.mailchimp.simulator.parts import (
    Campaign,
    Category,
    Interest,
    MergeField,
    Story,
    Tag,
    Webhook,
    default_merge_fields,
)

FIRST_TAG_ID = 4_788_448
TAG_ID_STEP = 4


@dataclass(slots=True)
class Account:
    """A user with its key. A revoked key answers 401, a disabled account 403."""

    api_key: str
    name: str = "Muster's own Mailchimp"
    account_id: str = "8d3a3db4d97663a9074efcc16"
    is_revoked: bool = False
    is_disabled: bool = False
    about: dict[str, Any] = field(default_factory=dict)  # what GET / says otherwise than by default
    metadata: dict[str, Any] = field(default_factory=dict)  # what OAuth's metadata says otherwise
    constraints: dict[str, Any] = field(default_factory=dict)  # what GET /lists says otherwise
    in_flight: int = 0
    max_in_flight: int = 0

    @property
    def centre(self) -> str:
        return self.api_key.rpartition("-")[2]


@dataclass(slots=True)
class Audience:
    """One list with its members, found by hash, address or contact_id; `version` counts every change."""

    list_id: str
    name: str
    api_key: str
    web_id: int = 1
    created_at: int = 0
    is_double_optin: bool = False
    has_permissions: bool = False
    merge_fields: dict[int, MergeField] = field(default_factory=default_merge_fields)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    tags: dict[int, Tag] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    interests: dict[str, Interest] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)  # marketing permission: id -> text
    about: dict[str, Any] = field(default_factory=dict)  # contact, defaults, ... otherwise than by default
    forgotten: set[str] = field(default_factory=set)  # md5 of erased addresses
    signup_blocks: dict[str, int] = field(default_factory=dict)  # md5 -> until when "a lot of lists"
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)  # contact id -> story
    abuse_reports: list[dict[str, Any]] = field(default_factory=list)
    days: dict[str, dict[str, int]] = field(default_factory=dict)  # day -> what was counted
    months: dict[str, dict[str, int]] = field(default_factory=dict)  # month -> net change by status
    by_contact: dict[str, Member] = field(default_factory=dict)
    by_hash: dict[str, Member] = field(default_factory=dict)
    tag_ids: dict[str, int] = field(default_factory=dict)  # casefolded name -> id
    foretold_ids: dict[str, int] = field(default_factory=dict)  # the same of tags to come (recordings)
    known_ids: dict[tuple[str, ...], tuple[int, ...]] = field(default_factory=dict)  # see tagging.py
    counts: dict[str, int] = field(default_factory=dict)  # members by status
    last_sub_at: int = 0
    last_unsub_at: int = 0
    extras: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # contact id -> shown otherwise (recordings)
    version: int = 0
    shown_fields: dict[str, MergeField] | None = None
    texts: Any = None  # see render.py
    stale_stats: tuple[float, dict[str, Any]] | None = None
    lagging_tags: dict[str, list[tuple[float, tuple[int, ...], tuple[int, ...]]]] = field(
        default_factory=dict
    )
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
        if member.status != member.counted_status:
            self._count(member, member.status)
        self.last_sub_at = max(self.last_sub_at, member.opt_at)
        self.last_unsub_at = max(self.last_unsub_at, member.unsubscribed_at)

    def drop(self, member: Member) -> None:
        self.by_contact.pop(member.contact_id, None)
        self.by_hash.pop(member.hash, None)
        self.stories.pop(member.contact_id, None)
        self.lagging_tags.pop(member.contact_id, None)
        self.version += 1
        self._count(member, "")

    def _count(self, member: Member, status: str) -> None:
        month = self.months.setdefault(iso(member.changed_at or self.created_at or 1)[:7], {})
        for name, change in ((member.counted_status, -1), (status, 1)):
            if name:
                self.counts[name] = self.counts.get(name, 0) + change
                month[name] = month.get(name, 0) + change
        member.counted_status = status

    def rename(self, member: Member, email: str) -> None:
        self.by_hash.pop(member.hash, None)
        member.email, member.hash = email, md5_of(email)
        self.by_hash[member.hash] = member

    def tag_id(self, name: str, now: int) -> int:
        """The tag's id; made on first use. Names compare without case, the first spelling stays."""
        found = self.tag_ids.get(name.casefold())
        if found is None:
            found = self.foretold_ids.get(name.casefold(), 0)
            if not found or found in self.tags:
                found = max(self.tags, default=FIRST_TAG_ID) + TAG_ID_STEP
            self.put_tag(Tag(found, name, now, now))
        return found

    def put_tag(self, tag: Tag) -> None:
        known = self.tags.get(tag.tag_id)
        if known is not None:
            self.tag_ids.pop(known.name.casefold(), None)
        self.known_ids.clear()
        self.tags[tag.tag_id] = tag
        self.tag_ids[tag.name.casefold()] = tag.tag_id

    def fields_by_tag(self) -> dict[str, MergeField]:
        """In the order shown. Remembered until the audience is saved."""
        if self.shown_fields is None:
            ordered = sorted(self.merge_fields.values(), key=lambda one: one.display_order)
            self.shown_fields = {field.tag: field for field in ordered}
        return self.shown_fields

    def members(self) -> Iterator[Member]:
        return iter(self.by_contact.values())

    def story(self, member: Member) -> Story:
        return self.stories.setdefault(member.contact_id, Story())
