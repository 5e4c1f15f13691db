"""Connection slots shared by all processes: leases in Redis, and two of one's own while Redis is away.

Mailchimp counts connections per account over all programs; 8 of its 10 are Muster's. Redis only keeps the peace here:
losing it loses nothing, because every process then holds itself to two. A call that finds no slot takes a place in a
queue at Redis and sleeps at a bell of its own; whoever gives a slot back hands it to the first in the queue and rings
that one's bell. Nobody polls, and the order holds over all processes.
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

# KEYS: 1 leases (until when), 2 queue (place), 3 waiting (last seen), 4 steps of the pace, 5 there while the account wants
# no call at all. Redis's own clock decides.
# A token begins with the milliseconds of its lease. `free` is how many more calls may go now, `grant` lets one go.
STATE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function free(full)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. (now - tonumber(ARGV[2])))) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('ZREM', KEYS[3], gone)
  end
  if redis.call('EXISTS', KEYS[5]) == 1 then return 0 end
  local most = tonumber(full)
  for count, ends in string.gmatch(redis.call('GET', KEYS[4]) or '', '(%d+):(%d+)') do
    if tonumber(ends) > now then
      most = math.min(most, tonumber(count))
      break
    end
  end
  return most - redis.call('ZCARD', KEYS[1])
end
local function grant(token)
  redis.call('ZREM', KEYS[2], token)
  redis.call('ZREM', KEYS[3], token)
  redis.call('ZADD', KEYS[1], now + tonumber(string.match(token, '^%d+')), token)
  redis.call('PEXPIRE', KEYS[1], 3600000)
  return now
end
"""
# ARGV: full count, absent ms, token, waited ms, handicap ms. Gives the time of the grant, or 0.
TAKE = (
    STATE
    + """
local token = ARGV[3]
if redis.call('ZSCORE', KEYS[1], token) then return now end
redis.call('ZADD', KEYS[2], now - tonumber(ARGV[4]) + tonumber(ARGV[5]), token)
redis.call('ZADD', KEYS[3], now, token)
if redis.call('ZRANK', KEYS[2], token) < free(ARGV[1]) then return grant(token) end
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call('PEXPIRE', KEYS[3], 60000)
return 0
"""
)
# ARGV: full count, absent ms, token. Takes the token out of everything and gives its slot to the next in the queue.
LEAVE = (
    STATE
    + """
redis.call('ZREM', KEYS[1], ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[3])
local count = free(ARGV[1])
if count <= 0 then return 0 end
local next_ones = redis.call('ZRANGE', KEYS[2], 0, count - 1)
for _, token in ipairs(next_ones) do
  local bell = KEYS[1] .. ':bell:' .. token
  redis.call('LPUSH', bell, string.format('%.0f', grant(token)))
  redis.call('PEXPIRE', bell, 2000)
end
return #next_ones
"""
)
# The longest wish for quiet counts. KEYS: 1 the wish; ARGV: ms.
QUIET = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""


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
        self._quiet = self._redis.register_script(QUIET)
        key = f"muster:slots:{account}"
        self._keys = [key, f"{key}:queue", f"{key}:waiting", f"{key}:pace", f"{key}:quiet"]
        self._slot_count, self._recovery = slot_count, recovery_seconds
        self._lonely = LocalSlots(min(LONELY_SLOT_COUNT, slot_count), recovery_seconds)
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
                left = until - time.monotonic()
                with self._lonely.hold(max(left, 0), hold_seconds, is_bulk=is_bulk) as held:
                    yield held
                return
            token, held = leased
            try:
                yield held
            finally:
                self._give_back(token, held)
        finally:
            self._own.release()

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
        token, started = f"{int(hold_seconds * 1000)}-{uuid.uuid4().hex}", time.monotonic()
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
                self._quiet(keys=self._keys[4:], args=[int(held.quiet_seconds * 1000) + 1])
            if held.is_throttled:
                self._slow_down(held.granted_at)
            self._call(self._leave, token)
        except redis.RedisError:
            self._away_until = time.monotonic() + SULK_SECONDS  # the lease ends by itself

    def _call(self, script: Any, token: str, *more: int) -> int:
        arguments = [self._slot_count, int(ABSENT_SECONDS * 1000), token, *more]
        return int(script(keys=self._keys, args=arguments))

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


def _read_steps(stored: Any) -> list[tuple[int, float]]:
    """(count, until) pairs of the stored form; none where nothing is stored."""
    pairs = (part.split(":") for part in (stored or b"").decode().split(",") if part)
    return [(int(count), int(ends) / 1000) for count, ends in pairs]


def _pace_of(stored: Any, full: int, recovery: float) -> Pace:
    """The pace that the stored steps came from."""
    steps = _read_steps(stored)
    return Pace(steps[0][0], steps[0][1] - recovery) if steps else Pace(full)
