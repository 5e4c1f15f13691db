"""The circuit breaker of a destination: stop calling what is down, probe it, go on. Pure.

Opens after at least 10 calls in 60 s of which 70 % failed; one probe after 30 s, later after up to 5 minutes.
Throttling is no failure here: Mailchimp is up and asks for fewer connections.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

WINDOW_SECONDS, BUCKET_SECONDS = 60, 5
SMALLEST_SAMPLE, FAILURE_SHARE = 10, 0.7
PROBE_SECONDS, LONGEST_PROBE_SECONDS, YOUNG_TRIPS = 30.0, 300.0, 20
FAILURES = frozenset({"outage", "unknown_outcome", "bad_answer"})

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """As stored in `destinations.breaker`. Times are seconds of the database clock's epoch.

    `buckets`: (start, calls, failures) of the last minute. `until`: when the next probe may go. `alert`: the code of the
    refusal that paused the destination last, and `alerted_at`, when that was said.
    """

    state: State = "closed"
    buckets: tuple[tuple[int, int, int], ...] = ()
    until: float = 0.0
    trip_count: int = 0
    alert: str = ""
    alerted_at: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "buckets": [list(bucket) for bucket in self.buckets],
            "until": self.until,
            "trip_count": self.trip_count,
            "alert": self.alert,
            "alerted_at": self.alerted_at,
        }


def read_breaker(stored: Mapping[str, Any]) -> Breaker:
    """From the stored form; {} is a closed one."""
    buckets = tuple(
        (int(start), int(calls), int(failures)) for start, calls, failures in stored.get("buckets", ())
    )
    return Breaker(
        stored.get("state", "closed"),
        buckets,
        float(stored.get("until", 0)),
        int(stored.get("trip_count", 0)),
        str(stored.get("alert", "")),
        float(stored.get("alerted_at", 0)),
    )


def count_calls(breaker: Breaker, now: float, call_count: int, failure_count: int) -> Breaker:
    """After some calls. Opens when too many failed; an open one stays as it is."""
    if breaker.state != "closed" or not call_count:
        return breaker
    start = int(now // BUCKET_SECONDS * BUCKET_SECONDS)
    kept = [bucket for bucket in breaker.buckets if now - WINDOW_SECONDS < bucket[0] != start]
    same = next((bucket for bucket in breaker.buckets if bucket[0] == start), (start, 0, 0))
    buckets = (*kept, (start, same[1] + call_count, same[2] + failure_count))
    calls, failures = sum(bucket[1] for bucket in buckets), sum(bucket[2] for bucket in buckets)
    if calls >= SMALLEST_SAMPLE and failures >= FAILURE_SHARE * calls:
        return _tripped(breaker, now)
    return replace(breaker, buckets=buckets if failures else ())


def may_call(breaker: Breaker) -> bool:
    return breaker.state == "closed"


def wants_probe(breaker: Breaker, now: float) -> bool:
    """True when it is time for one probe."""
    return breaker.state != "closed" and now >= breaker.until


def start_probe(breaker: Breaker, now: float) -> Breaker:
    """While one process probes, the others wait; should it die, the next may try after 30 s."""
    return replace(breaker, state="half_open", until=now + PROBE_SECONDS)


def after_probe(breaker: Breaker, now: float, *, is_up: bool) -> Breaker:
    """Closed again, or open for longer than the last time."""
    if not is_up:
        return _tripped(breaker, now)
    # Whatever the probe itself had been refused for is mended, and would be news again.
    is_mended = breaker.trip_count > 1
    return Breaker() if is_mended else Breaker(alert=breaker.alert, alerted_at=breaker.alerted_at)


def refused(breaker: Breaker, now: float, code: str, *, is_again: bool) -> Breaker:
    """Open for a refusal, which is said now unless it is the one said before: then it is probed less often."""
    if is_again:
        return replace(breaker, state="open", buckets=(), until=now + LONGEST_PROBE_SECONDS, trip_count=1)
    return Breaker("open", (), now + PROBE_SECONDS, 1, code, now)


def _tripped(breaker: Breaker, now: float) -> Breaker:
    # Every 30 s while the outage is young (ten minutes), so that what waits arrives within a minute of its end.
    wait = PROBE_SECONDS if breaker.trip_count < YOUNG_TRIPS else LONGEST_PROBE_SECONDS
    return replace(breaker, state="open", buckets=(), until=now + wait, trip_count=breaker.trip_count + 1)
