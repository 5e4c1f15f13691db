"""Times as platforms write them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.keys import digest_of
from integrations.kit.times import find_time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1440120384, datetime(2015, 8, 21, 1, 26, 24, tzinfo=UTC)),
        ("1440120384", datetime(2015, 8, 21, 1, 26, 24, tzinfo=UTC)),
        (1440120384000, datetime(2015, 8, 21, 1, 26, 24, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("2015-02-28T08:49:14+0000", datetime(2015, 2, 28, 8, 49, 14, tzinfo=UTC)),
        ("2022-11-03T20:26:10.344522Z", datetime(2022, 11, 3, 20, 26, 10, 344522, tzinfo=UTC)),
        ("2026-04-01T10:00:00.1234567Z", datetime(2026, 4, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-29T02:30:00+01:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2009-03-26 21:40:57", datetime(2009, 3, 26, 21, 40, 57, tzinfo=UTC)),
        (" 2009-03-26 ", datetime(2009, 3, 26, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_aware_utc(value: Any, expected: datetime) -> None:
    found = find_time(value)

    assert expected == found
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["", "soon", "2024-02-30", "2023-06-30T23:59:60Z", "-1x", "9" * 40, 10**30, -(10**30), True, None, [], {}, float("inf"),
     "0001-01-01T00:00:00+23:59", "12/31/1969", "1440120384.5.6", "\u0661\u0662"],
)  # fmt: skip
def test_what_is_no_time_is_none(value: Any) -> None:
    assert find_time(value) is None


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.integers()))
def test_anything_is_a_time_or_none(value: Any) -> None:
    found = find_time(value)

    assert found is None or found.utcoffset() is not None


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_the_order_of_names_does_not_change_the_digest(content: dict[str, Any]) -> None:
    backwards = dict(reversed(list(content.items())))

    assert digest_of(content) == digest_of(backwards)
    assert digest_of(content) != digest_of({**content, "more": 1})
