"""The silence alarm: whether a source that usually brings people has gone quiet. Pure.

It is learned from the source itself: the stretch of silence is laid over the same hours of the weeks before, so that
nights, week-ends and quiet forms raise nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WEEKS = 4
SHORTEST_SILENCE_HOURS = 6.0
# With independent arrivals, seven expected and none seen happens about once in a thousand times (e^-7).
EXPECTED_COUNT = 7.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a source did. `same_hours`: events in the same stretch of hours, one to four weeks ago, nearest first."""

    silent_hours: float
    same_hours: tuple[int, ...]
    daily_counts: tuple[int, ...]  # of the last 28 whole days, before the silence


@dataclass(frozen=True, slots=True)
class Silence:
    """An alarm: nothing for so long, where so much is usual."""

    silent_hours: int
    usual_per_day: int

    @property
    def sentence(self) -> str:
        day = f"{self.usual_per_day} a day" if self.usual_per_day else "some every week"
        return f"usually brings {day}, none for {self.silent_hours} hours"


def find_silence(rhythm: Rhythm) -> Silence | None:
    """The alarm that is due, if any.

    Every one of the weeks known must have brought something in those hours: one quiet week before makes this one usual.
    """
    weeks = rhythm.same_hours[:WEEKS]
    if rhythm.silent_hours < SHORTEST_SILENCE_HOURS or len(weeks) < WEEKS // 2 or not all(weeks):
        return None
    if sum(weeks) / len(weeks) < EXPECTED_COUNT:
        return None
    return Silence(int(rhythm.silent_hours), usual_per_day(rhythm.daily_counts))


def usual_per_day(daily_counts: Sequence[int]) -> int:
    """The median of the days that brought anything."""
    active = [count for count in daily_counts if count]
    return round(median(active)) if active else 0
