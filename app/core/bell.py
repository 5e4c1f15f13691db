"""The bell: a message in Redis that says "look in PostgreSQL". Losing it loses nothing; the sweep looks anyway."""

import threading
import time
from dataclasses import dataclass
from typing import Final

from redis import Redis, RedisError

from app.core.log import get_log
from app.core.queue import make_redis, ring_job

SECONDS_PER_RING: Final = 5  # a bell that nobody answered may ring again after this
SECONDS_BETWEEN_ASKS: Final = 0.005
TIMEOUT_SECONDS: Final = 0.1
PAUSES: Final = (1.0, 2.0, 5.0)  # after the first, second, third and later failure in a row
WAITING_LIMIT: Final = 1_000  # different bells; each stands once, however often it is rung

log = get_log(__name__)


def bell_key(name: str, *ids: int) -> str:
    """`muster:bell:inbox`, `muster:bell:audience:3`."""
    return ":".join(("muster", "bell", name, *map(str, ids)))


def ring_now(redis: Redis, name: str, *ids: int) -> bool:
    """Queue the job unless the bell is ringing already; True when it was queued. Raises what Redis raises."""
    key = bell_key(name, *ids)
    if not redis.set(key, 1, nx=True, ex=SECONDS_PER_RING):
        return False
    try:
        ring_job(redis, name, *ids)
    except RedisError:
        redis.delete(key)
        raise
    return True


def answer_bell(redis: Redis, name: str, *ids: int) -> None:
    """Silence the bell. A job does so before it looks, so that what arrives while it works rings again."""
    redis.delete(bell_key(name, *ids))


@dataclass(slots=True)
class Breaker:
    """Leaves a failing Redis alone for a while."""

    failure_count: int = 0
    open_until: float = 0.0

    def is_open(self, now: float) -> bool:
        return now < self.open_until

    def fail(self, now: float) -> None:
        self.open_until = now + PAUSES[min(self.failure_count, len(PAUSES) - 1)]
        self.failure_count += 1

    def succeed(self) -> None:
        self.failure_count = 0


class BellRinger:
    """Rings from a thread of its own: `ring` returns at once and never raises."""

    def __init__(self, redis_url: str) -> None:
        self._redis = make_redis(redis_url, timeout_seconds=TIMEOUT_SECONDS)
        self._waiting: set[tuple[str, tuple[int, ...]]] = set()
        self._is_rung = threading.Event()
        self._is_closed = False
        self._breaker = Breaker()
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
        self._thread.start()

    def ring(self, name: str, *ids: int) -> None:
        """Say that there is work; calls for the same bell before it rang count once."""
        if len(self._waiting) < WAITING_LIMIT:
            self._waiting.add((name, ids))
            self._is_rung.set()

    def close(self) -> None:
        """Ring what waits, then stop."""
        self._is_closed = True
        self._is_rung.set()
        self._thread.join(2.0)
        self._redis.close()

    def _run(self) -> None:
        while True:
            self._is_rung.wait()
            self._is_rung.clear()
            is_news = False
            while self._waiting:
                name, ids = self._waiting.pop()
                is_news |= self._try(name, ids)
            if self._is_closed:
                return
            if not is_news:  # it rings already; under load once in a while is often enough to ask
                time.sleep(SECONDS_BETWEEN_ASKS)

    def _try(self, name: str, ids: tuple[int, ...]) -> bool:
        """Whether this call made it ring."""
        if self._breaker.is_open(time.monotonic()):
            return False
        try:
            is_news = ring_now(self._redis, name, *ids)
        except (RedisError, OSError) as error:
            self._breaker.fail(time.monotonic())
            log.warning(
                "bell.failed",
                bell=name,
                error=type(error).__name__,
                failure_count=self._breaker.failure_count,
            )
            return False
        self._breaker.succeed()
        return is_news
