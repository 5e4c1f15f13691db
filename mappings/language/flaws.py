"""Turns what marshmallow says about a document into problems with path, line, reason and hint."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mappings.language.calls import Flaws
from mappings.language.patch import Problem
from mappings.language.problems import place_text, quoted
from mappings.language.yaml_text import YamlTree

Place = tuple[str | int, ...]

_CODES = {
    "Missing data for required field.": "missing",
    "Unknown field.": "unknown_key",
    "Field may not be null.": "null",
}
_REASONS = {"missing": "This key is needed.", "null": "A value is needed here."}


@dataclass(frozen=True, slots=True)
class Flaw:
    """A marshmallow message with a code and a hint."""

    code: str
    reason: str
    hint: str = ""


def nested(flaws: Flaws) -> dict[str | int, Any] | list[Any]:
    """Flaws with places as marshmallow nests its messages."""
    if all(not place for place, _ in flaws):
        return [Flaw(refused.code, refused.reason, refused.hint) for _, refused in flaws]
    tree: dict[str | int, Any] = {}
    for place, refused in flaws:
        branch = tree
        for part in place[:-1]:
            inner = branch.setdefault(part, {})
            branch = inner if isinstance(inner, dict) else branch
        key = place[-1] if place else "_schema"
        branch.setdefault(key, [])
        if isinstance(branch[key], list):
            branch[key].append(Flaw(refused.code, refused.reason, refused.hint))
    return tree


def problems_of(errors: Any, tree: YamlTree) -> list[Problem]:
    """Marshmallow's error messages as problems, in the order of the lines."""
    problems = [_problem(place, message, tree) for place, message in _flat(errors, ())]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _flat(errors: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(errors, dict):
        for key, inner in errors.items():
            yield from _flat(
                inner, place if key == "_schema" else (*place, key)
            )  # "_schema": the object itself
    elif isinstance(errors, list):
        for message in errors:
            yield from _flat(message, place) if isinstance(message, dict) else iter([(place, message)])
    else:
        yield place, errors


def _problem(place: Place, message: Any, tree: YamlTree) -> Problem:
    flaw = message if isinstance(message, Flaw) else _own_words(str(message))
    value = _value_at(tree.value, place)
    return Problem(
        path=place_text(place),
        code=flaw.code,
        reason=flaw.reason,
        hint=flaw.hint,
        value="" if value is None else quoted(value),
        line=tree.line_at(place),
    )


def _own_words(message: str) -> Flaw:
    code = _CODES.get(message, "invalid")
    return Flaw(code, _REASONS.get(code, message))


def _value_at(value: Any, place: Place) -> Any:
    for part in place:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
