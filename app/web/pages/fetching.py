"""A back-fill begun from a page: short ones are waited for, a long one goes on behind the page, one at a time a source."""

import threading
from datetime import datetime

from app.core.errors import BusyError, ConflictError
from app.core.log import get_log
from app.core.runtime import Runtime
from app.inbox.backfill import BackfillCounts, backfill_source

WAIT_SECONDS = 15.0
GOES_ON = "It takes longer and goes on by itself; what comes shows under Deliveries."

log = get_log(__name__)
_running: set[str] = set()
_lock = threading.Lock()


class _Fetch(threading.Thread):
    """One back-fill on a thread of its own; what came of it, or why not."""

    def __init__(self, runtime: Runtime, slug: str, since: datetime) -> None:
        super().__init__(name=f"backfill-{slug}", daemon=True)
        self._runtime, self._slug, self._since = runtime, slug, since
        self.counts = BackfillCounts()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.counts = backfill_source(self._runtime, self._slug, self._since)
        except Exception as error:  # noqa: BLE001 - the outermost call of a thread; the page that waits raises it on
            self.error = error
            log.warning("source.backfill_failed", source=self._slug, error=type(error).__name__)
        finally:
            with _lock:
                _running.discard(self._slug)


def fetch_missed(runtime: Runtime, slug: str, since: datetime, wait_seconds: float = WAIT_SECONDS) -> str:
    """Ask the platform for what it kept; a sentence of what came. MusterError where it cannot be, or ended early."""
    with _lock:
        if slug in _running:
            raise ConflictError("This source is being fetched already.", "What comes shows under Deliveries.")
        _running.add(slug)
    fetch = _Fetch(runtime, slug, since)
    fetch.start()
    fetch.join(wait_seconds)
    if fetch.is_alive():
        return GOES_ON
    if fetch.error is not None:
        raise fetch.error
    told = f"{fetch.counts.body_count} kept by the platform, {fetch.counts.new_count} of them new."
    if fetch.counts.failure:
        raise BusyError(f"It ended early: {fetch.counts.failure}. {told}", fetch.counts.hint)
    return told
