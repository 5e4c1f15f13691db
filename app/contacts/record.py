"""Record: keep the patches of resolved arrivals and derive their contacts, all in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app.contacts.arrivals import Recorded, Resolved
from app.contacts.derive import lock_contacts, rederive
from app.contacts.ledger import EvidenceRow, append_evidence, derive_consents, sharing_contact_ids
from app.contacts.merge import doubt, merge
from app.contacts.patches import (
    Replayed,
    evidence_of,
    find_replayed,
    forget_identities,
    keep_identities,
    keep_patches,
    make_contacts,
    tell,
)
from app.contacts.people import load_people
from app.contacts.replay import fit_into_ledger, redirect_emptied
from app.contacts.survivorship import Dictionary

NOTHING = Recorded(frozenset(), 0, 0)


def record(session: Session, resolved: Sequence[Resolved], dictionary: Dictionary) -> Recorded:
    """Keep what each arrival says, replacing what the same event said before, and derive what it changes.

    Suppressed arrivals and erasures are left out. Safe to repeat with the same events.
    """
    found = [one for one in resolved if one.contact_id is not None and not one.is_erasure]
    if not found:
        return NOTHING
    made = {one.contact_id for one in found if one.is_new and one.contact_id is not None}
    make_contacts(session, made)
    replayed = find_replayed(session, found)
    sharers = sharing_contact_ids(session, {line.address for line in _lines(found) if line.address})
    found = _locked(session, found, made, {*sharers, *(before.contact_id for before in replayed.values())})
    changed = set(made)
    for one in found:
        changed |= _absorb(session, one, dictionary)
    changed |= _write(session, found, replayed, sharers, dictionary)
    doubt(
        session,
        [(_id(one), other, reason, one.arrival.event_id) for one in found for other, reason in one.doubts],
    )
    written_count = sum(1 for one in found if one.contact_id in changed)
    return Recorded(frozenset(changed), written_count, len(found) - written_count)


def _write(
    session: Session,
    found: Sequence[Resolved],
    replayed: dict[tuple[int, int], Replayed],
    sharers: set[int],
    dictionary: Dictionary,
) -> set[int]:
    """Everything the arrivals state, then everything that follows from it; the contacts that changed."""
    now_at = {_event(one): _id(one) for one in found if _event(one) in replayed}
    keep_patches(session, found)
    changed = keep_identities(session, found) | forget_identities(session, found, replayed)
    appended = append_evidence(session, fit_into_ledger(session, list(_lines(found)), now_at))
    tell(session, found)
    left = {
        before.contact_id: now_at[event]
        for event, before in replayed.items()
        if event in now_at and before.contact_id != now_at[event]
    }
    changed |= rederive(session, {*map(_id, found), *left}, dictionary)
    emptied = redirect_emptied(session, left)
    stale = changed | {line.contact_id for line in appended} | set(left) - emptied
    if appended:
        stale |= sharers
    changed |= derive_consents(session, stale) | emptied
    if any(line.verdict == "withdrawn" for line in appended):
        changed |= sharing_contact_ids(
            session, {line.address for line in appended if line.verdict == "withdrawn" and line.address}
        )
    return changed


def _locked(session: Session, found: list[Resolved], made: set[int], others: set[int]) -> list[Resolved]:
    """The arrivals with every contact involved held. Somebody may have merged or erased one since it was resolved."""
    wanted = {*map(_id, found), *(absorbed for one in found for absorbed in one.absorbed_ids), *others} - made
    states = lock_contacts(session, wanted)
    gone = {contact_id for contact_id, state in states.items() if state != "active"} & set(map(_id, found))
    if not gone:
        return found
    people = load_people(session, gone)
    lock_contacts(session, (person.id for person in people.values()))
    return [
        replace(one, contact_id=people[_id(one)].id) if _id(one) in people else one
        for one in found
        if _id(one) not in gone or _id(one) in people
    ]


def _absorb(session: Session, one: Resolved, dictionary: Dictionary) -> set[int]:
    states = lock_contacts(session, one.absorbed_ids) if one.absorbed_ids else {}
    changed: set[int] = set()
    for loser_id, state in states.items():
        if state == "active" and loser_id != one.contact_id:
            merged = merge(
                session, _id(one), loser_id, "one event points at both", "muster", dictionary=dictionary
            )
            changed |= merged.changed_contact_ids
    return changed


def _lines(found: Iterable[Resolved]) -> Iterable[EvidenceRow]:
    for one in found:
        yield from evidence_of(one)


def _event(one: Resolved) -> tuple[int, int]:
    return (one.arrival.event_id or 0, one.arrival.ordinal)


def _id(one: Resolved) -> int:
    assert one.contact_id is not None  # `record` leaves out those without
    return one.contact_id
