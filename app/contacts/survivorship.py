"""Which value wins when patches disagree. Pure: the same patches in any order give the same contact."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.contacts.spelling import NAME_FIELDS, is_worse_spelling

MANUAL_TRUST = 100  # an admin's edit outranks every rule


class FieldRule(Protocol):
    """What survivorship reads of an entry of the field dictionary."""

    @property
    def survivorship(self) -> str: ...


class Dictionary(Protocol):
    """The field dictionary: `mappings.language.fields.FieldDictionary`, or a test's own."""

    def find(self, name: str, /) -> FieldRule | None: ...


@dataclass(frozen=True, slots=True)
class StatedPatch:
    """A kept patch, as far as derivation reads it. `event_id` is None for an admin's edit."""

    id: int
    event_id: int | None
    ordinal: int
    source_id: int | None
    trust: int
    occurred_at: datetime
    received_at: datetime
    fields: Mapping[str, Any]
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()

    @property
    def moment(self) -> tuple[datetime, datetime, int, int, int]:
        """What "later" means: when it happened, when we heard of it, then a fixed tie-break."""
        own_id = self.id if self.event_id is None else 0
        return (self.occurred_at, self.received_at, self.event_id or 0, self.ordinal, own_id)

    @property
    def is_manual(self) -> bool:
        return self.trust >= MANUAL_TRUST


@dataclass(frozen=True, slots=True)
class Derived:
    """A contact's current state, and where each value of it comes from.

    A value that is said again is as new, and as trusted, as whoever said it last: provenance names that patch. So it does
    for a name that was said again in a worse spelling, which leaves the better one in place.
    """

    fields: dict[str, Any]
    provenance: dict[str, Any]  # name -> {patch_id, event_id, source_id, occurred_at}
    tags: list[str]  # sorted


Statement = tuple[StatedPatch, Any]
# A rule says whether `new` (the later of the two) takes the place of `old`.
Rule = Callable[[StatedPatch, Any, StatedPatch, Any], bool]


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, dict)) else len(str(value))


RULES: dict[str, Rule] = {
    "most_recent": lambda _old, _was, _new, _now: True,
    "most_trusted": lambda old, _was, new, _now: new.trust >= old.trust,
    "longest": lambda _old, was, _new, now: _size(now) >= _size(was),
    # the first known value stays until a more trusted source says otherwise
    "never_blank": lambda old, _was, new, _now: new.trust > old.trust,
}
DEFAULT_RULE = "most_recent"


def derive(patches: Iterable[StatedPatch], dictionary: Dictionary) -> Derived:
    """The fields, provenance and tags that these patches add up to. Blanks never win."""
    winners: dict[str, Statement] = {}
    tags: dict[str, bool] = {}
    for patch in sorted(patches, key=lambda patch: patch.moment):
        for name, value in patch.fields.items():
            if not is_blank(value):
                held, new = winners.get(name), (patch, value)
                winners[name] = new if held is None else _better(held, new, name, dictionary)
        tags.update(dict.fromkeys(patch.tags_added, True))
        tags.update(dict.fromkeys(patch.tags_removed, False))
    origins = {
        number: _origin(patch) for number, patch in {patch.id: patch for patch, _ in winners.values()}.items()
    }
    return Derived(
        fields={name: value for name, (_, value) in winners.items()},
        provenance={name: origins[patch.id] for name, (patch, _) in winners.items()},
        tags=sorted(tag for tag, is_set in tags.items() if is_set),
    )


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: null, empty, or only spaces. False and 0 say something."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, (list, dict)) and not value)


def _better(held: Statement, new: Statement, name: str, dictionary: Dictionary) -> Statement:
    """The winner of two statements of a field, `new` being the later one."""
    if held[0].is_manual != new[0].is_manual:
        return held if held[0].is_manual else new
    if held[0].is_manual:
        return new
    entry = dictionary.find(name)
    rule = RULES[entry.survivorship if entry else DEFAULT_RULE]
    return _spelt(held, new, name) if rule(*held, *new) else held


def _spelt(held: Statement, new: Statement, name: str) -> Statement:
    """The later statement, in the earlier one's spelling where that is better.

    What was changed at Mailchimp is no event of a source: its field's direction has decided already.
    """
    patch, value = new
    if name in NAME_FIELDS and patch.event_id is not None and is_worse_spelling(value, held[1]):
        return patch, held[1]
    return new


def _origin(patch: StatedPatch) -> dict[str, Any]:
    return {
        "patch_id": patch.id,
        "event_id": patch.event_id,
        "source_id": patch.source_id,
        "occurred_at": patch.occurred_at.isoformat(),
    }
