"""What the names of form fields mean: `a[b][c]` nests, `a[]` and repeated names collect."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from integrations.kit.contract import Unreadable

MAX_LEVELS = 7
_LONGEST_CACHED = 200

_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
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
        path = _known_path(name) if len(name) <= _LONGEST_CACHED else _usable_path(name)
        if path is None:
            dropped.append(name)
        elif len(path) == 1 and name not in fields:  # nearly all
            fields[name] = value
        else:
            _place(fields, path, name, value)
    return fields, tuple(dropped)


@lru_cache(maxsize=4096)  # a form's names are the same in every delivery
def _known_path(name: str) -> tuple[str, ...] | None:
    return _usable_path(name)


def _usable_path(name: str) -> tuple[str, ...] | None:
    """None where a part of it is a name that nobody may use."""
    path = _path(name)
    return path if _FORBIDDEN.isdisjoint(path) else None


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


def _place(fields: dict[str, Any], path: tuple[str, ...], name: str, value: str) -> None:
    is_list = len(path) > 1 and path[-1] == ""
    target = _descend(fields, path[: -2 if is_list else -1])
    if target is None:
        _add(fields, name, value, is_list=False)
    else:
        _add(target, path[-2] if is_list else path[-1], value, is_list=is_list)


def _descend(fields: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    for name in path:
        below = fields.setdefault(name, {})
        if not isinstance(below, dict):
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
