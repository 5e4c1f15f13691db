"""What else changes when an event is mapped again: its evidence, and a contact that it alone had made."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.ledger import EvidenceRow
from app.contacts.patches import SLOT_COUNT

EARLIER_EVIDENCE = text(
    """
    SELECT event_id, ordinal, channel, purpose, address, verdict, proof FROM consent_evidence
    WHERE event_id = ANY(CAST(:event_ids AS bigint[]))
    """
)
MOVE_EVIDENCE = text(
    """
    UPDATE consent_evidence e SET contact_id = r.contact_id
    FROM unnest(CAST(:event_ids AS bigint[]), CAST(:ordinals AS integer[]), CAST(:contact_ids AS bigint[]))
         AS r (event_id, ordinal, contact_id)
    WHERE e.event_id = r.event_id AND e.ordinal / :slot_count = r.ordinal AND e.contact_id <> r.contact_id
    """
)
EMPTIED = text(
    """
    UPDATE contacts c SET state = 'merged', merged_into_id = r.contact_id, updated_at = now()
    FROM unnest(CAST(:emptied_ids AS bigint[]), CAST(:contact_ids AS bigint[])) AS r (emptied_id, contact_id)
    WHERE c.id = r.emptied_id AND c.state = 'active'
      AND NOT EXISTS (SELECT FROM contact_patches p WHERE p.contact_id = c.id)
      AND NOT EXISTS (SELECT FROM consent_evidence e WHERE e.contact_id = c.id)
    RETURNING c.id
    """
)
NO_CONSENTS = text("DELETE FROM consents WHERE contact_id = ANY(CAST(:ids AS bigint[]))")


def fit_into_ledger(
    session: Session, lines: Sequence[EvidenceRow], moved: Mapping[tuple[int, int], int]
) -> list[EvidenceRow]:
    """The lines that the ledger lacks, under free numbers. `moved`: replayed (event id, ordinal) -> contact id.

    The ledger is append-only: a statement made by an earlier mapping stays, and follows the event's patch to its
    contact.
    """
    if not moved:
        return list(lines)
    event_ids = sorted({event_id for event_id, _ in moved})
    session.execute(
        MOVE_EVIDENCE,
        {
            "event_ids": [event_id for event_id, _ in moved],
            "ordinals": [ordinal for _, ordinal in moved],
            "contact_ids": list(moved.values()),
            "slot_count": SLOT_COUNT,
        },
    )
    said: defaultdict[tuple[int | None, int], set[tuple[str, ...]]] = defaultdict(set)
    last: dict[tuple[int | None, int], int] = {}
    for event_id, ordinal, *statement in session.execute(EARLIER_EVIDENCE, {"event_ids": event_ids}):
        patch = (event_id, ordinal // SLOT_COUNT)
        said[patch].add(tuple(statement))
        last[patch] = max(last.get(patch, 0), ordinal)
    return list(_numbered(lines, said, last))


def _numbered(
    lines: Sequence[EvidenceRow],
    said: Mapping[tuple[int | None, int], set[tuple[str, ...]]],
    last: dict[tuple[int | None, int], int],
) -> list[EvidenceRow]:
    fitted = []
    for line in lines:
        patch = (line.event_id, line.ordinal // SLOT_COUNT)
        if patch not in last:
            fitted.append(line)
        elif line.statement not in said[patch]:
            last[patch] += 1
            fitted.append(replace(line, ordinal=last[patch]))
    return fitted


def redirect_emptied(session: Session, left: Mapping[int, int]) -> set[int]:
    """Contacts that hold nothing any more since their only event went to another one become redirects to it."""
    if not left:
        return set()
    rows = session.scalars(EMPTIED, {"emptied_ids": list(left), "contact_ids": list(left.values())})
    emptied = set(rows)
    _drop_consents(session, emptied)
    return emptied


def _drop_consents(session: Session, contact_ids: Collection[int]) -> None:
    if contact_ids:
        session.execute(NO_CONSENTS, {"ids": sorted(contact_ids)})
