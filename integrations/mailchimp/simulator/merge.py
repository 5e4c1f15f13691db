"""What each type of merge field accepts, and what Mailchimp says when it does not (reference texts, 2026-11).

Of a choice: https://github.com/ibericode/mailchimp-for-wordpress/issues/529; of a date: issue 662 there; of a zip code
and a URL: a public plugin that tells them apart (seen 2026-11).
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from integrations.mailchimp.simulator.member import ADDRESS_PARTS
from integrations.mailchimp.simulator.parts import MergeField
from integrations.mailchimp.simulator.refusals import FieldErrors

MAX_TEXT_BYTES = 255
TYPES = (
    "text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip",
)  # fmt: skip
NEEDED_ADDRESS_PARTS = ("addr1", "city", "state", "zip")
US_PHONE = re.compile(r"^\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}$")


class BadValueError(Exception):
    """The value does not fit; the text is Mailchimp's."""


def _text(value: Any, _field: MergeField) -> Any:
    if isinstance(value, (bool, dict, list)):
        raise BadValueError("Please enter a value")
    text = str(value)
    if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
        raise BadValueError(f"Please limit your entry to {MAX_TEXT_BYTES} characters")
    return text


def _number(value: Any, _field: MergeField) -> Any:
    try:
        number = math.nan if isinstance(value, (bool, dict, list)) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadValueError("Please enter a number")
    return int(number) if number.is_integer() else number


def _address(value: Any, _field: MergeField) -> Any:
    is_complete = isinstance(value, Mapping) and all(value.get(part) for part in NEEDED_ADDRESS_PARTS)
    if not is_complete:
        raise BadValueError("Please enter a complete address")
    return {part: str(value.get(part) or ("US" if part == "country" else "")) for part in ADDRESS_PARTS}


def _date(value: Any, _field: MergeField) -> Any:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise BadValueError("Please enter the date") from None


def _birthday(value: Any, _field: MergeField) -> Any:
    found = re.fullmatch(r"(\d{1,2})/(\d{1,2})", str(value))
    try:
        month, day = (int(part) for part in found.groups()) if found else (0, 0)
        date(2000, month, day)
    except ValueError:
        raise BadValueError("Please enter a month (01-12) and a day (01-31)") from None
    return f"{month:02}/{day:02}"


def _phone(value: Any, field: MergeField) -> Any:
    text = _text(value, field)
    if field.options.get("phone_format") == "US" and not US_PHONE.match(text):
        raise BadValueError("Please enter a phone number")
    return text


def _url(value: Any, _field: MergeField) -> Any:
    if not re.match(r"^https?://[^\s/]+", str(value)):
        raise BadValueError("That is not a valid URL")
    return str(value)


def _zip(value: Any, _field: MergeField) -> Any:
    if not re.fullmatch(r"\d{5}(-\d{4})?", str(value)):
        raise BadValueError("Please enter a zip code (5 digits)")
    return str(value)


def _choice(value: Any, field: MergeField) -> Any:
    choices = field.options.get("choices") or []
    if str(value) not in choices:
        raise BadValueError(f"Value must be one of: {', '.join(choices)} (not {value})")
    return str(value)


CHECKS: Mapping[str, Callable[[Any, MergeField], Any]] = {
    "text": _text,
    "number": _number,
    "address": _address,
    "date": _date,
    "birthday": _birthday,
    "phone": _phone,
    "url": _url,
    "imageurl": _url,
    "zip": _zip,
    "radio": _choice,
    "dropdown": _choice,
}


def check_values(
    fields: Mapping[str, MergeField], values: Mapping[str, Any]
) -> tuple[dict[str, Any], FieldErrors]:
    """Values as stored ("" clears), and an error for each that does not fit. Unknown tags are ignored in silence."""
    stored: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for tag, value in values.items():
        field = fields.get(tag)
        if field is None or value is None:
            continue
        if type(value) is str and field.type == "text" and len(value) * 4 <= MAX_TEXT_BYTES:
            stored[tag] = value  # most values are short texts
            continue
        try:
            stored[tag] = "" if value == "" else CHECKS[field.type](value, field)
        except BadValueError as problem:
            errors.append((tag, str(problem)))
    return stored, tuple(errors)


def missing_values(fields: Mapping[str, MergeField], values: Mapping[str, Any]) -> FieldErrors:
    """Required fields that would stay empty."""
    return tuple(
        [
            (tag, "Please enter a value")
            for tag, field in fields.items()
            if field.is_required and values.get(tag, "") == ""
        ]
    )
