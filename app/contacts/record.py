"""Record: keep the patches of resolved arrivals and derive their contacts, all in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from app.contacts.arrivals import Recorded, Resolved
from app.contacts.drafts import Draft, derive_drafts, lock_drafts
from app.contacts.heed import heed_suppressed
from app.contacts.ledger import EvidenceRow, append_evidence, derive_consents, sharing_contact_ids
from app.contacts.merge import doubt, merge
from app.contacts.patches import (
    NO_SLOT,
    Replayed,
    Slot,
    contact_of,
    evidence_of,
    find_replayed,
    forget_identities,
    keep_identities,
    keep_patches,
    place_patches,
    slot_of,
    tell,
)
from app.contacts.people import load_people
from app.contacts.replay import fit_into_ledger, redirect_emptied
from app.contacts.survivorship import Dictionary

NOTHING = Recorded(frozenset(), 0, 0)


@dataclass(slots=True)
class _Work:
    """One batch in hand."""

    found: list[Resolved]
    drafts: dict[int, Draft]
    replayed: dict[Slot, Replayed]
    lines: list[EvidenceRow]  # what the batch states about consent
    sharers: set[int]  # contacts with an address that these lines are about
    changed: set[int] = field(default_factory=set)

    @property
    def now_at(self) -> dict[Slot, int]:
        """Where the replaced patches have gone."""
        slots = ((slot_of(one.arrival) or NO_SLOT, contact_of(one)) for one in self.found)
        return {slot: contact_id for slot, contact_id in slots if slot in self.replayed}


def record(session: Session, resolved: Sequence[Resolved], dictionary: Dictionary) -> Recorded:
    """Keep what each arrival says, replacing what the same event said before, and derive what it changes.

    Suppressed arrivals and erasures are left out, but for what they refuse for an address that others use.
    Safe to repeat with the same events.
    """
    found = [one for one in resolved if one.contact_id is not None and not one.is_erasure]
    heeded = heed_suppressed(session, resolved)
    if not found and not heeded:
        return NOTHING
    work = _open(session, found, heeded)
    for one in found:
        if one.absorbed_ids:
            _absorb(session, one, work, dictionary)
    lines = _write(session, work, dictionary)
    _decide(session, work, lines)
    doubt(
        session,
        [(contact_of(one), *pair, one.arrival.event_id) for one in work.found for pair in one.doubts],
    )
    written_count = sum(1 for one in work.found if one.contact_id in work.changed)
    return Recorded(frozenset(work.changed), written_count, len(work.found) - written_count)


def _open(session: Session, found: list[Resolved], heeded: Sequence[EvidenceRow]) -> _Work:
    """Hold every contact involved. Somebody may have merged or erased one since it was resolved."""
    made = {contact_of(one) for one in found if one.is_new}
    replayed = find_replayed(session, found)
    lines = [*_lines(found), *heeded]
    sharers = sharing_contact_ids(session, {line.address for line in lines if line.address})
    others = (*sharers, *(before.contact_id for before in replayed.values()))
    wanted = {*map(contact_of, found), *(absorbed for one in found for absorbed in one.absorbed_ids), *others}
    drafts = lock_drafts(session, wanted - made)
    gone = (
        {contact_of(one) for one in found} - made - {draft.id for draft in drafts.values() if draft.is_living}
    )
    if gone:
        people = load_people(session, gone)
        drafts |= lock_drafts(session, (person.id for person in people.values()))
        moved = {contact_id: person.id for contact_id, person in people.items()}
        found = [
            replace(one, contact_id=moved.get(contact_of(one), contact_of(one)))
            for one in found
            if one.contact_id not in gone or one.contact_id in moved
        ]
        lines = [*_lines(found), *heeded]
    drafts |= {contact_id: Draft(contact_id, "new") for contact_id in made}
    return _Work(found, drafts, replayed, lines, sharers)


def _absorb(session: Session, one: Resolved, work: _Work, dictionary: Dictionary) -> None:
    winner_id = contact_of(one)
    for loser_id in one.absorbed_ids:
        if work.drafts[loser_id].state == "active" and loser_id != winner_id:
            reason = "one event points at both"
            merged = merge(session, winner_id, loser_id, reason, "muster", dictionary=dictionary)
            work.changed |= merged.changed_contact_ids
            work.drafts |= lock_drafts(session, (winner_id, loser_id))


def _write(session: Session, work: _Work, dictionary: Dictionary) -> list[EvidenceRow]:
    """Everything the arrivals state; the consent evidence that was new."""
    found, drafts, replayed = work.found, work.drafts, work.replayed
    placed = place_patches(session, found, drafts, replayed)
    touched = {*map(contact_of, found), *(before.contact_id for before in replayed.values())}
    work.changed |= derive_drafts(session, [drafts[contact_id] for contact_id in touched], dictionary)
    keep_patches(session, found, placed, replayed)
    work.changed |= keep_identities(session, found, drafts)
    work.changed |= forget_identities(session, found, drafts, replayed)
    lines = fit_into_ledger(session, work.lines, work.now_at)
    append_evidence(session, lines)
    tell(session, found, replayed)
    return lines


def _decide(session: Session, work: _Work, lines: Sequence[EvidenceRow]) -> None:
    """Everything that follows for consents."""
    now_at = work.now_at
    left = {
        before.contact_id: now_at[slot]
        for slot, before in work.replayed.items()
        if before.contact_id != now_at[slot]
    }
    work.changed |= redirect_emptied(session, left)
    stale = {*work.changed, *(line.contact_id for line in lines), *left, *(work.sharers if lines else ())}
    work.changed |= derive_consents(session, [work.drafts[i] for i in stale if i in work.drafts])
    opted_out = {line.address for line in lines if line.verdict == "withdrawn" and line.address}
    work.changed |= sharing_contact_ids(session, opted_out)


def _lines(found: Iterable[Resolved]) -> list[EvidenceRow]:
    return [line for one in found for line in evidence_of(one)]
