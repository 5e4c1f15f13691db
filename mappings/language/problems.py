"""The mapping language's way of saying what is wrong: one exception, suggestions, and short quotations."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from mappings.language.patch import Problem

QUOTED_CHARACTERS = 80


class MappingError(Exception):
    """A mapping document cannot be used. `problems` says where, why and what to do; there is at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: list[Problem] = list(problems)
        first = self.problems[0]
        place = f"{first.path or 'the document'}, line {first.line}" if first.line else first.path
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{place}: {first.reason}{more}" if place else f"{first.reason}{more}")


class Refused(Exception):  # noqa: N818 - a verdict, not a fault
    """A value, or a step's argument, does not fit. `reason` is a sentence; `code` is for counting and tests."""

    def __init__(self, code: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.hint = code, reason, hint


def suggestion(word: str, known: Iterable[str]) -> str:
    """'Did you mean "trim"?' where a known word is near; else the known words, or "" when there are too many."""
    words = sorted(known)
    near = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known here: {', '.join(words)}." if 0 < len(words) <= 20 else ""  # noqa: PLR2004 - one line's worth


def quoted(value: Any) -> str:
    """The value as it is shown in a problem, cut to 80 characters."""
    if isinstance(value, str):
        return value[:QUOTED_CHARACTERS]
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return str(value)[:QUOTED_CHARACTERS] if not _is_huge(value) else "a very long number"


def _is_huge(value: Any) -> bool:
    # str() of an int beyond 4,300 digits raises ValueError (CPython's denial-of-service guard).
    return isinstance(value, int) and value.bit_length() > 4096  # noqa: PLR2004


def place_text(place: Iterable[str | int]) -> str:
    """("fields", 2, "do", 1) as "fields[2].do[1]"."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
