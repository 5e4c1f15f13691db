"""Contacts beside their own page: the newest ones, and where one is a member."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

NEWEST_COUNT = 50


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One contact in a list."""

    id: int
    name: str
    email: str
    phone: str
    tags: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """One contact in one audience, as Mailchimp last said."""

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


# Names and addresses of the newest, or of given ids in the given order.
LINES = """
    SELECT c.id, coalesce(nullif(c.fields->>'full_name', ''),
            nullif(concat_ws(' ', nullif(c.fields->>'first_name', ''), nullif(c.fields->>'last_name', '')), ''), '') AS name,
        coalesce(c.fields->>'email', '') AS email, coalesce(c.fields->>'phone', '') AS phone, c.tags, c.updated_at
    FROM contacts c WHERE {condition}
"""
NEWEST = text(LINES.format(condition="c.state = 'active' ORDER BY c.updated_at DESC, c.id DESC LIMIT :limit"))
MEMBERSHIPS = text("""
    SELECT coalesce(nullif(a.label, ''), a.slug) AS audience, coalesce(m.status, '') AS status,
        coalesce(m.email_address, '') AS email_address, coalesce(m.sync_state, 'ok') AS sync_state, m.error,
        coalesce(m.tags, '{}') AS tags, m.pushed_at, m.last_changed, c.contact_id IS NOT NULL AS is_waiting,
        coalesce(c.error->>'reason', '') AS waiting_reason
    FROM audiences a
    LEFT JOIN members m ON m.audience_id = a.id AND m.contact_id = :id
    LEFT JOIN changes c ON c.audience_id = a.id AND c.contact_id = :id
    WHERE m.contact_id IS NOT NULL OR c.contact_id IS NOT NULL
    ORDER BY 1
""")


def list_newest(session: Session) -> tuple[ContactLine, ...]:
    """The contacts that changed last."""
    rows = session.execute(NEWEST, {"limit": NEWEST_COUNT}).mappings()
    return tuple(ContactLine(**{**row, "tags": tuple(row["tags"])}) for row in rows)


def list_memberships(session: Session, contact_id: int) -> tuple[Membership, ...]:
    """Every audience that knows this contact, or will be told of it."""
    rows = session.execute(MEMBERSHIPS, {"id": contact_id}).mappings()
    return tuple(Membership(**{**row, "error": row["error"] or {}, "tags": tuple(row["tags"])}) for row in rows)
