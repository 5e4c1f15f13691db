"""The members collection: filters, order, and times (contract item 19 as far as the sweep needs it)."""

import pytest

START = 1_767_225_600


@pytest.fixture
def week(api):
    for day in range(7):
        api.world.clock.freeze(START + day * 86400)
        api.put(f"p{day}@people.example", vip=day == 3)
    return api


def _names(api, query: str) -> list[str]:
    return [member["email_address"][:2] for member in api.members(query)["members"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?since_last_changed=2026-01-06T00:00:00%2B00:00", ["p5", "p6"]),
        ("?since_last_changed=2026-01-06T00:00:00Z", ["p5", "p6"]),
        ("?since_last_changed=2026-01-06T00:00:00.999Z", ["p6"]),
        ("?since_last_changed=2026-01-05%2000:00:01&before_last_changed=2026-01-06T00:00:01Z", ["p5"]),
        ("?since_timestamp_opt=2026-01-07T00:00:00Z", ["p6"]),
        ("?sort_field=last_changed&sort_dir=DESC&count=2", ["p6", "p5"]),
        ("?vip_only=true", ["p3"]),
        ("?status=cleaned", []),
    ],
)
def test_filters_and_order(week, query, names):
    assert names == _names(week, query)


def test_a_fraction_of_seven_digits_is_ignored_as_by_the_real_one(week):
    assert week.members("?since_last_changed=2026-01-06T00:00:00.0000001Z")["total_items"] == 7


def test_a_listing_is_found_anew_after_every_change(week):
    before = week.members("?status=unsubscribed")["total_items"]
    week.member("PATCH", "p0@people.example", {"status": "unsubscribed"})

    assert (before, week.members("?status=unsubscribed")["total_items"]) == (0, 1)
