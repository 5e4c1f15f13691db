"""An erased person's refusal still counts for whoever else uses the address: nothing else of them is kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.arrivals import Resolved
from app.contacts.ledger import EvidenceRow
from app.contacts.patches import evidence_of
from app.contacts.resolve import read_identities

ACTOR = "erasure"
HOLDERS = text(
    """
    SELECT i.match_value, min(i.contact_id) FROM identities i JOIN contacts c ON c.id = i.contact_id AND c.state = 'active'
    WHERE i.kind IN ('email', 'phone') AND i.scope = ''
      AND i.match_value IN (SELECT jsonb_array_elements_text(CAST(:addresses AS jsonb)))
    GROUP BY i.match_value
    """
)
# A list's row is met anew by every run: what was heeded once is not said again.
HEEDED = text(
    """
    SELECT address, channel, purpose, method FROM consent_evidence
    WHERE actor = :actor AND verdict = 'withdrawn' AND address IN (SELECT jsonb_array_elements_text(CAST(:addresses AS jsonb)))
    """
)


def heed_suppressed(session: Session, resolved: Iterable[Resolved]) -> list[EvidenceRow]:
    """The withdrawals that suppressed arrivals state about addresses of living contacts, as lines of the eldest of those."""
    stated = [line for one in resolved if one.suppressed for line in _refusals(one)]
    if not stated:
        return []
    asked = {"addresses": json.dumps(sorted({line.address for line in stated}))}
    holders = {str(row[0]): int(row[1]) for row in session.execute(HOLDERS, asked)}
    heeded = {tuple(row) for row in session.execute(HEEDED, {**asked, "actor": ACTOR})}
    return [
        replace(line, contact_id=holders[line.address])
        for line in stated
        if line.address in holders and _key(line) not in heeded
    ]


def _refusals(one: Resolved) -> Sequence[EvidenceRow]:
    named = replace(one, contact_id=0, identities=read_identities(one.arrival))
    return [
        replace(line, wording="", source_id=None, event_id=None, actor=ACTOR)
        for line in evidence_of(named)
        if line.verdict == "withdrawn" and line.address
    ]


def _key(line: EvidenceRow) -> tuple[str, str, str, str]:
    return (line.address, line.channel, line.purpose, line.method)
