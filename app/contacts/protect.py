"""What keeps two people apart: limits of identifiers, generic values, ids that disagree. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from app.contacts.normalise import ADDRESS_KINDS

FAN_OUT_CAP = 100  # a value held by this many contacts says nothing about who somebody is
ADDRESS_LIMIT = 5  # e-mail addresses, and phones, that may find one contact; Segment's limit for non-ids
ID_LIMIT = 1  # per kind and scope
MERGE_CAP = 3  # one event joins at most this many contacts by itself


class Key(NamedTuple):
    """What an identity is found by."""

    kind: str
    scope: str
    value: str

    @property
    def is_id(self) -> bool:
        return self.kind not in ADDRESS_KINDS


def _place(key: Key) -> tuple[str, str]:
    """What a limit counts: addresses by kind, ids by kind within their scope."""
    return (key.kind, key.scope if key.is_id else "")


def has_room(held: Collection[Key], key: Key) -> bool:
    """Whether a contact that holds these may be found by one more."""
    taken = sum(1 for other in held if _place(other) == _place(key))
    return taken < (ID_LIMIT if key.is_id else ADDRESS_LIMIT)


def ids_disagree(a: Collection[Key], b: Collection[Key]) -> bool:
    """Whether both hold an id of the same kind and scope, and not the same one."""
    ids = _ids(a)
    return any(place in ids and not values & ids[place] for place, values in _ids(b).items())


def _ids(keys: Collection[Key]) -> Mapping[tuple[str, str], set[str]]:
    ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for key in keys:
        if key.is_id:
            ids[_place(key)].add(key.value)
    return ids


def fit_together(parts: Collection[Collection[Key]]) -> bool:
    """Whether one contact may hold all of these within its limits."""
    together: set[Key] = set().union(*parts)
    counts = Counter(_place(key) for key in together)
    return all(
        count <= (ADDRESS_LIMIT if place[0] in ADDRESS_KINDS else ID_LIMIT) for place, count in counts.items()
    )
