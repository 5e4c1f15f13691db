"""What reading the customer database shows: frozen views of a person and of everything behind them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact in a list of findings."""

    id: int
    fields: Mapping[str, Any]
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Findings, newest contact first; `cursor` asks for the next page, None = there is none."""

    contacts: tuple[ContactLine, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True)
class FieldView:
    """A value, who said it last, and who first. `source` "" and `event_id` None = an admin's edit.

    Which of two values is newer goes by when each was said last; where a value comes from, by who brought it.
    """

    name: str
    value: Any
    source: str
    event_id: int | None
    patch_id: int | None
    occurred_at: datetime | None
    first_source: str
    first_event_id: int | None
    first_at: datetime | None

    @property
    def is_said_again(self) -> bool:
        """Whether somebody repeated it since."""
        return self.first_at != self.occurred_at or self.first_event_id != self.event_id


@dataclass(frozen=True, slots=True)
class IdentityView:
    """What points at the contact. One that is not matching never finds a person."""

    kind: str
    scope: str
    value: str
    match_value: str
    is_matching: bool
    source: str
    event_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """A line of the consent ledger. `aside`: why a statement did not count when it was made; "" where it did."""

    id: int
    channel: str
    purpose: str
    verdict: str
    proof: str
    wording: str
    method: str
    address: str
    occurred_at: datetime
    received_at: datetime
    source: str
    event_id: int | None
    actor: str
    aside: str = ""


@dataclass(frozen=True, slots=True)
class ConsentView:
    """What stands for a channel and purpose. `evidence_id` may be a line of somebody who shares the address."""

    channel: str
    purpose: str
    status: str
    proof: str
    decided_at: datetime
    evidence_id: int


@dataclass(frozen=True, slots=True)
class TimelineView:
    """A line of the history. `aside`: what it does not say itself, such as why."""

    id: int
    occurred_at: datetime
    kind: str
    summary: str
    detail: Mapping[str, Any]
    source: str
    event_id: int | None
    is_private: bool = False
    words: str = ""  # of a message, where it is public or kept
    url: str = ""
    is_deleted: bool = False  # by the platform; its words are gone
    aside: str = ""


@dataclass(frozen=True, slots=True)
class MergeView:
    """A merge this contact took part in."""

    id: int
    winner_id: int
    loser_id: int
    reason: str
    actor: str
    merged_at: datetime
    unmerged_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactView:
    """One contact with everything behind it, except its memberships."""

    id: int
    state: str
    fields: tuple[FieldView, ...]
    tags: tuple[str, ...]
    identities: tuple[IdentityView, ...]
    consents: tuple[ConsentView, ...]
    evidence: tuple[EvidenceView, ...]
    timeline: tuple[TimelineView, ...]
    merges: tuple[MergeView, ...]
    created_at: datetime
    updated_at: datetime
