"""What the names of form fields mean: `a[b][c]` nests, `a[]` and repeated names collect."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from integrations.kit.contract import Unreadable

MAX_LEVELS = 7
_LONGEST_CACHED = 200

_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
# Names of the objects above, name of the value, whether it is one of a list.
Place = tuple[tuple[str, ...], str, bool]
# Names that change objects themselves in other languages, where what we hold may one day be shown.
_FORBIDDEN = frozenset({"__proto__", "constructor", "prototype"})


def nest(pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The nested fields and the names that were dropped.

    A name whose brackets contradict an earlier field (`a=1` then `a[b]=2`) is kept under its literal text, so no
    value is lost.
    """
    fields: dict[str, Any] = {}
    dropped = []
    for name, value in pairs:
        place = _known_place(name) if len(name) <= _LONGEST_CACHED else _find_place(name)
        if place is None:
            dropped.append(name)
            continue
        above, leaf, is_list = place
        target = _descend(fields, above) if above else fields
        if target is None:
            _add(fields, name, value, is_list=False)
        elif is_list or leaf in target:
            _add(target, leaf, value, is_list=is_list)
        else:  # nearly all
            target[leaf] = value
    return fields, tuple(dropped)


@lru_cache(maxsize=4096)  # a form's names are the same in every delivery
def _known_place(name: str) -> Place | None:
    return _find_place(name)


def _find_place(name: str) -> Place | None:
    """Where a name's value goes; None where a part of it is a name that nobody may use."""
    path = _path(name)
    if not _FORBIDDEN.isdisjoint(path):
        return None
    is_list = len(path) > 1 and path[-1] == ""
    whole = path[:-1] if is_list else path
    return whole[:-1], whole[-1], is_list


def _path(name: str) -> tuple[str, ...]:
    found = _BRACKETED.fullmatch(name) if "[" in name else None
    if found is None:
        return (name,)
    path = (found[1], *found[2][1:-1].split("]["))
    if len(path) > MAX_LEVELS:
        raise Unreadable(
            f"a form field is nested deeper than {MAX_LEVELS} levels", "Use flatter field names.", name[:80]
        )
    return path


def _descend(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    """The object below these names, made where there is none; None where something else stands in the way."""
    for name in names:
        below = fields.get(name)
        if below is None:
            below = fields[name] = {}
        elif not isinstance(below, dict):
            return None
        fields = below
    return fields


def _add(fields: dict[str, Any], name: str, value: str, *, is_list: bool) -> None:
    if name not in fields:
        fields[name] = [value] if is_list else value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]
