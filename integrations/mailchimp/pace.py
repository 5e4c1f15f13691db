"""How many connections at a time an account bears just now: halved when it protests, recovering one by one. Pure.

Mailchimp says neither how long to wait nor how much it would take (no Retry-After, no rate-limit headers: recorded
answers 2021-2022), so the pace is found by halving and slow rising. Times are seconds of any one clock. Where an answer
does name a time all the same, the slots let no call begin before it is over.
"""

from dataclasses import dataclass

FULL_COUNT = 8  # of the 10 that Mailchimp allows a user over all keys and programs
LEAST_COUNT = 2  # one call that hangs must not hold up all others
RECOVERY_SECONDS = 30.0  # no rise for so long after a protest, then one more connection for each such time
BULK_HANDICAP_SECONDS = 3.0  # a bulk call stands in the queue as if it had come so much later


@dataclass(frozen=True, slots=True)
class Pace:
    """The connections left after the last protest and when that was; a fresh one knows of none."""

    count: int = FULL_COUNT
    slowed_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Step:
    """So many connections until a time."""

    count: int
    until: float


def count_at(pace: Pace, now: float, full: int = FULL_COUNT, recovery: float = RECOVERY_SECONDS) -> int:
    """How many connections may be open at `now`."""
    if pace.slowed_at == float("-inf"):
        return full
    return min(full, pace.count + max(0, int((now - pace.slowed_at) // recovery)))


def slowed(
    pace: Pace, now: float, granted_at: float, full: int = FULL_COUNT, recovery: float = RECOVERY_SECONDS
) -> Pace:
    """The pace after a protest against a call that was let go at `granted_at`.

    Calls that were on their way already when it was last halved protest against the old pace, and change nothing.
    """
    if granted_at <= pace.slowed_at:
        return pace
    return Pace(max(min(LEAST_COUNT, full), count_at(pace, now, full, recovery) // 2), now)


def list_steps(pace: Pace, full: int = FULL_COUNT, recovery: float = RECOVERY_SECONDS) -> tuple[Step, ...]:
    """The way back: what is allowed until when. After the last step all is allowed again."""
    if pace.slowed_at == float("-inf"):
        return ()
    counts = range(pace.count, full)
    return tuple(Step(count, pace.slowed_at + recovery * rise) for rise, count in enumerate(counts, start=1))


def queue_place(arrived_at: float, *, is_bulk: bool) -> float:
    """Where a waiting call stands: the lower goes first. Bulk goes after all that came up to 3 s later than it."""
    return arrived_at + (BULK_HANDICAP_SECONDS if is_bulk else 0.0)
