"""Derive contacts from their kept patches, and write what came out different."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.survivorship import Derived, Dictionary, StatedPatch, derive

LOCK = text(
    """
    SELECT id, state FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id
    FOR NO KEY UPDATE
    """
)
CONTACTS = text(
    "SELECT id, fields, provenance, tags FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'active'"
)
PATCHES = text(
    """
    SELECT contact_id, id, event_id, ordinal, source_id, trust, occurred_at, received_at, fields, tags_added, tags_removed
    FROM contact_patches WHERE contact_id = ANY(CAST(:ids AS bigint[]))
    """
)
UPDATE = text(
    """
    UPDATE contacts c SET fields = r.fields, provenance = r.provenance, tags = r.tags,
           updated_at = CASE WHEN r.is_changed THEN now() ELSE c.updated_at END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (id bigint, fields jsonb, provenance jsonb, tags text[], is_changed boolean)
    WHERE c.id = r.id
    """
)


def lock_contacts(session: Session, contact_ids: Iterable[int]) -> dict[int, str]:
    """Hold these contacts until the transaction ends; id -> state. Everybody locks in the order of the ids."""
    rows = session.execute(LOCK, {"ids": sorted(set(contact_ids))})
    return {row.id: row.state for row in rows}


def rederive(session: Session, contact_ids: Collection[int], dictionary: Dictionary) -> set[int]:
    """Derive the active ones among these locked contacts again; the ids whose fields or tags changed."""
    ids = {"ids": sorted(contact_ids)}
    patches = _patches(session, ids)
    rows = []
    for contact_id, fields, provenance, tags in session.execute(CONTACTS, ids):
        derived = derive(patches.get(contact_id, ()), dictionary)
        if (derived.fields, derived.tags, derived.provenance) != (fields, tags, provenance):
            rows.append(
                _row(contact_id, derived, is_changed=(derived.fields, derived.tags) != (fields, tags))
            )
    if rows:
        session.execute(UPDATE, {"rows": json.dumps(rows)})
    return {row["id"] for row in rows if row["is_changed"]}


def _patches(session: Session, ids: dict[str, list[int]]) -> dict[int, list[StatedPatch]]:
    patches: defaultdict[int, list[StatedPatch]] = defaultdict(list)
    for contact_id, *columns in session.execute(PATCHES, ids):
        patches[contact_id].append(StatedPatch(*columns))
    return patches


def _row(contact_id: int, derived: Derived, *, is_changed: bool) -> dict[str, Any]:
    return {
        "id": contact_id,
        "fields": derived.fields,
        "provenance": derived.provenance,
        "tags": derived.tags,
        "is_changed": is_changed,
    }
