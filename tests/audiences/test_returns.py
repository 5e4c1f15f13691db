"""Coming back after an opt-out that Mailchimp remembers: once asked for each new consent, never by what was typed."""

from typing import Any

import pytest

from app.audiences.models import Audience
from app.audiences.settings import change_settings
from app.core.db import transaction

ADA, AUGUSTA = "ada@house.test", "augusta@house.test"


def age(office: Any) -> None:
    """What the ledger has was some time ago."""
    office.execute("UPDATE consent_evidence SET occurred_at = occurred_at - interval '1 minute'")


def left_there(office: Any, simulator: Any, act: str = "unsubscribe") -> int:
    """A member who left at Mailchimp, which Muster knows."""
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    simulator.contact(act, ADA)
    office.pull()
    assert office.consent(contact_id) == "withdrawn"
    age(office)
    return int(contact_id)


def pendings(simulator: Any) -> int:
    return sum(
        note["asked_status"] == "pending" for entry in simulator.entries(ADA) for note in entry["notes"]
    )


def push_often(office: Any, contact_id: int) -> None:
    for _ in range(3):
        office.touch(contact_id)
        office.hurry()
        office.push()


@pytest.mark.parametrize("act", ["unsubscribe", "abuse"])
def test_new_confirmed_consent_is_asked_for_once_by_pending(office: Any, simulator: Any, act: str) -> None:
    contact_id = left_there(office, simulator, act)
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("pending", 1)
    assert office.consent(contact_id) == "given"
    simulator.contact("confirm", ADA)
    office.pull()
    push_often(office, contact_id)
    assert (simulator.member(ADA).status, pendings(simulator)) == ("subscribed", 1)
    assert office.mirror(contact_id).error is None


def test_what_somebody_typed_asks_nobody(office: Any, simulator: Any) -> None:
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "claimed")

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("unsubscribed", 0)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "500"])
def test_a_lost_answer_is_no_reason_to_ask_again(office: Any, simulator: Any, kind: str) -> None:
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "confirmed")
    simulator.fault(kind, times=1, method="PATCH")

    push_often(office, contact_id)
    office.pull()
    push_often(office, contact_id)

    assert pendings(simulator) <= 1
    assert len([one for one in simulator.entries(ADA) if one["method"] == "PATCH"]) <= 1
    if kind != "reset_after":
        assert office.mirror(contact_id).error["code"] == "asked_once"
        assert "subscribe" in office.mirror(contact_id).error["hint"]


@pytest.mark.parametrize(("kind", "method"), [("429", "PATCH"), ("500", "GET")])
def test_a_request_that_was_not_looked_at_leaves_the_attempt(
    office: Any, simulator: Any, kind: str, method: str
) -> None:
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "confirmed")
    simulator.fault(kind, times=1, method=method)

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("pending", 1)


def test_each_new_consent_has_its_own_attempt(office: Any, simulator: Any) -> None:
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "confirmed")
    push_often(office, contact_id)
    simulator.contact("unsubscribe", ADA)
    office.pull()
    age(office)
    between = pendings(simulator)
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert (between, pendings(simulator)) == (1, 2)


def test_where_the_form_alone_is_wanted_its_link_is_given(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET on_return = 'form_only'")
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("unsubscribed", 0)
    assert "subscribe" in office.mirror(contact_id).error["hint"]


def test_another_policy_reaches_whoever_waited_under_the_former(office: Any, simulator: Any) -> None:
    office.put(on_return="form_only")
    contact_id = left_there(office, simulator)
    office.say(contact_id, "given", ADA, "confirmed")
    push_often(office, contact_id)
    before = (simulator.member(ADA).status, office.change_count())

    with transaction(office.sessions) as session:
        audience = session.get_one(Audience, office.audience_id)
        change_settings(session, audience, {"on_return": "pending_once"}, "test")
    office.push()

    assert (("unsubscribed", 0), "pending") == (before, simulator.member(ADA).status)


def test_whom_staff_unsubscribed_comes_back_at_once_with_new_consent(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    simulator.staff("unsubscribe", ADA)
    office.pull()
    learned = office.consent(contact_id)
    age(office)
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert (learned, simulator.member(ADA).status) == ("withdrawn", "subscribed")


def test_who_opted_out_here_and_confirmed_anew_comes_back(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    office.say(contact_id, "withdrawn", ADA)
    office.push()
    age(office)
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert simulator.member(ADA).status == "subscribed"


def test_a_compliance_state_behind_our_own_opt_out_is_asked_about_once(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    office.say(contact_id, "withdrawn", ADA)
    office.push()
    simulator.member(ADA).cause = "contact"
    age(office)
    simulator.member(ADA).changed_at -= 60
    office.execute("UPDATE members SET last_changed = last_changed - interval '1 minute'")
    office.say(contact_id, "given", ADA, "confirmed")

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("pending", 1)
    assert office.consent(contact_id) == "given"


def test_a_bounced_address_is_on_hold_until_there_is_another(office: Any, simulator: Any) -> None:
    contact_id = left_there(office, simulator, "bounce")
    push_often(office, contact_id)
    joins = simulator.subscribing(ADA)
    office.change(contact_id, email=AUGUSTA)
    office.say(contact_id, "given", AUGUSTA)

    push_often(office, contact_id)

    assert (simulator.member(ADA).status, joins) == ("cleaned", simulator.subscribing(ADA))
    assert simulator.member(AUGUSTA).status == "subscribed"
    office.pull()
    assert office.mirror(contact_id).email_address == AUGUSTA


def test_whoever_answers_our_pending_has_confirmed(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    assert simulator.member(ADA).status == "pending"
    office.pull()
    simulator.later()
    simulator.contact("confirm", ADA)

    office.pull()
    office.pull()

    rows = office.execute(
        "SELECT proof, method FROM consent_evidence WHERE contact_id = :c ORDER BY id", c=contact_id
    )
    assert [tuple(row) for row in rows] == [("claimed", "form"), ("confirmed", "mailchimp_confirm")]
    assert office.execute("SELECT status, proof FROM consents") == [("given", "confirmed")]


def test_the_oldest_with_consent_speaks_for_a_shared_address(office: Any, simulator: Any) -> None:
    office.add(ADA, first_name="Ada", consent="none")
    office.add(ADA, first_name="Bea")
    third = office.add(ADA, first_name="Cy")

    office.push()

    assert simulator.member(ADA).merge_fields["FNAME"] == "Bea"
    assert office.mirror(third).error["code"] == "shared_address"


def test_partial_answers_in_any_order_settle_each_with_its_own(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer names some members twice, in another order, and leaves one out: that one's outcome is unknown."""
    from dataclasses import replace

    from integrations.mailchimp.gateway import Gateway

    ids = [office.add(f"p{number}@house.test", first_name=f"P{number}") for number in range(6)]
    push_members = Gateway.push_members

    def scrambled(self: Any, *given: Any, **more: Any) -> Any:
        answer = push_members(self, *given, **more)
        return replace(answer, members=(answer.members[1], *reversed(answer.members[1:])))

    with monkeypatch.context() as patched:
        patched.setattr(Gateway, "push_members", scrambled)
        office.push()
    lost = [row[0] for row in office.execute("SELECT contact_id FROM changes")]
    office.hurry()

    office.push()

    assert lost == [ids[0]]
    assert [office.mirror(one).email_address for one in ids] == [f"p{n}@house.test" for n in range(6)]
    assert {simulator.member(f"p{n}@house.test").merge_fields["FNAME"] for n in range(6)} == {
        f"P{n}" for n in range(6)
    }
    assert office.change_count() == 0


def block_for_a_while(office: Any, contact_id: int, household: int) -> None:
    """Somebody else at the address opts out, and has another one afterwards."""
    office.say(household, "withdrawn", ADA)
    office.touch(contact_id)
    office.push()
    office.execute("DELETE FROM consent_evidence WHERE contact_id = :id", id=household)
    office.execute("DELETE FROM consents WHERE contact_id = :id", id=household)


@pytest.mark.parametrize("answers", ["lost", "heard"])
def test_who_was_taken_out_before_they_confirmed_is_not_asked_again(
    office: Any, simulator: Any, answers: str
) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    ada, bea = office.add(ADA, first_name="Ada"), office.add(ADA, consent="none", first_name="Bea")
    office.push()
    if answers == "lost":
        simulator.fault("reset_after", times=1, method="PATCH")
    block_for_a_while(office, ada, bea)
    office.pull()

    push_often(office, ada)

    assert (simulator.member(ADA).status, pendings(simulator)) == ("unsubscribed", 1)


def test_who_had_confirmed_before_they_were_taken_out_comes_back(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    ada = office.add(ADA, proof="confirmed", first_name="Ada")
    bea = office.add(ADA, consent="none", first_name="Bea")
    office.push()
    block_for_a_while(office, ada, bea)
    push_often(office, ada)
    assert office.mirror(ada).error["code"] == "asked_once"
    age(office)
    office.say(ada, "given", ADA, "confirmed")
    push_often(office, ada)
    simulator.contact("confirm", ADA)
    office.pull()
    block_for_a_while(office, ada, bea)

    push_often(office, ada)

    assert simulator.member(ADA).status == "pending"
