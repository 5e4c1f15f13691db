"""How a step is declared: its name, family, types, argument and examples; the types and what fits into what."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mappings.language.problems import Refused

# Each type and the wider one it belongs to. Dates, numbers of telephones, addresses ... are text in JSON.
WIDER: dict[str, str] = {
    "scalar": "any",
    "list": "any",
    "texts": "list",  # a list of trimmed texts, none blank
    "object": "any",
    "text": "scalar",
    "number": "scalar",
    "boolean": "scalar",
    "integer": "number",
    "year": "integer",
    "email": "text",
    "phone": "text",
    "url": "text",
    "country": "text",
    "language": "text",
    "date": "text",
    "datetime": "text",
    "birthday": "text",
}
MAX_TEXT = 10_000
_HALF_PAIR = re.compile("[\ud800-\udfff]")

Fit = Literal["yes", "cast", "no"]


@dataclass(frozen=True, slots=True)
class Example:
    """`given` becomes `gives`, or is refused with the code `refused`. `gives` None = the value is absent after it."""

    given: Any
    gives: Any = None
    argument: Any = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A pure function with a name. `run(value)`, `run(value, prepared)`, or with `reads`, `run(value, prepared, found)`."""

    name: str
    family: str
    takes: str
    gives: str
    doc: str
    run: Callable[..., Any]
    examples: tuple[Example, ...]
    # Checks the argument once, at compile time, and gives what `run` needs; raises Refused. None = takes no argument.
    prepare: Callable[[Any], Any] | None = None
    # The argument's key whose value is a path; what is found there is handed to `run`.
    reads: str = ""
    # What the argument looks like, for the documentation.
    argument: str = ""


def step(
    family: str,
    takes: str,
    gives: str,
    *examples: Example,
    prepare: Callable[[Any], Any] | None = None,
    argument: str = "",
    reads: str = "",
) -> Callable[[Callable[..., Any]], Step]:
    """Declare a function as a step of the same name; its docstring is its one line of documentation."""

    def declare(run: Callable[..., Any]) -> Step:
        doc = (run.__doc__ or "").strip()
        return Step(run.__name__, family, takes, gives, doc, run, examples, prepare, reads, argument)

    return declare


def fits(given: str, wanted: str) -> Fit:
    """Whether a value of one type may go where another is wanted: as it is, after a check at run time, or never."""
    if wanted in _with_wider(given):
        return "yes"
    return "cast" if given in _with_wider(wanted) else "no"


def _with_wider(kind: str) -> list[str]:
    kinds = [kind]
    while kinds[-1] in WIDER:
        kinds.append(WIDER[kinds[-1]])
    return kinds


def clean_text(text: str) -> str:
    """The text without what a database cannot hold: NUL characters go, half character pairs become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else _HALF_PAIR.sub("\ufffd", text)


def as_text(value: Any) -> str:
    """A JSON value as text: text and numbers are, lists of one are what they hold; the rest is refused."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise Refused("too_long", f"The text has {len(value)} characters; {MAX_TEXT} are allowed.")
        return clean_text(value)
    if isinstance(value, bool):
        raise Refused("not_text", "true or false stands where text is wanted.")
    if isinstance(value, int | float):
        return number_text(value)
    return as_text(_only_entry(value))


def as_scalar(value: Any) -> Any:
    """Text, a number or true/false; lists of one are what they hold; the rest is refused."""
    if isinstance(value, bool | int | float):
        return value
    return as_text(value) if isinstance(value, str) else as_scalar(_only_entry(value))


def as_list(value: Any) -> list[Any]:
    """A list; a single value becomes a list of one (a form sends one tick as text, two as a list)."""
    if isinstance(value, dict):
        raise Refused(
            "not_a_list", "An object stands where a list is wanted.", "Use a path that ends in [*]."
        )
    return value[:1_000] if isinstance(value, list) else [value]


def as_object(value: Any) -> dict[str, Any]:
    """An object, or a refusal."""
    if not isinstance(value, dict):
        raise Refused("not_an_object", "Something else stands where an object is wanted.")
    return value


CASTS: dict[str, Callable[[Any], Any]] = {"scalar": as_scalar, "list": as_list, "object": as_object}


def number_text(value: float) -> str:
    """A number as people write it: 1998.0 is "1998"; infinite, not-a-number and endless ones are refused."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("not_a_number", "Infinity or not-a-number stands here.")
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004
    if value.bit_length() > 128:  # noqa: PLR2004 - no id or amount is longer
        raise Refused("too_long", "The number is longer than any id or amount.")
    return str(value)


def _only_entry(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list):
        return value[0]
    if isinstance(value, list):
        raise Refused(
            "several_values", "Several values stand where one is wanted.", "Add the step first, last or join."
        )
    raise Refused("not_text", "An object stands where text is wanted.", "Name one of its keys in the path.")
