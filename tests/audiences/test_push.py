"""Pushing: how many calls, which, and what is remembered."""

from typing import Any

import pytest

from app.audiences import push
from app.audiences.retry import GIVE_UP_SECONDS


def add_many(office: Any, count: int, **more: Any) -> list[int]:
    return [
        office.add(f"person{number}@house.test", first_name=f"P{number}", **more) for number in range(count)
    ]


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
    ids = add_many(office, 5, tags=("Alumni",))
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
    office.connections.gateway(destination_of(office)).put_member(
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
    office.connections.gateway(destination_of(office)).put_member(
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


# Errors of single members


def test_a_bad_merge_field_is_left_out_and_the_rest_goes(office: Any, simulator: Any) -> None:
    office.execute(
        """UPDATE audiences SET merge_fields = '{"FNAME": "first_name", "PHONE": "phone", "LTV": "ltv"}'"""
    )
    gateway = office.connections.gateway(destination_of(office))
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
    office.connections.gateway(destination_of(office)).add_merge_field("a1b2c3d4e5", "LTV", "Value", "number")
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


# Failed calls


@pytest.mark.parametrize(
    "kind", ["500", "503_empty", "429", "429_empty", "403_html", "200_html", "200_empty"]
)
def test_a_failed_call_is_tried_again_later(office: Any, simulator: Any, kind: str) -> None:
    add_many(office, 5)
    simulator.fault(kind, times=1, path="/lists")
    office.push()
    assert simulator.member_count() == 0
    assert office.change_count() == 5
    office.hurry()

    office.push()

    assert simulator.member_count() == 5
    assert office.change_count() == 0
    assert office.execute("SELECT count(*) FROM attempts")[0][0] == 1


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "cut_body"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_lost_answer_is_repeated_without_a_second_effect(
    office: Any, simulator: Any, kind: str, count: int
) -> None:
    ids = add_many(office, count, tags=("Alumni",))
    simulator.fault(kind, times=1, path="/lists")
    office.push()
    assert count == simulator.member_count()
    changed_at = {
        number: simulator.member(f"person{number}@house.test").changed_at for number in range(count)
    }
    office.hurry()

    office.push()

    assert count == simulator.member_count()
    assert changed_at == {
        number: simulator.member(f"person{number}@house.test").changed_at for number in range(count)
    }
    assert {"subscribed"} == {office.mirror(contact_id).status for contact_id in ids}
    assert office.change_count() == 0


def test_killed_between_answer_and_commit_the_push_is_repeated(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(office, 5)

    def killed(*_arguments: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(push, "settle_outcomes", killed)
        with pytest.raises(KeyboardInterrupt):
            office.push()
    assert simulator.member_count() == 5
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")

    office.push()

    assert simulator.member_count() == 5
    assert office.change_count() == 0


def test_an_opt_out_after_a_killed_push_still_reaches_mailchimp(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = office.add("ada@house.test")
    with monkeypatch.context() as patched:
        patched.setattr(push, "settle_outcomes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            office.push()
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")
    office.say(contact_id, "withdrawn", "ada@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "unsubscribed"


def test_a_rejected_key_pauses_once_and_parks_nobody(office: Any, simulator: Any) -> None:
    add_many(office, 5)
    simulator.fault("401")
    office.push()
    office.push()

    assert office.change_count() == 5
    assert [
        tuple(row) for row in office.execute("SELECT count(parked_at), max(attempt_count) FROM changes")
    ] == [(0, 0)]
    assert office.execute("SELECT count(*) FROM attempts")[0][0] == 1
    assert office.execute("SELECT paused_at FROM destinations")[0][0] is not None


def test_a_paused_destination_goes_on_by_itself_once_mended(office: Any, simulator: Any) -> None:
    add_many(office, 5)
    simulator.fault("401")
    office.push()
    simulator.mend()
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")

    office.push()

    assert office.execute("SELECT paused_at FROM destinations")[0][0] is None
    assert simulator.member_count() == 5


def test_the_breaker_opens_and_a_probe_closes_it(office: Any, simulator: Any) -> None:
    office.add("ada@house.test")
    simulator.fault("500")
    for _ in range(12):
        office.hurry()
        office.push()
    calls = simulator.calls
    office.hurry()
    office.push()
    assert calls == simulator.calls
    assert calls == 10
    simulator.mend()
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")

    office.push()

    assert office.execute("SELECT breaker ->> 'state' FROM destinations")[0][0] == "closed"
    office.hurry()
    office.push()
    assert simulator.member_count() == 1


def test_after_75_hours_a_change_is_parked(office: Any, simulator: Any) -> None:
    office.add("ada@house.test")
    simulator.fault("500")
    office.push()
    office.execute(
        "UPDATE changes SET next_attempt_at = now(), first_failed_at = now() - make_interval(secs => :s)",
        s=GIVE_UP_SECONDS + 1,
    )

    office.push()

    assert office.execute("SELECT parked_at FROM changes")[0][0] is not None
    calls = simulator.calls
    office.push()
    assert calls == simulator.calls


def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [office.add(f"p{number}@house.test") for number in range(8)]
    gateway_class = type(office.connections.gateway(destination_of(office)))
    push_members, put_member = gateway_class.push_members, gateway_class.put_member

    def push_refused(self: Any, list_id: str, members: Any, **more: Any) -> Any:
        if any(member["email_address"] == "p5@house.test" for member in members):
            raise bug()
        return push_members(self, list_id, members, **more)

    def put_refused(self: Any, list_id: str, member: str, body: Any, **more: Any) -> Any:
        if body["email_address"] == "p5@house.test":
            raise bug()
        return put_member(self, list_id, member, body, **more)

    monkeypatch.setattr(gateway_class, "push_members", push_refused)
    monkeypatch.setattr(gateway_class, "put_member", put_refused)

    office.push()

    assert simulator.member_count() == 7
    assert [ids[5]] == [
        row[0] for row in office.execute("SELECT contact_id FROM changes WHERE parked_at IS NOT NULL")
    ]
    assert office.change_count() == 1


def bug() -> Exception:
    from integrations.mailchimp.problems import BUG, MailchimpProblem

    return MailchimpProblem(BUG, 400, "Bad Request")


def destination_of(office: Any) -> Any:
    from app.audiences.gate import get_destination_of

    with office.sessions() as session:
        return get_destination_of(session, office.audience_id)
