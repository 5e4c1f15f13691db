"""Connection slots shared by all processes: leases in Redis, and two of one's own while Redis is away.

Mailchimp counts connections per account over all programs; 8 of its 10 are Muster's. Redis only keeps the peace here:
losing it loses nothing, because every process then holds itself to two. A call that finds no slot takes a place in a
queue at Redis and sleeps at a bell of its own; whoever gives a slot back hands it to the first in the queue and rings
that one's bell. Nobody polls, and the order holds over all processes. A Redis that forgot (it began anew, empty) is told
by each process what it holds before it grants that process more.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.audiences.slot_scripts import LEAVE, QUIET, TAKE, TELL
from integrations.mailchimp.pace import (
    BULK_HANDICAP_SECONDS,
    RECOVERY_SECONDS,
    Pace,
    list_steps,
    slowed,
)
from integrations.mailchimp.slots import DEFAULT_SLOT_COUNT, Hold, LocalSlots, NoFreeSlotError

LONELY_SLOT_COUNT = 2  # per process, while Redis does not answer
SULK_SECONDS = 5.0  # Redis is not asked again for so long after it failed
REDIS_SECONDS = 0.5
NAP_SECONDS = 0.25  # at the bell; then one looks whether a lease ended by itself or the pace recovered
LEAST_NAP_SECONDS = 0.01  # 0 would be for ever
ABSENT_SECONDS = (
    1.0  # who waits and was not seen for so long is taken for dead, and comes back by asking again
)
# For so long after Redis forgot, all processes together get as many slots as a lonely one has: 8 calls that it forgot and
# those are 10. Whoever waits at it comes back by then, sulking or not, and tells what it holds.
SETTLING_SECONDS = SULK_SECONDS + 1.0
LATE_SECONDS = (
    1.0  # between the end of a call and our telling what becomes of its lease; a busy machine takes its time
)
FORGOT = -1  # what a script says to whom Redis does not know
MOST_TELLINGS = 3  # for one call; more would be a Redis that goes on beginning anew


class SharedSlots:
    """Slots of one account, leased in Redis. A killed process's lease ends by itself."""

    def __init__(
        self,
        redis_url: str,
        account: str,
        slot_count: int = DEFAULT_SLOT_COUNT,
        recovery_seconds: float = RECOVERY_SECONDS,
    ) -> None:
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._take, self._leave = self._redis.register_script(TAKE), self._redis.register_script(LEAVE)
        self._quiet, self._tell = self._redis.register_script(QUIET), self._redis.register_script(TELL)
        key = f"muster:slots:{account}"
        self._keys = [key, f"{key}:queue", f"{key}:waiting", f"{key}:pace", f"{key}:quiet", f"{key}:epoch"]
        self._slot_count, self._recovery = slot_count, recovery_seconds
        self._lonely_count = min(LONELY_SLOT_COUNT, slot_count)
        self._own_lock, self._epoch = threading.Lock(), ""
        self._is_known = False  # calls went before: where there is no epoch, Redis forgot one
        self._leases: dict[str, float] = {}  # token -> until when, by the monotonic clock
        self._lonely_leases: dict[str, float] = {}  # the same of slots that were taken while Redis was away
        self._lonely = LocalSlots(self._lonely_count, recovery_seconds, count_others=self._count_leases)
        self._own = threading.BoundedSemaphore(slot_count * 4)  # bounds the connections to Redis
        self._away_until = 0.0

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def hold(self, wait_seconds: float, hold_seconds: float, *, is_bulk: bool = False) -> Iterator[Hold]:
        """One slot for one call; NoFreeSlotError when none became free in `wait_seconds`."""
        until = time.monotonic() + max(wait_seconds, 0)
        if not self._own.acquire(timeout=max(wait_seconds, 0)):
            raise NoFreeSlotError
        try:
            leased = self._lease(until, hold_seconds, is_bulk=is_bulk)
            if leased is None:
                with self._hold_alone(until, hold_seconds, is_bulk=is_bulk) as held:
                    yield held
                return
            token, held = leased
            self._leases[token] = time.monotonic() + hold_seconds + LATE_SECONDS
            try:
                yield held
            finally:
                self._forget(self._leases, token, held)
                self._give_back(token, held)
        finally:
            self._own.release()

    @contextmanager
    def _hold_alone(self, until: float, hold_seconds: float, *, is_bulk: bool) -> Iterator[Hold]:
        """One of the process's own slots. Redis hears of it when it is back."""
        left = max(until - time.monotonic(), 0)
        with self._lonely.hold(left, hold_seconds, is_bulk=is_bulk) as held:
            token = _new_token(hold_seconds)
            with self._own_lock:
                self._lonely_leases[token] = time.monotonic() + hold_seconds + LATE_SECONDS
                self._epoch, self._is_known = "", True
            try:
                yield held
            finally:
                self._forget(self._lonely_leases, token, held)
                if time.monotonic() >= self._away_until:
                    self._give_back(token, Hold(kept_seconds=held.kept_seconds))

    def _forget(self, leases: dict[str, float], token: str, held: Hold) -> None:
        """The call is over. Once this returns nobody tells Redis of its lease, unless the slot is kept."""
        with self._own_lock:
            now = time.monotonic()
            leases[token] = now + held.kept_seconds
            for ended in [one for one, until in leases.items() if until <= now]:
                del leases[ended]

    def find_slot_count(self) -> int | None:
        """How many calls the account bears now, or None while Redis is away."""
        try:
            now = self._now()
            steps = _read_steps(self._redis.get(self._keys[3]))
        except redis.RedisError:
            return None
        return next((count for count, ends in steps if ends > now), self._slot_count)

    def find_quiet_seconds(self) -> float:
        """For how long no call may begin, as the account asked."""
        if time.monotonic() >= self._away_until:
            try:
                left: Any = self._redis.pttl(self._keys[4])
                return max(int(left) / 1000, 0.0)
            except redis.RedisError:
                self._away_until = time.monotonic() + SULK_SECONDS
        return self._lonely.quiet_seconds

    def _lease(self, until: float, hold_seconds: float, *, is_bulk: bool) -> tuple[str, Hold] | None:
        """A token with its hold, or None while Redis is away."""
        token, started = _new_token(hold_seconds), time.monotonic()
        handicap = int(BULK_HANDICAP_SECONDS * 1000) if is_bulk else 0
        while time.monotonic() >= self._away_until:
            waited = int((time.monotonic() - started) * 1000)
            try:
                granted = self._call(self._take, token, waited, handicap) or self._sleep(token, until)
                if granted:
                    return token, Hold(granted / 1000)
            except redis.RedisError:
                self._away_until = time.monotonic() + SULK_SECONDS
        return None

    def _sleep(self, token: str, until: float) -> int:
        """Wait at the bell for a while; the time of the grant, or 0 where it did not ring."""
        left = until - time.monotonic()
        if left <= 0:
            self._call(self._leave, token)  # somebody else may be next
            raise NoFreeSlotError
        rung: Any = self._redis.blpop(
            [f"{self._keys[0]}:bell:{token}"], timeout=max(min(NAP_SECONDS, left), LEAST_NAP_SECONDS)
        )
        return int(rung[1]) if rung else 0

    def _give_back(self, token: str, held: Hold) -> None:
        try:
            if held.quiet_seconds:
                self._quiet(keys=self._keys[4:5], args=[int(held.quiet_seconds * 1000) + 1])
            if held.is_throttled:
                self._slow_down(held.granted_at)
            if held.kept_seconds > 0:
                self._tell_own()  # the lease has another end now
            else:
                self._call(self._leave, token)
        except redis.RedisError:
            self._away_until = time.monotonic() + SULK_SECONDS  # the lease ends by itself

    def _call(self, script: Any, token: str, *more: int) -> int:
        """What a script gives; a Redis that does not know this process is told of its leases first."""
        for _ in range(MOST_TELLINGS):
            known = [self._slot_count, int(ABSENT_SECONDS * 1000), self._lonely_count, self._epoch]
            given = int(script(keys=self._keys, args=[*known, token, *more]))
            if given != FORGOT:
                return given
            self._tell_own()
        raise redis.ConnectionError("Redis begins anew again and again.")

    def _tell_own(self) -> None:
        """Enter every lease of this process with the end that it has by now: Redis may have forgotten it."""
        with self._own_lock:
            now = time.monotonic()
            if now < self._away_until:
                raise redis.ConnectionError("Redis went away for another call meanwhile.")
            settling = SETTLING_SECONDS if self._is_known else 0.0
            told: list[str | int] = [int(settling * 1000), uuid.uuid4().hex]
            for token, until in [*self._leases.items(), *self._lonely_leases.items()]:
                told += [token, int((until - now) * 1000)] if until > now else []
            try:
                self._epoch, self._is_known = self._tell(keys=self._keys, args=told).decode(), True
            except redis.RedisError:
                self._away_until = time.monotonic() + SULK_SECONDS
                raise

    def _count_leases(self) -> int:
        now = time.monotonic()
        return sum(until > now for until in list(self._leases.values()))

    def _slow_down(self, granted_at: float) -> None:
        """Write the way back after a protest. Two protests at once: the second finds its call older than the first."""

        def rewrite(pipe: Any) -> None:
            now = self._now()
            pace = _pace_of(pipe.get(self._keys[3]), self._slot_count, self._recovery)
            after = slowed(pace, now, granted_at, self._slot_count, self._recovery)
            steps = list_steps(after, self._slot_count, self._recovery)
            pipe.multi()
            if steps and after != pace:
                text = ",".join(f"{step.count}:{int(step.until * 1000)}" for step in steps)
                pipe.set(self._keys[3], text, px=max(int((steps[-1].until - now) * 1000), 1))

        self._redis.transaction(rewrite, self._keys[3])

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1_000_000


def _new_token(hold_seconds: float) -> str:
    return f"{int((hold_seconds + LATE_SECONDS) * 1000)}-{uuid.uuid4().hex}"


def _read_steps(stored: Any) -> list[tuple[int, float]]:
    """(count, until) pairs of the stored form; none where nothing is stored."""
    pairs = (part.split(":") for part in (stored or b"").decode().split(",") if part)
    return [(int(count), int(ends) / 1000) for count, ends in pairs]


def _pace_of(stored: Any, full: int, recovery: float) -> Pace:
    """The pace that the stored steps came from."""
    steps = _read_steps(stored)
    return Pace(steps[0][0], steps[0][1] - recovery) if steps else Pace(full)
