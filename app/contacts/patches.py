"""Write patches, identities and timeline entries of a batch, a few statements for all of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.arrivals import Arrival, Resolved
from app.contacts.bulk import array_text, copy_rows, draw_ids
from app.contacts.consent import CHANNEL_ADDRESS_KIND, say_purpose
from app.contacts.drafts import Draft
from app.contacts.ledger import EvidenceRow
from app.contacts.normalise import match_value
from app.contacts.protect import Key
from app.contacts.survivorship import StatedPatch
from app.core.errors import InvalidError
from mappings.language.patch import ConsentEvidence

# Timeline entries and evidence of an event are numbered: 32 numbers for each of its patches. Number 0 is the event
# line, the others are its consents; those that a replay adds follow.
SLOT_COUNT = 32
NO_SLOT = (0, -1)  # of an admin's edit, which replaces nothing

REPLAYED = text(
    """
    SELECT event_id, ordinal, id, contact_id, identities FROM contact_patches
    WHERE event_id = ANY(CAST(:event_ids AS bigint[]))
    """
)
REPLACE = text(
    """
    UPDATE contact_patches p
    SET contact_id = r.contact_id, source_id = r.source_id, mapping_version_id = r.mapping_version_id, trust = r.trust,
        occurred_at = r.occurred_at, received_at = r.received_at, fields = r.fields, identities = r.identities,
        tags_added = r.tags_added, tags_removed = r.tags_removed
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (id bigint, contact_id bigint, source_id bigint, mapping_version_id bigint, trust integer,
               occurred_at timestamptz, received_at timestamptz, fields jsonb, identities jsonb, tags_added text[],
               tags_removed text[])
    WHERE p.id = r.id
    """
)
FORGET = text(
    """
    DELETE FROM identities i
    USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (contact_id bigint, kind text, scope text, match_value text)
    WHERE (i.kind, i.scope, i.match_value, i.contact_id) = (r.kind, r.scope, r.match_value, r.contact_id)
      AND NOT EXISTS (
          SELECT FROM contact_patches p
          WHERE p.contact_id = i.contact_id
            AND p.identities @> jsonb_build_array(jsonb_build_array(i.kind, i.scope, i.match_value)))
    RETURNING i.contact_id, i.kind, i.scope, i.match_value
    """
)
UNTELL = text(
    """
    DELETE FROM timeline_entries t
    USING unnest(CAST(:event_ids AS bigint[]), CAST(:ordinals AS integer[])) AS r (event_id, ordinal)
    WHERE t.event_id = r.event_id AND t.ordinal / :slot_count = r.ordinal
    """
)
PATCH_COLUMNS = (
    "id", "contact_id", "event_id", "ordinal", "source_id", "mapping_version_id", "trust", "occurred_at",
    "received_at", "fields", "identities", "tags_added", "tags_removed",
)  # fmt: skip
IDENTITY_COLUMNS = (
    "kind", "scope", "match_value", "given_value", "is_matching", "contact_id", "source_id", "event_id",
)  # fmt: skip
TIMELINE_COLUMNS = (
    "contact_id", "occurred_at", "kind", "summary", "detail", "source_id", "event_id", "ordinal",
)  # fmt: skip

VERDICT_WORDS = {"given": "Consent given", "withdrawn": "Opted out"}


Slot = tuple[int, int]  # event id and ordinal: what names a patch for good


@dataclass(frozen=True, slots=True)
class Replayed:
    """A patch that was kept before and is now replaced."""

    patch_id: int
    contact_id: int
    keys: tuple[Key, ...]


def slot_of(arrival: Arrival) -> Slot | None:
    """None for an admin's edit, which nothing replaces."""
    return None if arrival.event_id is None else (arrival.event_id, arrival.ordinal)


def find_replayed(session: Session, found: Sequence[Resolved]) -> dict[Slot, Replayed]:
    """The patches that this batch replaces."""
    wanted = {slot for one in found if not one.arrival.is_first and (slot := slot_of(one.arrival))}
    if not wanted:
        return {}
    rows = session.execute(REPLAYED, {"event_ids": sorted({event_id for event_id, _ in wanted})})
    return {
        (event_id, ordinal): Replayed(patch_id, contact_id, tuple(Key(*key) for key in identities))
        for event_id, ordinal, patch_id, contact_id, identities in rows
        if (event_id, ordinal) in wanted
    }


def place_patches(
    session: Session,
    found: Sequence[Resolved],
    drafts: Mapping[int, Draft],
    replayed: Mapping[Slot, Replayed],
) -> list[StatedPatch]:
    """Put each arrival's patch into its draft, in the place of what the same event said before; in their order."""
    for before in replayed.values():
        draft = drafts[before.contact_id]
        draft.patches = [patch for patch in draft.patches if patch.id != before.patch_id]
    fresh = iter(draw_ids(session, "contact_patches", len(found) - len(replayed)))
    placed = []
    for one in found:
        earlier = replayed.get(slot_of(one.arrival) or NO_SLOT)
        patch = _stated(one.arrival, earlier.patch_id if earlier else next(fresh))
        drafts[contact_of(one)].patches.append(patch)
        placed.append(patch)
    return placed


def _stated(arrival: Arrival, patch_id: int) -> StatedPatch:
    patch = arrival.patch
    return StatedPatch(
        patch_id, arrival.event_id, arrival.ordinal, arrival.source_id, arrival.trust, arrival.happened_at,
        arrival.received_at, patch.fields, patch.tags_added, patch.tags_removed,
    )  # fmt: skip


def keep_patches(
    session: Session,
    found: Sequence[Resolved],
    placed: Sequence[StatedPatch],
    replayed: Mapping[Slot, Replayed],
) -> None:
    """Insert the patches, or replace those of the same event and ordinal."""
    rows = [_patch_row(one, patch) for one, patch in zip(found, placed, strict=True)]
    again = {before.patch_id for before in replayed.values()}
    copy_rows(session, "contact_patches", PATCH_COLUMNS, (row for row in rows if row[0] not in again))
    if again:
        replaced = [dict(zip(PATCH_COLUMNS, row, strict=True)) for row in rows if row[0] in again]
        for row in replaced:
            row |= {name: json.loads(row[name]) for name in ("fields", "identities")}
        session.execute(REPLACE, {"rows": json.dumps(replaced, default=datetime.isoformat)})


def _patch_row(one: Resolved, patch: StatedPatch) -> tuple[Any, ...]:
    return (
        patch.id, one.contact_id, patch.event_id, patch.ordinal, patch.source_id, one.arrival.mapping_version_id,
        patch.trust, patch.occurred_at, patch.received_at, json.dumps(dict(patch.fields)),
        json.dumps([identity.key for identity in one.identities]), array_text(tuple(patch.tags_added)),
        array_text(tuple(patch.tags_removed)),
    )  # fmt: skip


def keep_identities(session: Session, found: Sequence[Resolved], drafts: Mapping[int, Draft]) -> set[int]:
    """Insert the identities that are new to their contact; the contacts that got one."""
    rows = []
    for one in found:
        draft = drafts[contact_of(one)]
        for identity in one.identities:
            if identity.key not in draft.keys:
                draft.keys.add(identity.key)
                source_id, event_id = one.arrival.source_id, one.arrival.event_id
                rows.append(
                    (*identity.key, identity.given_value, identity.is_matching, draft.id, source_id, event_id)
                )
    copy_rows(session, "identities", IDENTITY_COLUMNS, rows)
    return {row[5] for row in rows}


def forget_identities(
    session: Session,
    found: Sequence[Resolved],
    drafts: Mapping[int, Draft],
    replayed: Mapping[Slot, Replayed],
) -> set[int]:
    """Remove what replaced patches no longer say and no other patch does; the contacts that lost one."""
    rows = []
    for one in found:
        before = replayed.get(slot_of(one.arrival) or NO_SLOT)
        if before is None:
            continue
        said = {identity.key for identity in one.identities} if before.contact_id == one.contact_id else set()
        for kind, scope, value in set(before.keys) - said:
            rows.append({"contact_id": before.contact_id, "kind": kind, "scope": scope, "match_value": value})
    if not rows:
        return set()
    gone = session.execute(FORGET, {"rows": json.dumps(rows)}).all()
    for contact_id, *key in gone:
        drafts[contact_id].keys.discard(Key(*key))
    return {contact_id for contact_id, *_ in gone}


def evidence_of(one: Resolved) -> list[EvidenceRow]:
    """The ledger lines of an arrival: one for each address that a statement is about."""
    arrival = one.arrival
    stated = [
        (evidence, address) for evidence in arrival.patch.consents for address in _addresses(evidence, one)
    ]
    if len(stated) >= SLOT_COUNT or arrival.ordinal >= (1 << 15) // SLOT_COUNT:
        raise InvalidError(
            f"Event {arrival.event_id} holds too many patches or consent statements.",
            f"A mapping may make {(1 << 15) // SLOT_COUNT} patches with {SLOT_COUNT - 1} statements each.",
        )
    return [
        _evidence_row(one, evidence, address, arrival.ordinal * SLOT_COUNT + number)
        for number, (evidence, address) in enumerate(stated, start=1)
    ]


def _addresses(evidence: ConsentEvidence, one: Resolved) -> list[str]:
    """The match values a statement is about; "" where it is about the person as such."""
    kind = CHANNEL_ADDRESS_KIND.get(evidence.channel, "")
    if evidence.address and kind:
        matched = match_value(kind, evidence.address)
        return [matched.value if matched.is_stored else ""]
    return [identity.key.value for identity in one.identities if identity.key.kind == kind] or [""]


def _evidence_row(one: Resolved, evidence: ConsentEvidence, address: str, ordinal: int) -> EvidenceRow:
    arrival = one.arrival
    return EvidenceRow(
        contact_of(one), evidence.channel, evidence.purpose, address, evidence.verdict, evidence.proof,
        evidence.wording, evidence.method, evidence.occurred_at or arrival.happened_at, arrival.received_at,
        arrival.source_id, arrival.event_id, ordinal, arrival.actor,
    )  # fmt: skip


def tell(session: Session, found: Sequence[Resolved], replayed: Mapping[Slot, Replayed]) -> None:
    """Write a line for each arrival and one for each consent it states, in the place of earlier ones."""
    if replayed:
        slots = list(replayed)
        numbers = {"event_ids": [slot[0] for slot in slots], "ordinals": [slot[1] for slot in slots]}
        session.execute(UNTELL, {**numbers, "slot_count": SLOT_COUNT})
    copy_rows(
        session, "timeline_entries", TIMELINE_COLUMNS, (row for one in found for row in _timeline_rows(one))
    )


def _timeline_rows(one: Resolved) -> Iterator[tuple[Any, ...]]:
    arrival, patch = one.arrival, one.arrival.patch
    detail = _event_detail(tuple(patch.fields), tuple(patch.tags_added), tuple(patch.tags_removed))
    yield _line(one, 0, arrival.kind, arrival.summary or patch.summary or "Arrived", detail)
    for number, evidence in enumerate(patch.consents[: SLOT_COUNT - 1], start=1):
        consent = (evidence.channel, evidence.purpose, evidence.verdict, evidence.proof, evidence.method)
        yield _line(one, number, "consent", *_consent_words(*consent))


@lru_cache(maxsize=4_096)
def _event_detail(names: tuple[str, ...], tags_added: tuple[str, ...], tags_removed: tuple[str, ...]) -> str:
    changes = (("tags_added", tags_added), ("tags_removed", tags_removed))
    return json.dumps({"fields": sorted(names), **{name: tags for name, tags in changes if tags}})


@lru_cache(maxsize=4_096)
def _consent_words(channel: str, purpose: str, verdict: str, proof: str, method: str) -> tuple[str, str]:
    detail = {"channel": channel, "purpose": purpose, "method": method, "proof": proof}
    return f"{VERDICT_WORDS[verdict]}: {channel}, {say_purpose(purpose)} ({proof})", json.dumps(detail)


def _line(one: Resolved, number: int, kind: str, summary: str, detail: str) -> tuple[Any, ...]:
    arrival = one.arrival
    ordinal = arrival.ordinal * SLOT_COUNT + number
    return (
        one.contact_id, arrival.happened_at, kind, summary, detail, arrival.source_id, arrival.event_id, ordinal,
    )  # fmt: skip


def contact_of(one: Resolved) -> int:
    """The contact of an arrival that has one; `record` leaves out the others."""
    assert one.contact_id is not None
    return one.contact_id
