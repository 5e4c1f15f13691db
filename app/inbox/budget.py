"""How many calls a source may make to its platform's API a minute: shared by all workers through Redis.

A steady drip with a small burst (the generic cell rate algorithm). Without Redis nobody counts: the platform's own limit
answers 429 then, and that is waited for.
"""

import redis

from app.core.log import get_log

BURST_SECONDS = 5  # so many seconds' worth of calls may go at once

# KEYS[1] the source's clock; ARGV: microseconds a call takes, microseconds of burst. The wait in microseconds; 0 = go.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = tonumber(redis.call('GET', KEYS[1]) or now)
if due < now then due = now end
if due - now > tonumber(ARGV[2]) then return due - now - tonumber(ARGV[2]) end
redis.call('SET', KEYS[1], string.format('%.0f', due + ARGV[1]), 'PX', math.ceil((due - now + ARGV[1] + ARGV[2]) / 1000) + 1000)
return 0
"""

log = get_log(__name__)


class CallBudget:
    """The budgets of all sources."""

    def __init__(self, client: redis.Redis) -> None:
        self._take = client.register_script(TAKE)

    def wait_seconds(self, source_id: int, calls_per_minute: float) -> float:
        """0.0 = a call may go now, and is counted; else how long to wait before asking again."""
        if calls_per_minute <= 0:
            return 0.0
        per_call = 60_000_000 / calls_per_minute
        try:
            wait = self._take(
                keys=[f"muster:budget:{source_id}"],
                args=[round(per_call), round(max(per_call, BURST_SECONDS * 1_000_000))],
            )
        except redis.RedisError as error:
            log.warning("budget.uncounted", error=type(error).__name__)
            return 0.0
        return float(wait) / 1_000_000
