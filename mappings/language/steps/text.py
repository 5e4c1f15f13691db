"""Steps for text: white space, case, cutting and replacing."""

from typing import Any

import re2

from mappings.language.problems import Refused
from mappings.language.steps.arguments import keys_of, refuse_argument, text_of, whole_number
from mappings.language.steps.declare import Example, Step, step
from mappings.language.steps.particles import JOINERS, PARTICLES

MAX_PATTERN = 200
MAX_SEARCHED = 1_000
# The work of a match is at most text times program; a repetition such as a{1,900} makes a program of 1,800.
MAX_PROGRAM = 1_500
PATTERN_MEMORY_BYTES = 1 << 20


@step("text", "text", "text", Example("  Ana ", "Ana"), Example("Ana", "Ana"), Example(" \t ", None))
def trim(value: str) -> str:
    """Cuts white space at both ends."""
    return value.strip()


@step(
    "text",
    "text",
    "text",
    Example(" Ana   María\n", "Ana María"),
    Example("Ana", "Ana"),
    Example("a\u00a0 b", "a b"),
)
def collapse(value: str) -> str:
    """Makes every run of white space one space, and trims."""
    return " ".join(value.split())


@step("text", "text", "text", Example("ANA", "ana"), Example("Ünal", "ünal"), Example("x1", "x1"))
def lower(value: str) -> str:
    """Makes all letters small."""
    return value.lower()


@step("text", "text", "text", Example("gb", "GB"), Example("ünal", "ÜNAL"), Example("x1", "X1"))
def upper(value: str) -> str:
    """Makes all letters capitals."""
    return value.upper()


@step(
    "text", "text", "text",
    Example("ANA MARÍA LÓPEZ", "Ana María López"),
    Example("o'brien-smith", "O'Brien-Smith"),
    Example("ludwig van beethoven", "Ludwig van Beethoven"),
    Example("Ronald McDonald", "Ronald McDonald"),
)  # fmt: skip
def title_name(value: str) -> str:
    """Gives a name written all in capitals or all small its usual capitals; mixed writing stays."""
    if not (value.isupper() or value.islower()):
        return value
    words = value.lower().split(" ")
    return " ".join(
        word if word in (PARTICLES | JOINERS) and place else _capitals(word)
        for place, word in enumerate(words)
    )


def _capitals(word: str) -> str:
    letters, start = [], True
    for letter in word:
        letters.append(letter.upper() if start else letter)
        start = letter in "-'’."
    return "".join(letters)


def compile_pattern(pattern: Any) -> Any:
    """A google-re2 pattern, which matches in time linear in the text; raises Refused."""
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN:
        raise refuse_argument(
            f"A pattern of 1 to {MAX_PATTERN} characters is needed here.", "Put it in quotes."
        )
    options = re2.Options()
    options.max_mem, options.log_errors = PATTERN_MEMORY_BYTES, False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeError, ValueError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise refuse_argument(
            f"The pattern cannot be used: {reason[:120]}.", "Patterns follow RE2's syntax."
        ) from None
    if compiled.programsize > MAX_PROGRAM:
        raise refuse_argument("The pattern repeats too much.", "Use smaller numbers in { }, or + and *.")
    return compiled


def searchable(value: str) -> str:
    """The text, if it is short enough to be searched."""
    if len(value) > MAX_SEARCHED:
        raise Refused(
            "too_long",
            f"Patterns are tried on at most {MAX_SEARCHED} characters.",
            "Add the step cut before it.",
        )
    return value


def _replacement(argument: Any) -> tuple[Any, str]:
    keys = keys_of(argument, {"pattern": str, "with": str}, ("pattern",))
    new = keys.get("with", "")
    if len(new) > 100:  # noqa: PLR2004
        raise refuse_argument('"with" has at most 100 characters.')
    return compile_pattern(keys["pattern"]), new


@step(
    "text", "text", "text",
    Example("a-b-c", "a b c", {"pattern": "-", "with": " "}),
    Example("Tel. 123", "123", {"pattern": "[^0-9]"}),
    Example("x", None, {"pattern": "x"}),
    Example(r"\1", r"\1", {"pattern": "y", "with": r"\1"}),
    prepare=_replacement,
    argument="{pattern: RE2 pattern, with: text}",
)  # fmt: skip
def replace(value: str, prepared: tuple[Any, str]) -> str:
    """Replaces every match of an RE2 pattern with fixed text (nothing when `with` is left out)."""
    pattern, new = prepared
    return str(pattern.sub(lambda _match: new, searchable(value)))


@step(
    "text", "text", "text",
    Example("Class of 1998", "1998", "[0-9]{4}"),
    Example("id=77;x", "77", "id=([0-9]+)"),
    Example("none", None, "[0-9]+"),
    prepare=compile_pattern,
    argument="RE2 pattern",
)  # fmt: skip
def extract(value: str, pattern: Any) -> str | None:
    """Keeps the first match of an RE2 pattern, or its first group; nothing when there is no match."""
    match = pattern.search(searchable(value))
    if match is None:
        return None
    found = match.group(1) if pattern.groups else match.group(0)
    return None if found is None else str(found)


@step(
    "text", "text", "text",
    Example("abcdef", "abc", 3), Example("ab", "ab", 3), Example("né e", "né", 3),
    prepare=whole_number(1, 10_000), argument="how many characters",
)  # fmt: skip
def cut(value: str, length: int) -> str:
    """Keeps at most so many characters."""
    return value[:length].rstrip()


@step(
    "text", "text", "text",
    Example("p:+4420", "+4420", "p:"), Example("4420", "4420", "p:"), Example("MR Smith", "Smith", "mr "),
    prepare=text_of(100), argument="text",
)  # fmt: skip
def strip_prefix(value: str, prefix: str) -> str:
    """Cuts a beginning, in whatever case it is written."""
    return value[len(prefix) :] if value[: len(prefix)].casefold() == prefix.casefold() else value


@step(
    "text", "text", "text",
    Example("Smith (deceased)", "Smith", " (deceased)"), Example("Smith", "Smith", "!"), Example("A LTD", "A", " ltd"),
    prepare=text_of(100), argument="text",
)  # fmt: skip
def strip_suffix(value: str, suffix: str) -> str:
    """Cuts an ending, in whatever case it is written."""
    return value[: -len(suffix)] if value[-len(suffix) :].casefold() == suffix.casefold() else value


@step("text", "text", "text", Example("A-12 3", "123"), Example("٣", "3"), Example("abc", None))
def digits(value: str) -> str:
    """Keeps the digits, written 0 to 9."""
    return "".join(str(int(character)) for character in value if character.isdecimal())


STEPS: tuple[Step, ...] = (
    trim, collapse, lower, upper, title_name, replace, extract, cut, strip_prefix, strip_suffix, digits,
)  # fmt: skip
