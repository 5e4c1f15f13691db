"""The consent ledger: append evidence, derive what it adds up to, answer what stands."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.consent import NO_CONSENT, ConsentStatus, Evidence, decide, decide_all
from app.contacts.normalise import match_value

SHARERS = text(
    """
    SELECT DISTINCT contact_id FROM identities
    WHERE kind IN ('email', 'phone') AND scope = '' AND match_value = ANY(CAST(:addresses AS text[]))
    """
)
APPEND = text(
    """
    INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, proof, wording, method,
                                  occurred_at, received_at, source_id, event_id, ordinal, actor)
    SELECT contact_id, channel, purpose, address, verdict, proof, wording, method,
           occurred_at, received_at, source_id, event_id, ordinal, actor
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (contact_id bigint, channel text, purpose text, address text, verdict text, proof text, wording text,
               method text, occurred_at timestamptz, received_at timestamptz, source_id bigint, event_id bigint,
               ordinal smallint, actor text)
    ON CONFLICT (event_id, ordinal) DO NOTHING
    RETURNING contact_id, address, verdict
    """
)
HOLDERS = text(
    """
    SELECT c.id, c.fields ->> 'email', c.fields ->> 'phone',
           ARRAY(SELECT i.match_value FROM identities i WHERE i.contact_id = c.id AND i.kind IN ('email', 'phone'))
    FROM contacts c WHERE c.id = ANY(CAST(:ids AS bigint[])) AND c.state = 'active'
    """
)
EVIDENCE = text(
    """
    SELECT id, contact_id, channel, purpose, verdict, proof, address, occurred_at, received_at
    FROM consent_evidence WHERE contact_id = ANY(CAST(:ids AS bigint[]))
    UNION
    SELECT id, contact_id, channel, purpose, verdict, proof, address, occurred_at, received_at
    FROM consent_evidence WHERE address <> '' AND address = ANY(CAST(:addresses AS text[]))
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
WRITE = text(
    """
    INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
    SELECT contact_id, channel, purpose, status, proof, evidence_id, decided_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS r (contact_id bigint, channel text, purpose text, status text, proof text, evidence_id bigint,
               decided_at timestamptz)
    ON CONFLICT (contact_id, channel, purpose) DO UPDATE
    SET status = excluded.status, proof = excluded.proof, evidence_id = excluded.evidence_id,
        decided_at = excluded.decided_at
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


@dataclass(frozen=True, slots=True)
class Appended:
    """The lines that were new: whose, and about which address."""

    contact_id: int
    address: str
    verdict: str


@dataclass(frozen=True, slots=True)
class _Holder:
    """A contact with the addresses that bind it."""

    contact_id: int
    addresses: frozenset[str]  # match values, all
    current: dict[str, str]  # kind -> the match value that would be written to


def sharing_contact_ids(session: Session, addresses: Collection[str]) -> set[int]:
    """Every contact that has one of these addresses (match values)."""
    if not addresses:
        return set()
    return set(session.scalars(SHARERS, {"addresses": sorted(addresses)}))


def append_evidence(session: Session, lines: Sequence[EvidenceRow]) -> list[Appended]:
    """Add lines to the ledger; one that is there already (event, ordinal) is skipped. The lines that were new."""
    if not lines:
        return []
    rows = [{name: _plain(getattr(line, name)) for name in EvidenceRow.__slots__} for line in lines]
    return [Appended(*row) for row in session.execute(APPEND, {"rows": json.dumps(rows)})]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def derive_consents(session: Session, contact_ids: Collection[int]) -> set[int]:
    """Decide the consents of these locked contacts again; the ids for which something came out different."""
    if not contact_ids:
        return set()
    holders = _holders(session, contact_ids)
    evidence = _evidence(session, holders)
    wanted = {
        (holder.contact_id, *pair): _consent_row(holder.contact_id, pair, status)
        for holder in holders
        for pair, status in decide_all(evidence[holder.contact_id], holder.current).items()
    }
    present = {tuple(row[:3]): tuple(row) for row in session.execute(CURRENT, {"ids": sorted(contact_ids)})}
    removed = [key for key in present if key not in wanted]
    written = [row for key, row in wanted.items() if present.get(key) != row]
    if removed:
        _run(session, REMOVE, ("contact_id", "channel", "purpose"), removed)
    if written:
        names = ("contact_id", "channel", "purpose", "status", "proof", "evidence_id", "decided_at")
        _run(session, WRITE, names, sorted(written, key=lambda row: row[:3]))
    return {row[0] for row in (*removed, *written)}


def consent_statuses(
    session: Session, contact_ids: Collection[int], channel: str, purpose: str
) -> dict[int, ConsentStatus]:
    """What stands for each contact, decided from the ledger itself; for the moment before something is sent."""
    holders = _holders(session, contact_ids)
    evidence = _evidence(session, holders)
    kind = "email" if channel == "email" else "phone"
    decided = {
        holder.contact_id: decide(evidence[holder.contact_id], channel, purpose, holder.current.get(kind, ""))
        for holder in holders
    }
    return {contact_id: decided.get(contact_id, NO_CONSENT) for contact_id in contact_ids}


def _holders(session: Session, contact_ids: Collection[int]) -> list[_Holder]:
    rows = session.execute(HOLDERS, {"ids": sorted(contact_ids)})
    return [
        _Holder(
            contact_id,
            frozenset(addresses),
            {
                kind: match_value(kind, value).value
                for kind, value in (("email", email), ("phone", phone))
                if value
            },
        )
        for contact_id, email, phone, addresses in rows
    ]


def _evidence(session: Session, holders: Sequence[_Holder]) -> Mapping[int, list[Evidence]]:
    """Contact id -> its own lines, and those of others about one of its addresses."""
    sharers: defaultdict[str, list[int]] = defaultdict(list)
    for holder in holders:
        for address in holder.addresses:
            sharers[address].append(holder.contact_id)
    asked = {"ids": [holder.contact_id for holder in holders], "addresses": list(sharers)}
    lines: defaultdict[int, list[Evidence]] = defaultdict(list)
    for row in session.execute(EVIDENCE, asked):
        number, owner, channel, purpose, verdict, proof, address, occurred_at, received_at = row
        for contact_id in {owner, *sharers.get(address, ())}:
            lines[contact_id].append(
                Evidence(
                    number,
                    channel,
                    purpose,
                    verdict,
                    proof,
                    occurred_at,
                    received_at,
                    address,
                    contact_id == owner,
                )
            )
    return lines


def _consent_row(contact_id: int, pair: tuple[str, str], status: ConsentStatus) -> tuple[Any, ...]:
    assert status.evidence is not None  # decide_all leaves out those without
    return (contact_id, *pair, status.status, status.proof, status.evidence.id, status.evidence.effective_at)


def _run(session: Session, statement: Any, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    dicts = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
    session.execute(statement, {"rows": json.dumps(dicts)})
