"""Pushing: how many calls, which, and what is remembered."""

from typing import Any


def test_five_hundred_new_members_take_one_call(office: Any, simulator: Any) -> None:
    office.crowd(500, "Alumni")

    counts = office.push()

    assert (counts.call_count, simulator.calls) == (1, 1)
    assert simulator.member_count() == 500
    assert {"Alumni"} == simulator.tags("p7@house.test")
    assert office.change_count() == 0


def test_one_new_member_takes_one_call(office: Any, simulator: Any) -> None:
    contact_id = office.add("Ada@House.test", first_name="Ada", last_name="Byron", tags=("Alumni", "VIP"))

    office.push()

    member = simulator.member("ada@house.test")
    assert simulator.calls == 1
    assert (member.status, member.merge_fields) == ("subscribed", {"FNAME": "Ada", "LNAME": "Byron"})
    assert {"Alumni"} == simulator.tags("ada@house.test")
    assert office.mirror(contact_id).status == "subscribed"


def test_an_unchanged_contact_costs_no_call(office: Any, simulator: Any) -> None:
    ids = office.add_many(5, tags=("Alumni",))
    office.push()
    before = simulator.calls
    office.touch(*ids)

    counts = office.push()

    assert before == simulator.calls
    assert dict(counts.by_kind) == {"nothing": 5}
    assert office.change_count() == 0


def test_a_changed_field_is_sent_alone_and_without_a_status(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test", first_name="Ada", last_name="Byron")
    office.push()
    simulator.staff("edit", "ada@house.test", merge_fields={"LNAME": "King"})
    office.change(contact_id, first_name="Augusta")

    office.push()

    assert simulator.member("ada@house.test").merge_fields == {"FNAME": "Augusta", "LNAME": "King"}


def test_staff_tags_stay_while_ours_follow_the_contact(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test", tags=("Alumni",))
    office.push()
    simulator.staff("tag", "ada@house.test", add=["Board"])
    office.tag(contact_id, "friends")

    office.push()

    assert {"Board", "Friends"} == simulator.tags("ada@house.test")


def test_tags_of_a_member_who_was_there_before_are_added(office: Any, simulator: Any) -> None:
    office.add("ada@house.test", tags=("Alumni",))
    office.gateway().put_member(
        "a1b2c3d4e5", "ada@house.test", {"email_address": "ada@house.test", "status_if_new": "subscribed"}
    )

    office.push()

    assert {"Alumni"} == simulator.tags("ada@house.test")
    assert office.change_count() == 0


def test_a_changed_address_keeps_the_member(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test", first_name="Ada", tags=("Alumni",))
    office.push()
    simulator.staff("tag", "ada@house.test", add=["Board"])
    before = simulator.member("ada@house.test").contact_id
    office.change(contact_id, email="augusta@house.test")

    office.push()

    assert before == simulator.member("augusta@house.test").contact_id
    assert simulator.member("ada@house.test") is None
    assert {"Alumni", "Board"} == simulator.tags("augusta@house.test")
    assert simulator.member_count() == 1


def test_a_changed_address_does_not_bring_back_somebody_who_left(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    simulator.contact("unsubscribe", "ada@house.test")
    office.change(contact_id, email="augusta@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "unsubscribed"
    assert simulator.member("augusta@house.test") is None
    assert office.consent(contact_id) == "withdrawn"
    assert simulator.subscribing("augusta@house.test") == 0


def test_an_address_that_is_a_member_already_is_joined_to_it(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    office.gateway().put_member(
        "a1b2c3d4e5", "b@house.test", {"email_address": "b@house.test", "status_if_new": "subscribed"}
    )
    office.change(contact_id, email="b@house.test", first_name="Ada")

    office.push()

    assert tuple(simulator.member(email).status for email in ("ada@house.test", "b@house.test")) == (
        "archived",
        "subscribed",
    )
    assert simulator.member("b@house.test").merge_fields["FNAME"] == "Ada"


def test_nobody_without_consent_is_added(office: Any, simulator: Any) -> None:
    office.add("ada@house.test", consent="none")
    office.add("eve@house.test", consent="withdrawn")

    office.push()

    assert simulator.calls == 0


def test_double_opt_in_asks_first(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    office.add("ada@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "pending"


def test_the_entry_rule_takes_in_and_takes_out(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}'""")
    inside = office.add("in@house.test", tags=("Alumni",))
    office.add("out@house.test")
    office.push()
    assert simulator.member_count() == 1
    office.tag(inside)

    office.push()

    assert simulator.member("in@house.test").status == "archived"


def test_somebody_whom_the_rule_took_out_comes_back_by_it(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}'""")
    contact_id = office.add("ada@house.test", tags=("Alumni",))
    office.push()
    office.tag(contact_id)
    office.push()
    office.tag(contact_id, "Alumni")

    office.push()

    assert simulator.member("ada@house.test").status == "subscribed"
    assert office.mirror(contact_id).status == "subscribed"


def test_somebody_whom_staff_archived_stays_out(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    simulator.staff("archive", "ada@house.test")
    office.change(contact_id, first_name="Ada")

    office.push()

    assert simulator.member("ada@house.test").status == "archived"
    assert office.mirror(contact_id).error["code"] == "archived_there"


def test_two_people_at_one_address_make_one_member(office: Any, simulator: Any) -> None:
    first = office.add("family@house.test", first_name="Ada")
    second = office.add("family@house.test", first_name="Bea")

    office.push()

    assert simulator.member("family@house.test").merge_fields["FNAME"] == "Ada"
    assert office.mirror(second).error["code"] == "shared_address"
    assert office.mirror(first).sync_state == "ok"


def test_an_erased_person_is_deleted_for_good(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    office.execute("UPDATE contacts SET state = 'erased', fields = '{}' WHERE id = :id", id=contact_id)
    office.touch(contact_id)

    office.push()

    assert simulator.member("ada@house.test") is None
    assert office.mirror(contact_id) is None


def test_a_merged_contact_hands_its_member_on(office: Any, simulator: Any) -> None:
    loser = office.add("ada@house.test", first_name="Ada")
    winner = office.add("augusta@house.test", consent="none")
    office.push()
    office.execute(
        "UPDATE contacts SET state = 'merged', merged_into_id = :w WHERE id = :l", w=winner, l=loser
    )
    office.say(winner, "given", "augusta@house.test")
    office.touch(loser, winner)

    office.push()

    assert office.mirror(loser) is None
    assert simulator.member("augusta@house.test").status == "subscribed"
    assert simulator.member_count() == 1
