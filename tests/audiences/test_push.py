"""Pushing: how many calls, which, and what is remembered."""

from typing import Any


def test_five_hundred_new_members_take_one_call(office: Any, simulator: Any) -> None:
    for number in range(500):
        office.add(f"person{number}@house.test", first_name=f"P{number}", tags=("Alumni",))

    counts = office.push()

    assert (1, 1) == (counts.call_count, simulator.calls)
    assert 500 == simulator.member_count()
    assert 0 == office.change_count()


def test_an_unchanged_contact_costs_no_call(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test", first_name="Ada", tags=("Alumni",))
    office.push()
    before = simulator.calls
    office.touch(contact_id)

    counts = office.push()

    assert before == simulator.calls
    assert {"nothing": 1} == dict(counts.by_kind)
    assert 0 == office.change_count()
