"""Times as platforms write them, read into aware UTC."""

from datetime import UTC, datetime
from typing import Any

# Seconds above this are milliseconds: 1e11 seconds is the year 5138, 1e11 milliseconds is 1973.
_LARGEST_SECONDS = 100_000_000_000


def find_time(value: Any) -> datetime | None:
    """An aware UTC time from unix seconds or milliseconds (number or text) or ISO 8601; None when it is none.

    A time without a zone is taken as UTC: every platform here that omits it means UTC (Mailchimp's `fired_at`).
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str) and not (value.isascii() and value.strip().isdecimal()):
            return _iso(value.strip())
        return _unix(float(value))
    except (ValueError, OverflowError, OSError):
        return None


def _iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unix(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number > _LARGEST_SECONDS else number, tz=UTC)
