"""Read the customer database: find people, show one with where each value comes from, export one."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.normalise import match_value
from app.core.errors import NotFoundError

REDIRECT_DEPTH = 50  # merges of merges
PAGE = 50

BY_IDENTITY = text(
    """
    SELECT id, fields, tags, created_at, updated_at FROM contacts
    WHERE state = 'active' AND id IN (
        SELECT contact_id FROM identities WHERE match_value = ANY(CAST(:values AS text[]))
        UNION SELECT c.merged_into_id FROM identities i JOIN contacts c ON c.id = i.contact_id
        WHERE i.match_value = ANY(CAST(:values AS text[])) AND c.state = 'merged')
    ORDER BY id DESC LIMIT :limit
    """
)
BY_WORDS = text(
    """
    SELECT id, fields, tags, created_at, updated_at FROM contacts
    WHERE state = 'active' AND id < :cursor
      AND concat_ws(' ', fields ->> 'first_name', fields ->> 'last_name', fields ->> 'full_name', fields ->> 'email',
                    fields ->> 'phone') ILIKE ALL(CAST(:patterns AS text[]))
    ORDER BY id DESC LIMIT :limit
    """
)
BY_ID = text(
    "SELECT id, fields, tags, created_at, updated_at FROM contacts WHERE state = 'active' AND id = :id"
)
CONTACT = text(
    """
    SELECT id, state, merged_into_id, fields, provenance, tags, created_at, updated_at FROM contacts WHERE id = :id
    """
)
IDENTITIES = text(
    """
    SELECT i.kind, i.scope, i.given_value, i.match_value, i.is_matching, s.slug, i.event_id, i.created_at
    FROM identities i LEFT JOIN sources s ON s.id = i.source_id WHERE i.contact_id = :id ORDER BY i.id
    """
)
CONSENTS = text(
    "SELECT channel, purpose, status, proof, decided_at, evidence_id FROM consents WHERE contact_id = :id ORDER BY 1, 2"
)
EVIDENCE = text(
    """
    SELECT e.id, e.channel, e.purpose, e.verdict, e.proof, e.wording, e.method, e.address, e.occurred_at,
           e.received_at, s.slug, e.event_id, e.actor
    FROM consent_evidence e LEFT JOIN sources s ON s.id = e.source_id
    WHERE e.contact_id = :id ORDER BY e.occurred_at DESC, e.id DESC
    """
)
TIMELINE = text(
    """
    SELECT t.id, t.occurred_at, t.kind, t.summary, t.detail, s.slug, t.event_id, t.is_private,
           CASE WHEN m.deleted_at IS NULL THEN coalesce(m.text, '') ELSE '' END, coalesce(m.url, ''),
           m.deleted_at IS NOT NULL
    FROM timeline_entries t LEFT JOIN sources s ON s.id = t.source_id
    LEFT JOIN messages m ON m.event_id = t.event_id AND t.kind = 'message'
    WHERE t.contact_id = :id AND (t.occurred_at, t.id) < (:before_at, :before_id)
    ORDER BY t.occurred_at DESC, t.id DESC LIMIT :limit
    """
)
MERGES = text(
    """
    SELECT id, winner_id, loser_id, reason, actor, merged_at, unmerged_at FROM merges
    WHERE winner_id = :id OR loser_id = :id ORDER BY id DESC
    """
)
SLUGS = text("SELECT id, slug FROM sources WHERE id = ANY(CAST(:ids AS bigint[]))")


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
    """A value and where it comes from. `source` "" and `event_id` None = an admin's edit."""

    name: str
    value: Any
    source: str
    event_id: int | None
    patch_id: int | None
    occurred_at: datetime | None


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
    """A line of the consent ledger."""

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
    """A line of the history."""

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


def find_contacts(
    session: Session, query: str = "", limit: int = PAGE, cursor: int | None = None
) -> ContactPage:
    """Contacts by id ("17" or "#17"), by an address or platform id, or by words of name and address."""
    words = query.split()
    if cursor is None and words:
        exact = _exact(session, query.strip(), limit)
        if exact:
            return ContactPage(exact, None)
    patterns = [f"%{_escaped(word)}%" for word in words] or ["%"]
    asked = {"patterns": patterns, "cursor": cursor or 1 << 62, "limit": limit + 1}
    lines = [_line(row) for row in session.execute(BY_WORDS, asked)]
    return ContactPage(tuple(lines[:limit]), lines[limit - 1].id if len(lines) > limit else None)


def _exact(session: Session, query: str, limit: int) -> tuple[ContactLine, ...]:
    values = {query, *(match_value(kind, query).value for kind in ("email", "phone"))} - {""}
    found = [_line(row) for row in session.execute(BY_IDENTITY, {"values": sorted(values), "limit": limit})]
    number = query.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 18:  # noqa: PLR2004 - digits that fit a bigint
        found += [_line(row) for row in session.execute(BY_ID, {"id": int(number)})]
    return tuple(found)


def _line(row: Any) -> ContactLine:
    contact_id, fields, tags, created_at, updated_at = row
    return ContactLine(contact_id, fields, tuple(tags), created_at, updated_at)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def get_contact_view(session: Session, contact_id: int, *, timeline_limit: int = PAGE) -> ContactView:
    """A contact, or the one it was merged into. NotFoundError when there is none."""
    row = _living(session, contact_id)
    asked = {"id": row.id}
    return ContactView(
        id=row.id,
        state=row.state,
        fields=_fields(session, row.fields, row.provenance),
        tags=tuple(row.tags),
        identities=tuple(
            _view(IdentityView, found, slug_at=5) for found in session.execute(IDENTITIES, asked)
        ),
        consents=tuple(ConsentView(*found) for found in session.execute(CONSENTS, asked)),
        evidence=tuple(_view(EvidenceView, found, slug_at=10) for found in session.execute(EVIDENCE, asked)),
        timeline=list_timeline(session, row.id, limit=timeline_limit),
        merges=tuple(MergeView(*found) for found in session.execute(MERGES, asked)),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def list_timeline(
    session: Session, contact_id: int, *, limit: int = PAGE, before: TimelineView | None = None
) -> tuple[TimelineView, ...]:
    """A page of the history, latest first; `before` is the last line of the page above."""
    asked = {
        "id": contact_id,
        "limit": limit,
        "before_at": before.occurred_at if before else "infinity",
        "before_id": before.id if before else 0,
    }
    return tuple(_view(TimelineView, found, slug_at=5) for found in session.execute(TIMELINE, asked))


def _living(session: Session, contact_id: int) -> Any:
    wanted = contact_id
    for _ in range(REDIRECT_DEPTH):
        row = session.execute(CONTACT, {"id": wanted}).one_or_none()
        if row is None:
            break
        if row.state != "merged":
            return row
        wanted = row.merged_into_id
    raise NotFoundError(f"There is no contact {contact_id}.", "Look it up: muster contacts find.")


def _fields(session: Session, fields: dict[str, Any], provenance: dict[str, Any]) -> tuple[FieldView, ...]:
    origins: defaultdict[str, dict[str, Any]] = defaultdict(dict, provenance)
    source_ids = {origin["source_id"] for origin in provenance.values() if origin.get("source_id")}
    slugs = {row.id: row.slug for row in session.execute(SLUGS, {"ids": sorted(source_ids)})}
    return tuple(_field(name, value, origins[name], slugs) for name, value in sorted(fields.items()))


def _field(name: str, value: Any, origin: Mapping[str, Any], slugs: Mapping[int, str]) -> FieldView:
    at = origin.get("occurred_at")
    return FieldView(
        name, value, slugs.get(origin.get("source_id", 0), ""), origin.get("event_id"), origin.get("patch_id"),
        datetime.fromisoformat(at) if at else None,
    )  # fmt: skip


def _view(kind: Any, row: Any, slug_at: int) -> Any:
    values = list(row)
    values[slug_at] = values[slug_at] or ""
    return kind(*values)
