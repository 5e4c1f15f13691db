"""Arrivals for tests, and a shortest way from a patch to the customer database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.arrivals import Arrival, Recorded, Resolved
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.secretbox import SecretBox
from mappings.language.fields import FieldDictionary, default_fields
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

NEW_EVENT = text(
    "INSERT INTO events (source_id, key, kind, content, occurred_at, received_at, delivery_id)"
    " VALUES (:source_id, :key, 'form', CAST(:content AS jsonb), :at, :at, :delivery_id) RETURNING id"
)


def make_patch(
    email: str = "",
    *,
    phone: str = "",
    ids: dict[str, str] | None = None,
    consents: tuple[ConsentEvidence, ...] = (),
    tags_added: tuple[str, ...] = (),
    tags_removed: tuple[str, ...] = (),
    **fields: Any,
) -> ContactPatch:
    """A patch whose e-mail address and phone are fields and identities, as mappings make them."""
    identities = [Identity(kind, value, "app") for kind, value in (ids or {}).items()]
    for kind, value in (("email", email), ("phone", phone)):
        if value:
            identities.append(Identity(kind, value))
            fields[kind] = value
    return ContactPatch(tuple(identities), fields, tags_added, tags_removed, consents)


def gave(purpose: str = "newsletter", **more: Any) -> ConsentEvidence:
    return ConsentEvidence("email", purpose, "given", **more)


def withdrew(purpose: str = "*", **more: Any) -> ConsentEvidence:
    return ConsentEvidence("email", purpose, "withdrawn", **more)


@dataclass
class Door:
    """Writes patches as a worker would: an event each, resolved and recorded in batches."""

    session: Session
    box: SecretBox
    dictionary: FieldDictionary
    source_id: int
    count: int = field(default=0)

    def event(self, at: datetime, content: str = "{}", delivery_id: int | None = None) -> int:
        self.count += 1
        columns = {"source_id": self.source_id, "key": f"event-{self.count}", "at": at, "content": content}
        return self.session.scalars(NEW_EVENT, {**columns, "delivery_id": delivery_id}).one()

    def arrival(self, patch: ContactPatch, *, minutes: float = 0, trust: int = 50, **more: Any) -> Arrival:
        at = NOON + timedelta(minutes=minutes)
        event_id = more.pop("event_id", None) or self.event(at)
        return Arrival(event_id, more.pop("ordinal", 0), self.source_id, None, trust, at, at, patch, **more)

    def bring(self, *arrivals: Arrival) -> tuple[list[Resolved], Recorded]:
        """One batch."""
        resolved = resolve(self.session, arrivals, self.box)
        return resolved, record(self.session, resolved, self.dictionary)

    def add(self, patch: ContactPatch, **more: Any) -> int:
        """One patch in a batch of its own; its contact."""
        resolved, _ = self.bring(self.arrival(patch, **more))
        assert resolved[0].contact_id is not None
        return resolved[0].contact_id

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.execute(text(statement), values)]

    def fields(self, contact_id: int) -> dict[str, Any]:
        return self.rows("SELECT fields FROM contacts WHERE id = :id", id=contact_id)[0][0]

    def consent(self, contact_id: int, purpose: str = "newsletter") -> str:
        found = self.rows(
            "SELECT status FROM consents WHERE contact_id = :id AND channel = 'email' AND purpose = :purpose",
            id=contact_id,
            purpose=purpose,
        )
        return found[0][0] if found else "none"

    def doubts(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT contact_a_id, contact_b_id, verdict, reason FROM judgements ORDER BY 1, 2")

    def contact_count(self) -> int:
        return self.rows("SELECT count(*) FROM contacts WHERE state = 'active'")[0][0]


@pytest.fixture
def dictionary() -> FieldDictionary:
    return default_fields()


@pytest.fixture
def door(session: Session, box: SecretBox, dictionary: FieldDictionary) -> Door:
    source_id = session.scalars(
        text("INSERT INTO sources (slug, integration) VALUES ('form', 'website') RETURNING id")
    ).one()
    return Door(session, box, dictionary, source_id)
