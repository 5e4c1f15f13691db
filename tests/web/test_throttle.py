"""Wrong sign-ins slow down, and never lock anybody out."""

import pytest

from app.web.throttle import Throttle, limits_for, wait_after


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (2, 0), (3, 2), (4, 4), (5, 8), (8, 60), (1000, 60)])
def test_the_wait_grows_to_a_minute(count: int, seconds: float):
    assert seconds == wait_after(count, free_count=3)


def tries_in(seconds: float, addresses: int, *, step: float = 0.05) -> int:
    """How many wrong sign-ins of one account are looked at while somebody tries without a pause."""
    throttle, now, count = Throttle(), 1000.0, 0
    while now < 1000.0 + seconds:
        address = f"203.0.113.{int(now / step) % addresses}"
        count += throttle.admit(limits_for(address, "ana", is_known_address=False), now) == 0
        now += step
    return count


def test_at_most_ten_wrong_sign_ins_a_minute_are_looked_at():
    assert tries_in(60, addresses=1) <= 10


def test_many_addresses_do_not_get_further():
    assert tries_in(60, addresses=200) <= 17


def test_tries_at_one_moment_count_as_well():
    throttle, limits = Throttle(), limits_for("203.0.113.1", "ana", is_known_address=False)

    admitted = [throttle.admit(limits, 1000.0) for _ in range(50)].count(0)

    assert 3 == admitted


def test_strangers_cannot_keep_the_owner_out():
    throttle = Throttle()
    for number in range(100):
        throttle.admit(limits_for(f"203.0.113.{number}", "ana", is_known_address=False), 1000.0 + number)

    wait = throttle.admit(limits_for("198.51.100.7", "ana", is_known_address=True), 1100.0)

    assert 0 == wait


def test_a_right_sign_in_forgets_the_wrong_ones_of_its_pair():
    throttle, limits = Throttle(), limits_for("203.0.113.1", "ana", is_known_address=True)
    for number in range(3):
        throttle.admit(limits, 1000.0 + number)
    assert throttle.admit(limits, 1003.0) > 0

    throttle.succeeded(limits)

    assert 0 == throttle.admit(limits, 1003.5)


def test_a_colleague_at_the_same_address_is_not_held_up_by_a_few_mistakes():
    throttle = Throttle()
    for number in range(4):
        throttle.admit(limits_for("203.0.113.1", "ana", is_known_address=True), 1000.0 + number)

    assert 0 == throttle.admit(limits_for("203.0.113.1", "ben", is_known_address=True), 1004.0)


def test_what_is_long_ago_is_forgotten():
    throttle, limits = Throttle(), limits_for("203.0.113.1", "ana", is_known_address=False)
    for number in range(5):
        throttle.admit(limits, 1000.0 + 100 * number)

    assert 0 == throttle.admit(limits, 1400.0 + 901)
