"""Contacts that were merged more than once: what is learned of their member reaches whoever they are today."""

from typing import Any

import pytest

from app.audiences.activity import pull_activity
from app.audiences.reviews import list_reviews, open_reviews
from app.core.db import transaction
from tests.kit.office import join_contacts


@pytest.fixture
def chain(office: Any, simulator: Any) -> tuple[int, int]:
    """A contact who has a member, merged into another, who was merged into a third: the first and the last of them."""
    first = office.add("a@house.test")
    office.push()
    middle = office.add("b@house.test", consent="none")
    last = office.add("c@house.test")
    join_contacts(office, middle, first)
    join_contacts(office, last, middle)
    simulator.later()
    return first, last


@pytest.mark.parametrize("act", ["unsubscribe", "abuse"])
def test_an_opt_out_reaches_whoever_they_were_merged_into_at_last(
    office: Any, simulator: Any, chain: tuple[int, int], act: str
) -> None:
    simulator.contact(act, "a@house.test")

    office.pull()

    assert office.consent(chain[1]) == "withdrawn"


def test_nobody_is_taken_in_again_who_opted_out_two_merges_ago(
    office: Any, simulator: Any, chain: tuple[int, int]
) -> None:
    simulator.contact("unsubscribe", "a@house.test")
    office.pull()

    for _ in range(3):
        office.push()
        office.pull()

    member = simulator.member("c@house.test")
    assert (member is None or member.status == "unsubscribed", simulator.subscribing("c@house.test")) == (
        True,
        0,
    )


def test_what_they_changed_there_is_told_to_whoever_they_are_today(
    office: Any, simulator: Any, chain: tuple[int, int]
) -> None:
    office.put(merge_fields={"FNAME": "first_name"})
    simulator.contact("edit", "a@house.test", merge_fields={"FNAME": "Anna"})

    office.pull()

    assert office.fields(chain[1]).get("first_name") == "Anna"


def test_activity_is_told_in_the_timeline_of_whoever_they_are_today(
    office: Any, simulator: Any, chain: tuple[int, int]
) -> None:
    office.execute("UPDATE audiences SET keeps_activity = true")
    simulator.contact("open", "a@house.test", campaign_id="c0ffee0001")

    pull_activity(office.sessions, office.connections, office.audience_id)

    told = office.execute("SELECT DISTINCT contact_id FROM timeline_entries WHERE kind = 'activity'")
    assert told == [(chain[1],)]


def test_a_review_is_shown_with_whoever_they_are_today(office: Any, chain: tuple[int, int]) -> None:
    with transaction(office.sessions) as session:
        open_reviews(session, office.audience_id, [(chain[0], "FNAME", "Ada", "Anna")])

        (line,) = list_reviews(session)

    assert (line.contact_id, line.person_id) == chain
