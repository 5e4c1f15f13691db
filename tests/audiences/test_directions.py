"""The one defect of other connectors about values (D16): whose of two wins, by direction and by when each changed."""

from typing import Any

import pytest

ADA = "ada@house.test"


def joined(office: Any, simulator: Any) -> int:
    contact_id = office.add(ADA, first_name="Ada", last_name="Byron")
    office.push()
    assert simulator.member(ADA).status == "subscribed"
    return int(contact_id)


def two_sided(office: Any, simulator: Any, direction: str, *, ours_at: str | None = None) -> int:
    """A member whose last name was changed there; ours too where a time is given."""
    last_name = {"from": "last_name", "direction": direction}
    office.put(merge_fields={"FNAME": "first_name", "LNAME": last_name})
    contact_id = joined(office, simulator)
    office.pull()
    simulator.later()
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    if ours_at:
        office.change(contact_id, at=ours_at, last_name="Lovelace")
    return contact_id


def settle(office: Any) -> None:
    office.pull()
    office.push()
    office.push()


@pytest.mark.parametrize(
    ("direction", "ours_at", "expected"),
    [
        ("ours", None, ("Byron", "Byron")),
        ("theirs", None, ("King", "King")),
        ("newest", None, ("King", "King")),
        ("never_blank", None, ("King", "King")),
        ("review", None, ("Byron", "King")),
        ("ours", "2099-01-01T00:00:00+00:00", ("Lovelace", "Lovelace")),
        ("theirs", "2099-01-01T00:00:00+00:00", ("King", "King")),
        ("newest", "2099-01-01T00:00:00+00:00", ("Lovelace", "Lovelace")),
        ("never_blank", "2099-01-01T00:00:00+00:00", ("Lovelace", "Lovelace")),
        ("review", "2099-01-01T00:00:00+00:00", ("Lovelace", "King")),
    ],
)
def test_d16_each_field_by_its_direction_and_by_when_it_changed(
    office: Any, simulator: Any, direction: str, ours_at: str | None, expected: tuple[str, str]
) -> None:
    contact_id = two_sided(office, simulator, direction, ours_at=ours_at)

    settle(office)

    assert expected == (office.fields(contact_id)["last_name"], simulator.member(ADA).merge_fields["LNAME"])
    assert office.fields(contact_id)["first_name"] == "Ada"


@pytest.mark.parametrize("direction", ["ours", "theirs", "newest", "never_blank", "review"])
def test_d16_a_quiet_pull_after_it_changes_and_sends_nothing(
    office: Any, simulator: Any, direction: str
) -> None:
    contact_id = two_sided(office, simulator, direction)
    settle(office)
    office.pull()
    fields, patches = office.fields(contact_id), office.execute("SELECT count(*) FROM contact_patches")
    writes = [one for one in simulator.entries(ADA) if one["method"] != "GET"]

    settle(office)

    assert (fields, patches) == (
        office.fields(contact_id),
        office.execute("SELECT count(*) FROM contact_patches"),
    )
    assert writes == [one for one in simulator.entries(ADA) if one["method"] != "GET"]


def test_d16_one_changed_field_makes_no_other_value_newer(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    office.pull()
    simulator.later()
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    office.change(contact_id, first_name="Augusta")

    settle(office)

    assert simulator.member(ADA).merge_fields == {"FNAME": "Augusta", "LNAME": "King"}
    assert office.fields(contact_id)["last_name"] == "King"


@pytest.mark.parametrize(
    ("direction", "expected"), [("newest", None), ("never_blank", "Byron"), ("ours", "Byron")]
)
def test_d16_what_they_cleared_is_filled_again_only_where_blanks_never_count(
    office: Any, simulator: Any, direction: str, expected: str | None
) -> None:
    office.put(merge_fields={"LNAME": {"from": "last_name", "direction": direction}})
    contact_id = joined(office, simulator)
    office.pull()
    simulator.later()
    simulator.contact("edit", ADA, merge_fields={"LNAME": ""})

    settle(office)

    assert office.fields(contact_id)["last_name"] == "Byron"
    assert expected == simulator.member(ADA).merge_fields.get("LNAME")
