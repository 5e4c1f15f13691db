"""What Mailchimp says around members, as frozen dataclasses: interests, tags, activity, events, notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.mailchimp.answers import read_time


@dataclass(frozen=True, slots=True)
class Interest:
    """One choice of a group; its id stands in a member's `interests`."""

    interest_id: str
    name: str
    category_id: str = ""
    member_count: int = 0


@dataclass(frozen=True, slots=True)
class InterestCategory:
    """A group of interests. `type` is checkboxes, dropdown, radio or hidden."""

    category_id: str
    title: str
    type: str
    interests: tuple[Interest, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, of the audience or of a member; the time only of a member's."""

    tag_id: int
    name: str
    added_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TagOutcome:
    """One change of a tag for many: how many got and lost it, and which addresses were refused, with Mailchimp's words."""

    added_count: int
    removed_count: int
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of a member's activity: kind is open, click, bounce, sent, unsub, signup, ...

    `detail` is what the kind adds (link_clicked, bounce_type, unsubscribe_reason, ...).
    """

    kind: str
    occurred_at: datetime | None
    campaign_id: str = ""
    campaign_title: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemberEvent:
    """Something a website or program told of a member."""

    name: str
    occurred_at: datetime | None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a member."""

    note_id: int
    text: str
    created_at: datetime | None = None
    created_by: str = ""


ACTIVITY_HEAD = frozenset(
    {"activity_type", "created_at_timestamp", "campaign_id", "campaign_title", "_links"}
)


def read_interest(body: Mapping[str, Any]) -> Interest:
    return Interest(
        interest_id=str(body.get("id") or ""),
        name=str(body.get("name") or ""),
        category_id=str(body.get("category_id") or ""),
        member_count=int(body.get("subscriber_count") or 0),
    )


def read_category(body: Mapping[str, Any], interests: Sequence[Interest]) -> InterestCategory:
    return InterestCategory(
        str(body.get("id") or ""), str(body.get("title") or ""), str(body.get("type") or ""), tuple(interests)
    )


def read_tag(body: Mapping[str, Any]) -> Tag:
    return Tag(int(body.get("id") or 0), str(body.get("name") or ""), read_time(body.get("date_added")))


def read_tag_outcome(body: Mapping[str, Any]) -> TagOutcome:
    refused = {
        str(email): str(one.get("error") or "")
        for one in body.get("errors") or ()
        for email in one.get("email_addresses") or ()
    }
    return TagOutcome(int(body["total_added"]), int(body["total_removed"]), refused)


def read_activity(body: Mapping[str, Any]) -> Activity:
    return Activity(
        kind=str(body.get("activity_type") or ""),
        occurred_at=read_time(body.get("created_at_timestamp")),
        campaign_id=str(body.get("campaign_id") or ""),
        campaign_title=str(body.get("campaign_title") or ""),
        detail={name: value for name, value in body.items() if name not in ACTIVITY_HEAD},
    )


def read_event(body: Mapping[str, Any]) -> MemberEvent:
    return MemberEvent(
        str(body.get("name") or ""), read_time(body.get("occurred_at")), dict(body.get("properties") or {})
    )


def read_note(body: Mapping[str, Any]) -> Note:
    return Note(
        note_id=int(body.get("id") or 0),
        text=str(body.get("note") or ""),
        created_at=read_time(body.get("created_at")),
        created_by=str(body.get("created_by") or ""),
    )
