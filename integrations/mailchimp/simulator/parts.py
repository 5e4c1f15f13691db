"""What an audience is made of beside its members: fields, tags, groups, webhooks, campaigns, stories."""

from dataclasses import dataclass, field
from typing import Any


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
class Tag:
    """A tag, which is a static segment; or a saved segment, when it has conditions and no members of its own."""

    tag_id: int
    name: str
    created_at: int = 0
    updated_at: int = 0
    options: dict[str, Any] | None = None  # match and conditions of a saved segment


@dataclass(slots=True)
class Category:
    """A group category: its interests are what members tick."""

    category_id: str
    title: str
    type: str
    display_order: int = 0


@dataclass(slots=True)
class Interest:
    interest_id: str
    category_id: str
    name: str
    display_order: int = 0


@dataclass(slots=True)
class Webhook:
    """A receiver. After a rotation both secrets sign for a while, as the header's several v1 values allow."""

    webhook_id: str
    url: str
    events: dict[str, bool]
    sources: dict[str, bool]
    secret: str = field(default="", repr=False)
    former_secret: str = field(default="", repr=False)


@dataclass(slots=True)
class Campaign:
    """A message that was sent to some members."""

    campaign_id: str
    title: str
    subject: str
    sent_at: int
    recipients: set[str] = field(default_factory=set)  # contact ids


@dataclass(slots=True)
class Story:
    """What happened with one member, the newest last; only few have one. Entries are kept as they are told."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    acts: list[dict[str, Any]] = field(
        default_factory=list
    )  # open, click, bounce, unsub: kind, at, campaign_id


def default_merge_fields() -> dict[int, MergeField]:
    """What a new audience has."""
    fields = (
        MergeField(1, "FNAME", "First Name", options={"size": 25}, display_order=2),
        MergeField(2, "LNAME", "Last Name", options={"size": 25}, display_order=3),
        MergeField(3, "ADDRESS", "Address", "address", options={"default_country": 164}, display_order=4),
        MergeField(4, "PHONE", "Phone Number", "phone", options={"phone_format": "none"}, display_order=5),
    )
    return {field.merge_id: field for field in fields}
