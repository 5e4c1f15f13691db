"""Read the customer database: find people, show one with where each value comes from, export one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.asides import beside_claim, beside_line, list_statements
from app.contacts.ledger import list_idle_claims
from app.contacts.normalise import match_value
from app.contacts.views import (
    ConsentView,
    ContactLine,
    ContactPage,
    ContactView,
    EvidenceView,
    FieldView,
    IdentityView,
    MergeView,
    TimelineView,
)
from app.core.errors import NotFoundError

REDIRECT_DEPTH = 50  # merges of merges
NOBODY = (None, None, None, None)
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
# Who was the first to say what each field holds.
FIRST_SAID = text(
    """
    SELECT DISTINCT ON (f.name) f.name, p.source_id, p.event_id, p.occurred_at
    FROM contacts c CROSS JOIN LATERAL jsonb_each(c.fields) AS f (name, value)
    JOIN contact_patches p ON p.contact_id = c.id AND p.fields -> f.name = f.value
    WHERE c.id = :id ORDER BY f.name, p.occurred_at, p.received_at, p.id
    """
)


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
    evidence = _evidence(session, row.id)
    statements = list_statements(evidence)
    lines = list_timeline(session, row.id, limit=timeline_limit)
    return ContactView(
        id=row.id,
        state=row.state,
        fields=_fields(session, row),
        tags=tuple(row.tags),
        identities=tuple(
            _view(IdentityView, found, slug_at=5) for found in session.execute(IDENTITIES, asked)
        ),
        consents=tuple(ConsentView(*found) for found in session.execute(CONSENTS, asked)),
        evidence=evidence,
        timeline=tuple(replace(line, aside=beside_line(line, statements)) for line in lines),
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


def _evidence(session: Session, contact_id: int) -> tuple[EvidenceView, ...]:
    lines = [
        _view(EvidenceView, found, slug_at=10) for found in session.execute(EVIDENCE, {"id": contact_id})
    ]
    idle = list_idle_claims(session, contact_id)
    return tuple(
        replace(line, aside=beside_claim(line.proof, idle[line.id])) if line.id in idle else line
        for line in lines
    )


def _fields(session: Session, row: Any) -> tuple[FieldView, ...]:
    first = {name: origin for name, *origin in session.execute(FIRST_SAID, {"id": row.id})}
    last = {name: _origin(origin) for name, origin in row.provenance.items()}
    source_ids = {origin[0] for origin in (*first.values(), *last.values())} - {None}
    slugs = {found.id: found.slug for found in session.execute(SLUGS, {"ids": sorted(source_ids)})}
    found = []
    for name, value in sorted(row.fields.items()):
        source_id, event_id, at, patch_id = last.get(name, NOBODY)
        first_source_id, first_event_id, first_at = first.get(name, (source_id, event_id, at))
        found.append(
            FieldView(
                name, value, slugs.get(source_id, ""), event_id, patch_id, at,
                slugs.get(first_source_id, ""), first_event_id, first_at,
            )
        )  # fmt: skip
    return tuple(found)


def _origin(origin: Mapping[str, Any]) -> tuple[Any, ...]:
    at = origin.get("occurred_at")
    return (
        origin.get("source_id"),
        origin.get("event_id"),
        datetime.fromisoformat(at) if at else None,
        origin.get("patch_id"),
    )


def _view(kind: Any, row: Any, slug_at: int) -> Any:
    values = list(row)
    values[slug_at] = values[slug_at] or ""
    return kind(*values)
