"""`fields` and `exclude_fields`: which parts of an answer the caller wants."""

from collections.abc import Sequence
from typing import Any


def choose_fields(body: dict[str, Any], wanted: Sequence[str], unwanted: Sequence[str]) -> dict[str, Any]:
    """The body with the wanted parts, less the unwanted: dotted paths, reaching into every element of an array."""
    if wanted:
        body = _only(body, [path.split(".") for path in wanted])
    for path in unwanted:
        _remove(body, path.split("."))
    return body


def _only(body: Any, paths: list[list[str]]) -> Any:
    if isinstance(body, list):
        return [_only(one, paths) for one in body]
    if not isinstance(body, dict):
        return body
    kept: dict[str, Any] = {}
    for name, value in body.items():
        tails = [path[1:] for path in paths if path[0] == name]
        if tails:
            kept[name] = value if any(not tail for tail in tails) else _only(value, tails)
    return kept


def _remove(body: Any, path: list[str]) -> None:
    if isinstance(body, list):
        for one in body:
            _remove(one, path)
    elif isinstance(body, dict):
        if len(path) == 1:
            body.pop(path[0], None)
        else:
            _remove(body.get(path[0]), path[1:])
