"""An opt-out is absorbing: learned from anywhere, and no call subscribes the address again without newer proof."""

import time
from typing import Any

import pytest

from app.audiences.load import get_audience
from app.audiences.pull import apply_member_states, pull_audience
from app.audiences.webhook import mirror_event
from app.core.db import transaction
from integrations.mailchimp.answers import MemberState

ADA = "ada@house.test"


def joined(office: Any, simulator: Any, **more: Any) -> int:
    contact_id = office.add(ADA, first_name="Ada", **more)
    office.push()
    assert simulator.member(ADA).status == "subscribed"
    return int(contact_id)


def post_again(office: Any, contact_id: int, number: int = 1) -> None:
    """The person's form once more: claimed consent and a new value."""
    office.say(contact_id, "given", ADA)
    office.change(contact_id, first_name=f"Ada {number}")


def test_an_opt_out_here_unsubscribes_there_once(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    office.say(contact_id, "withdrawn", ADA)

    office.push()

    assert simulator.member(ADA).status == "unsubscribed"
    before = simulator.calls
    office.touch(contact_id)
    office.push()
    assert before == simulator.calls


def test_opt_outs_of_many_travel_in_one_call(office: Any, simulator: Any) -> None:
    people = {f"p{number}@house.test": office.add(f"p{number}@house.test") for number in range(20)}
    office.push()
    before = simulator.calls
    for email, contact_id in people.items():
        office.say(contact_id, "withdrawn", email)

    office.push()

    assert simulator.calls - before == 1
    assert {"unsubscribed"} == {simulator.member(email).status for email in people}


@pytest.mark.parametrize("act", ["unsubscribe", "abuse", "bounce"])
def test_what_the_person_did_at_mailchimp_is_never_undone_by_a_second_post(
    office: Any, simulator: Any, act: str
) -> None:
    contact_id = joined(office, simulator)
    simulator.contact(act, ADA)
    out = simulator.member(ADA).status
    joins = simulator.subscribing(ADA)
    for number in range(3):
        post_again(office, contact_id, number)
        office.push()

    assert out == simulator.member(ADA).status
    assert joins == simulator.subscribing(ADA)
    assert office.consent(contact_id) == "withdrawn"


def test_an_answer_that_says_unsubscribed_is_learned_as_an_opt_out(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    simulator.contact("unsubscribe", ADA)
    office.change(contact_id, first_name="Augusta")

    office.push()

    assert office.consent(contact_id) == "withdrawn"
    rows = office.execute("SELECT method, actor, address FROM consent_evidence WHERE verdict = 'withdrawn'")
    assert [tuple(row) for row in rows] == [("unsubscribe", "mailchimp", ADA)]


def test_a_compliance_answer_is_learned_and_names_the_form(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}'""")
    contact_id = joined(office, simulator, tags=("Alumni",))
    office.tag(contact_id)
    office.push()
    member = simulator.member(ADA)
    assert member.status == "archived"
    member.cause = "contact"
    office.tag(contact_id, "Alumni")

    office.push()

    assert simulator.member(ADA).status == "archived"
    assert office.consent(contact_id) == "withdrawn"
    assert office.mirror(contact_id).error["code"] == "compliance"
    assert "subscribe" in office.mirror(contact_id).error["hint"]


def test_somebody_erased_there_is_not_brought_back(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    simulator.staff("delete", ADA)
    post_again(office, contact_id)

    office.push()

    assert simulator.member(ADA) is None
    assert office.mirror(contact_id).error["code"] == "forgotten"
    before = simulator.calls
    post_again(office, contact_id, 2)
    office.push()
    assert before == simulator.calls


def test_one_of_a_household_who_opts_out_binds_the_address(office: Any, simulator: Any) -> None:
    first = office.add("family@house.test", first_name="Ada")
    second = office.add("family@house.test", first_name="Bea")
    office.push()
    office.say(second, "withdrawn", "family@house.test")
    office.touch(first)

    office.push()

    assert simulator.member("family@house.test").status == "unsubscribed"


# Webhooks


def tell(office: Any, kind: str, email: str = ADA, **more: Any) -> None:
    content = {
        "type": kind,
        "fired_at": "2099-01-01 00:00:00",
        "list_id": "a1b2c3d4e5",
        "email": email,
        **more,
    }
    with transaction(office.sessions) as session:
        mirror_event(session, {}, content)


def test_a_webhooks_opt_out_needs_no_call(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    simulator.contact("unsubscribe", ADA)
    office.say(contact_id, "withdrawn", ADA)
    tell(office, "unsubscribe", action="unsub", reason="manual")
    before = simulator.calls

    office.push()

    assert before == simulator.calls
    assert office.mirror(contact_id).status == "unsubscribed"


@pytest.mark.parametrize(
    ("kind", "more", "status"),
    [
        ("unsubscribe", {"action": "unsub"}, "unsubscribed"),
        ("unsubscribe", {"action": "delete"}, "archived"),
        ("cleaned", {"reason": "hard"}, "cleaned"),
        ("subscribe", {}, "subscribed"),
        ("profile", {"merges": {"FNAME": "Eve"}}, "subscribed"),
    ],
)
def test_the_mirror_follows_webhooks(
    office: Any, simulator: Any, kind: str, more: dict[str, Any], status: str
) -> None:
    contact_id = joined(office, simulator)

    tell(office, kind, **more)

    assert status == office.mirror(contact_id).status
    assert office.mirror(contact_id).merge_fields["FNAME"] == "Ada"


def test_a_webhook_older_than_what_is_known_changes_nothing(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)

    tell(office, "unsubscribe", action="unsub", fired_at="2020-01-01 00:00:00")

    assert office.mirror(contact_id).status == "subscribed"


def test_a_changed_address_by_webhook_moves_nothing_until_the_member_was_read(
    office: Any, simulator: Any
) -> None:
    contact_id = joined(office, simulator)
    pull_audience(office.sessions, office.connections, office.audience_id)
    simulator.contact("change_email", ADA, new_email="augusta@house.test")

    tell(office, "upemail", old_email=ADA, new_email="augusta@house.test")
    told = office.mirror(contact_id).email_address
    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert (told, office.mirror(contact_id).email_address) == (ADA, "augusta@house.test")
    assert office.fields(contact_id)["email"] == "augusta@house.test"
    assert simulator.member_count() == 1


def test_a_webhook_about_a_stranger_is_no_concern(office: Any) -> None:
    tell(office, "unsubscribe", "stranger@house.test", action="unsub")

    assert office.execute("SELECT count(*) FROM members")[0][0] == 0


# The sweep


def test_a_pull_finds_the_opt_out_that_a_webhook_lost(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    simulator.contact("unsubscribe", ADA)

    counts = pull_audience(office.sessions, office.connections, office.audience_id)

    assert counts.counts["opted_out"] == 1
    assert (office.consent(contact_id), office.mirror(contact_id).status) == ("withdrawn", "unsubscribed")
    again = pull_audience(office.sessions, office.connections, office.audience_id)
    assert again.counts["opted_out"] == 0


def test_consent_of_the_same_second_does_not_win_over_an_opt_out(office: Any, simulator: Any) -> None:
    ada = office.add("ada@house.test")
    office.push()
    simulator.contact("unsubscribe", "ada@house.test")
    told_at = simulator.member("ada@house.test").changed_at
    office.say(ada, "given", "ada@house.test", "confirmed")
    office.execute(
        "UPDATE consent_evidence SET occurred_at = to_timestamp(:at) + interval '0.4 s' WHERE proof = 'confirmed'",
        at=told_at,
    )
    time.sleep(1.1)  # that second is over

    office.pull()

    assert "withdrawn" == office.consent(ada)


def test_our_own_unsubscribing_is_not_learned_back(office: Any, simulator: Any) -> None:
    office.execute(
        """UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}', on_leave = 'unsubscribe'"""
    )
    contact_id = joined(office, simulator, tags=("Alumni",))
    office.tag(contact_id)
    office.push()
    assert simulator.member(ADA).status == "unsubscribed"

    pull_audience(office.sessions, office.connections, office.audience_id)

    assert office.consent(contact_id) == "given"


def test_somebody_subscribed_there_against_the_ledger_is_taken_out(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, consent="withdrawn")
    simulator.staff("add", ADA)

    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert simulator.member(ADA).status == "unsubscribed"
    assert office.consent(contact_id) == "withdrawn"


def test_a_pull_reads_a_thousand_members_a_call(office: Any, simulator: Any) -> None:
    ids = office.crowd(1001)
    office.push()

    counts = pull_audience(office.sessions, office.connections, office.audience_id)

    assert (counts.counts["read"], counts.counts["ours"], counts.call_count) == (1001, 1001, 2)
    assert len(ids) == office.execute("SELECT count(*) FROM members WHERE status = 'subscribed'")[0][0]


def test_members_who_are_no_contacts_are_left_alone(office: Any, simulator: Any) -> None:
    simulator.staff("add", "stranger@house.test")

    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert office.execute("SELECT count(*) FROM members")[0][0] == 0
    assert simulator.member("stranger@house.test").status == "subscribed"


def test_an_adopted_member_with_the_same_values_costs_no_call(office: Any, simulator: Any) -> None:
    simulator.staff("add", ADA, merge_fields={"FNAME": "Ada"})
    office.add(ADA, first_name="Ada")
    pull_audience(office.sessions, office.connections, office.audience_id)
    before = simulator.calls

    office.push()

    assert before == simulator.calls


def test_one_members_state_can_be_applied_alone(office: Any, simulator: Any, hash_of: Any) -> None:
    contact_id = joined(office, simulator)

    with transaction(office.sessions) as session:
        audience = get_audience(session, office.audience_id)
        state = MemberState(hash_of(ADA), ADA, "cleaned")
        counts = apply_member_states(session, audience, [state], office.connections.box)

    assert 1 == counts["ours"]
    assert (office.consent(contact_id), office.mirror(contact_id).status) == ("withdrawn", "cleaned")


@pytest.mark.parametrize("act", ["archive", "delete"])
def test_staff_who_take_a_member_out_withdraw_nobodys_consent_and_nobody_is_taken_in_again(
    office: Any, simulator: Any, webhook: Any, act: str
) -> None:
    contact_id = joined(office, simulator)
    simulator.staff(act, ADA)

    webhook("unsubscribe", email=ADA, action="delete", reason="manual")
    told = office.mirror(contact_id).status
    post_again(office, contact_id)
    office.push()

    assert (told, office.consent(contact_id)) == ("archived", "given")
    member = simulator.member(ADA)
    assert (member.status if member else "archived") == "archived"


def test_a_complaint_withdraws_though_the_member_is_deleted_for_it(
    office: Any, simulator: Any, webhook: Any
) -> None:
    contact_id = joined(office, simulator)

    webhook("unsubscribe", email=ADA, action="delete", reason="abuse")

    assert office.consent(contact_id) == "withdrawn"
