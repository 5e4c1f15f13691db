"""When a change is tried again: by kind of failure, with full jitter, for 75 hours. Pure.

75 hours is Standard Webhooks' schedule (75 h 35 m), taken over for the outbound side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GIVE_UP_SECONDS = 75 * 3600
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: `floor` plus a random share of first x 2^n, capped."""

    first: float
    floor: float = 0.0
    cap: float = 3600.0


BACKOFFS: Mapping[str, Backoff] = {
    "throttled": Backoff(2, floor=1),
    "outage": Backoff(1, floor=0.5),
    "bad_answer": Backoff(1, floor=0.5),
    # A request that timed out may still run at Mailchimp and hold its connection (limits page, seen 2026-11).
    "unknown_outcome": Backoff(4, floor=30),
    "too_many_signups": Backoff(DAY_SECONDS / 4, floor=DAY_SECONDS, cap=DAY_SECONDS),
    "not_found": Backoff(1, floor=0.5),
    "interest_gone": Backoff(1, floor=45),  # until the audience was read again, which wakes it
}
DEFAULT = Backoff(1, floor=0.5)


def retry_seconds(kind: str, attempt_count: int, share: float) -> float:
    """How long to wait after failure number `attempt_count` + 1; `share` is a random number from 0 to 1."""
    backoff = BACKOFFS.get(kind, DEFAULT)
    return backoff.floor + share * min(backoff.first * 2.0 ** min(attempt_count, 30), backoff.cap)
