"""A dry run: it counts every loss, changes nobody here, and what is approved is what it looked at."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.audiences.formats import is_same_value
from app.audiences.judge import judge_field
from app.audiences.reconcile import run_reconcile
from app.audiences.rehearse import run_first_sync
from app.audiences.run_views import RunView, get_run
from app.core.clock import utc_now
from app.core.db import transaction

ADA = "ada@house.test"
LIST_ID = "a1b2c3d4e5"
ADDRESS = {"addr1": "1 Road", "city": "Ely", "state": "Cambs", "zip": "12345"}
FIELDS = {"address_line1": "1 Road", "city": "Ely", "region": "Cambs", "postal_code": "12345"}
ADDRESS_DIRECTIONS = ("ours", "newest", "theirs", "review", "never_blank")


@pytest.fixture
def new(office: Any) -> Any:
    """The audience as if just added: never approved."""
    office.put(approved_at=None, tags=[], merge_fields={"FNAME": "first_name"})
    return office


def rehearse(office: Any) -> RunView:
    run_id = run_first_sync(office.sessions, office.connections, office.audience_id, "tester")
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


def compare(office: Any) -> RunView:
    run_id = run_reconcile(office.sessions, office.connections, office.audience_id, "tester")
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (ADDRESS, {**ADDRESS, "addr2": "", "country": "US"}, True),
        ({**ADDRESS, "country": "GB"}, {**ADDRESS, "addr2": "", "country": "GB"}, True),
        (ADDRESS, {**ADDRESS, "addr2": "Attic", "country": "US"}, False),
        (ADDRESS, {**ADDRESS, "addr2": "", "country": "GB"}, False),
        (ADDRESS, {**ADDRESS, "city": "York", "addr2": "", "country": "US"}, False),
        (ADDRESS, "", False),
        (ADDRESS, None, False),
        ("Ada", "Ada", True),
        ("Ada", "ada", False),
        (5, "5", False),
    ],
)
def test_two_values_are_the_same_where_mailchimp_shows_ours_so(
    ours: Any, theirs: Any, *, expected: bool
) -> None:
    found = is_same_value(ours, theirs)

    assert found is expected


@pytest.mark.parametrize("direction", ADDRESS_DIRECTIONS)
def test_an_address_that_mailchimp_filled_up_is_nothing_to_judge(direction: str) -> None:
    theirs: Mapping[str, str] = {**ADDRESS, "addr2": "", "country": "US"}

    found = judge_field(direction, ADDRESS, theirs, ours_at=None, theirs_at=utc_now(), is_seen=True)

    assert found == "same"


def test_a_changed_address_is_compared_by_a_reconcile(office: Any, simulator: Any) -> None:
    office.put(merge_fields={"ADDRESS": "address"}, tags=[])
    ada = office.add(ADA, **FIELDS)
    office.push()
    office.change(ada, city="York")

    run = compare(office)

    assert (run.state, run.findings["fields"]["ADDRESS"]["count"]) == ("done", 1)
    office.push()
    assert simulator.member(ADA).merge_fields["ADDRESS"]["city"] == "York"


def test_an_address_of_theirs_that_would_be_replaced_counts_as_a_loss(new: Any, simulator: Any) -> None:
    new.put(merge_fields={"ADDRESS": {"from": "address", "direction": "ours"}})
    simulator.contact("signup", ADA, merge_fields={"ADDRESS": {**ADDRESS, "city": "York"}})
    new.add(ADA, **FIELDS)

    found = rehearse(new).findings

    assert (found["fields"], found["losing"]) == ({"ADDRESS": 1}, 1)


def test_an_address_that_both_sides_have_is_no_loss(new: Any, simulator: Any) -> None:
    new.put(merge_fields={"ADDRESS": {"from": "address", "direction": "ours"}})
    simulator.contact("signup", ADA, merge_fields={"ADDRESS": ADDRESS})
    new.add(ADA, **FIELDS)

    found = rehearse(new).findings

    assert (found["fields"], found["losing"]) == ({}, 0)


def test_an_address_that_both_sides_have_is_not_put_up_for_review(office: Any, simulator: Any) -> None:
    office.put(merge_fields={"ADDRESS": {"from": "address", "direction": "review"}}, tags=[])
    simulator.contact("signup", ADA, merge_fields={"ADDRESS": ADDRESS})
    office.add(ADA, **FIELDS)

    office.pull()

    assert office.execute("SELECT tag FROM field_reviews") == []


@pytest.mark.parametrize(("first_name", "fields"), [("Ada", {"FNAME": 1}), (None, {})])
def test_tags_that_would_be_taken_off_are_losses_beside_any_other_change(
    new: Any, simulator: Any, first_name: str | None, fields: dict[str, int]
) -> None:
    new.put(tags=["Alumni"])
    simulator.contact("signup", ADA)
    simulator.staff("tag", ADA, add=["Alumni"])
    new.add(ADA, **({"first_name": first_name} if first_name else {}))

    found = rehearse(new).findings

    assert (found["fields"], found["losing"]) == (fields, 1)
    assert found["samples"]["changed"][0]["change"].endswith("tags taken off: Alumni")


def test_a_tag_that_both_sides_have_in_another_case_is_no_loss(new: Any, simulator: Any) -> None:
    new.put(tags=["Alumni"])
    simulator.contact("signup", ADA)
    simulator.staff("tag", ADA, add=["alumni"])
    new.add(ADA, first_name="Ada", tags=("ALUMNI",))

    found = rehearse(new).findings

    assert (found["changed"], found["losing"]) == (1, 0)


@pytest.mark.parametrize(("status", "losing"), [("withdrawn", 1), ("given", 0)])
def test_a_marketing_permission_is_lost_where_it_would_be_taken_away(
    new: Any, simulator: Any, status: str, losing: int
) -> None:
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "has_permissions": True})
    permission = next(iter(next(iter(simulator.running.world.audiences.values())).permissions))
    new.put(marketing_permissions={permission: "advertising"})
    simulator.contact("signup", ADA)
    given = {"marketing_permissions": [{"marketing_permission_id": permission, "enabled": True}]}
    new.gateway().patch_member(LIST_ID, simulator.member(ADA).hash, given)
    contact_id = new.add(ADA, first_name="Ada")
    new.execute(
        "INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)"
        " SELECT contact_id, channel, 'advertising', :status, proof, evidence_id, decided_at FROM consents"
        " WHERE contact_id = :id",
        id=contact_id,
        status=status,
    )

    found = rehearse(new).findings

    assert (found["fields"], found["losing"]) == ({"FNAME": 1}, losing)


def test_an_interest_is_lost_where_it_would_be_taken_away(new: Any, simulator: Any) -> None:
    simulator.contact("signup", ADA)
    contact_id = new.add(ADA, first_name="Ada")
    rehearse(new)
    new.put(interests={"choir": {"tag": "Choir"}, "chess": {"tag": "Chess"}})
    new.execute("UPDATE audiences SET remote_schema = remote_schema - 'interests'")
    new.execute('UPDATE members SET interests = \'{"choir": true, "chess": false}\'')

    found = rehearse(new).findings

    assert found["losing"] == 1
    (sample,) = found["samples"]["changed"]
    assert sample["contact_id"] == contact_id
    assert sample["change"].endswith("interests taken away: choir")
