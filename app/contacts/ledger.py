"""The consent ledger: append evidence, derive what it adds up to, answer what stands."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.bulk import copy_rows
from app.contacts.consent import (
    CHANNEL_ADDRESS_KIND,
    NO_CONSENT,
    ConsentStatus,
    Evidence,
    decide,
    decide_all,
    find_refusal,
)
from app.contacts.drafts import Draft, read_drafts

SHARERS = text(
    """
    SELECT DISTINCT contact_id FROM identities
    WHERE kind IN ('email', 'phone') AND scope = ''
      AND match_value IN (SELECT jsonb_array_elements_text(CAST(:addresses AS jsonb)))
    """
)
EVIDENCE = text(
    """
    SELECT contact_id, id, channel, purpose, verdict, proof, occurred_at, received_at, address, method
    FROM consent_evidence WHERE contact_id = ANY(CAST(:ids AS bigint[]))
    UNION
    SELECT contact_id, id, channel, purpose, verdict, proof, occurred_at, received_at, address, method
    FROM consent_evidence WHERE address <> '' AND address IN (SELECT jsonb_array_elements_text(CAST(:addresses AS jsonb)))
    """
)
CURRENT = text(
    """
    SELECT contact_id, channel, purpose, status, proof, evidence_id, decided_at
    FROM consents WHERE contact_id = ANY(CAST(:ids AS bigint[]))
    """
)
REMOVE = text(
    """
    DELETE FROM consents c USING jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (contact_id bigint, channel text, purpose text)
    WHERE (c.contact_id, c.channel, c.purpose) = (r.contact_id, r.channel, r.purpose)
    """
)
REPLACE = text(
    """
    UPDATE consents c SET status = r.status, proof = r.proof, evidence_id = r.evidence_id, decided_at = r.decided_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (contact_id bigint, channel text, purpose text, status text, proof text, evidence_id bigint,
               decided_at timestamptz)
    WHERE (c.contact_id, c.channel, c.purpose) = (r.contact_id, r.channel, r.purpose)
    """
)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A line to append. `address` is a match value; `event_id` and `ordinal` name it for good."""

    contact_id: int
    channel: str
    purpose: str
    address: str
    verdict: str
    proof: str
    wording: str
    method: str
    occurred_at: datetime
    received_at: datetime
    source_id: int | None
    event_id: int | None
    ordinal: int
    actor: str

    @property
    def statement(self) -> tuple[str, ...]:
        """What it says, apart from where it came from."""
        return (self.channel, self.purpose, self.address, self.verdict, self.proof)


CONSENT_COLUMNS = ("contact_id", "channel", "purpose", "status", "proof", "evidence_id", "decided_at")


def sharing_contact_ids(session: Session, addresses: Collection[str]) -> set[int]:
    """Every contact that has one of these addresses (match values)."""
    if not addresses:
        return set()
    return set(session.scalars(SHARERS, {"addresses": json.dumps(sorted(addresses))}).all())


def append_evidence(session: Session, lines: Sequence[EvidenceRow]) -> None:
    """Add lines to the ledger."""
    if lines:
        names = tuple(field.name for field in fields(EvidenceRow))
        read = attrgetter(*names)
        copy_rows(session, "consent_evidence", names, map(read, lines))


def derive_consents(session: Session, drafts: Collection[Draft]) -> set[int]:
    """Decide the consents of these locked contacts again; the ids for which something came out different."""
    living = [draft for draft in drafts if draft.is_living]
    if not living:
        return set()
    evidence = _evidence(session, living)
    wanted = {
        (draft.id, *pair): _consent_row(draft.id, pair, status)
        for draft in living
        for pair, status in decide_all(evidence.get(draft.id, ()), draft.address).items()
    }
    known = sorted(draft.id for draft in living if not draft.is_new)
    present = (
        {tuple(row[:3]): tuple(row) for row in session.execute(CURRENT, {"ids": known}).all()}
        if known
        else {}
    )
    removed = [key for key in present if key not in wanted]
    if removed:
        session.execute(REMOVE, {"rows": _json(CONSENT_COLUMNS[:3], removed)})
    replaced = [row for key, row in wanted.items() if key in present and present[key] != row]
    if replaced:
        session.execute(REPLACE, {"rows": _json(CONSENT_COLUMNS, replaced)})
    added = [row for key, row in wanted.items() if key not in present]
    if added:
        copy_rows(session, "consents", CONSENT_COLUMNS, added)
    return {row[0] for row in (*removed, *replaced, *added)}


def consent_statuses(
    session: Session, contact_ids: Collection[int], channel: str, purpose: str
) -> dict[int, ConsentStatus]:
    """What stands for each contact, decided from the ledger itself; for the moment before something is sent."""
    drafts = read_drafts(session, contact_ids)
    evidence = _evidence(session, [draft for draft in drafts.values() if draft.is_living])
    kind = CHANNEL_ADDRESS_KIND.get(channel, "")
    decided = {
        draft.id: decide(evidence.get(draft.id, ()), channel, purpose, draft.address(kind))
        for draft in drafts.values()
        if draft.is_living
    }
    return {contact_id: decided.get(contact_id, NO_CONSENT) for contact_id in contact_ids}


def list_idle_claims(session: Session, contact_id: int) -> dict[int, Evidence]:
    """The contact's statements of consent that did not count when they were made: evidence id -> what stood against it."""
    drafts = [draft for draft in read_drafts(session, [contact_id]).values() if draft.is_living]
    lines = _evidence(session, drafts).get(contact_id, [])
    idle: dict[int, Evidence] = {}
    for line in lines:
        address = drafts[0].address(CHANNEL_ADDRESS_KIND.get(line.channel, ""))
        refusal = find_refusal(lines, line, address) if line.is_own else None
        if refusal is not None:
            idle[line.id] = refusal
    return idle


def _evidence(session: Session, drafts: Sequence[Draft]) -> Mapping[int, list[Evidence]]:
    """Contact id -> its own lines, and those of others about one of its addresses."""
    sharers: defaultdict[str, list[int]] = defaultdict(list)
    for draft in drafts:
        for address in draft.addresses:
            sharers[address].append(draft.id)
    asked = {"ids": [draft.id for draft in drafts], "addresses": json.dumps(list(sharers))}
    lines: defaultdict[int, list[Evidence]] = defaultdict(list)
    for contact_id, *columns in session.execute(EVIDENCE, asked).all():
        line = Evidence(*columns)
        lines[contact_id].append(line)
        for sharer in sharers.get(line.address, ()):
            if sharer != contact_id:
                lines[sharer].append(replace(line, is_own=False))
    return lines


def _consent_row(contact_id: int, pair: tuple[str, str], status: ConsentStatus) -> tuple[Any, ...]:
    assert status.evidence is not None  # decide_all leaves out those without
    return (contact_id, *pair, status.status, status.proof, status.evidence.id, status.evidence.effective_at)


def _json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=datetime.isoformat)
