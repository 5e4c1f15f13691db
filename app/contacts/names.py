"""Do two names speak against one person? Pure. Names are folded for comparing only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nicknames import NickNamer
from rapidfuzz.distance import JaroWinkler
from unidecode import unidecode

SIMILAR = 0.82  # Jaro-Winkler; measured on labelled sets of families and twins of spelling
TITLES = frozenset({"dr", "mr", "mrs", "ms", "miss", "mx", "prof", "rev", "sir", "herr", "frau", "mme"})

WITHIN_WORDS = re.compile(r"['`]+")
BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Name:
    """Folded parts, each a tuple of words; empty where unknown."""

    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.first or self.last)


NAMELESS = Name()


@lru_cache(maxsize=65_536)
def fold(text: str) -> tuple[str, ...]:
    """Words without case, accents and marks: "Ana-María O’Neil" -> ("ana", "maria", "oneil")."""
    if text.isascii() and text.isalpha():
        return (text.lower(),)
    plain = text if text.isascii() else unidecode(text)
    words = BETWEEN_WORDS.sub(" ", WITHIN_WORDS.sub("", plain.lower())).split()
    return tuple(word for word in words if word not in TITLES) or tuple(words)


def name_of(fields: Mapping[str, Any]) -> Name:
    """The name that field values state: first_name and last_name, else full_name."""
    first, last = _text(fields.get("first_name")), _text(fields.get("last_name"))
    if first or last:
        return Name(fold(first), fold(last))
    return _split(_text(fields.get("full_name")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _split(full: str) -> Name:
    family, comma, given = full.partition(",")
    if comma and given.strip():
        return Name(fold(given), fold(family))
    words = fold(full)
    return Name(words[:1], words[1:]) if words else NAMELESS


@lru_cache(maxsize=65_536)
def names_conflict(a: Name, b: Name) -> bool:
    """Whether both are known and cannot be the same person's. A missing part never conflicts."""
    if _is_swapped(a, b) or _is_swapped(b, a):
        return False
    first_conflicts = bool(a.first and b.first) and not _first_fits(a.first, b.first)
    last_conflicts = bool(a.last and b.last) and not _part_fits(a.last, b.last)
    return first_conflicts or last_conflicts


@lru_cache(maxsize=65_536)
def closeness(a: Name, b: Name) -> int:
    """How well two names that do not conflict agree: 2 equal, 1 both known, 0 nothing to compare."""
    if not a or not b:
        return 0
    return 2 if a == b else 1


def _is_swapped(a: Name, b: Name) -> bool:
    """First name in the field of the last one; a part that is missing on one side is no objection."""
    crossed = bool(a.first) and bool(b.last) and bool(set(a.first) & set(b.last))
    others = not (a.last and b.first) or bool(set(a.last) & set(b.first))
    return crossed and others


def _first_fits(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return _part_fits(a, b) or any(_canonical(word) & _canonical(other) for word in a for other in b)


def _part_fits(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    if set(a) & set(b) or _is_initial(a, b) or _is_initial(b, a):
        return True
    return JaroWinkler.similarity("".join(a), "".join(b)) >= SIMILAR


def _is_initial(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return len(a[0]) == 1 and a[0] == b[0][0]


@lru_cache(maxsize=1)
def _nicknames() -> NickNamer:
    return NickNamer()


@lru_cache(maxsize=16_384)
def _canonical(word: str) -> frozenset[str]:
    return frozenset({word, *_nicknames().canonicals_of(word)})
