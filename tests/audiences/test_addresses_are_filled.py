"""An address is one value at Mailchimp: what ours lacks of theirs is kept there, and learned here."""

from typing import Any

import pytest

from app.audiences.formats import fill_address
from app.audiences.judge import judge_field
from app.core.clock import utc_now

LIST_ID = "a1b2c3d4e5"
ADA = "ada@house.test"
PLACE = {"addr1": "Weg 1", "city": "Bonn", "state": "NW", "zip": "53111"}
OURS = {"address_line1": "Weg 1", "city": "Bonn", "region": "NW", "postal_code": "53111"}


def settle(office: Any) -> None:
    for _ in range(2):
        office.pull()
        office.hurry()
        office.push()


@pytest.fixture
def mapped(office: Any) -> Any:
    office.put(merge_fields={"FNAME": "first_name", "ADDRESS": "address"})
    return office


def live_there(office: Any, **more: str) -> None:
    body = {
        "email_address": ADA,
        "status_if_new": "subscribed",
        "merge_fields": {"ADDRESS": {**PLACE, **more}},
    }
    office.gateway().put_member(LIST_ID, "x", body)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"country": "DE"}, {}),
        ({"country": "DE", "addr2": "Whg 3"}, {"country": "DE"}),
        ({"country": "DE", "addr2": "Whg 3"}, {"address_line2": "Whg 3"}),
    ],
)
def test_what_ours_lacks_is_kept_there_and_learned_here(
    mapped: Any, simulator: Any, theirs: dict[str, str], ours: dict[str, str]
) -> None:
    live_there(mapped, **theirs)
    contact_id = mapped.add(ADA, first_name="Ada", **OURS, **ours)

    settle(mapped)

    told = {"addr2": "", **PLACE, **theirs}
    assert told == simulator.member(ADA).merge_fields["ADDRESS"]
    known = mapped.fields(contact_id)
    assert (told["country"], told["addr2"]) == (known["country"], known.get("address_line2", ""))


def test_a_part_that_differs_is_written_with_the_rest_of_theirs(mapped: Any, simulator: Any) -> None:
    live_there(mapped, country="DE", addr2="Whg 3")
    mapped.add(ADA, first_name="Ada", **{**OURS, "region": "NRW"})

    settle(mapped)

    written = {**PLACE, "state": "NRW", "country": "DE", "addr2": "Whg 3"}
    assert written == simulator.member(ADA).merge_fields["ADDRESS"]


def test_of_another_place_nothing_is_kept(mapped: Any, simulator: Any) -> None:
    live_there(mapped, country="DE", addr2="Whg 3")
    mapped.add(ADA, first_name="Ada", **{**OURS, "address_line1": "Gasse 2", "country": "AT"})

    settle(mapped)

    written = {**PLACE, "addr1": "Gasse 2", "country": "AT", "addr2": ""}
    assert written == simulator.member(ADA).merge_fields["ADDRESS"]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (PLACE, {**PLACE, "country": "DE", "addr2": ""}, {**PLACE, "country": "DE"}),
        ({**PLACE, "country": "AT"}, {**PLACE, "country": "DE"}, {**PLACE, "country": "AT"}),
        ({**PLACE, "city": "bonn "}, {**PLACE, "country": "DE"}, {**PLACE, "city": "bonn ", "country": "DE"}),
        ({**PLACE, "zip": "1"}, {**PLACE, "country": "DE"}, {**PLACE, "zip": "1"}),
        (PLACE, "", PLACE),
        (PLACE, None, PLACE),
        ("text", PLACE, "text"),
    ],
)
def test_only_an_address_of_the_same_place_is_filled(ours: Any, theirs: Any, expected: Any) -> None:
    assert expected == fill_address(ours, theirs)


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("newest", "take"), ("theirs", "take"), ("never_blank", "take"), ("review", "take"), ("ours", "keep")],
)
def test_a_fuller_address_of_theirs_is_a_gap_of_ours(direction: str, expected: str) -> None:
    now = utc_now()

    found = judge_field(
        direction, PLACE, {**PLACE, "country": "DE"}, ours_at=now, theirs_at=now, is_seen=False
    )

    assert expected == found
