"""What surrounds an event's content: readable in paths as `$event.kind`, `$event.occurred_at`, ..."""

from dataclasses import dataclass
from datetime import UTC, datetime

EVENT_NAMES = ("key", "kind", "occurred_at", "received_at", "account", "source")


@dataclass(frozen=True, slots=True)
class EventInfo:
    """An event without its content. Times are aware; `source` is the slug of the source it came through."""

    key: str = ""
    kind: str = ""
    occurred_at: datetime | None = None
    received_at: datetime | None = None
    account: str = ""
    source: str = ""

    def value_of(self, name: str) -> str | None:
        """One of EVENT_NAMES as a JSON value; times as UTC text ending in Z; None when blank."""
        value = getattr(self, name)
        return time_text(value) if isinstance(value, datetime) else value or None


def time_text(value: datetime) -> str:
    """A time as UTC text: "2026-03-05T10:22:31Z". A time without zone counts as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
