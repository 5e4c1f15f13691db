"""Histories that went wrong once: a member whom two contacts could be, and one that should move where nobody may go."""

from typing import Any

import pytest

from integrations.mailchimp.gateway import Gateway
from tests.kit.office import join_contacts, part_contacts

OLD, NEW = "old@house.test", "new@house.test"


def rows_of(office: Any) -> list[tuple[int, str, str]]:
    found = office.execute("SELECT contact_id, email_address, status FROM members ORDER BY contact_id")
    return [tuple(row) for row in found]


@pytest.mark.parametrize("is_merged_on", [False, True])
def test_a_merged_contacts_row_gives_way_to_whoever_has_the_member_now(
    office: Any, simulator: Any, is_merged_on: bool
) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    winner, loser = office.add(OLD), office.add(NEW)
    office.push()
    join_contacts(office, winner, loser)
    office.change(winner, email=NEW)
    office.push()  # a pending member cannot be archived: the loser's row stays beside the winner's
    if is_merged_on:
        join_contacts(office, office.add("third@house.test"), winner)

    simulator.later()
    simulator.contact("unsubscribe", NEW)
    office.pull()

    speaking = [(contact_id, status) for contact_id, email, status in rows_of(office) if email == NEW]
    assert [(winner, "unsubscribed")] == speaking


@pytest.mark.parametrize("way", ["delete", "fake"])
def test_a_refused_new_address_leaves_the_member_where_it_is(office: Any, simulator: Any, way: str) -> None:
    new = NEW if way == "delete" else "new@example.com"
    ada = office.add(OLD, first_name="Ada")
    office.push()
    if way == "delete":
        simulator.staff("add", NEW)
        simulator.staff("delete", NEW)

    office.change(ada, email=new)
    office.push()
    office.pull()

    code = {"delete": "forgotten", "fake": "fake_address"}[way]
    mirror = office.mirror(ada)
    assert (OLD, "subscribed", "failed") == (mirror.email_address, mirror.status, mirror.sync_state)
    assert code == mirror.error["code"]
    assert "subscribed" == simulator.member(OLD).status
    calls = simulator.calls
    office.touch(ada)
    office.push()
    assert calls == simulator.calls
    assert code == office.mirror(ada).error["code"]
    office.change(ada, email="third@house.test")
    office.push()
    assert ("third@house.test", "ok") == (office.mirror(ada).email_address, office.mirror(ada).sync_state)


def test_an_opt_out_reaches_the_member_that_could_not_move(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()
    office.change(ada, email="new@example.com")
    office.push()

    office.say(ada, "withdrawn", "new@example.com")
    office.push()

    assert "unsubscribed" == simulator.member(OLD).status


def test_nobody_takes_out_the_member_whose_address_somebody_else_has_now(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()
    remote_id = simulator.member(OLD).contact_id

    office.change(ada, email=None)
    bea = office.add(OLD, first_name="Bea")
    office.push()

    assert ("subscribed", remote_id) == (simulator.member(OLD).status, simulator.member(OLD).contact_id)
    assert [(bea, OLD, "subscribed")] == rows_of(office)


@pytest.mark.parametrize("is_merged", [True, False])
def test_whoever_gets_an_address_waits_until_its_member_has_moved(
    office: Any, simulator: Any, is_merged: bool
) -> None:
    ada = office.add(OLD)
    office.push()
    remote_id = simulator.member(OLD).contact_id
    if is_merged:
        winner = office.add(NEW)
        join_contacts(office, winner, ada)
        ada = winner
    office.change(ada, email=NEW)
    bea = office.add(OLD, first_name="Bea")

    office.push()

    assert remote_id == simulator.member(NEW).contact_id
    assert ("subscribed", "Bea") == (
        simulator.member(OLD).status,
        simulator.member(OLD).merge_fields["FNAME"],
    )
    assert {(ada, NEW, "subscribed"), (bea, OLD, "subscribed")} == set(rows_of(office))


def test_an_opt_out_takes_nobody_out_who_has_the_old_address_by_now(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()

    office.change(ada, email=NEW)
    office.say(ada, "withdrawn", NEW)
    bea = office.add(OLD, first_name="Bea")
    office.push()

    assert ("subscribed", "given") == (simulator.member(OLD).status, office.consent(bea))
    assert [(bea, OLD, "subscribed")] == rows_of(office)
    assert simulator.member(NEW) is None


def test_a_read_member_goes_to_whoever_has_its_address(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    ada = office.add(OLD)
    office.push()
    join_contacts(office, office.add(NEW, consent="withdrawn"), ada)
    office.push()
    bea = office.add(OLD, consent="withdrawn")

    simulator.later()
    simulator.contact("edit", OLD, merge_fields={"LNAME": "Moss"})
    office.pull()
    office.push()

    assert (bea, "unsubscribed") == (office.mirror(bea).contact_id, simulator.member(OLD).status)


def test_without_a_say_of_their_own_nobody_inherits_a_member(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()

    office.change(ada, email=None)
    office.add(OLD, consent="none")
    office.push()

    assert "archived" == simulator.member(OLD).status


def test_an_opt_out_of_everything_that_its_owner_lifted_blocks_nobody_at_the_same_address(
    office: Any, simulator: Any
) -> None:
    ada = office.add(OLD, proof="confirmed")
    office.execute(
        "INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)"
        " VALUES (:id, 'email', '*', 'withdrawn', 'claimed', 1, now() - interval '1 day')",
        id=ada,
    )
    bea = office.add(OLD, first_name="Bea")
    office.push()

    assert "subscribed" == simulator.member(OLD).status
    assert (ada, OLD, "subscribed") in rows_of(office)
    assert "shared_address" == office.mirror(bea).error["code"]


def test_an_opt_out_since_we_looked_is_learned_before_anybody_is_asked(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()
    simulator.contact("unsubscribe", OLD)
    office.pull()
    office.execute("UPDATE consent_evidence SET occurred_at = occurred_at - interval '1 minute'")
    office.say(ada, "given", OLD, "confirmed")
    simulator.later()
    simulator.contact("signup", OLD)
    simulator.later()
    simulator.contact("unsubscribe", OLD)

    office.push()

    assert ("unsubscribed", "withdrawn") == (simulator.member(OLD).status, office.consent(ada))
    assert "pending" not in {
        note["asked_status"] for entry in simulator.entries(OLD) for note in entry["notes"]
    }


@pytest.mark.parametrize("is_merged", [False, True])
def test_an_opt_out_is_learned_before_the_member_is_archived_out_of_sight(
    office: Any, simulator: Any, is_merged: bool
) -> None:
    ada = office.add(OLD)
    office.push()
    simulator.contact("unsubscribe", OLD)

    if is_merged:
        winner = office.add(NEW)
        office.push()
        join_contacts(office, winner, ada)
        office.change(winner, email=NEW)
        ada = winner
    else:
        office.change(ada, email=None)
    office.push()

    assert ("unsubscribed", "withdrawn") == (simulator.member(OLD).status, office.consent(ada))


def test_whoever_was_pending_and_is_archived_all_the_same_is_never_taken_in_again(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They opted out between our look and our call, which left them archived: of the opt-out nothing can be read."""
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    ada = office.add(OLD, proof="confirmed")
    office.push()
    archive = Gateway.archive_member

    def late(*arguments: Any) -> bool:
        simulator.contact("unsubscribe", OLD)
        return archive(*arguments)

    monkeypatch.setattr(Gateway, "archive_member", late)
    office.change(ada, email=None)
    office.push()
    joins = simulator.subscribing(OLD)
    office.change(ada, email=OLD)
    office.push()

    assert ("archived", joins) == (simulator.member(OLD).status, simulator.subscribing(OLD))
    assert office.mirror(ada).error["code"] == "archived_there"


@pytest.mark.parametrize("is_pulled", [True, False])
def test_an_opt_out_of_either_address_stays_with_whose_it_is_once_they_are_parted(
    office: Any, simulator: Any, is_pulled: bool
) -> None:
    ada, bea = office.add(OLD), office.add(NEW)
    office.push()
    merge_id = join_contacts(office, ada, bea)
    office.say(ada, "withdrawn", OLD)
    simulator.contact("unsubscribe", NEW)
    if is_pulled:
        office.pull()
    office.push()

    part_contacts(office, merge_id)
    simulator.later()
    office.push()

    assert ("withdrawn", "withdrawn") == (office.consent(ada), office.consent(bea))
    assert "unsubscribed" == simulator.member(NEW).status


def test_nobody_inherits_that_muster_may_take_them_in_again(office: Any, simulator: Any) -> None:
    ada = office.add(OLD)
    office.push()
    office.say(ada, "withdrawn", NEW)
    office.push()
    assert "left" == office.mirror(ada).pushed_hash

    office.change(ada, email=NEW)
    bea = office.add(OLD, first_name="Bea")
    office.touch(ada)
    office.push()

    assert "unsubscribed" == simulator.member(OLD).status
    assert "opted_out_there" == office.mirror(bea).error["code"]


@pytest.mark.parametrize("is_opted_out_first", [True, False])
def test_an_opt_out_reaches_the_member_whom_somebody_left_behind_and_cannot_take_along(
    office: Any, simulator: Any, is_opted_out_first: bool
) -> None:
    mover, keeper, ada = office.add(OLD), office.add(NEW), office.add("ada@house.test")
    office.push()
    office.change(ada, email=OLD)
    if is_opted_out_first:
        office.say(ada, "withdrawn", OLD)
        office.change(mover, email=NEW)
    else:
        office.change(mover, email=NEW)
        office.push()
        office.say(ada, "withdrawn", OLD)
        office.touch(mover)  # as everybody who shares an address that opts out
    office.push()

    assert ["unsubscribed", "subscribed"] == [simulator.member(each).status for each in (OLD, NEW)]
    assert "unsubscribed" == simulator.member("ada@house.test").status
    assert [(mover, OLD, "unsubscribed"), (keeper, NEW, "subscribed")] == rows_of(office)[:2]


def test_of_two_who_share_an_address_one_row_speaks_of_its_member(office: Any, simulator: Any) -> None:
    ada, bea = office.add(OLD, first_name="Ada"), office.add(OLD, first_name="Bea")
    office.push()
    office.double_member(bea, "cleaned")

    office.pull()

    assert [(ada, OLD, "subscribed")] == rows_of(office)


def test_whom_staff_archived_before_we_could_nobody_takes_in_again(office: Any, simulator: Any) -> None:
    ada = office.add(OLD, first_name="Ada")
    office.push()
    simulator.staff("archive", OLD)
    office.execute("DELETE FROM identities WHERE contact_id = :id", id=ada)
    office.change(ada, email=None)
    office.push()
    assert "archived" == office.mirror(ada).status

    office.change(ada, email=OLD)
    office.push()

    assert "archived_there" == office.mirror(ada).error["code"]
    assert "archived" == simulator.member(OLD).status


@pytest.mark.parametrize("act", ["delete", "archive"])
def test_who_is_held_out_by_a_member_of_somebody_else_is_freed_as_soon_as_it_is_theirs(
    office: Any, simulator: Any, act: str
) -> None:
    ada = office.add(OLD, first_name="Ada")
    office.push()
    simulator.staff(act, OLD)
    office.execute("UPDATE members SET status = 'archived', pushed_hash = ''")
    office.change(ada, email=NEW)
    office.push()
    assert "archived_there" == office.mirror(ada).error["code"]

    office.add(OLD, first_name="Bea")
    office.push()

    assert "subscribed" == simulator.member(NEW).status
