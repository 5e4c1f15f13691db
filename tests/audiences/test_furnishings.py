"""Interests, marketing permissions, our own id, and tags among many."""

from typing import Any

import pytest

from app.audiences.schema import refresh_schema

ADA = "ada@house.test"
LIST_ID = "a1b2c3d4e5"


def live(simulator: Any) -> Any:
    return next(iter(simulator.running.world.audiences.values()))


def test_only_managed_interests_are_set(office: Any, simulator: Any) -> None:
    group = office.gateway().add_interest_category(LIST_ID, "Topics")
    ours, staffs = (
        office.gateway().add_interest(LIST_ID, group.category_id, one) for one in ("Events", "Board")
    )
    office.put(interests={ours.interest_id: {"tag": "Alumni"}})
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    office.gateway().patch_member(LIST_ID, ADA, {"interests": {staffs.interest_id: True}})
    both = set(simulator.member(ADA).interests)
    office.tag(contact_id)

    office.push()

    assert both == {ours.interest_id, staffs.interest_id}
    assert set(simulator.member(ADA).interests) == {staffs.interest_id}
    calls = simulator.calls
    office.touch(contact_id)
    office.push()
    assert calls == simulator.calls


@pytest.mark.parametrize("count", [1, 5])
def test_marketing_permissions_follow_consent_to_their_purpose(
    office: Any, simulator: Any, count: int
) -> None:
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "has_permissions": True})
    mail, ads, *_ = live(simulator).permissions
    office.put(marketing_permissions={mail: "newsletter", ads: "advertising"})
    emails = [f"p{number}@house.test" for number in range(count)]
    ids = [office.add(email) for email in emails]

    for _ in range(3):
        office.push()

    assert [tuple(simulator.member(email).permissions) for email in emails] == [(mail,)] * count
    calls = simulator.calls
    office.touch(*ids)
    office.push()
    assert calls == simulator.calls


def test_our_contact_id_stands_in_its_field_and_is_put_right(office: Any, simulator: Any) -> None:
    office.gateway().add_merge_field(LIST_ID, "MUSTERID", "Id", "number")
    refresh_schema(office.sessions, office.connections, office.audience_id)
    office.put(contact_id_field="MUSTERID")
    contact_id = office.add(ADA)
    office.push()
    office.pull()
    simulator.later()
    simulator.staff("edit", ADA, merge_fields={"MUSTERID": 4711})
    spoilt = simulator.member(ADA).merge_fields["MUSTERID"]

    office.pull()
    office.push()

    assert (spoilt, simulator.member(ADA).merge_fields["MUSTERID"]) == (4711, contact_id)


def test_a_managed_tag_behind_fifty_others_is_found_and_taken_off(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    simulator.staff("tag", ADA, add=[f"Staff {number}" for number in range(60)])
    office.change(contact_id, first_name="Ada")
    office.push()
    assert list(office.mirror(contact_id).tags) == ["Alumni"]
    office.tag(contact_id)

    office.push()

    assert "Alumni" not in simulator.tags(ADA)
    assert len(simulator.tags(ADA)) == 60
