"""Opt-outs at Mailchimp that are learned late, or of an address that is not one person's alone."""

from typing import Any

import pytest

from app.audiences.pull import pull_audience

HOME = "home@house.test"


@pytest.mark.parametrize("act", ["unsubscribe", "abuse", "bounce"])
def test_whoever_opted_out_before_anybody_here_knew_them_stays_out(
    office: Any, simulator: Any, act: str
) -> None:
    simulator.contact("signup", HOME)
    simulator.contact(act, HOME)
    pull_audience(office.sessions, office.connections, office.audience_id)
    status = simulator.member(HOME).status

    cleo = office.add(HOME, first_name="Cleo")
    office.push()

    assert (status, "withdrawn") == (simulator.member(HOME).status, office.consent(cleo))


@pytest.mark.parametrize("act", ["unsubscribe", "abuse", "bounce"])
def test_an_opt_out_of_an_address_that_two_share_binds_both_whoever_the_member_is(
    office: Any, simulator: Any, act: str
) -> None:
    simulator.contact("signup", HOME)
    simulator.contact(act, HOME)
    ada, bea = office.add(HOME, consent="none", first_name="Ada"), office.add(HOME, first_name="Bea")

    for _ in range(2):
        pull_audience(office.sessions, office.connections, office.audience_id)

    assert ["withdrawn", "withdrawn"] == [office.consent(each) for each in (ada, bea)]
    assert [(1,)] == office.execute("SELECT count(*) FROM consent_evidence WHERE verdict = 'withdrawn'")


@pytest.mark.parametrize(
    ("act", "who_left"), [("unsubscribe", "withdrawn"), ("abuse", "withdrawn"), ("bounce", "given")]
)
def test_an_opt_out_of_an_address_that_somebody_left_binds_whoever_gives_it_next(
    office: Any, simulator: Any, act: str, who_left: str
) -> None:
    ada = office.add(HOME)
    office.change(ada, email="ada@house.test")
    office.push()
    simulator.contact("signup", HOME)
    simulator.contact(act, HOME)
    office.pull()

    bea = office.add(HOME, first_name="Bea")

    assert (who_left, "withdrawn") == (office.consent(ada), office.consent(bea))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("act", ["unsubscribe", "abuse"])
def test_an_opt_out_that_our_own_unsubscribing_found_is_learned_all_the_same(
    office: Any, simulator: Any, act: str, count: int
) -> None:
    ids = office.crowd(count)
    office.push()
    simulator.later()
    simulator.contact(act, "p1@house.test")
    for contact_id in ids:
        office.say(contact_id, "withdrawn", "other@house.test")
    office.push()
    office.pull()
    office.pull()

    learned = office.execute(
        "SELECT contact_id, address FROM consent_evidence WHERE actor = 'mailchimp' AND verdict = 'withdrawn'"
    )
    left = office.execute("SELECT contact_id FROM members WHERE pushed_hash = 'left' ORDER BY contact_id")
    assert [(ids[0], "p1@house.test")] == learned
    assert [(contact_id,) for contact_id in ids[1:]] == left


def test_an_opt_out_of_another_address_than_the_member_we_took_out_is_learned(
    office: Any, simulator: Any
) -> None:
    cleo = office.add(HOME)
    office.push()
    office.say(cleo, "withdrawn", HOME)
    office.push()
    assert "left" == office.mirror(cleo).pushed_hash
    office.change(cleo, email="cleo@house.test")
    simulator.staff("add", "cleo@house.test")
    simulator.staff("unsubscribe", "cleo@house.test")

    office.pull()

    found = office.execute("SELECT address FROM consent_evidence WHERE actor = 'mailchimp'")
    assert [("cleo@house.test",)] == found


def test_a_bounce_is_kept_in_mind_of_whoever_has_opted_out(office: Any, simulator: Any) -> None:
    ada = office.add(HOME)
    office.push()
    simulator.later()
    simulator.contact("bounce", HOME)
    office.say(ada, "withdrawn", HOME)

    office.pull()
    office.pull()

    methods = office.execute("SELECT method FROM consent_evidence WHERE verdict = 'withdrawn' ORDER BY id")
    assert [("form",), ("cleaned",)] == methods


@pytest.mark.parametrize("act", ["unsubscribe", "bounce"])
def test_what_is_read_of_an_erased_persons_member_binds_who_shares_the_address(
    office: Any, simulator: Any, act: str
) -> None:
    ada, bea = office.add(HOME, first_name="Ada"), office.add(HOME, first_name="Bea")
    office.push()
    simulator.later()
    simulator.contact(act, HOME)
    office.execute("UPDATE contacts SET state = 'erased', fields = '{}' WHERE id = :id", id=ada)
    office.execute("DELETE FROM identities WHERE contact_id = :id", id=ada)

    office.pull()

    assert "withdrawn" == office.consent(bea)
