"""Checks of step arguments, made once when a mapping is compiled; each raises Refused with a sentence."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mappings.language.problems import Refused, suggestion
from mappings.language.steps.declare import as_text


def refuse_argument(reason: str, hint: str = "") -> Refused:
    """The refusal of an argument."""
    return Refused("bad_argument", reason, hint)


def whole_number(least: int, most: int, default: int | None = None) -> Callable[[Any], int]:
    """A check for a whole number within bounds."""

    def prepare(argument: Any) -> int:
        value = default if argument is None else argument
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise refuse_argument(f"A whole number from {least} to {most} is needed here.")
        return value

    return prepare


def text_of(most: int, default: str | None = None) -> Callable[[Any], str]:
    """A check for text of at most so many characters."""

    def prepare(argument: Any) -> str:
        value = default if argument is None else argument
        if not isinstance(value, str) or not value or len(value) > most:
            raise refuse_argument(f"Text of 1 to {most} characters is needed here.", "Put it in quotes.")
        return value

    return prepare


def texts(most: int = 200) -> Callable[[Any], tuple[str, ...]]:
    """A check for a list of texts (numbers count as text), or a single one."""

    def prepare(argument: Any) -> tuple[str, ...]:
        entries = argument if isinstance(argument, list) else [argument]
        if (
            not entries
            or len(entries) > most
            or any(isinstance(entry, bool | list | dict) or entry is None for entry in entries)
        ):
            raise refuse_argument(
                f"A list of 1 to {most} texts is needed here.", "Put words such as true in quotes."
            )
        return tuple(as_text(entry) for entry in entries)

    return prepare


def keys_of(
    argument: Any, known: Mapping[str, type | tuple[type, ...]], needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An argument that is an object with known keys of known types."""
    if not isinstance(argument, dict):
        raise refuse_argument(f"An object with {', '.join(known)} is needed here.")
    for key, value in argument.items():
        if key not in known:
            raise refuse_argument(f'"{key}" is not known here.', suggestion(key, known))
        if not isinstance(value, known[key]):
            raise refuse_argument(f'"{key}" has the wrong type.')
    for key in needed:
        if key not in argument:
            raise refuse_argument(f'"{key}" is missing.')
    return argument


def choice_of(*words: str) -> Callable[[Any], str]:
    """A check for one of a few words; the first is meant when none is given."""

    def prepare(argument: Any) -> str:
        word = words[0] if argument is None else argument
        if not isinstance(word, str) or word not in words:
            raise refuse_argument(
                f"One of {', '.join(words)} is needed here.", suggestion(str(word)[:40], words)
            )
        return word

    return prepare


def word_key(text: str) -> str:
    """A word as it is compared: case, white space and punctuation do not count ("Do-Not-Email" = "do not email")."""
    return _word_key(text[:200])


@lru_cache(maxsize=4_096)
def _word_key(text: str) -> str:
    letters = "".join(c if c.isalnum() or c == "+" else " " for c in text.casefold())
    return " ".join(letters.split()) or text.strip()
