"""The budget of simultaneous connections to one Mailchimp account.

Mailchimp allows 10 per user over all keys and programs; Muster takes 8 and leaves the rest to the others.
"""

import bisect
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from integrations.mailchimp.pace import (
    FULL_COUNT,
    RECOVERY_SECONDS,
    Pace,
    count_at,
    queue_place,
    slowed,
)

DEFAULT_SLOT_COUNT = FULL_COUNT
LOOK_AGAIN_SECONDS = (
    0.5  # a waiting call notices at the latest then that the pace has recovered or a kept slot is free
)


class NoFreeSlotError(Exception):
    """Every connection stayed busy for as long as the call could wait."""


@dataclass(slots=True)
class Hold:
    """One call's slot. Whoever holds it says so where the account protested: the whole account then slows down.

    `quiet_seconds`: for so long the answer asked for no call at all. `kept_seconds`: for so long after the call's end
    the account may still have its connection open, and the slot is not given back.
    """

    granted_at: float = 0.0
    is_throttled: bool = False
    quiet_seconds: float = 0.0
    kept_seconds: float = 0.0


class ConnectionSlots(Protocol):
    """Who may talk now. Held for one call, given back whatever happens."""

    def hold(
        self, wait_seconds: float, hold_seconds: float, *, is_bulk: bool = False
    ) -> AbstractContextManager[Hold]:
        """Wait at most `wait_seconds` for a slot and hold it; `hold_seconds` is the longest the call can last.

        Interactive calls go before bulk ones, which wait three seconds longer at most on that account. Raises
        NoFreeSlotError on entering. An implementation shared by processes lets a lease expire after `hold_seconds`,
        so that a killed process gives its slots back.
        """


class LocalSlots:
    """Slots of this process alone: right for one process, for tests and for the command line."""

    def __init__(
        self,
        slot_count: int = DEFAULT_SLOT_COUNT,
        recovery_seconds: float = RECOVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        count_others: Callable[[], int] = lambda: 0,
    ) -> None:
        """`count_others`: calls of this process that are under way by other slots of the same account."""
        self._full, self._recovery, self._clock = slot_count, recovery_seconds, clock
        self._count_others = count_others
        self._pace = Pace(slot_count)
        self._queue: list[tuple[float, int]] = []  # sorted
        self._numbers = itertools.count()
        self._busy_count = 0
        self._kept_until: list[float] = []  # slots of calls that ended here and perhaps not there
        self._quiet_until = float("-inf")
        self._changed = threading.Condition()

    @property
    def slot_count(self) -> int:
        """How many calls may be under way now."""
        if self.quiet_seconds > 0:
            return 0
        return count_at(self._pace, self._clock(), self._full, self._recovery)

    @property
    def quiet_seconds(self) -> float:
        """For how long no call may begin, as the account asked."""
        return max(self._quiet_until - self._clock(), 0.0)

    @contextmanager
    def hold(
        self,
        wait_seconds: float,
        hold_seconds: float,  # noqa: ARG002 - the lease's length
        *,
        is_bulk: bool = False,
    ) -> Iterator[Hold]:
        self._enter(wait_seconds, is_bulk=is_bulk)
        held = Hold(self._clock())
        try:
            yield held
        finally:
            self._leave(held)

    def _enter(self, wait_seconds: float, *, is_bulk: bool) -> None:
        until = time.monotonic() + max(wait_seconds, 0)
        ticket = (queue_place(self._clock(), is_bulk=is_bulk), next(self._numbers))
        with self._changed:
            bisect.insort(self._queue, ticket)
            try:
                while self._queue.index(ticket) >= self._free_count():
                    left = until - time.monotonic()
                    if left <= 0:
                        raise NoFreeSlotError
                    self._changed.wait(min(left, LOOK_AGAIN_SECONDS))
                self._busy_count += 1
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _free_count(self) -> int:
        now = self._clock()
        self._kept_until = [until for until in self._kept_until if until > now]
        return self.slot_count - self._busy_count - len(self._kept_until) - self._count_others()

    def _leave(self, held: Hold) -> None:
        with self._changed:
            self._busy_count -= 1
            if held.kept_seconds > 0:
                self._kept_until.append(self._clock() + held.kept_seconds)
            if held.quiet_seconds:
                self._quiet_until = max(self._quiet_until, self._clock() + held.quiet_seconds)
            if held.is_throttled:
                self._pace = slowed(self._pace, self._clock(), held.granted_at, self._full, self._recovery)
            self._changed.notify_all()
