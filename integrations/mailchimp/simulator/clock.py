"""The simulator's time: real time plus an offset, or a moment held still."""

import time
from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=65536)
def iso(moment: int) -> str:
    """Epoch seconds as Mailchimp writes them; "" for never."""
    return datetime.fromtimestamp(moment, UTC).isoformat() if moment else ""


class Clock:
    """Real time plus an offset; `freeze` holds it still. What is due sooner or later goes by `elapsed`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self.frozen_at: int | None = None
        self._skipped_seconds = 0.0

    def moment(self) -> float:
        return self.frozen_at if self.frozen_at is not None else time.time() + self.offset_seconds

    def now(self) -> int:
        """Whole seconds, as Mailchimp keeps them."""
        return int(self.moment())

    def elapsed(self) -> float:
        """Seconds since no particular moment: real ones, and those that `advance` leapt over, also while frozen."""
        return time.monotonic() + self._skipped_seconds

    def freeze(self, moment: int) -> None:
        self.frozen_at = moment

    def advance(self, seconds: float) -> None:
        self._skipped_seconds += seconds
        if self.frozen_at is None:
            self.offset_seconds += seconds
        else:
            self.frozen_at += int(seconds)

    def reset(self) -> None:
        self.offset_seconds, self.frozen_at = 0.0, None
