"""Two members of one person, merged, parted, or of two people who swap addresses: whoever wants mail has a member, once."""

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from sqlalchemy import text

from app.audiences.holders import find_holders
from app.audiences.load import get_audience
from app.audiences.reconcile import run_reconcile
from app.core.db import transaction
from tests.kit.office import join_contacts, part_contacts

EVE, ADA = "eve@house.test", "ada@house.test"


def statuses(simulator: Any) -> tuple[str, str]:
    """Eve's and Ada's."""
    return simulator.member(EVE).status, simulator.member(ADA).status


@pytest.mark.parametrize("pair_count", [1, 4])
def test_of_two_members_merged_the_one_at_the_address_that_stands_stays(
    office: Any, simulator: Any, pair_count: int
) -> None:
    pairs = []
    for number in range(pair_count):
        winner = office.add(f"winner{number}@house.test", first_name="Eve")
        pairs.append((winner, office.add(f"loser{number}@house.test", first_name="Ada")))
    office.push()
    for winner, loser in pairs:
        join_contacts(office, winner, loser)

    office.push()

    found = {
        (simulator.member(f"winner{number}@house.test").status, simulator.member(f"loser{number}@house.test").status)
        for number in range(pair_count)
    }  # fmt: skip
    assert {("archived", "subscribed")} == found  # the newer address is the one that stands
    assert {"given"} == {office.consent(winner) for winner, _ in pairs}


def test_what_a_merge_settled_a_later_reading_and_comparison_leave_alone(office: Any, simulator: Any) -> None:
    winner, loser = office.add(EVE, first_name="Eve"), office.add(ADA, first_name="Ada")
    office.push()
    join_contacts(office, winner, loser)
    office.push()
    simulator.later()

    office.pull()
    run_reconcile(office.sessions, office.connections, office.audience_id)
    office.touch(winner, loser)
    office.push()

    assert ("archived", "subscribed") == statuses(simulator)
    assert ADA == office.mirror(winner).email_address


def test_once_they_are_parted_each_has_the_member_at_their_address(office: Any, simulator: Any) -> None:
    winner, loser = office.add(EVE, first_name="Eve"), office.add(ADA, first_name="Ada")
    office.push()
    merge_id = join_contacts(office, winner, loser)
    office.push()

    part_contacts(office, merge_id)
    for _ in range(3):
        office.push()

    assert ("subscribed", "subscribed") == statuses(simulator)
    assert (EVE, ADA) == tuple(office.mirror(one).email_address for one in (winner, loser))


def test_two_who_swap_their_addresses_swap_their_members(office: Any, simulator: Any) -> None:
    eve, ada = office.add(EVE, first_name="Eve"), office.add(ADA, first_name="Ada")
    office.push()
    office.execute("DELETE FROM identities")
    office.change(eve, email=ADA)
    office.change(ada, email=EVE)

    for _ in range(2):
        office.push()

    assert ("subscribed", "subscribed") == statuses(simulator)
    assert ("Ada", "Eve") == tuple(simulator.member(one).merge_fields["FNAME"] for one in (EVE, ADA))
    assert 0 == office.change_count()


def test_nobody_leaves_for_an_address_whose_member_somebody_archived(office: Any, simulator: Any) -> None:
    eve = office.add(EVE)
    office.push()
    simulator.staff("add", ADA)
    simulator.staff("archive", ADA)

    office.change(eve, email=ADA)
    office.push()

    assert ("subscribed", "archived") == statuses(simulator)
    assert (EVE, "archived_there") == (office.mirror(eve).email_address, office.mirror(eve).error["code"])
    before = simulator.calls
    office.touch(eve)
    office.push()
    assert before == simulator.calls  # it is not tried again and again


def test_whoever_was_subscribed_on_the_consent_of_another_leaves_once_they_are_parted(
    office: Any, simulator: Any
) -> None:
    ada, eve = office.add(ADA), office.add(EVE, consent="none")
    office.execute("DELETE FROM changes")
    merge_id = join_contacts(office, eve, ada)
    office.push()
    assert "subscribed" == simulator.member(EVE).status

    part_contacts(office, merge_id)
    office.push()

    assert ("none", "archived") == (office.consent(eve), simulator.member(EVE).status)


@pytest.mark.parametrize("kind", ["merged", "opted out"])
def test_a_row_that_the_one_who_stands_is_given_meanwhile_stops_nobody(
    office: Any, simulator: Any, kind: str
) -> None:
    """Two changes of one person, planned at once or settled beside it: the second to write looks again."""
    loser = office.add(ADA)
    office.push()
    if kind == "merged":
        winner = office.add(EVE)
        join_contacts(office, winner, loser)
    else:
        office.say(loser, "withdrawn", ADA)
        office.execute("DELETE FROM identities WHERE contact_id = :id", id=loser)
        office.change(loser, email="other@house.test")
        winner = office.add(ADA)
    office.execute(
        "UPDATE changes SET leased_until = now() + interval '1 hour', lease_token = gen_random_uuid() WHERE contact_id = :id",
        id=winner,
    )
    row = text(
        "INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash)"
        " VALUES (:audience_id, :id, 'x@house.test', md5('x@house.test'))"
    )

    with office.sessions() as session, ThreadPoolExecutor(1) as beside:
        session.execute(row, {"audience_id": office.audience_id, "id": winner})
        pushing = beside.submit(office.push)
        assert wait([pushing], timeout=1).not_done  # for the row
        session.commit()

        pushing.result(20)
    assert office.mirror(winner).email_address == "x@house.test"


@pytest.mark.parametrize("is_heard", ["here", "there"])
def test_the_opt_out_of_somebody_reaches_a_member_that_could_not_be_archived_when_two_were_merged(
    office: Any, simulator: Any, is_heard: str
) -> None:
    """It is pending, and whoever follows the link in Mailchimp's mail would be subscribed."""
    office.execute("UPDATE audiences SET is_double_opt_in = true")
    winner, loser = office.add(EVE), office.add(ADA)
    office.push()
    join_contacts(office, winner, loser)
    office.push()
    assert {"pending"} == set(statuses(simulator))

    if is_heard == "here":
        office.say(winner, "withdrawn", ADA)
        office.touch(winner)
    else:
        simulator.contact("unsubscribe", ADA)
    for _ in range(2):
        office.pull()
        office.push()

    assert ("unsubscribed", "unsubscribed") == statuses(simulator)


def test_two_at_one_address_do_not_both_take_the_row_that_is_there(office: Any) -> None:
    """Both rows are at the address of whoever has the row at theirs: one of the two takes it."""
    ada, eve, bea = office.add(ADA), office.add(EVE), office.add("bea@house.test")
    office.push()
    office.execute("DELETE FROM identities")
    place = "UPDATE members SET subscriber_hash = md5(:email), email_address = :email WHERE contact_id = :id"
    office.execute(place, id=ada, email=EVE)
    office.execute(place, id=bea, email=EVE)
    office.execute(place, id=eve, email=ADA)
    office.execute("UPDATE contacts SET fields = fields || jsonb_build_object('email', CAST(:email AS text)) WHERE id = :id", id=bea, email=ADA)  # fmt: skip
    with transaction(office.sessions) as session:
        holders = find_holders(session, get_audience(session, office.audience_id), [ada, eve, bea])

    assert {ada, eve} <= holders
    assert (ADA, EVE) == (office.mirror(ada).email_address, office.mirror(eve).email_address)
