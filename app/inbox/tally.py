"""Requests turned away, counted in memory and written once a second: never on the answering path."""

import hashlib
import threading

from app.core.clock import utc_now
from app.inbox.store import RejectionCount

LONGEST_REASON = 120
DIFFERENT_LIMIT = 2_000  # (source, reason) pairs between two flushes


class RejectionTally:
    """Counts by source and reason; of the content only the last body's hash is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], tuple[int, bytes | None]] = {}

    def count(self, source_id: int, reason: str, body: bytes | None = None) -> None:
        """Count one rejection."""
        place = (source_id, reason[:LONGEST_REASON])
        digest = hashlib.sha256(body).digest() if body else None
        with self._lock:
            if place not in self._counts and len(self._counts) >= DIFFERENT_LIMIT:
                return
            number, _ = self._counts.get(place, (0, None))
            self._counts[place] = (number + 1, digest)

    def take(self) -> list[RejectionCount]:
        """What was counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, {}
        today = utc_now().date()
        return [
            RejectionCount(source_id, today, reason, number, digest)
            for (source_id, reason), (number, digest) in counts.items()
        ]

    def put_back(self, counts: list[RejectionCount]) -> None:
        """Keep what could not be written for the next time."""
        with self._lock:
            for each in counts:
                number, digest = self._counts.get((each.source_id, each.reason), (0, each.body_sha256))
                self._counts[each.source_id, each.reason] = (number + each.count, digest)
