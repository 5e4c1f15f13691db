"""Histories that went wrong once, each as short as it can be: they stay right."""

from typing import Any

import pytest

from app.audiences import push as push_module
from app.audiences.pull import pull_audience
from app.audiences.reconcile import run_reconcile
from app.contacts.arrivals import Arrival
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.clock import database_now
from app.core.db import transaction
from app.core.secretbox import SecretBox
from mappings.language.fields import default_fields
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity
from tests.kit.office import join_contacts, part_contacts

HOME = "home@house.test"


def test_a_member_made_while_two_were_one_goes_back_to_whose_address_it_is(
    office: Any, simulator: Any
) -> None:
    cleo = office.add("cleo@house.test", consent="none", first_name="Cleo")
    dov = office.add("dov@house.test", first_name="Dov")
    merge_id = join_contacts(office, cleo, dov)
    office.push()
    assert "subscribed" == simulator.member("dov@house.test").status

    part_contacts(office, merge_id)
    office.say(cleo, "withdrawn", "cleo@house.test")
    office.push()
    office.push()

    assert "subscribed" == simulator.member("dov@house.test").status
    assert [(dov, "dov@house.test")] == office.execute("SELECT contact_id, email_address FROM members")


def test_a_merged_contacts_leaving_never_takes_out_the_member_of_the_same_address(
    office: Any, simulator: Any
) -> None:
    first = office.add(HOME, first_name="Ada")
    office.push()
    second = office.add(HOME, first_name="Ada")
    office.double_member(second)

    join_contacts(office, second, first)
    office.push()
    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert "subscribed" == simulator.member(HOME).status
    assert [(second, "subscribed")] == office.execute("SELECT contact_id, status FROM members")


def test_a_winner_that_could_not_be_a_member_takes_over_the_losers(office: Any, simulator: Any) -> None:
    first = office.add(HOME, first_name="Ada")
    office.push()
    second = office.add(HOME, first_name="Bea")
    office.push()
    assert "failed" == office.mirror(second).sync_state

    join_contacts(office, second, first)
    office.push()
    simulator.contact("edit", HOME, merge_fields={"LNAME": "Edited"})
    pull_audience(office.sessions, office.connections, office.audience_id)

    assert "subscribed" == simulator.member(HOME).status
    assert [(second, "subscribed", "Edited")] == office.execute(
        "SELECT contact_id, status, merge_fields ->> 'LNAME' FROM members"
    )


def test_of_two_members_that_a_contact_could_be_the_mirror_speaks_of_one(office: Any, simulator: Any) -> None:
    dov = office.add("old@house.test", first_name="Dov", last_name="Lind")
    office.push()
    office.execute(
        "INSERT INTO identities (kind, match_value, given_value, contact_id) VALUES ('email', :v, :v, :id)",
        v="new@house.test",
        id=dov,
    )
    office.change(dov, email="new@house.test")
    simulator.contact("signup", "new@house.test", merge_fields={"FNAME": "Dov"})

    for _ in range(3):
        pull_audience(office.sessions, office.connections, office.audience_id)
        office.push()

    mirror, member = office.mirror(dov), simulator.member("new@house.test")
    assert ("new@house.test", "subscribed") == (mirror.email_address, member.status)
    assert member.merge_fields.get("LNAME", "") == mirror.merge_fields["LNAME"]
    assert "archived" == simulator.member("old@house.test").status


def test_an_opt_out_reaches_the_member_that_a_merged_contact_left_behind(office: Any, simulator: Any) -> None:
    winner = office.add("cleo@house.test", first_name="Cleo")
    loser = office.add("dov@house.test", first_name="Dov")
    office.push()
    # The answer of the last write was lost: what stands there is not known to be ours.
    office.execute("UPDATE members SET pushed_hash = '' WHERE contact_id = :id", id=loser)
    join_contacts(office, winner, loser)
    office.change(winner, email="cleo@house.test")
    office.push()
    assert "subscribed" == simulator.member("dov@house.test").status

    office.say(winner, "withdrawn", "dov@house.test")
    office.push()
    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert {"unsubscribed"} == {simulator.member(f"{name}@house.test").status for name in ("cleo", "dov")}


@pytest.mark.parametrize("leave", ["contact", "staff"])
def test_consent_for_another_address_never_asks_the_one_that_opted_out(
    office: Any, simulator: Any, leave: str
) -> None:
    cleo = office.add("old@house.test", first_name="Cleo", proof="confirmed")
    office.push()
    getattr(simulator, leave)("unsubscribe", "old@house.test")
    pull_audience(office.sessions, office.connections, office.audience_id)
    joins = simulator.subscribing("old@house.test")
    office.execute(
        "INSERT INTO identities (kind, match_value, given_value, contact_id) VALUES ('email', :v, :v, :id)",
        v="new@house.test",
        id=cleo,
    )

    office.change(cleo, email="new@house.test")
    office.say(cleo, "given", "new@house.test", "confirmed")
    for _ in range(2):
        office.hurry()
        office.push()

    asked = [
        note["asked_status"]
        for entry in simulator.entries("old@house.test")
        for note in entry["notes"]
        if note["email"] == "old@house.test"
    ]
    assert joins == simulator.subscribing("old@house.test")
    assert "pending" not in asked
    assert simulator.member("old@house.test").status == "unsubscribed"
    assert simulator.member("new@house.test").status in {"pending", "subscribed"}


def test_whoever_opted_out_is_taken_out_also_where_staff_adds_their_other_address(
    office: Any, simulator: Any
) -> None:
    cleo = office.add("old@house.test", first_name="Cleo")
    office.push()
    office.say(cleo, "withdrawn", "old@house.test")
    office.push()
    office.execute(
        "INSERT INTO identities (kind, match_value, given_value, contact_id) VALUES ('email', :v, :v, :id)",
        v="new@house.test",
        id=cleo,
    )
    office.change(cleo, email="new@house.test")
    office.push()

    simulator.staff("add", "new@house.test")
    pull_audience(office.sessions, office.connections, office.audience_id)
    office.push()

    assert "unsubscribed" == simulator.member("new@house.test").status


def crash_push(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after Mailchimp's answers and before its own commit."""

    def die(*_arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(push_module, "settle_outcomes", die)
        with pytest.raises(KeyboardInterrupt):
            office.push()
    office.execute("UPDATE changes SET leased_until = now() WHERE leased_until IS NOT NULL")


def test_a_lost_answer_of_a_merged_contact_never_takes_out_the_member(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = office.add(HOME, first_name="Ada")
    crash_push(office, monkeypatch)
    second = office.add(HOME, consent="none", first_name="Ada")

    join_contacts(office, second, first)
    for _ in range(2):
        pull_audience(office.sessions, office.connections, office.audience_id, is_full=True)
        office.push()

    assert "subscribed" == simulator.member(HOME).status
    assert [(second, "subscribed")] == office.execute("SELECT contact_id, status FROM members")


@pytest.mark.parametrize("act", ["bounce", "unsubscribe", "abuse"])
def test_what_happened_to_an_address_is_learned_of_that_one_when_the_member_should_move(
    office: Any, simulator: Any, act: str
) -> None:
    ada = office.add("old@house.test", first_name="Ada")
    office.push()
    office.execute(
        "INSERT INTO identities (kind, match_value, given_value, contact_id) VALUES ('email', :v, :v, :id)",
        v="new@house.test",
        id=ada,
    )
    office.change(ada, email="new@house.test")
    simulator.contact(act, "old@house.test")
    office.push()
    joins = simulator.subscribing("old@house.test")

    office.change(ada, email="old@house.test")
    office.say(ada, "given", "old@house.test")
    office.push()

    assert ("withdrawn", joins) == (office.consent(ada), simulator.subscribing("old@house.test"))
    assert [("old@house.test",)] == office.execute(
        "SELECT address FROM consent_evidence WHERE verdict = 'withdrawn'"
    )


def give(office: Any, box: SecretBox, email: str, proof: str) -> None:
    """Consent with an address, as an event brings both."""
    with transaction(office.sessions) as session:
        now = database_now(session)
        patch = ContactPatch(
            identities=(Identity("email", email),),
            fields={"email": email, "first_name": "Ben"},
            consents=(ConsentEvidence("email", "newsletter", "given", proof),),
        )
        arrival = Arrival(None, 0, None, None, 50, now, now, patch)
        record(session, resolve(session, [arrival], box), default_fields())


def test_an_address_given_while_two_were_one_is_found_with_both_afterwards(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    ben = office.add("ben@house.test", first_name="Ben")
    other = office.add(HOME, consent="withdrawn", first_name="Ben")
    merge_id = join_contacts(office, ben, other)
    give(office, box, HOME, "confirmed")

    part_contacts(office, merge_id)
    office.push()

    found = office.execute("SELECT contact_id FROM identities WHERE match_value = :v ORDER BY 1", v=HOME)
    assert [(ben,), (other,)] == found
    assert (HOME, "given", "withdrawn") == (
        office.fields(ben)["email"],
        office.consent(ben),
        office.consent(other),
    )
    assert 0 == simulator.subscribing(HOME)


def test_an_opt_out_binds_an_address_given_while_two_were_one_also_once_its_owner_moved(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    ben = office.add("ben@house.test", first_name="Ben")
    other = office.add(HOME, consent="withdrawn", first_name="Ben")
    merge_id = join_contacts(office, ben, other)
    give(office, box, HOME, "claimed")

    part_contacts(office, merge_id)
    office.change(other, email="other@house.test")
    office.touch(ben)
    office.push()

    assert (HOME, "withdrawn") == (office.fields(ben)["email"], office.consent(ben))
    assert 0 == simulator.subscribing(HOME)


def test_why_somebody_could_not_be_a_member_is_forgotten_once_they_opted_out(
    office: Any, simulator: Any
) -> None:
    first = office.add(HOME, first_name="Ada")
    second = office.add(HOME, first_name="Bea")
    office.push()
    assert "failed" == office.mirror(second).sync_state
    office.say(second, "withdrawn", HOME)
    office.touch(first)
    office.push()
    calls = simulator.calls

    office.touch(first, second)
    office.push()

    assert calls == simulator.calls
    assert [(first, "unsubscribed")] == office.execute("SELECT contact_id, status FROM members")


def test_whoever_is_being_asked_and_moves_out_of_sight_is_not_asked_again(
    office: Any, simulator: Any
) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    ben, *_ = [office.add(f"{name}@house.test") for name in ("ben", "ada", "dov")]
    office.push()  # by a batch, whose answer has no lasting ids
    assert ("pending", "") == (office.mirror(ben).status, office.mirror(ben).remote_contact_id)
    simulator.contact("change_email", "ben@house.test", new_email="else@house.test")
    office.execute("UPDATE members SET updated_at = now() - interval '1 minute'")

    run_reconcile(office.sessions, office.connections, office.audience_id)
    office.touch(ben)
    office.push()

    assert (None, "archived") == (simulator.member("ben@house.test"), office.mirror(ben).status)
    assert "pending" == simulator.member("else@house.test").status


def test_a_member_of_whom_two_rows_speak_is_gone_from_both(office: Any, simulator: Any) -> None:
    ada, bea = office.add(HOME, first_name="Ada"), office.add(HOME, first_name="Bea")
    office.push()
    office.double_member(bea)
    office.say(ada, "withdrawn", HOME)
    office.touch(bea)
    office.push()
    simulator.staff("delete", HOME)
    office.execute("UPDATE members SET updated_at = now() - interval '1 minute'")

    run_reconcile(office.sessions, office.connections, office.audience_id)

    assert [] == office.execute("SELECT contact_id, status FROM members WHERE status <> ''")


def test_what_a_crashed_push_may_have_written_is_written_again(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = office.add(HOME, first_name="Ben")
    office.push()
    office.change(ben, first_name="Benjamin")
    crash_push(office, monkeypatch)
    assert "Benjamin" == simulator.member(HOME).merge_fields["FNAME"]

    office.change(ben, first_name="Ben")
    office.push()

    assert "Ben" == simulator.member(HOME).merge_fields["FNAME"]
