"""Wrong sign-ins slow down who makes them: a wait that grows, never a lock."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

LONGEST_WAIT_SECONDS = 60.0
FORGET_SECONDS = 900.0
MOST_LIMITS = 20_000  # beyond it the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Limit:
    """Something to count against: an address, an account, or both; the first `free_count` tries cost no wait."""

    key: str
    free_count: int


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries so far, and when the last one was, in seconds of a steady clock."""

    count: int = 0
    last_at: float = 0.0


def limits_for(address: str, account: str, *, is_known_address: bool) -> tuple[Limit, ...]:
    """What one sign-in counts against.

    An account is also counted over all addresses, except where its owner signed in before: strangers who try it
    from elsewhere cannot keep the owner out.
    """
    pair = Limit(f"pair {address} {account}", 3)
    by_address = Limit(f"address {address}", 10)
    return (pair, by_address) if is_known_address else (pair, by_address, Limit(f"account {account}", 10))


def wait_after(count: int, free_count: int) -> float:
    """Seconds to wait after so many tries: 0 at first, then 2, 4, 8 ... to a minute."""
    over = count - free_count
    return 0.0 if over < 0 else min(2.0 ** (1 + min(over, 10)), LONGEST_WAIT_SECONDS)


class Throttle:
    """Counts tries in this process. Times are seconds of any steady clock, given by the caller."""

    def __init__(self) -> None:
        self._tries: dict[str, Tries] = {}
        self._lock = threading.Lock()

    def admit(self, limits: Sequence[Limit], now: float) -> int:
        """Seconds to wait before this try; 0 = go on, and it is counted, so that parallel tries count as well."""
        with self._lock:
            wait = max((self._wait(limit, now) for limit in limits), default=0.0)
            if wait <= 0:
                for limit in limits:
                    self._count(limit, now)
            return math.ceil(wait)

    def succeeded(self, limits: Sequence[Limit]) -> None:
        """The try that was admitted was right: it does not count, and neither do the earlier ones of the same pair."""
        with self._lock:
            for limit in limits:
                tries = self._tries.get(limit.key, Tries())
                is_pair = limit is limits[0]
                if is_pair or tries.count <= 1:
                    self._tries.pop(limit.key, None)
                else:
                    self._tries[limit.key] = replace(tries, count=tries.count - 1)

    def _wait(self, limit: Limit, now: float) -> float:
        tries = self._recent(limit, now)
        return tries.last_at + wait_after(tries.count, limit.free_count) - now if tries.count else 0.0

    def _recent(self, limit: Limit, now: float) -> Tries:
        tries = self._tries.get(limit.key, Tries())
        return tries if now - tries.last_at <= FORGET_SECONDS else Tries()

    def _count(self, limit: Limit, now: float) -> None:
        count = self._recent(limit, now).count + 1
        self._tries.pop(limit.key, None)  # the newest stands last
        self._tries[limit.key] = Tries(count, now)
        if len(self._tries) > MOST_LIMITS:
            self._tries.pop(next(iter(self._tries)))
