"""Mailchimp gives another address to subscribed members only, and none that another member has."""

import time
from typing import Any

import pytest

from tests.kit.office import join_contacts

TYPO, RIGHT = "ada@huose.test", "ada@house.test"


@pytest.fixture(params=[True, False], ids=["subscribed only", "everybody"])
def are_only_subscribed_moved(simulator: Any, request: pytest.FixtureRequest) -> bool:
    """Both of what the real API may do."""
    simulator.running.world.switches.are_only_subscribed_moved = request.param
    return bool(request.param)


def test_a_mistyped_address_that_nobody_confirmed_is_corrected(
    office: Any, simulator: Any, are_only_subscribed_moved: bool
) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    office.put(merge_fields={"FNAME": "first_name"})
    ada = office.add(TYPO, first_name="Ada", tags=("alumni",))
    office.push()

    office.change(ada, email=RIGHT)
    office.push()

    there = simulator.member(RIGHT)
    assert ("pending", "Ada") == (there.status, there.merge_fields["FNAME"])
    assert ((simulator.member(TYPO) is not None), RIGHT) == (
        are_only_subscribed_moved,
        office.mirror(ada).email_address,
    )
    assert office.mirror(ada).error is None
    calls = simulator.calls
    office.touch(ada)
    office.push()
    assert calls == simulator.calls


def test_whoever_opted_out_is_asked_at_the_new_address_for_which_they_consented(
    office: Any, simulator: Any, are_only_subscribed_moved: bool
) -> None:
    simulator.running.world.clock.freeze(int(time.time()) - 60)  # of things in one second the opt-out stands
    ada = office.add(TYPO, proof="confirmed")
    office.push()
    simulator.contact("unsubscribe", TYPO)
    office.pull()

    office.change(ada, email=RIGHT)
    office.say(ada, "given", RIGHT, "confirmed")
    for _ in range(3):
        office.push()
        office.pull()

    old = simulator.member(TYPO)
    assert ("unsubscribed" if are_only_subscribed_moved else None) == (old and old.status)
    assert simulator.member(RIGHT).status in {"pending", "subscribed"}
    assert (simulator.subscribing(TYPO), office.consent(ada)) == (1, "given")


def test_an_opt_out_for_the_old_address_alone_makes_nobody_mailable_at_the_new_one(
    office: Any, simulator: Any, are_only_subscribed_moved: bool
) -> None:
    ada = office.add(TYPO)
    office.push()
    simulator.contact("unsubscribe", TYPO)

    office.change(ada, email=RIGHT)
    for _ in range(3):
        office.push()
        office.pull()

    there = simulator.member(RIGHT)
    assert there is None or there.status == "unsubscribed"
    assert office.consent(ada) == "withdrawn"


def test_a_member_whose_new_address_is_taken_joins_that_member(office: Any, simulator: Any) -> None:
    """By the answer that was recorded in 2021: it says so in its list of errors only."""
    ada = office.add(TYPO, first_name="Ada")
    office.push()
    simulator.staff("add", RIGHT, status="subscribed")

    office.change(ada, email=RIGHT)
    for _ in range(2):
        office.push()

    assert ("archived", "subscribed") == (simulator.member(TYPO).status, simulator.member(RIGHT).status)
    assert office.mirror(ada).error is None


def test_two_pending_members_of_one_person_merged_leave_one_row(
    office: Any, simulator: Any, are_only_subscribed_moved: bool
) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    winner, loser = office.add(TYPO), office.add(RIGHT)
    office.push()
    join_contacts(office, winner, loser)

    for _ in range(3):
        office.push()
        office.pull()

    assert simulator.member(RIGHT).status == "pending"
    assert office.change_count() == 0
