"""Everything that is known of one person, for them to read."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.read import get_contact_view

EVERYTHING = 1 << 31  # lines of history in an export

PATCHES = text(
    """
    SELECT p.id, s.slug AS source, p.event_id, p.mapping_version_id, p.trust, p.occurred_at, p.received_at, p.fields,
           p.identities, p.tags_added, p.tags_removed
    FROM contact_patches p LEFT JOIN sources s ON s.id = p.source_id WHERE p.contact_id = :id ORDER BY p.id
    """
)
EVENTS = text(
    """
    SELECT e.id, s.slug AS source, e.kind, e.occurred_at, e.received_at, e.content, e.enriched, e.state, e.delivery_id
    FROM events e JOIN sources s ON s.id = e.source_id
    WHERE e.id IN (SELECT event_id FROM contact_patches WHERE contact_id = :id)
      AND NOT EXISTS (SELECT FROM contact_patches o WHERE o.event_id = e.id AND o.contact_id <> :id)
    ORDER BY e.id
    """
)
# A request that also speaks of others is theirs too and is left out; its events are in the export.
DELIVERIES = text(
    """
    SELECT d.id, s.slug AS source, d.received_at, d.method, d.content_type, d.headers, d.query, d.body
    FROM deliveries d JOIN sources s ON s.id = d.source_id
    WHERE d.id IN (SELECT e.delivery_id FROM events e JOIN contact_patches p ON p.event_id = e.id WHERE p.contact_id = :id)
      AND NOT EXISTS (SELECT FROM events e JOIN contact_patches p ON p.event_id = e.id
                      WHERE e.delivery_id = d.id AND p.contact_id <> :id)
    ORDER BY d.id
    """
)
MEMBERSHIPS = text(
    """
    SELECT a.slug AS audience, m.email_address, m.status, m.merge_fields, m.tags, m.sync_state, m.error, m.pushed_at,
           m.last_changed
    FROM members m JOIN audiences a ON a.id = m.audience_id WHERE m.contact_id = :id ORDER BY a.slug
    """
)
TABLES = {"patches": PATCHES, "events": EVENTS, "deliveries": DELIVERIES, "memberships": MEMBERSHIPS}


def export_contact(session: Session, contact_id: int) -> dict[str, Any]:
    """A JSON-able dict of everything, its times as ISO 8601 text and raw bodies as text where they are UTF-8."""
    view = get_contact_view(session, contact_id, timeline_limit=EVERYTHING)
    found = {**asdict(view)}
    for name, statement in TABLES.items():
        found[name] = [dict(row) for row in session.execute(statement, {"id": view.id}).mappings()]
    exported: dict[str, Any] = plain(found)
    return exported


def list_memberships(session: Session, contact_id: int) -> list[dict[str, Any]]:
    """The audiences of a contact as the mirror has them."""
    return [plain(dict(row)) for row in session.execute(MEMBERSHIPS, {"id": contact_id}).mappings()]


def plain(value: Any) -> Any:
    """The same as JSON knows it."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (bytes, memoryview)):
        return _body(bytes(value))
    return value.isoformat() if hasattr(value, "isoformat") else value


def _body(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "hex:" + body.hex()
