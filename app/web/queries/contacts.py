"""What the page of a contact shows beside the contact: memberships, and the delivery behind each event."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Membership:
    """One contact in one audience, as Mailchimp last said."""

    slug: str
    audience: str
    status: str
    email_address: str
    sync_state: str
    error: Mapping[str, Any]
    tags: tuple[str, ...]
    pushed_at: datetime | None
    last_changed: datetime | None
    is_waiting: bool
    waiting_reason: str


@dataclass(frozen=True, slots=True)
class RefusedMember:
    """Somebody whom Mailchimp does not take in, and why."""

    contact_id: int
    audience: str
    reason: str
    hint: str
    updated_at: datetime


MOST_REFUSED = 50
REFUSED = text("""
    SELECT m.contact_id, coalesce(nullif(a.label, ''), a.slug) AS audience, coalesce(m.error->>'reason', '') AS reason,
        coalesce(m.error->>'hint', '') AS hint, m.updated_at
    FROM members m JOIN audiences a ON a.id = m.audience_id
    WHERE m.sync_state = 'failed' ORDER BY m.updated_at DESC, m.contact_id LIMIT :limit
""")
MEMBERSHIPS = text("""
    SELECT a.slug, coalesce(nullif(a.label, ''), a.slug) AS audience, coalesce(m.status, '') AS status,
        coalesce(m.email_address, '') AS email_address, coalesce(m.sync_state, 'ok') AS sync_state, m.error,
        coalesce(m.tags, '{}') AS tags, m.pushed_at, m.last_changed, c.contact_id IS NOT NULL AS is_waiting,
        coalesce(c.error->>'reason', '') AS waiting_reason
    FROM audiences a
    LEFT JOIN members m ON m.audience_id = a.id AND m.contact_id = :id
    LEFT JOIN changes c ON c.audience_id = a.id AND c.contact_id = :id
    WHERE m.contact_id IS NOT NULL OR c.contact_id IS NOT NULL
    ORDER BY 2
""")
DELIVERIES = text(
    "SELECT id, delivery_id FROM events WHERE id = ANY(cast(:ids AS bigint[])) AND delivery_id IS NOT NULL"
)


def list_memberships(session: Session, contact_id: int) -> tuple[Membership, ...]:
    """Every audience that knows this contact, or will be told of it."""
    rows = session.execute(MEMBERSHIPS, {"id": contact_id}).mappings()
    return tuple(
        Membership(**{**row, "error": row["error"] or {}, "tags": tuple(row["tags"])}) for row in rows
    )


def find_delivery_ids(session: Session, event_ids: Collection[int | None]) -> Mapping[int, int]:
    """Event -> the delivery it came in; events of lists came in none."""
    wanted = sorted({event_id for event_id in event_ids if event_id is not None})
    return {row.id: row.delivery_id for row in session.execute(DELIVERIES, {"ids": wanted})}


def list_refused(session: Session) -> tuple[RefusedMember, ...]:
    """Members whom Mailchimp refused, the latest first."""
    return tuple(RefusedMember(**row) for row in session.execute(REFUSED, {"limit": MOST_REFUSED}).mappings())
