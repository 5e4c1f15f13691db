"""Contacts in hand: locked, loaded with their patches and identities, derived again, written where they differ."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.bulk import array_text, copy_rows
from app.contacts.normalise import ADDRESS_KINDS, match_value
from app.contacts.protect import Key
from app.contacts.survivorship import Dictionary, StatedPatch, derive

LOCK = text(
    """
    SELECT id, state, fields, provenance, tags FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id
    FOR NO KEY UPDATE
    """
)
READ = text("SELECT id, state, fields, provenance, tags FROM contacts WHERE id = ANY(CAST(:ids AS bigint[]))")
PATCHES = text(
    """
    SELECT contact_id, id, event_id, ordinal, source_id, trust, occurred_at, received_at, fields, tags_added, tags_removed
    FROM contact_patches WHERE contact_id = ANY(CAST(:ids AS bigint[]))
    """
)
IDENTITIES = text(
    "SELECT contact_id, kind, scope, match_value FROM identities WHERE contact_id = ANY(CAST(:ids AS bigint[]))"
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


@dataclass(slots=True, eq=False)
class Draft:
    """A contact being worked on. `state` "new" = it has no row yet."""

    id: int
    state: str
    fields: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    patches: list[StatedPatch] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)

    @property
    def is_new(self) -> bool:
        return self.state == "new"

    @property
    def is_living(self) -> bool:
        return self.state in ("new", "active")

    @property
    def addresses(self) -> list[str]:
        """The match values by which the consent ledger may speak of it."""
        return [key.value for key in self.keys if key.kind in ADDRESS_KINDS]

    def address(self, kind: str) -> str:
        """The match value of the address that would be written to; "" when there is none."""
        value = self.fields.get(kind)
        return match_value(kind, value).value if isinstance(value, str) and value else ""


def lock_drafts(session: Session, contact_ids: Iterable[int]) -> dict[int, Draft]:
    """Hold these contacts until the transaction ends, and load them. Everybody locks in the order of the ids."""
    ids = {"ids": sorted(set(contact_ids))}
    if not ids["ids"]:
        return {}
    drafts = {row.id: Draft(*row) for row in session.execute(LOCK, ids).all()}
    for contact_id, *columns in session.execute(PATCHES, ids).all():
        drafts[contact_id].patches.append(StatedPatch(*columns))
    for contact_id, *columns in session.execute(IDENTITIES, ids).all():
        drafts[contact_id].keys.add(Key(*columns))
    return drafts


def read_drafts(session: Session, contact_ids: Collection[int]) -> dict[int, Draft]:
    """These contacts with their identities, without holding them and without their patches."""
    ids = {"ids": sorted(contact_ids)}
    drafts = {row.id: Draft(*row) for row in session.execute(READ, ids).all()}
    for contact_id, *columns in session.execute(IDENTITIES, ids).all():
        drafts[contact_id].keys.add(Key(*columns))
    return drafts


def derive_drafts(session: Session, drafts: Collection[Draft], dictionary: Dictionary) -> set[int]:
    """Derive and write what came out different; the ids whose fields or tags changed, new contacts included."""
    changed: list[dict[str, Any]] = []
    for draft in drafts:
        if not draft.is_living:
            continue
        derived = derive(draft.patches, dictionary)
        is_changed = draft.is_new or (derived.fields, derived.tags) != (draft.fields, draft.tags)
        if is_changed or derived.provenance != draft.provenance:
            draft.fields, draft.provenance, draft.tags = derived.fields, derived.provenance, derived.tags
            changed.append(_row(draft, is_changed=is_changed))
    new = {draft.id for draft in drafts if draft.is_new}
    _insert([row for row in changed if row["id"] in new], session)
    known = [row for row in changed if row["id"] not in new]
    if known:
        session.execute(UPDATE, {"rows": json.dumps(known)})
    return {row["id"] for row in changed if row["is_changed"]}


def _row(draft: Draft, *, is_changed: bool) -> dict[str, Any]:
    return {
        "id": draft.id,
        "fields": draft.fields,
        "provenance": draft.provenance,
        "tags": draft.tags,
        "is_changed": is_changed,
    }


def _insert(rows: list[dict[str, Any]], session: Session) -> None:
    if rows:
        columns = ("id", "fields", "provenance", "tags")
        values = [
            (
                row["id"],
                json.dumps(row["fields"]),
                _provenance_text(row["provenance"]),
                array_text(tuple(row["tags"])),
            )
            for row in rows
        ]
        copy_rows(session, "contacts", columns, values)


@lru_cache(maxsize=4_096)
def _quoted(name: str) -> str:
    return json.dumps(name)


def _provenance_text(provenance: Mapping[str, Any]) -> str:
    """As JSON; fields of one patch share their origin, which is therefore written out once."""
    texts: dict[int, str] = {}
    parts = []
    for name, origin in provenance.items():
        text_of_origin = texts.get(id(origin)) or texts.setdefault(id(origin), json.dumps(origin))
        parts.append(f"{_quoted(name)}: {text_of_origin}")
    return "{" + ", ".join(parts) + "}"
