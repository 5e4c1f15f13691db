"""Steps for lists: split, first, last, each, unique, join."""

import json
from typing import Any

from mappings.language.problems import Refused
from mappings.language.steps.arguments import text_of
from mappings.language.steps.declare import MAX_TEXT, Example, Step, as_text, step

MAX_ENTRIES = 1_000


@step(
    "list", "text", "texts",
    Example("mentoring; reunions;", ["mentoring", "reunions"], ";"),
    Example("one", ["one"], ","),
    Example(" ; ", None, ";"),
    prepare=text_of(10), argument="the text between the parts",
)  # fmt: skip
def split(value: str, separator: str) -> list[str]:
    """Cuts text into a list at a separator; parts are trimmed and blank ones dropped."""
    return [part for part in map(str.strip, value.split(separator, MAX_ENTRIES)[:MAX_ENTRIES]) if part]


@step(
    "list",
    "list",
    "any",
    Example(["a", "b"], "a"),
    Example(["", "b"], "b"),
    Example([], None),
    Example("a", "a"),
)
def first(value: list[Any]) -> Any:
    """Takes the first entry that is not blank."""
    return next((entry for entry in value if entry not in (None, "", [], {})), None)


@step("list", "list", "any", Example(["a", "b"], "b"), Example(["a", ""], "a"), Example([], None))
def last(value: list[Any]) -> Any:
    """Takes the last entry that is not blank."""
    return next((entry for entry in reversed(value) if entry not in (None, "", [], {})), None)


@step(
    "list", "list", "list",
    Example([" A ", "b"], ["A", "b"], "trim"),
    Example([" A ", ""], ["a"], ["trim", "lower"]),
    Example(["1", "x"], refused="not_a_number", argument="integer"),
    argument="a step, or a list of steps",
)  # fmt: skip
def each(value: list[Any]) -> list[Any]:
    """Does the steps named to each entry; entries that become blank are dropped."""
    return value  # the chain puts the steps of the argument here: mappings.language.chain


@step(
    "list",
    "list",
    "list",
    Example(["a", "A", "a"], ["a", "A"]),
    Example(["b"], ["b"]),
    Example([1, "1", 1], [1, "1"]),
)
def unique(value: list[Any]) -> list[Any]:
    """Keeps the first of equal entries."""
    found: dict[str, Any] = {}
    for entry in value:
        found.setdefault(_fingerprint(entry), entry)
    return list(found.values())


def _fingerprint(entry: Any) -> str:
    try:
        return json.dumps(entry, sort_keys=True, default=str)
    except (RecursionError, ValueError, TypeError):
        raise Refused("too_deep", "An entry of the list cannot be compared.") from None


@step(
    "list", "list", "text",
    Example(["12 High St", "Flat 2"], "12 High St, Flat 2", ", "),
    Example(["a", "", "b"], "a-b", "-"),
    Example([{"a": 1}], refused="not_text", argument=","),
    prepare=text_of(10, ", "), argument="the text between, a comma when left out",
)  # fmt: skip
def join(value: list[Any], separator: str = ", ") -> str:
    """Makes one text of a list."""
    text = separator.join(as_text(entry) for entry in value if entry not in (None, "", [], {}))
    if len(text) > MAX_TEXT:
        raise Refused("too_long", f"Joined, the text has more than {MAX_TEXT} characters.")
    return text


STEPS: tuple[Step, ...] = (split, first, last, each, unique, join)
