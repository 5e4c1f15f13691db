"""Steps for numbers, true and false, dates, times and years."""

import datetime as dt
import math
import re
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from mappings.language.event import time_text
from mappings.language.problems import Refused
from mappings.language.steps.arguments import choice_of, keys_of, refuse_argument, word_key
from mappings.language.steps.declare import Example, Step, number_text, step

YES_WORDS = frozenset({"yes", "y", "true", "t", "1", "on", "checked", "x", "ja", "oui", "sí", "si", "sim"})
NO_WORDS = frozenset({"no", "n", "false", "f", "0", "off", "unchecked", "nein", "non", "não"})

_GROUPED = re.compile(r"[-+]?[0-9]{1,3}(?:[,' ][0-9]{3})+(?:\.[0-9]+)?\Z")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?\Z")
MAX_DIGITS = 18


def _number(value: Any) -> str:
    if isinstance(value, bool):
        raise Refused("not_a_number", "true or false stands where a number is wanted.")
    text = value.strip() if isinstance(value, str) else number_text(value)
    if _GROUPED.match(text):
        text = re.sub("[,' ]", "", text)
    if len(text) > MAX_DIGITS + 10 or not _NUMBER.match(text):
        raise Refused("not_a_number", "This is not a number.", "Only digits, one point and a sign are read.")
    return text


@step(
    "value",
    "scalar",
    "integer",
    Example("1998", 1998),
    Example("1,250", 1250),
    Example("7.0", 7),
    Example("x", refused="not_a_number"),
    Example("7.5", refused="not_whole"),
)
def integer(value: Any) -> int:
    """Reads a whole number; thousands may be grouped."""
    whole, _, rest = _number(value).partition(".")
    if rest.strip("0"):
        raise Refused("not_whole", "This number has a fraction.", "Use the step decimal.")
    if len(whole) > MAX_DIGITS:
        raise Refused("too_long", f"Whole numbers have at most {MAX_DIGITS} digits.")
    return int(whole)


@step(
    "value",
    "scalar",
    "number",
    Example("12.50", 12.5),
    Example("1,250.75", 1250.75),
    Example(3, 3.0),
    Example("ten", refused="not_a_number"),
)
def decimal(value: Any) -> float:
    """Reads a number with a fraction; the point is the decimal sign."""
    number = float(_number(value))
    if not math.isfinite(number):
        raise Refused("not_a_number", "This number is too large.")
    return number


@step(
    "value",
    "scalar",
    "boolean",
    Example("Yes", True),
    Example("off", False),
    Example(1, True),
    Example("maybe", refused="not_yes_or_no"),
)
def truthy(value: Any) -> bool:
    """Reads yes, true, 1, on, checked, x as true and no, false, 0, off as false."""
    if isinstance(value, bool):
        return value
    word = (value if isinstance(value, str) else number_text(value)).strip().casefold()
    if word in YES_WORDS or word in NO_WORDS:
        return word in YES_WORDS
    raise Refused("not_yes_or_no", "This is neither yes nor no.", "Use the step lookup for other words.")


# The letters of a date format, as sheets write them, and strptime's.
_TOKENS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "DD": "%d",
    "D": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "AM": "%p",
    "hh": "%I",
}
_TOKEN = re.compile("|".join(_TOKENS))
MAX_FORMATS, MAX_FORMAT = 10, 40


def _formats(argument: Any) -> tuple[str, ...]:
    if argument is None:
        return ()
    entries = argument if isinstance(argument, list) else [argument]
    are_short = all(isinstance(entry, str) and 0 < len(entry) <= MAX_FORMAT for entry in entries)
    if not 1 <= len(entries) <= MAX_FORMATS or not are_short:
        raise refuse_argument("One to ten formats such as DD/MM/YYYY are needed here.")
    formats = tuple(
        _TOKEN.sub(lambda match: _TOKENS[match.group()], entry) for entry in entries if "%" not in entry
    )
    if len(formats) < len(entries) or not all(
        ("%d" in form and "%m" in form) or "%b" in form.lower() for form in formats
    ):
        raise refuse_argument("A format names day, month and year, such as DD/MM/YYYY or D MMM YYYY.")
    return formats


def _parsed(text: str, formats: tuple[str, ...]) -> dt.datetime:
    if len(text) > 60:  # noqa: PLR2004 - no date is longer
        raise Refused("not_a_date", "This is not a date.")
    for form in formats:
        try:
            return dt.datetime.strptime(text, form)  # noqa: DTZ007 - a zone is given to it by the caller
        except (ValueError, OverflowError):
            continue
    if not formats:
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError:
            pass
    raise Refused(
        "not_a_date",
        "This is not a date in the formats named.",
        "Name its format, for example date: DD/MM/YYYY.",
    )


@step(
    "value", "text", "date",
    Example("2026-03-05", "2026-03-05"),
    Example("05/03/2026", "2026-03-05", "DD/MM/YYYY"),
    Example("5 Mar 2026", "2026-03-05", ["DD/MM/YYYY", "D MMM YYYY"]),
    Example("2026-03-05T10:22:31Z", "2026-03-05"),
    Example("31/02/2026", refused="not_a_date", argument="DD/MM/YYYY"),
    prepare=_formats, argument="nothing for ISO, or one or more formats",
)  # fmt: skip
def date(value: str, formats: tuple[str, ...] = ()) -> str:
    """Reads a date and gives it as YYYY-MM-DD."""
    return _parsed(value.strip(), formats).date().isoformat()


def _time_argument(argument: Any) -> tuple[tuple[str, ...], Any]:
    if not isinstance(argument, dict):
        return _formats(argument), dt.UTC
    keys = keys_of(argument, {"formats": (str, list), "zone": str})
    try:
        zone = ZoneInfo(keys.get("zone", "UTC"))
    except (KeyError, ValueError, OSError):
        raise refuse_argument("This time zone is not known.", "Write it as Europe/London.") from None
    return _formats(keys.get("formats")), zone


@step(
    "value", "text", "datetime",
    Example("2026-03-05T10:22:31+0100", "2026-03-05T09:22:31Z"),
    Example("2026-03-05 10:22:31", "2026-03-05T10:22:31Z"),
    Example("05/07/2026 10:22", "2026-07-05T09:22:00Z", {"formats": "DD/MM/YYYY HH:mm", "zone": "Europe/London"}),
    Example("soon", refused="not_a_date"),
    prepare=_time_argument, argument="nothing for ISO, formats, or {formats: ..., zone: Europe/London}",
)  # fmt: skip
def datetime(value: str, prepared: tuple[tuple[str, ...], Any] = ((), dt.UTC)) -> str:
    """Reads a time and gives it in UTC; without a zone of its own it is in `zone`, else UTC."""
    formats, zone = prepared
    parsed = _parsed(value.strip(), formats)
    try:
        return time_text(parsed if parsed.tzinfo else parsed.replace(tzinfo=zone))
    except (OverflowError, ValueError):
        raise Refused("not_a_date", "This time is outside the years that can be stored.") from None


@step(
    "value", "scalar", "datetime",
    Example(1772706151, "2026-03-05T10:22:31Z"),
    Example("1772706151000", "2026-03-05T10:22:31Z", "milliseconds"),
    Example(0, "1970-01-01T00:00:00Z"),
    Example("99999999999999999", refused="not_a_date"),
    prepare=choice_of("seconds", "milliseconds"), argument="seconds (meant when left out) or milliseconds",
)  # fmt: skip
def epoch(value: Any, unit: str = "seconds") -> str:
    """Reads a time counted from 1970 and gives it in UTC."""
    count = decimal.run(value) / (1000 if unit == "milliseconds" else 1)
    if not -62_135_596_800 <= count <= 253_402_300_799:  # noqa: PLR2004 - the years 1 to 9999
        raise Refused("not_a_date", "This count is outside the years 1 to 9999.", "Is it in milliseconds?")
    return time_text(dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=count))


_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: month for month, name in enumerate(_MONTH_NAMES, 1)}
_ISO_DAY = re.compile(r"(?:\d{4}|-)-(\d{1,2})-(\d{1,2})(?:[T ].*)?\Z", re.ASCII)
_TWO_NUMBERS = re.compile(r"(\d{1,2})[/.\- ](\d{1,2})(?:[/.\- ](?:\d{4}|\d{2}))?\Z", re.ASCII)
_WORD_DAY = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th)?[ .\-]+)?([a-z]{3})[a-z]*\.?(?:[ \-]+(\d{1,2})(?:st|nd|rd|th)?)?(?:,?[ \-]+\d{4})?\Z",
    re.ASCII,
)


def _month_and_day(text: str, order: str) -> tuple[int, int] | None:
    if match := _ISO_DAY.match(text):
        return int(match[1]), int(match[2])
    if match := _TWO_NUMBERS.match(text):
        one, two = int(match[1]), int(match[2])
        return (one, two) if order == "month_first" else (two, one)
    match = _WORD_DAY.match(text.lower())
    if match and match[2] in _MONTHS and (match[1] or match[3]):
        return _MONTHS[match[2]], int(match[1] or match[3])
    return None


@step(
    "value", "text", "birthday",
    Example("03/05", "03/05"),
    Example("5/3/1990", "03/05", "day_first"),
    Example("1990-03-05", "03/05"),
    Example("5th March", "03/05"),
    Example("02/30", refused="not_a_birthday"),
    prepare=choice_of("month_first", "day_first"), argument="month_first (meant when left out) or day_first",
)  # fmt: skip
def birthday(value: str, order: str = "month_first") -> str:
    """Reads the day of a birthday and gives it as MM/DD, as Mailchimp wants it; the year is dropped."""
    found = _month_and_day(value.strip(), order) if len(value) < 40 else None  # noqa: PLR2004
    if found is not None:
        try:
            return dt.date(2000, *found).strftime("%m/%d")
        except ValueError:
            pass
    raise Refused(
        "not_a_birthday", "This is not a day of the year.", "Month and day as 03/05, or birthday: day_first."
    )


# Of two-digit class years, 00 to 35 are read as 2000 to 2035.
LAST_SHORT_YEAR = 35
_CLASS_YEAR = re.compile(
    r"(?:class\s+of\s+)?['’‘`]?(\d{4}|\d{2})(?:\.0)?(?:\s*[\(,/;\-–].*|\s+[a-z. ]+)?\Z",
    re.IGNORECASE | re.ASCII,
)
UNKNOWN_YEARS = frozenset({1900, 0, 9999})
MAX_CLASS_YEAR = 60


@step(
    "value", "scalar", "year",
    Example("1998", 1998), Example("'98", 1998), Example("1998 (MBA)", 1998), Example("Class of 2004", 2004),
    Example(98, 1998), Example("1900", None), Example("09", 2009), Example("unknown", refused="not_a_year"),
)  # fmt: skip
def class_year(value: Any) -> int | None:
    """Reads a class year ('98, 1998 (MBA), Class of 1998); 1900 means unknown; 00 to 35 are 2000 to 2035."""
    if isinstance(value, bool):
        raise Refused("not_a_year", "true or false stands where a year is wanted.")
    text = value.strip() if isinstance(value, str) else number_text(value)
    year = _class_year(text) if len(text) <= MAX_CLASS_YEAR else 0
    if year == 0:
        raise Refused(
            "not_a_year", "This is not a class year.", "1998, '98 and 1998 (MBA) are read; 1850 to 2100."
        )
    return year


@lru_cache(maxsize=1_024)
def _class_year(text: str) -> int | None:
    """The year, None where the text says that it is unknown, 0 where it is no year."""
    match = _CLASS_YEAR.match(text)
    year = int(match[1]) if match else 0
    if match and len(match[1]) == 2:  # noqa: PLR2004 - two digits
        year += 2000 if year <= LAST_SHORT_YEAR else 1900
    elif match and year in UNKNOWN_YEARS:
        return None
    return year if 1850 <= year <= 2100 else 0  # noqa: PLR2004


STEPS: tuple[Step, ...] = (integer, decimal, truthy, date, datetime, epoch, birthday, class_year)

# Words that say yes when a consent rule names none; compared like every word, without case and punctuation.
CONSENT_YES = tuple(word_key(word) for word in ("yes", "y", "true", "1", "on", "checked"))
