"""Connection slots shared by all processes: leases in Redis, and two of one's own while Redis is away.

Mailchimp counts connections per account over all programs; 8 of its 10 are Muster's. Redis only keeps the peace here:
losing it loses nothing, because every process then holds itself to two.
"""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from integrations.mailchimp.slots import DEFAULT_SLOT_COUNT, LocalSlots, NoFreeSlotError

LONELY_SLOT_COUNT = 2  # per process, while Redis does not answer
SULK_SECONDS = 5.0  # Redis is not asked again for so long after it failed
REDIS_SECONDS = 0.5
POLL_SECONDS = (0.005, 0.03)

# KEYS[1] the account's leases; ARGV: limit, lease in milliseconds, token. Redis's own clock decides what has expired.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[3])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) + 60000)
return 1
"""


class SharedSlots:
    """Slots of one account, leased in Redis. A killed process's lease ends by itself."""

    def __init__(self, redis_url: str, account: str, slot_count: int = DEFAULT_SLOT_COUNT) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        self._take = self._redis.register_script(TAKE)
        self._key, self._slot_count = f"muster:slots:{account}", slot_count
        self._lonely = LocalSlots(LONELY_SLOT_COUNT)
        self._own = threading.BoundedSemaphore(slot_count)  # threads of this process queue here, not at Redis
        self._away_until = 0.0

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def hold(self, wait_seconds: float, hold_seconds: float) -> Iterator[None]:
        """One slot for one call; NoFreeSlotError when none became free in `wait_seconds`."""
        until = time.monotonic() + wait_seconds
        if not self._own.acquire(timeout=max(wait_seconds, 0)):
            raise NoFreeSlotError
        try:
            token = self._lease(until, hold_seconds)
            if token is None:
                with self._lonely.hold(max(until - time.monotonic(), 0), hold_seconds):
                    yield
                return
            try:
                yield
            finally:
                self._give_back(token)
        finally:
            self._own.release()

    def _lease(self, until: float, hold_seconds: float) -> str | None:
        """A token, or None while Redis is away."""
        token = uuid.uuid4().hex
        while time.monotonic() >= self._away_until:
            try:
                if self._take(keys=[self._key], args=[self._slot_count, int(hold_seconds * 1000), token]):
                    return token
            except redis.RedisError:
                self._away_until = time.monotonic() + SULK_SECONDS
                return None
            if time.monotonic() >= until:
                raise NoFreeSlotError
            time.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311 - jitter
        return None

    def _give_back(self, token: str) -> None:
        try:
            self._redis.zrem(self._key, token)
        except redis.RedisError:
            self._away_until = time.monotonic() + SULK_SECONDS  # the lease ends by itself
