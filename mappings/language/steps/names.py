"""Steps for people's names."""

import re
from functools import lru_cache

from mappings.language.steps.declare import Example, Step, step
from mappings.language.steps.particles import PARTICLES, PREFIXES

_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "professor",
        "sir",
        "dame",
        "lord",
        "lady",
        "rev",
        "fr",
        "herr",
        "frau",
        "m",
        "mme",
        "mlle",
        "sr.",
        "sra",
        "ing",
        "dipl.-ing",
    ]
)
_ENDINGS = frozenset(
    [
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
        "phd",
        "ph.d",
        "md",
        "m.d",
        "mba",
        "ma",
        "m.a",
        "ba",
        "b.a",
        "bsc",
        "msc",
        "esq",
        "dds",
        "jd",
        "llb",
        "llm",
        "obe",
        "mbe",
        "cbe",
    ]
)
# Chinese characters, kana and Hangul: the family name stands first.
_FAMILY_FIRST = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def _bare(word: str) -> str:
    return word.casefold().rstrip(".,")


@lru_cache(maxsize=4_096)
def split_name(text: str) -> tuple[str, str]:
    """(given names, family name) of a full name; either may be empty. Titles and degrees are left out."""
    before, comma, after = text.partition(",")
    if (
        comma
        and after.strip()
        and not all(_bare(word) in _ENDINGS for word in after.replace(",", " ").split())
    ):
        return " ".join(_without_extras(after.split())), " ".join(_without_extras(before.split()))
    words = _without_extras((before if comma else text).split())
    if len(words) < 2:  # noqa: PLR2004
        return " ".join(words), ""
    if _FAMILY_FIRST.search(text):
        return " ".join(words[1:]), words[0]
    start = len(words) - 1
    while start > 1 and words[start - 1].casefold() in (PARTICLES | PREFIXES):
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def _without_extras(words: list[str]) -> list[str]:
    first, last = 0, len(words)
    while last - first > 1 and _bare(words[first]) in _TITLES:
        first += 1
    while last - first > 1 and _bare(words[last - 1]) in _ENDINGS:
        last -= 1
    return words[first:last]


@step(
    "contact", "text", "text",
    Example("Ana María López", "Ana María"), Example("López, Ana", "Ana"), Example("Dr. Anna Smith PhD", "Anna"),
    Example("Ludwig van Beethoven", "Ludwig"), Example("山田 太郎", "太郎"), Example("Björk", "Björk"),
)  # fmt: skip
def name_given(value: str) -> str:
    """Takes the given names out of a full name."""
    return split_name(value)[0]


@step(
    "contact", "text", "text",
    Example("Ana María López", "López"), Example("López, Ana", "López"), Example("Dr. Anna Smith PhD", "Smith"),
    Example("Ludwig van Beethoven", "van Beethoven"), Example("山田 太郎", "山田"), Example("Björk", None),
)  # fmt: skip
def name_family(value: str) -> str:
    """Takes the family name out of a full name; one word alone is a given name."""
    return split_name(value)[1]


STEPS: tuple[Step, ...] = (name_given, name_family)
