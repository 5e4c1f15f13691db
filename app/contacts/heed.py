"""An erased person's refusal still counts for the address, whoever uses it or comes to: nothing else of them is kept."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

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
SUPPRESS = text(
    """
    INSERT INTO suppressions (kind, value_hash, reason)
    SELECT kind, value_hash, 'refused by somebody erased'
    FROM unnest(CAST(:kinds AS text[]), CAST(:hashes AS bytea[])) AS r (kind, value_hash)
    ON CONFLICT DO NOTHING
    """
)
# A list's row is met anew by every run: what was heeded once is not said again, unless the owner of the address confirmed
# consent since, at `lifted_at`, and it was stated after that.
HEEDED = text(
    """
    SELECT h.address, h.channel, h.purpose, h.method,
           (SELECT min(least(g.occurred_at, g.received_at)) FROM consent_evidence g
            WHERE g.address = h.address AND g.channel = h.channel AND g.verdict = 'given' AND g.proof = 'confirmed'
              AND least(g.occurred_at, g.received_at) > h.heeded_at) AS lifted_at
    FROM (SELECT address, channel, purpose, method, max(least(occurred_at, received_at)) AS heeded_at
          FROM consent_evidence
          WHERE actor = :actor AND verdict = 'withdrawn'
            AND address IN (SELECT jsonb_array_elements_text(CAST(:addresses AS jsonb)))
          GROUP BY address, channel, purpose, method) AS h
    """
)


def heed_suppressed(session: Session, resolved: Iterable[Resolved]) -> list[EvidenceRow]:
    """The withdrawals that suppressed arrivals state about addresses of living contacts, as lines of the eldest of those.

    An address that nobody has is suppressed itself: it is one more of the person's, and they said no.
    """
    resolved = [one for one in resolved if one.suppressed]
    stated = [line for one in resolved for line in _refusals(one)]
    if not stated:
        return []
    asked = {"addresses": json.dumps(sorted({line.address for line in stated}))}
    holders = {str(row[0]): int(row[1]) for row in session.execute(HOLDERS, asked)}
    unheld = {line.address for line in stated} - set(holders)
    hashes = {key: value for one in resolved for key, value in one.hashes.items() if key.value in unheld}
    if hashes:
        kinds, values = [key.kind for key in hashes], list(hashes.values())
        session.execute(SUPPRESS, {"kinds": kinds, "hashes": values})
    heeded = {tuple(row[:4]): row.lifted_at for row in session.execute(HEEDED, {**asked, "actor": ACTOR})}
    return [
        replace(line, contact_id=holders[line.address])
        for line in stated
        if line.address in holders and _is_news(line, heeded)
    ]


def _refusals(one: Resolved) -> Sequence[EvidenceRow]:
    named = replace(one, contact_id=0, identities=read_identities(one.arrival))
    return [
        replace(line, wording="", source_id=None, event_id=None, actor=ACTOR)
        for line in evidence_of(named)
        if line.verdict == "withdrawn" and line.address
    ]


def _is_news(line: EvidenceRow, heeded: Mapping[tuple[str, ...], datetime | None]) -> bool:
    key = (line.address, line.channel, line.purpose, line.method)
    lifted_at = heeded.get(key)
    if lifted_at is None:
        return key not in heeded
    return min(line.occurred_at, line.received_at) > lifted_at
