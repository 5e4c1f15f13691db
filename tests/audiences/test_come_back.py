"""Who opted out comes back by their own act at Mailchimp only, and only once the API was read."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.audiences.gate import list_audiences_to_pull
from app.core.db import transaction

ADA = "ada@house.test"
LIST_ID = "a1b2c3d4e5"
Webhook = Callable[..., None]


@pytest.fixture
def webhook(webhook: Webhook) -> Webhook:
    """What Mailchimp tells of Ada."""
    return partial(webhook, **{"email": ADA, "merges][FNAME": "Ada"})


def joined(office: Any, simulator: Any) -> int:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    assert simulator.member(ADA).status == "subscribed"
    return int(contact_id)


def left_by_form(office: Any, simulator: Any) -> int:
    """A member who opted out in Muster, which Muster told Mailchimp."""
    contact_id = joined(office, simulator)
    office.say(contact_id, "withdrawn", ADA)
    office.push()
    assert simulator.member(ADA).status == "unsubscribed"
    return contact_id


def left_there(office: Any, simulator: Any) -> int:
    """A member who opted out at Mailchimp, which Muster learned."""
    contact_id = joined(office, simulator)
    simulator.contact("unsubscribe", ADA)
    office.pull()
    assert office.consent(contact_id) == "withdrawn"
    return contact_id


def pull_and_push(office: Any) -> None:
    office.pull()
    office.push()
    office.push()


def is_pull_due(office: Any) -> bool:
    with transaction(office.sessions) as session:
        return office.audience_id in list_audiences_to_pull(session)


def ledger(office: Any, contact_id: int) -> tuple[Any, ...]:
    rows = office.execute(
        "SELECT status, proof FROM consents WHERE contact_id = :id AND purpose = 'newsletter'", id=contact_id
    )
    return tuple(rows[0])


def unsubscribing(simulator: Any) -> int:
    """How many requests of Muster's asked for this member to be unsubscribed."""
    return sum(
        note["asked_status"] == "unsubscribed" for entry in simulator.entries(ADA) for note in entry["notes"]
    )


# Nobody else brings them back


@pytest.mark.parametrize("leave", [left_by_form, left_there])
def test_a_forged_subscribe_after_an_opt_out_changes_nothing(
    office: Any, simulator: Any, webhook: Webhook, leave: Callable[..., int]
) -> None:
    contact_id = leave(office, simulator)
    joins = simulator.subscribing(ADA)

    webhook("subscribe")
    status_after_webhook = office.mirror(contact_id).status
    office.push()
    pull_and_push(office)

    assert status_after_webhook == "unsubscribed"
    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")
    assert joins == simulator.subscribing(ADA)


def test_a_forged_subscribe_of_somebody_who_opted_out_by_form_and_was_never_a_member(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = office.add(ADA, consent="withdrawn", first_name="Ada")

    webhook("subscribe")
    office.push()
    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA)) == ("withdrawn", None)
    assert simulator.subscribing(ADA) == 0


def test_a_member_whom_staff_adds_against_an_opt_out_is_taken_out(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = office.add(ADA, consent="withdrawn", first_name="Ada")
    simulator.later()
    simulator.staff("add", ADA)
    assert simulator.member(ADA).opt_at

    webhook("subscribe")
    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")


def test_a_member_whom_staff_adds_against_an_opt_out_of_everything_is_taken_out(
    office: Any, simulator: Any
) -> None:
    contact_id = left_by_form(office, simulator)
    office.execute("UPDATE consent_evidence SET purpose = '*' WHERE verdict = 'withdrawn'")
    office.execute("DELETE FROM consents")
    office.execute(
        "INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)"
        " SELECT contact_id, 'email', '*', 'withdrawn', 'claimed', id, occurred_at FROM consent_evidence"
        " WHERE verdict = 'withdrawn'"
    )
    simulator.later()
    simulator.staff("edit", ADA, status="subscribed")

    pull_and_push(office)

    assert simulator.member(ADA).status == "unsubscribed"
    assert office.consent(contact_id) == "none"


@pytest.mark.parametrize("detour", [(), ("archive",)])
def test_a_member_whom_staff_subscribes_again_is_taken_out(
    office: Any, simulator: Any, webhook: Webhook, detour: tuple[str, ...]
) -> None:
    contact_id = left_by_form(office, simulator)
    simulator.later()
    for act in detour:
        simulator.staff(act, ADA)
    simulator.staff("edit", ADA, status="subscribed")
    assert simulator.member(ADA).status == "subscribed"

    webhook("subscribe")
    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")


def test_an_opt_in_before_the_opt_out_lifts_nothing(office: Any, simulator: Any) -> None:
    simulator.contact("signup", ADA)
    contact_id = office.add(ADA)
    pull_and_push(office)
    office.say(contact_id, "withdrawn", ADA)

    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")
    assert office.execute("SELECT count(*) FROM consent_evidence WHERE actor = 'mailchimp'") == [(0,)]


def test_an_opt_out_after_the_opt_in_counts_though_the_pull_comes_last(office: Any, simulator: Any) -> None:
    contact_id = left_by_form(office, simulator)
    simulator.contact("signup", ADA)
    office.say(contact_id, "withdrawn", ADA)

    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")
    assert office.execute("SELECT count(*) FROM consent_evidence WHERE actor = 'mailchimp'") == [(0,)]


# They themselves do


@pytest.mark.parametrize("leave", [left_by_form, left_there])
@pytest.mark.parametrize("is_double_optin", [False, True])
def test_who_comes_back_by_the_hosted_form_stays_subscribed(
    office: Any, simulator: Any, webhook: Webhook, leave: Callable[..., int], is_double_optin: bool
) -> None:
    simulator.call("POST", "/lists", {"is_double_optin": is_double_optin})
    contact_id = leave(office, simulator)
    asked = unsubscribing(simulator)
    simulator.later()
    simulator.contact("signup", ADA)
    if is_double_optin:
        pull_and_push(office)
        office.touch(contact_id)
        office.push()
        assert simulator.member(ADA).status == "pending"
        simulator.contact("confirm", ADA)

    webhook("subscribe")
    office.push()
    before = office.consent(contact_id)
    pull_and_push(office)

    assert before == "withdrawn"
    assert ledger(office, contact_id) == ("given", "confirmed")
    assert simulator.member(ADA).status == "subscribed"
    assert asked == unsubscribing(simulator)
    assert (office.mirror(contact_id).status, office.mirror(contact_id).sync_state) == ("subscribed", "ok")


def test_a_return_lifts_an_opt_out_of_everything_for_this_audience(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = joined(office, simulator)
    simulator.contact("unsubscribe", ADA)
    webhook("unsubscribe", action="unsub", reason="manual")
    assert ledger(office, contact_id) == ("withdrawn", "confirmed")
    simulator.later()
    simulator.contact("signup", ADA)

    webhook("subscribe")
    pull_and_push(office)
    office.touch(contact_id)
    office.push()

    assert ledger(office, contact_id) == ("given", "confirmed")
    assert simulator.member(ADA).status == "subscribed"


@pytest.mark.parametrize("is_form_filled_in_anew", [False, True])
def test_a_form_that_our_unsubscribe_ended_is_no_return_when_staff_take_the_member_in(
    office: Any, simulator: Any, is_form_filled_in_anew: bool
) -> None:
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "is_double_optin": True})
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    simulator.later()
    office.say(contact_id, "withdrawn", ADA)
    office.execute("UPDATE consent_evidence SET occurred_at = occurred_at - interval '1 minute'")
    simulator.contact("signup", ADA)  # pending, until Muster unsubscribes
    simulator.later()
    office.push()
    simulator.later()
    if is_form_filled_in_anew:
        simulator.contact("signup", ADA)
        simulator.contact("confirm", ADA)
    else:
        simulator.call("POST", "/staff/import", {"members": [{"email": ADA, "status": "subscribed"}]})
    assert "subscribed" == simulator.member(ADA).status

    pull_and_push(office)

    assert ("given" if is_form_filled_in_anew else "withdrawn") == office.consent(contact_id)
    assert ("subscribed" if is_form_filled_in_anew else "unsubscribed") == simulator.member(ADA).status


def test_a_return_is_written_once_with_its_method(office: Any, simulator: Any) -> None:
    contact_id = left_there(office, simulator)
    simulator.later()
    simulator.contact("signup", ADA)

    counts = [office.pull().as_dict()["opted_in"] for _ in range(2)]

    rows = office.execute(
        "SELECT method, actor, address, proof FROM consent_evidence WHERE verdict = 'given' AND actor <> 'test'"
    )
    assert counts == [1, 0]
    assert [tuple(row) for row in rows] == [("mailchimp_optin", "mailchimp", ADA, "confirmed")]
    told = office.execute(
        "SELECT summary FROM timeline_entries WHERE contact_id = :id AND kind = 'consent' ORDER BY id DESC LIMIT 1",
        id=contact_id,
    )
    assert told == [("Consent given again: signed up at Mailchimp.",)]


def test_who_came_back_may_leave_again(office: Any, simulator: Any) -> None:
    contact_id = left_there(office, simulator)
    simulator.later()
    simulator.contact("signup", ADA)
    pull_and_push(office)
    assert office.consent(contact_id) == "given"
    office.execute("UPDATE consent_evidence SET occurred_at = occurred_at - interval '1 minute'")
    simulator.later()
    simulator.contact("unsubscribe", ADA)

    pull_and_push(office)

    assert (office.consent(contact_id), simulator.member(ADA).status) == ("withdrawn", "unsubscribed")


# Asking for a read


@pytest.mark.parametrize("kind", ["subscribe", "profile"])
def test_a_hint_makes_the_next_pull_due(office: Any, simulator: Any, webhook: Webhook, kind: str) -> None:
    joined(office, simulator)
    office.pull()
    before = is_pull_due(office)

    webhook(kind)

    assert (before, is_pull_due(office)) == (False, True)
    office.pull()
    assert not is_pull_due(office)


@pytest.mark.parametrize(
    ("kind", "list_id"), [("unsubscribe", LIST_ID), ("cleaned", LIST_ID), ("subscribe", "another")]
)
def test_an_opt_out_or_another_list_asks_for_no_pull(
    office: Any, simulator: Any, webhook: Webhook, kind: str, list_id: str
) -> None:
    joined(office, simulator)
    office.pull()

    webhook(kind, list_id=list_id)

    assert not is_pull_due(office)


def test_a_hint_leaves_the_first_pull_whole(office: Any, webhook: Webhook) -> None:
    webhook("subscribe")

    assert office.execute("SELECT pulled_until FROM audiences") == [(None,)]
    assert is_pull_due(office)


def test_a_forged_time_does_not_make_a_later_opt_out_look_old(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = joined(office, simulator)
    webhook("subscribe", fired_at="2099-01-01 00:00:00")

    webhook("unsubscribe", fired_at="2098-01-01 00:00:00", action="unsub", reason="manual")

    assert (office.consent(contact_id), office.mirror(contact_id).status) == ("withdrawn", "unsubscribed")
