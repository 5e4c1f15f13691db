"""The budget of simultaneous connections to one Mailchimp account.

Mailchimp allows 10 per user over all keys and programs; Muster takes 8 and leaves the rest to the others.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

DEFAULT_SLOT_COUNT = 8


class NoFreeSlotError(Exception):
    """Every connection stayed busy for as long as the call could wait."""


class ConnectionSlots(Protocol):
    """Who may talk now. Held for one call, given back whatever happens."""

    def hold(self, wait_seconds: float, hold_seconds: float) -> AbstractContextManager[None]:
        """Wait at most `wait_seconds` for a slot and hold it; `hold_seconds` is the longest the call can last.

        Raises NoFreeSlotError on entering. An implementation shared by processes lets a lease expire after
        `hold_seconds`, so that a killed process gives its slots back.
        """


class LocalSlots:
    """Slots of this process alone: right for one process, for tests and for the command line."""

    def __init__(self, slot_count: int = DEFAULT_SLOT_COUNT) -> None:
        self._free = threading.BoundedSemaphore(slot_count)

    @contextmanager
    def hold(self, wait_seconds: float, hold_seconds: float) -> Iterator[None]:  # noqa: ARG002 - the lease's length
        if not self._free.acquire(timeout=max(wait_seconds, 0)):
            raise NoFreeSlotError
        try:
            yield
        finally:
            self._free.release()
