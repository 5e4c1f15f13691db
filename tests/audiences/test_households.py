"""Several people at one address: one of them who consents and fits the rule is written there, the strictest consent wins."""

from typing import Any

import pytest

from app.audiences.counting import count_entitled
from app.audiences.load import get_audience
from app.audiences.reconcile import run_reconcile
from app.core.errors import ConflictError
from tests.kit.office import join_contacts

HOME, OTHER, LIST_ID = "home@house.test", "other@house.test", "a1b2c3d4e5"


def settle(office: Any, *touched: int) -> None:
    office.touch(*touched)
    for _ in range(3):
        office.hurry()
        office.push()


def all_again(office: Any, *touched: int) -> None:
    settle(office, *touched)
    office.pull()
    run_reconcile(office.sessions, office.connections, office.audience_id)
    settle(office)


def leaving(simulator: Any) -> list[str]:
    """Requests that take members out."""
    outs = [one["method"] for one in simulator.entries() if one["method"] == "DELETE"]
    outs += [one["path"] for one in simulator.entries() if one["path"].endswith("delete-permanent")]
    asked = [note["asked_status"] for one in simulator.entries() for note in one["notes"]]
    return outs + [one for one in asked if one == "unsubscribed"]


@pytest.fixture
def family(office: Any) -> tuple[int, int]:
    """Two with consent and the tag at one address; the elder is the member."""
    office.put(entry_rule={"tags_any": ["alumni"]})
    elder = office.add(HOME, first_name="Elder", tags=("Alumni",))
    younger = office.add(HOME, first_name="Younger", tags=("Alumni",))
    settle(office)
    assert "shared_address" == office.mirror(younger).error["code"]
    return elder, younger


def test_who_does_not_fit_the_rule_does_not_stand_for_the_address(office: Any, simulator: Any) -> None:
    office.put(entry_rule={"tags_any": ["alumni"]})
    office.add(HOME, first_name="Elder")
    office.add(HOME, first_name="Younger", tags=("Alumni",))

    settle(office)

    assert ("subscribed", "Younger") == (
        simulator.member(HOME).status,
        simulator.member(HOME).merge_fields["FNAME"],
    )
    with office.sessions() as session:
        assert 1 == count_entitled(session, get_audience(session, office.audience_id)).entitled


@pytest.mark.parametrize("policy", ["archive", "unsubscribe", "keep", "delete"])
@pytest.mark.parametrize("why", ["rule", "consent"])
def test_a_member_whose_speaker_leaves_goes_to_the_other_who_stays(
    office: Any, simulator: Any, family: tuple[int, int], policy: str, why: str
) -> None:
    elder, younger = family
    office.put(on_leave=policy)

    if why == "rule":
        office.tag(elder)
    else:
        office.execute("DELETE FROM consents WHERE contact_id = :id", id=elder)
    all_again(office, elder)

    member = simulator.member(HOME)
    assert ("subscribed", "Younger", []) == (member.status, member.merge_fields["FNAME"], leaving(simulator))
    assert [(younger, "subscribed", "ok")] == office.execute(
        "SELECT contact_id, status, sync_state FROM members WHERE status <> ''"
    )


def test_the_elder_who_fits_again_leaves_the_member_where_it_is(
    office: Any, simulator: Any, family: tuple[int, int]
) -> None:
    elder, younger = family
    office.tag(elder)
    settle(office)

    office.tag(elder, "Alumni")
    all_again(office, elder, younger)

    assert "Younger" == simulator.member(HOME).merge_fields["FNAME"]
    assert "shared_address" == office.mirror(elder).error["code"]


def test_where_nobody_stays_the_member_leaves(office: Any, simulator: Any, family: tuple[int, int]) -> None:
    for one in family:
        office.tag(one)

    settle(office)

    assert "archived" == office.mirror(family[0]).status


@pytest.mark.parametrize("how", ["merged", "without an address", "to a member's address"])
def test_a_speaker_who_goes_elsewhere_leaves_the_member_to_the_other(
    office: Any, simulator: Any, family: tuple[int, int], how: str
) -> None:
    elder, younger = family
    if how == "merged":
        third = office.add(OTHER, first_name="Third", tags=("Alumni",))
        settle(office)
        join_contacts(office, third, elder)
    elif how == "without an address":
        office.execute("DELETE FROM identities WHERE contact_id = :id", id=elder)
        office.change(elder, email=None)
    else:
        made = {"email_address": OTHER, "status_if_new": "subscribed"}
        office.gateway().put_member(LIST_ID, "x", made)
        office.change(elder, email=OTHER)

    all_again(office, elder, younger)

    assert ("subscribed", "Younger") == (
        simulator.member(HOME).status,
        simulator.member(HOME).merge_fields["FNAME"],
    )
    assert [] == leaving(simulator)


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed"])
def test_a_member_of_somebody_without_consent_goes_to_who_has_it_with_its_status(
    office: Any, simulator: Any, status: str
) -> None:
    office.add(HOME, first_name="Elder", consent="none")
    office.gateway().put_member(LIST_ID, "x", {"email_address": HOME, "status_if_new": status})
    office.pull()

    younger = office.add(HOME, first_name="Younger")
    all_again(office, younger)

    assert status == simulator.member(HOME).status
    assert 0 == simulator.subscribing(HOME) - (status == "subscribed")


def test_whoever_takes_over_a_member_permits_nothing_by_it(
    office: Any, simulator: Any, family: tuple[int, int], permissions: tuple[str, str]
) -> None:
    elder = family[0]
    office.say(elder, "given", HOME, purpose="advertising")
    settle(office, elder)
    assert {*permissions} == set(simulator.member(HOME).permissions)

    office.tag(elder)
    all_again(office, elder)

    assert ("Younger", {permissions[0]}) == (
        simulator.member(HOME).merge_fields["FNAME"],
        set(simulator.member(HOME).permissions),
    )


def test_what_one_at_the_address_withdrew_is_permitted_by_nobody_there(
    office: Any, simulator: Any, family: tuple[int, int], permissions: tuple[str, str]
) -> None:
    elder, younger = family
    office.say(elder, "given", HOME, purpose="advertising")
    settle(office, elder)

    office.say(younger, "withdrawn", "", purpose="advertising")
    settle(office)

    assert {permissions[0]} == set(simulator.member(HOME).permissions)


def test_who_confirms_after_they_left_leaves_again(office: Any, simulator: Any) -> None:
    office.put(entry_rule={"tags_any": ["alumni"]}, is_double_opt_in=True)
    ada = office.add(HOME, first_name="Ada", tags=("Alumni",))
    settle(office)
    office.tag(ada)
    settle(office)  # Mailchimp archives nobody who is pending
    assert "pending" == simulator.member(HOME).status

    simulator.later()
    simulator.contact("confirm", HOME)
    office.pull()
    settle(office)

    assert "archived" == office.mirror(ada).status
    office.tag(ada, "Alumni")
    settle(office)
    assert simulator.member(HOME) is not None


def test_whom_an_admin_chose_stands_for_the_address_while_they_fit(
    office: Any, simulator: Any, family: tuple[int, int]
) -> None:
    elder, younger = family

    office.choose(younger)
    settle(office)

    assert ("subscribed", "Younger", []) == (
        simulator.member(HOME).status,
        simulator.member(HOME).merge_fields["FNAME"],
        leaving(simulator),
    )
    assert "shared_address" == office.mirror(elder).error["code"]
    office.tag(younger)
    settle(office)
    assert "Elder" == simulator.member(HOME).merge_fields["FNAME"]
    office.tag(younger, "Alumni")
    settle(office)
    assert "Younger" == simulator.member(HOME).merge_fields["FNAME"]
    calls = simulator.calls
    settle(office, elder, younger)
    assert calls == simulator.calls


def test_nobody_is_chosen_who_shares_no_address(office: Any) -> None:
    ada = office.add(HOME)

    with pytest.raises(ConflictError, match="shares no address"):
        office.choose(ada)
