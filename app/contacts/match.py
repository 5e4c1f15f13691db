"""Which person an arrival is about. Pure: decides from loaded people, touches nothing but the result."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import combinations

from app.contacts.names import NAMELESS, Name, closeness, names_conflict
from app.contacts.protect import FAN_OUT_CAP, MERGE_CAP, Key, fit_together, ids_disagree

DOUBT_CAP = 5  # an admin needs a reason to look, not every holder of an address


class Strength(IntEnum):
    """By what an arrival found a person; smaller is stronger."""

    ID = 0
    EMAIL = 1
    PHONE = 2


STRENGTHS = {"email": Strength.EMAIL, "phone": Strength.PHONE}


@dataclass(slots=True, eq=False)
class Person:
    """A contact as matching sees it; one that this batch will make has no row yet."""

    id: int
    is_stored: bool
    name: Name = NAMELESS
    keys: set[Key] = field(default_factory=set)
    replaced_by: "Person | None" = None  # joined with another one within this batch


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two contacts that may be one person, and why nobody but an admin can tell."""

    other: Person
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`person` None = somebody new. `absorbed` are joined into `person`."""

    person: Person | None
    absorbed: tuple[Person, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def choose(
    name: Name,
    keys: Sequence[Key],
    holders: Mapping[Key, Sequence[Person]],
    different: Collection[frozenset[int]],
) -> Decision:
    """The decision for an arrival with this name and these matching keys.

    `different` holds the pairs of contact ids that an admin has judged to be two people.
    """
    found = _found(keys, holders)
    fits: list[Person] = []
    doubts: list[Doubt] = []
    for person, strength in found.items():
        reason = _objection(name, keys, person, strength)
        if reason:
            doubts.append(Doubt(person, f"shared {strength.name.lower()}, {reason}"))
        else:
            fits.append(person)
    if not fits:
        return Decision(None, doubts=tuple(doubts[:DOUBT_CAP]))
    fits.sort(key=lambda person: (found[person], -closeness(name, person.name), person.id))
    best, *others = fits
    if others and not doubts and _are_one(fits, found, different):
        oldest, *younger = sorted(fits, key=lambda person: person.id)
        return Decision(oldest, absorbed=tuple(younger))
    doubts += [Doubt(other, "one event points at both") for other in others]
    return Decision(best, doubts=tuple(doubts[:DOUBT_CAP]))


def _found(keys: Sequence[Key], holders: Mapping[Key, Sequence[Person]]) -> dict[Person, Strength]:
    """Everybody the keys point at, by the strongest key; generic values point at nobody."""
    found: dict[Person, Strength] = {}
    for key in keys:
        people = holders.get(key, ())
        if len(people) >= FAN_OUT_CAP:
            continue
        strength = STRENGTHS.get(key.kind, Strength.ID)
        for person in people:
            found[person] = min(strength, found.get(person, strength))
    return dict(sorted(found.items(), key=lambda pair: pair[0].id))


def _objection(name: Name, keys: Sequence[Key], person: Person, strength: Strength) -> str:
    """Why an equal value is not enough; "" when it is. An equal id is always enough."""
    if strength is Strength.ID:
        return ""
    if ids_disagree(keys, person.keys):
        return "ids differ"
    return "names differ" if names_conflict(name, person.name) else ""


def _are_one(
    people: Sequence[Person], found: Mapping[Person, Strength], different: Collection[frozenset[int]]
) -> bool:
    """Whether several contacts that one arrival points at may be joined without an admin."""
    if len(people) > MERGE_CAP or any(found[person] is Strength.PHONE for person in people):
        return False
    if not fit_together([person.keys for person in people]):
        return False
    return not any(
        frozenset((a.id, b.id)) in different or names_conflict(a.name, b.name) or ids_disagree(a.keys, b.keys)
        for a, b in combinations(people, 2)
    )
