"""Pushing: what Mailchimp refuses of single members is left out, and the rest goes."""

from typing import Any

import pytest

from integrations.mailchimp.problems import BUG, MailchimpProblem


def test_a_bad_merge_field_is_left_out_and_the_rest_goes(office: Any, simulator: Any) -> None:
    office.execute(
        """UPDATE audiences SET merge_fields = '{"FNAME": "first_name", "PHONE": "phone", "LTV": "ltv"}'"""
    )
    gateway = office.gateway()
    gateway.add_merge_field("a1b2c3d4e5", "LTV", "Value", "number")
    contact_id = office.add("ada@house.test", first_name="Ada", ltv="a lot")
    before = simulator.calls

    office.push()

    assert simulator.member("ada@house.test").merge_fields == {"FNAME": "Ada"}
    assert office.mirror(contact_id).error["code"] == "bad_merge_field"
    assert "LTV" in office.mirror(contact_id).error["reason"]
    assert simulator.calls - before == 2
    office.touch(contact_id)
    office.push()
    assert simulator.calls - before == 2


def test_a_value_that_does_not_fit_is_left_out_before_any_call(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET merge_fields = '{"FNAME": "first_name", "ADDRESS": "address"}'""")
    contact_id = office.add("ada@house.test", first_name="Ada", address="1 A Street")

    office.push()

    assert simulator.calls == 1
    assert simulator.member("ada@house.test").merge_fields == {"FNAME": "Ada"}
    assert office.mirror(contact_id).error["code"] == "unfit_merge_field"
    assert "ADDRESS" in office.mirror(contact_id).error["reason"]


def test_in_a_batch_only_the_bad_field_of_the_bad_member_is_left_out(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET merge_fields = '{"FNAME": "first_name", "LTV": "ltv"}'""")
    office.gateway().add_merge_field("a1b2c3d4e5", "LTV", "Value", "number")
    for number in range(10):
        office.add(f"p{number}@house.test", first_name="P", ltv="x" if number == 3 else number)
    before = simulator.calls

    office.push()

    assert simulator.member("p3@house.test").merge_fields == {"FNAME": "P"}
    assert simulator.member("p4@house.test").merge_fields["LTV"] == 4
    assert simulator.calls - before == 2


def test_a_partial_answer_settles_all_but_the_failed(office: Any, simulator: Any) -> None:
    good = [office.add(f"p{number}@house.test") for number in range(8)]
    bad = [office.add(f"p{number}@example.com") for number in range(2)]

    office.push()

    assert simulator.member_count() == 8
    assert {"fake_address"} == {office.mirror(contact_id).error["code"] for contact_id in bad}
    assert {"ok"} == {office.mirror(contact_id).sync_state for contact_id in good}
    before = simulator.calls
    office.touch(*good, *bad)
    office.push()
    assert before == simulator.calls


def test_a_corrected_address_is_tried_again(office: Any, simulator: Any) -> None:
    contact_id = office.add("ada@example.com")
    office.push()
    office.change(contact_id, email="ada@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "subscribed"
    assert office.mirror(contact_id).sync_state == "ok"


def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [office.add(f"p{number}@house.test") for number in range(8)]
    gateway_class = type(office.gateway())
    push_members, put_member = gateway_class.push_members, gateway_class.put_member

    def push_refused(self: Any, list_id: str, members: Any, **more: Any) -> Any:
        if any(member["email_address"] == "p5@house.test" for member in members):
            raise MailchimpProblem(BUG, 400, "Bad Request")
        return push_members(self, list_id, members, **more)

    def put_refused(self: Any, list_id: str, member: str, body: Any, **more: Any) -> Any:
        if body["email_address"] == "p5@house.test":
            raise MailchimpProblem(BUG, 400, "Bad Request")
        return put_member(self, list_id, member, body, **more)

    monkeypatch.setattr(gateway_class, "push_members", push_refused)
    monkeypatch.setattr(gateway_class, "put_member", put_refused)

    office.push()

    assert simulator.member_count() == 7
    assert [ids[5]] == [
        row[0] for row in office.execute("SELECT contact_id FROM changes WHERE parked_at IS NOT NULL")
    ]
    assert office.change_count() == 1
