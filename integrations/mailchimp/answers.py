"""What Mailchimp says, as frozen records: members, batches, merge fields, audiences, webhooks.

Mailchimp writes "" for whatever is absent, dates included (recorded answers, 2021-2022).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from integrations.mailchimp.problems import Classification, classify_batch_error
from integrations.mailchimp.reading import WireBatch, WireMember, WirePage, wire_member


def subscriber_hash(email: str) -> str:
    """The id Mailchimp gives a member: md5 of the trimmed, lower-cased address."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


class MemberState(
    msgspec.Struct, frozen=True, gc=False
):  # made by the thousand: a dataclass takes ten times as long
    """One member of an audience as Mailchimp last said.

    `member_hash` is Mailchimp's `id` (it changes with the address), `contact_id` stays; the answers of a batch
    lack contact_id, source and full_name. `tags` are the first 50 of `tag_count`. `marketing_permissions` says of
    each permission's id whether it is given; empty where the audience has none.
    """

    member_hash: str
    email: str
    status: str
    unique_email_id: str = ""
    contact_id: str = ""
    web_id: int | None = None
    full_name: str = ""
    unsubscribe_reason: str = ""
    email_type: str = ""
    language: str = ""
    source: str = ""
    list_id: str = ""
    is_vip: bool = False
    merge_fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    interests: Mapping[str, bool] = msgspec.field(default_factory=dict)
    marketing_permissions: Mapping[str, bool] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tag_count: int = 0
    opted_in_at: datetime | None = None
    signed_up_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchError:
    """Why one address of a batch was refused. `field` is a merge tag, or ""."""

    email: str
    error: str
    code: str
    field: str = ""
    field_message: str = ""

    @property
    def classification(self) -> Classification:
        return classify_batch_error(self.code, self.error, self.field)

    @property
    def kind(self) -> str:
        return self.classification.kind


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """One POST /lists/{id}: every accepted member as it is now, and every refusal."""

    members: tuple[MemberState, ...]
    errors: tuple[BatchError, ...]
    created_count: int = 0
    updated_count: int = 0


@dataclass(frozen=True, slots=True)
class MergeField:
    """One merge field of an audience. `choices` only for radio and dropdown; formats as the audience shows them."""

    merge_id: int
    tag: str
    name: str
    type: str
    is_required: bool = False
    default_value: str = ""
    choices: tuple[str, ...] = ()
    date_format: str = ""
    phone_format: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class AudienceInfo:
    """An audience (Mailchimp's list). `subscribe_url` is the hosted form to hand to people the API may not add."""

    list_id: str
    name: str
    web_id: int | None = None
    subscribe_url: str = ""
    is_double_optin: bool = False
    has_marketing_permissions: bool = False
    member_count: int = 0
    unsubscribe_count: int = 0
    cleaned_count: int = 0
    total_contact_count: int | None = None


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """Who the key belongs to."""

    account_id: str
    account_name: str
    email: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An audience webhook. `signing_secret` is said once, in the answer to its creation."""

    webhook_id: str
    url: str
    events: Mapping[str, bool]
    sources: Mapping[str, bool]
    is_signed: bool = False
    signing_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a members listing; `total_count` is of all pages."""

    members: tuple[MemberState, ...]
    total_count: int


def read_time(text: Any) -> datetime | None:
    """An aware time, or None for "" and anything unreadable."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_member(body: Mapping[str, Any]) -> MemberState:
    """From a parsed answer."""
    return member_state(wire_member(body))


def member_state(wire: WireMember) -> MemberState:
    tags = tuple([str(tag.get("name", "")) for tag in wire.tags]) if wire.tags else ()
    return MemberState(
        wire.id or "",
        wire.email_address or "",
        wire.status or "",
        wire.unique_email_id or "",
        wire.contact_id or "",
        wire.web_id,
        wire.full_name or "",
        wire.unsubscribe_reason or "",
        wire.email_type or "",
        wire.language or "",
        wire.source or "",
        wire.list_id or "",
        bool(wire.vip),
        wire.merge_fields or {},
        wire.interests or {},
        _permissions(wire.marketing_permissions) if wire.marketing_permissions else {},
        tags,
        int(wire.tags_count or len(tags)),  # a number as text counts, too
        read_time(wire.timestamp_opt),
        read_time(wire.timestamp_signup),
        read_time(wire.last_changed),
    )


def _permissions(entries: Any) -> dict[str, bool]:
    return {str(one.get("marketing_permission_id") or ""): bool(one.get("enabled")) for one in entries}


def read_batch(wire: WireBatch) -> BatchOutcome:
    members = tuple(
        [member_state(one) for found in (wire.new_members, wire.updated_members) for one in found]
    )
    errors = tuple(
        BatchError(
            email=str(one.get("email_address") or ""),
            error=str(one.get("error") or ""),
            code=str(one.get("error_code") or ""),
            field=str(one.get("field") or ""),
            field_message=str(one.get("field_message") or ""),
        )
        for one in wire.errors
    )
    return BatchOutcome(members, errors, wire.total_created, wire.total_updated)


def read_page(wire: WirePage) -> MemberPage:
    return MemberPage(tuple([member_state(one) for one in wire.members]), wire.total_items)


def read_merge_field(body: Mapping[str, Any]) -> MergeField:
    options = body.get("options") or {}
    return MergeField(
        merge_id=int(body.get("merge_id") or 0),
        tag=str(body.get("tag") or ""),
        name=str(body.get("name") or ""),
        type=str(body.get("type") or ""),
        is_required=bool(body.get("required")),
        default_value=str(body.get("default_value") or ""),
        choices=tuple(str(choice) for choice in options.get("choices") or ()),
        date_format=str(options.get("date_format") or ""),
        phone_format=str(options.get("phone_format") or ""),
        size=options.get("size"),
    )


def read_audience(body: Mapping[str, Any]) -> AudienceInfo:
    stats = body.get("stats") or {}
    return AudienceInfo(
        list_id=str(body.get("id") or ""),
        name=str(body.get("name") or ""),
        web_id=body.get("web_id"),
        subscribe_url=str(body.get("subscribe_url_long") or ""),
        is_double_optin=bool(body.get("double_optin")),
        has_marketing_permissions=bool(body.get("marketing_permissions")),
        member_count=int(stats.get("member_count") or 0),
        unsubscribe_count=int(stats.get("unsubscribe_count") or 0),
        cleaned_count=int(stats.get("cleaned_count") or 0),
        total_contact_count=stats.get("total_contacts"),
    )


def read_account(body: Mapping[str, Any]) -> AccountInfo:
    return AccountInfo(
        account_id=str(body.get("account_id") or ""),
        account_name=str(body.get("account_name") or ""),
        email=str(body.get("email") or ""),
        role=str(body.get("role") or ""),
    )


def read_webhook(body: Mapping[str, Any]) -> Webhook:
    return Webhook(
        webhook_id=str(body.get("id") or ""),
        url=str(body.get("url") or ""),
        events=dict(body.get("events") or {}),
        sources=dict(body.get("sources") or {}),
        is_signed=bool(body.get("signing_enabled")),
        signing_secret=str(body.get("signing_secret") or ""),
    )
