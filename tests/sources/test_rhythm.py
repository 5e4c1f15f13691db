"""The silence alarm knows nights, week-ends and quiet forms from a line that was cut."""

import pytest

from app.sources.rhythm import Rhythm, find_silence

BUSY = (12, 11, 13, 12, 12, 11, 14) * 4


@pytest.mark.parametrize(
    ("rhythm", "expected"),
    [
        (Rhythm(26.0, (13, 12, 14, 11), BUSY), "usually brings 12 a day, none for 26 hours"),
        (Rhythm(5.0, (13, 12, 14, 11), BUSY), ""),  # too short to be told from chance
        (Rhythm(26.0, (13, 0, 14, 11), BUSY), ""),  # a week before was silent in these hours, too
        (Rhythm(26.0, (2, 1, 3, 2), (2, 1) * 14), ""),  # too little is usual
        (Rhythm(26.0, (13,), BUSY[:7]), ""),  # not known for long enough
        (Rhythm(200.0, (80, 90), BUSY), "usually brings 12 a day, none for 200 hours"),
        (Rhythm(0.0, (), ()), ""),
    ],
)
def test_silence_is_told_by_the_same_hours_of_other_weeks(rhythm, expected):
    silence = find_silence(rhythm)

    assert expected == (silence.sentence if silence else "")
