"""Resolve: find the contact of each arrival in a batch, or decide that it is somebody new."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from app.contacts.arrivals import Arrival, MatchedIdentity, Resolved
from app.contacts.bulk import draw_ids
from app.contacts.consent import CHANNEL_ADDRESS_KIND
from app.contacts.match import Decision, Person, choose
from app.contacts.names import Name, name_of
from app.contacts.normalise import ADDRESS_KINDS, match_value
from app.contacts.people import (
    find_suppressed,
    load_different,
    load_earlier,
    load_holders,
    load_people,
    lock_keys,
    suppression_hash,
)
from app.contacts.protect import Key, has_room
from app.core.secretbox import SecretBox

NOT_YET = 1 << 62  # ids of people whom this batch will make, until the sequence gives real ones


@dataclass(frozen=True, slots=True)
class _Stated:
    """An arrival, read for matching."""

    arrival: Arrival
    identities: tuple[MatchedIdentity, ...]
    name: Name

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(identity.key for identity in self.identities)

    @property
    def matching_keys(self) -> list[Key]:
        return [identity.key for identity in self.identities if identity.is_matching]

    @property
    def event(self) -> tuple[int, int] | None:
        event_id = self.arrival.event_id
        return None if event_id is None else (event_id, self.arrival.ordinal)


@dataclass(slots=True)
class _Batch:
    """Everybody whom the batch knows, growing as its arrivals are decided one after the other."""

    holders: defaultdict[Key, list[Person]]
    different: frozenset[frozenset[int]]
    earlier: dict[tuple[int, int], tuple[Person, bool]]
    made: list[Person] = field(default_factory=list)


def resolve(session: Session, arrivals: Sequence[Arrival], box: SecretBox) -> list[Resolved]:
    """One answer per arrival, in order. Takes locks on all their identity values until the transaction ends.

    Call it once per transaction, before anything else that locks contacts, and `record` after it.
    """
    stated = [_read(arrival) for arrival in arrivals]
    lock_keys(session, (key for one in stated for key in _lockable(one)))
    suppressed = find_suppressed(session, [(one.keys, one.name) for one in stated], box)
    living = [one for number, one in enumerate(stated) if number not in suppressed]
    batch = _load(session, living)
    found = {id(one): _place(one, batch) for one in living}
    _give_ids(session, batch)
    seen: set[int] = set()
    return [
        _answer(one, *found[id(one)], seen)
        if id(one) in found
        else Resolved(one.arrival, None, suppressed=True, hashes=_hashes(one, box))
        for one in stated
    ]


def read_identities(arrival: Arrival) -> tuple[MatchedIdentity, ...]:
    """The identities of the patch with their matching forms; placeholders and repetitions left out."""
    found: dict[Key, MatchedIdentity] = {}
    for identity in arrival.patch.identities:
        scope = "" if identity.kind in ADDRESS_KINDS else identity.scope
        matched = match_value(identity.kind, identity.value, scope)
        if matched.is_stored:
            key = Key(identity.kind, scope, matched.value)
            found.setdefault(key, MatchedIdentity(key, identity.value.strip(), matched.is_matching))
    return tuple(found.values())


def _hashes(one: _Stated, box: SecretBox) -> dict[Key, bytes]:
    return {key: suppression_hash(box, key) for key in _lockable(one) if key.kind in ADDRESS_KINDS}


def _read(arrival: Arrival) -> _Stated:
    return _Stated(arrival, read_identities(arrival), name_of(arrival.patch.fields))


def _lockable(one: _Stated) -> Iterator[Key]:
    """Also the addresses that only the consent evidence names: its status is derived under the same locks."""
    yield from one.keys
    for evidence in one.arrival.patch.consents:
        kind = CHANNEL_ADDRESS_KIND.get(evidence.channel)
        if evidence.address and kind:
            yield Key(kind, "", match_value(kind, evidence.address).value)


def _load(session: Session, living: Sequence[_Stated]) -> _Batch:
    keys = list(dict.fromkeys(key for one in living for key in one.matching_keys))
    holders = defaultdict(list, load_holders(session, keys))
    event_ids = [
        one.arrival.event_id
        for one in living
        if one.arrival.event_id is not None and not one.arrival.is_first
    ]
    patches = load_earlier(session, event_ids)
    people = load_people(session, {contact_id for contact_id, _ in patches.values()}) if patches else {}
    known = {person.id: person for found in holders.values() for person in found}
    earlier = {
        event: (known.get(people[contact_id].id, people[contact_id]), is_only)
        for event, (contact_id, is_only) in patches.items()
        if contact_id in people
    }
    several = {person.id for one in living for person in _ambiguous(one, holders)}
    return _Batch(holders, load_different(session, several), earlier)


def _ambiguous(one: _Stated, holders: defaultdict[Key, list[Person]]) -> set[Person]:
    found = {person for key in one.matching_keys if key in holders for person in holders[key]}
    return found if len(found) > 1 else set()


def _place(one: _Stated, batch: _Batch) -> tuple[Person | None, Decision]:
    """Decide one arrival, and let the ones after it see the outcome."""
    keys = one.matching_keys
    holders = {
        key: [_current(person) for person in batch.holders[key]] for key in keys if key in batch.holders
    }
    decision = choose(one.name, keys, holders, batch.different)
    if one.arrival.patch.is_erasure:
        return decision.person, Decision(decision.person)
    person = decision.person or _same_as_before(one, batch) or _make(batch)
    for absorbed in decision.absorbed:
        absorbed.replaced_by = person
        person.keys |= absorbed.keys
        person.name = person.name or absorbed.name
    person.name = person.name or one.name
    for key in keys:
        # An event that names two ids of one kind says that the one took the other's place: a changed number, say.
        held = person.keys.difference(keys) if key.is_id else person.keys
        if key not in person.keys and has_room(held, key):
            person.keys.add(key)
            batch.holders[key].append(person)
    return person, decision


def _current(person: Person) -> Person:
    while person.replaced_by:
        person = person.replaced_by
    return person


def _same_as_before(one: _Stated, batch: _Batch) -> Person | None:
    """A replayed event stays with the contact that it made, or with its contact when it names nobody."""
    if one.event is None or one.event not in batch.earlier:
        return None
    person, is_only_patch = batch.earlier[one.event]
    return _current(person) if is_only_patch or not one.matching_keys else None


def _make(batch: _Batch) -> Person:
    person = Person(NOT_YET + len(batch.made), is_stored=False)
    batch.made.append(person)
    return person


def _give_ids(session: Session, batch: _Batch) -> None:
    kept = [person for person in batch.made if not person.replaced_by]
    if kept:
        for person, new_id in zip(kept, draw_ids(session, "contacts", len(kept)), strict=True):
            person.id = new_id


def _answer(one: _Stated, found: Person | None, decision: Decision, seen: set[int]) -> Resolved:
    if found is None:
        return Resolved(one.arrival, None, identities=one.identities)
    person = _current(found)
    identities = tuple(
        replace(identity, is_matching=False)
        if identity.is_matching and identity.key not in person.keys
        else identity
        for identity in one.identities
    )
    is_new = not person.is_stored and person.id not in seen
    seen.add(person.id)
    doubts = {_current(doubt.other).id: doubt.reason for doubt in decision.doubts}
    return Resolved(
        one.arrival,
        person.id,
        is_new=is_new,
        identities=identities,
        absorbed_ids=tuple(absorbed.id for absorbed in decision.absorbed if absorbed.is_stored),
        doubts=tuple((other, reason) for other, reason in doubts.items() if other != person.id),
    )
