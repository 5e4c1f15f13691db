"""Write patches, identities and timeline entries of a batch, a few statements for all of it."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.arrivals import Arrival, Resolved
from app.contacts.consent import CHANNEL_ADDRESS_KIND
from app.contacts.ledger import EvidenceRow
from app.contacts.normalise import match_value
from app.core.errors import InvalidError
from mappings.language.patch import ConsentEvidence

# Timeline entries and evidence of an event are numbered: 32 numbers for each of its patches. Number 0 is the event
# line, the others are its consents; those that a replay adds follow.
SLOT_COUNT = 32

MAKE = text(
    """
    INSERT INTO contacts (id, created_at, updated_at)
    SELECT id, now(), now() FROM unnest(CAST(:ids AS bigint[])) id
    """
)
REPLAYED = text(
    """
    SELECT event_id, ordinal, contact_id, identities FROM contact_patches WHERE event_id = ANY(CAST(:event_ids AS bigint[]))
    """
)
KEEP = text(
    """
    INSERT INTO contact_patches (contact_id, event_id, ordinal, source_id, mapping_version_id, trust, occurred_at,
                                 received_at, fields, identities, tags_added, tags_removed)
    SELECT contact_id, event_id, ordinal, source_id, mapping_version_id, trust, occurred_at,
           received_at, fields, identities, tags_added, tags_removed
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (contact_id bigint, event_id bigint, ordinal smallint, source_id bigint, mapping_version_id bigint,
               trust integer, occurred_at timestamptz, received_at timestamptz, fields jsonb, identities jsonb,
               tags_added text[], tags_removed text[])
    ON CONFLICT (event_id, ordinal) DO UPDATE
    SET contact_id = excluded.contact_id, source_id = excluded.source_id, trust = excluded.trust,
        mapping_version_id = excluded.mapping_version_id, occurred_at = excluded.occurred_at,
        received_at = excluded.received_at, fields = excluded.fields, identities = excluded.identities,
        tags_added = excluded.tags_added, tags_removed = excluded.tags_removed
    """
)
IDENTIFY = text(
    """
    INSERT INTO identities (kind, scope, match_value, given_value, is_matching, contact_id, source_id, event_id)
    SELECT kind, scope, match_value, given_value, is_matching, contact_id, source_id, event_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (kind text, scope text, match_value text, given_value text, is_matching boolean, contact_id bigint,
               source_id bigint, event_id bigint)
    ON CONFLICT (kind, scope, match_value, contact_id) DO NOTHING
    RETURNING contact_id
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
    RETURNING i.contact_id
    """
)
TELL = text(
    """
    INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail, source_id, event_id, ordinal)
    SELECT contact_id, occurred_at, kind, summary, detail, source_id, event_id, ordinal
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (contact_id bigint, occurred_at timestamptz, kind text, summary text, detail jsonb, source_id bigint,
               event_id bigint, ordinal smallint)
    ON CONFLICT (event_id, ordinal) DO UPDATE
    SET contact_id = excluded.contact_id, occurred_at = excluded.occurred_at, summary = excluded.summary,
        detail = excluded.detail
    """
)

VERDICT_WORDS = {"given": "Consent given", "withdrawn": "Opted out"}


@dataclass(frozen=True, slots=True)
class Replayed:
    """A patch that was kept before and is now replaced."""

    contact_id: int
    identities: tuple[tuple[str, str, str], ...]


def make_contacts(session: Session, contact_ids: Collection[int]) -> None:
    """Insert empty contacts under these ids."""
    if contact_ids:
        session.execute(MAKE, {"ids": sorted(contact_ids)})


def find_replayed(session: Session, found: Sequence[Resolved]) -> dict[tuple[int, int], Replayed]:
    """The patches that this batch replaces: (event id, ordinal) -> what is there now."""
    event_ids = [one.arrival.event_id for one in found if one.arrival.event_id is not None]
    if not event_ids:
        return {}
    wanted = {(one.arrival.event_id, one.arrival.ordinal) for one in found}
    return {
        (event_id, ordinal): Replayed(contact_id, tuple((k, s, v) for k, s, v in identities))
        for event_id, ordinal, contact_id, identities in session.execute(REPLAYED, {"event_ids": event_ids})
        if (event_id, ordinal) in wanted
    }


def keep_patches(session: Session, found: Sequence[Resolved]) -> None:
    """Insert the patches, or replace those of the same event and ordinal."""
    session.execute(KEEP, {"rows": json.dumps([_patch_row(one) for one in found])})


def _patch_row(one: Resolved) -> dict[str, Any]:
    arrival, patch = one.arrival, one.arrival.patch
    return {
        "contact_id": one.contact_id,
        "event_id": arrival.event_id,
        "ordinal": arrival.ordinal,
        "source_id": arrival.source_id,
        "mapping_version_id": arrival.mapping_version_id,
        "trust": arrival.trust,
        "occurred_at": arrival.happened_at.isoformat(),
        "received_at": arrival.received_at.isoformat(),
        "fields": dict(patch.fields),
        "identities": [identity.key for identity in one.identities],
        "tags_added": patch.tags_added,
        "tags_removed": patch.tags_removed,
    }


def keep_identities(session: Session, found: Sequence[Resolved]) -> set[int]:
    """Insert the identities that are new to their contact; the contacts that got one."""
    rows = [
        {
            "kind": identity.key.kind,
            "scope": identity.key.scope,
            "match_value": identity.key.value,
            "given_value": identity.given_value,
            "is_matching": identity.is_matching,
            "contact_id": one.contact_id,
            "source_id": one.arrival.source_id,
            "event_id": one.arrival.event_id,
        }
        for one in found
        for identity in one.identities
    ]
    return set(session.scalars(IDENTIFY, {"rows": json.dumps(rows)})) if rows else set()


def forget_identities(
    session: Session, found: Sequence[Resolved], replayed: dict[tuple[int, int], Replayed]
) -> set[int]:
    """Remove what replaced patches no longer say and no other patch does; the contacts that lost one."""
    rows = []
    for one in found:
        before = replayed.get((one.arrival.event_id or 0, one.arrival.ordinal))
        if before is None:
            continue
        said = (
            {tuple(identity.key) for identity in one.identities}
            if before.contact_id == one.contact_id
            else set()
        )
        for kind, scope, value in set(before.identities) - said:
            rows.append({"contact_id": before.contact_id, "kind": kind, "scope": scope, "match_value": value})
    return set(session.scalars(FORGET, {"rows": json.dumps(rows)})) if rows else set()


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
    assert one.contact_id is not None
    return EvidenceRow(
        one.contact_id, evidence.channel, evidence.purpose, address, evidence.verdict, evidence.proof,
        evidence.wording, evidence.method, evidence.occurred_at or arrival.happened_at, arrival.received_at,
        arrival.source_id, arrival.event_id, ordinal, arrival.actor,
    )  # fmt: skip


def tell(session: Session, found: Sequence[Resolved]) -> None:
    """Write a line for each arrival and one for each consent it states."""
    rows = [row for one in found for row in _timeline_rows(one)]
    session.execute(TELL, {"rows": json.dumps(rows)})


def _timeline_rows(one: Resolved) -> Iterable[dict[str, Any]]:
    arrival, patch = one.arrival, one.arrival.patch
    detail = {"fields": sorted(patch.fields), "ordinal": arrival.ordinal, **_tags_detail(arrival)}
    yield _line(one, 0, arrival.kind, arrival.summary or patch.summary or "Arrived", detail)
    for number, evidence in enumerate(patch.consents[: SLOT_COUNT - 1], start=1):
        words = VERDICT_WORDS[evidence.verdict]
        purpose = "everything" if evidence.purpose == "*" else evidence.purpose
        consent = {"channel": evidence.channel, "purpose": evidence.purpose, "method": evidence.method}
        summary = f"{words}: {evidence.channel}, {purpose} ({evidence.proof})"
        yield _line(one, number, "consent", summary, {**consent, "proof": evidence.proof})


def _tags_detail(arrival: Arrival) -> dict[str, Any]:
    added, removed = arrival.patch.tags_added, arrival.patch.tags_removed
    return {name: list(tags) for name, tags in (("tags_added", added), ("tags_removed", removed)) if tags}


def _line(one: Resolved, number: int, kind: str, summary: str, detail: dict[str, Any]) -> dict[str, Any]:
    arrival = one.arrival
    return {
        "contact_id": one.contact_id,
        "occurred_at": arrival.happened_at.isoformat(),
        "kind": kind,
        "summary": summary,
        "detail": detail,
        "source_id": arrival.source_id,
        "event_id": arrival.event_id,
        "ordinal": arrival.ordinal * SLOT_COUNT + number,
    }
