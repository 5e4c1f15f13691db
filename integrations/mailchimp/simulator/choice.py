"""`fields` and `exclude_fields`: which parts of an answer the caller wants."""

from collections.abc import Sequence
from typing import Any

# What is wanted below a name; None is all of it.
Tree = dict[str, Any]


def choose_fields(body: dict[str, Any], wanted: Sequence[str], unwanted: Sequence[str]) -> dict[str, Any]:
    """The body with the wanted parts, less the unwanted: dotted paths, reaching into every element of an array."""
    if wanted:
        body = _only(body, _tree(wanted))
    for path in unwanted:
        _remove(body, path.split("."))
    return body


def _tree(paths: Sequence[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        *names, last = path.split(".")
        place: Tree | None = tree
        for name in names:
            place = place.setdefault(name, {}) if place is not None else None
        if place is not None:
            place[last] = None
    return tree


def _only(body: Any, tree: Tree) -> Any:
    if isinstance(body, list):
        return [_only(one, tree) for one in body]
    if not isinstance(body, dict):
        return body
    return {
        name: value if tree[name] is None else _only(value, tree[name])
        for name, value in body.items()
        if name in tree
    }


def _remove(body: Any, path: list[str]) -> None:
    if isinstance(body, list):
        for one in body:
            _remove(one, path)
    elif isinstance(body, dict):
        if len(path) == 1:
            body.pop(path[0], None)
        else:
            _remove(body.get(path[0]), path[1:])
