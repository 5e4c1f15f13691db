"""What each type of merge field accepts: a contact's value in Mailchimp's form, or nothing. Pure.

A value that does not fit is left out and named, so that one bad value never blocks the rest of a member.
Types: Mailchimp's merge-fields reference and its own error texts, seen 2026-11.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

TEXT_BYTES = 255
TAG_LENGTH = 100  # characters of a member's tag, as Mailchimp's own refusal has it
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
ADDRESS_PARTS = ("addr1", "city", "state", "zip")
PLACE_PARTS = ("addr1", "city", "zip")
# What Mailchimp fills in for the parts of an address that it was not told (merge-fields reference, seen 2026-11).
UNTOLD_PARTS = {"addr2": "", "country": "US"}


LEAP_YEAR = 2000  # which has every day that anybody is born on


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What the audience's live schema says of a merge field."""

    type: str = "text"
    is_required: bool = False
    choices: tuple[str, ...] = ()
    is_us_phone: bool = False


def plain_text(value: Any) -> str | None:
    """A value as text: yes and no for booleans, lists joined by commas; None for an object."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(one, (Mapping, list)) for one in value):
        return ", ".join(str(one).strip() for one in value)
    return None if isinstance(value, (Mapping, list)) else str(value).strip()


def text_value(value: Any, _spec: FieldSpec) -> str | None:
    """Text of at most 255 bytes, cut between characters."""
    plain = value.strip() if value.__class__ is str else plain_text(value)
    if plain is None or (len(plain) <= TEXT_BYTES and plain.isascii()):
        return plain
    return plain.encode()[:TEXT_BYTES].decode("utf-8", "ignore")


def is_long_tag(tag: str) -> bool:
    return len(tag.strip()) > TAG_LENGTH


def number_value(value: Any, _spec: FieldSpec) -> int | float | None:
    """Exactly the number that is meant, or nothing: one with more digits than a float keeps would come out as another."""
    plain = str(value).strip()
    if isinstance(value, bool) or not NUMBER.fullmatch(plain):
        return None
    number = Decimal(plain)
    double = float(number)
    if number == number.to_integral_value():
        return int(number) if double == number else None
    return double if Decimal(repr(double)) == number else None


def date_value(value: Any, _spec: FieldSpec) -> str | None:
    """The day of a date, or of a time."""
    try:
        return datetime.fromisoformat(str(value).strip()).date().isoformat()
    except ValueError:
        return None


def birthday_value(value: Any, spec: FieldSpec) -> str | None:
    """MM/DD, from MM/DD or from a date; only days that there are."""
    plain = str(value).strip()
    is_day = re.fullmatch(r"[0-9]{2}/[0-9]{2}", plain)
    day = date_value(f"{LEAP_YEAR}-{plain.replace('/', '-')}" if is_day else plain, spec)
    return f"{day[5:7]}/{day[8:10]}" if day else None


def address_value(value: Any, _spec: FieldSpec) -> dict[str, str] | None:
    """Only a complete address: half of one blocks later updates of any field (mc-woocommerce issue 500)."""
    if not isinstance(value, Mapping):
        return None
    parts = {name: str(value.get(name) or "").strip() for name in (*ADDRESS_PARTS, *UNTOLD_PARTS)}
    if not all(parts[name] for name in ADDRESS_PARTS):
        return None
    return {name: part for name, part in parts.items() if part}


def is_same_value(ours: Any, theirs: Any) -> bool:
    """Whether Mailchimp shows `theirs` where it has `ours`: it shows an address with every part."""
    if ours == theirs:
        return True
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return False
    return _shown(ours) == _shown(theirs)


def fill_address(ours: Any, theirs: Any) -> Any:
    """An address with the parts of theirs that ours lacks, where both are of one place; else ours as it is.

    An address is written whole, and what it lacks Mailchimp empties or makes US.
    """
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return ours
    if any(_folded(ours.get(part) or "") != _folded(theirs.get(part) or "") for part in PLACE_PARTS):
        return ours
    return {**{name: part for name, part in theirs.items() if str(part or "").strip()}, **ours}


def _shown(address: Mapping[str, Any]) -> dict[str, str]:
    told = {name: text for name, part in address.items() if (text := str(part or "").strip())}
    return {**UNTOLD_PARTS, **told}


def phone_value(value: Any, spec: FieldSpec) -> str | None:
    plain = str(value).strip()
    if not spec.is_us_phone:
        return text_value(plain, spec) or None
    digits = re.sub(r"\D", "", plain).removeprefix("1")
    is_us = plain.startswith("+1") or not plain.startswith("+")
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}" if is_us and len(digits) == 10 else None  # noqa: PLR2004


def url_value(value: Any, _spec: FieldSpec) -> str | None:
    """One that fits: cut short it would lead somewhere else."""
    plain = str(value).strip()
    is_url = re.fullmatch(r"https?://[^\s/]\S*", plain, re.IGNORECASE)
    return plain if is_url and len(plain.encode()) <= TEXT_BYTES else None


def zip_value(value: Any, _spec: FieldSpec) -> str | None:
    plain = str(value).strip()
    return plain if re.fullmatch(r"[0-9]{5}(-[0-9]{4})?", plain) else None


def choice_value(value: Any, spec: FieldSpec) -> str | None:
    """The audience's own spelling of the choice."""
    wanted = _folded(value)
    return next((choice for choice in spec.choices if _folded(choice) == wanted), None)


def _folded(word: Any) -> str:
    """The same for words that look the same, whatever their case, spaces around them and the way accents are written."""
    return " ".join(unicodedata.normalize("NFC", str(word)).casefold().split())


Format = Callable[[Any, FieldSpec], Any]
FORMATS: Mapping[str, Format] = {
    "text": text_value,
    "number": number_value,
    "date": date_value,
    "birthday": birthday_value,
    "address": address_value,
    "phone": phone_value,
    "url": url_value,
    "imageurl": url_value,
    "zip": zip_value,
    "radio": choice_value,
    "dropdown": choice_value,
}


@dataclass(frozen=True, slots=True)
class MergeValues:
    """Merge field values by tag, and the tags whose value did not fit."""

    values: Mapping[str, Any]
    unfit: tuple[str, ...] = ()
