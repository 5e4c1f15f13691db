"""What is changed at Mailchimp: an address, a value nobody had here, one that an admin decides."""

from typing import Any, Literal

import pytest

from app.audiences.decide_review import decide_review
from app.audiences.outbox import queue_changes
from app.audiences.reviews import list_reviews
from app.audiences.theirs import hold_people
from app.contacts.erase import erase_contact
from app.core.db import transaction
from app.core.errors import ConflictError
from app.core.secretbox import SecretBox

ADA, AUGUSTA = "ada@house.test", "augusta@house.test"


def test_an_address_changed_there_and_seen_by_the_sweep_alone_is_the_persons_too(
    office: Any, simulator: Any
) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    office.pull()
    simulator.later()
    simulator.contact("change_email", ADA, new_email=AUGUSTA)

    office.pull()
    office.push()

    values = office.execute(
        "SELECT match_value FROM identities WHERE contact_id = :c ORDER BY 1", c=contact_id
    )
    assert [row[0] for row in values] == [ADA, AUGUSTA]
    assert (office.fields(contact_id)["email"], office.mirror(contact_id).email_address) == (AUGUSTA, AUGUSTA)
    assert (simulator.member_count(), office.consent(contact_id)) == (1, "given")


def test_a_value_read_for_the_first_time_fills_what_the_contact_lacks(office: Any, simulator: Any) -> None:
    simulator.staff("add", ADA, merge_fields={"FNAME": "Augusta", "LNAME": "King"})
    contact_id = office.add(ADA, first_name="Ada")

    office.pull()
    office.push()

    assert office.fields(contact_id) == {"email": ADA, "first_name": "Ada", "last_name": "King"}
    assert simulator.member(ADA).merge_fields == {"FNAME": "Ada", "LNAME": "King"}


def changed_there(office: Any, simulator: Any) -> int:
    """A member whose last name is another there, which an admin has to look at."""
    office.put(merge_fields={"LNAME": {"from": "last_name", "direction": "review"}})
    contact_id = office.add(ADA, last_name="Byron")
    office.push()
    office.pull()
    simulator.later()
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    office.pull()
    return int(contact_id)


@pytest.mark.parametrize("verdict", ["ours", "theirs"])
def test_an_admin_says_which_value_stands(
    office: Any, simulator: Any, verdict: Literal["ours", "theirs"]
) -> None:
    contact_id = changed_there(office, simulator)
    office.pull()
    with transaction(office.sessions) as session:
        (line,) = list_reviews(session)
        decide_review(session, line.review_id, verdict, "an admin")

    office.push()
    office.pull()

    winner = {"ours": "Byron", "theirs": "King"}[verdict]
    assert (line.tag, line.ours, line.theirs) == ("LNAME", "Byron", "King")
    assert (office.fields(contact_id)["last_name"], simulator.member(ADA).merge_fields["LNAME"]) == (
        winner,
        winner,
    )
    with transaction(office.sessions) as session, pytest.raises(ConflictError):
        decide_review(session, line.review_id, verdict, "an admin")


def test_of_an_erased_person_no_value_stays_in_mirror_or_reviews(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    contact_id = changed_there(office, simulator)

    with transaction(office.sessions) as session:
        hold_people(session, [contact_id])
        erase_contact(session, contact_id, box, "asked")

    mirror = office.mirror(contact_id)
    assert office.execute("SELECT count(*) FROM field_reviews") == [(0,)]
    assert (mirror.merge_fields, mirror.theirs_changed, mirror.interests, list(mirror.tags)) == (
        {},
        {},
        {},
        [],
    )


def test_nobody_takes_over_the_address_of_an_erased_person_by_moving_there(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    eve, ada = office.add("eve@house.test", first_name="Eve"), office.add(ADA, first_name="Ada")
    office.push()
    with transaction(office.sessions) as session:
        hold_people(session, [ada])
        erase_contact(session, ada, box, "asked")
        queue_changes(session, [ada])
    office.push()
    simulator.later()
    simulator.contact("change_email", "eve@house.test", new_email=ADA)

    office.pull()
    office.push()

    assert "eve@house.test" == office.fields(eve)["email"]
    assert [("eve@house.test",)] == office.execute("SELECT given_value FROM identities WHERE kind = 'email'")
    assert 2 == simulator.subscribing("eve@house.test") + simulator.subscribing(ADA)  # both of the first push
