"""Reconcile: what differs is counted and named; a little is mended, much waits."""

from typing import Any

import pytest

from app.audiences.reconcile import list_audiences_to_reconcile, run_reconcile
from app.audiences.run_views import RunView, get_run
from app.audiences.steer import approve
from app.core.db import transaction


def compare(office: Any) -> RunView:
    run_id = run_reconcile(office.sessions, office.connections, office.audience_id, "tester")
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


def test_two_sides_in_step_cost_a_call_a_thousand_and_a_few(office: Any, simulator: Any) -> None:
    office.crowd(1_200)
    office.push()
    before = simulator.calls

    run = compare(office)

    found = run.findings
    assert (run.state, found["in_step"], found["missing"], found["differing"], found["gone"]) == (
        "done", 1_200, 0, 0, 0,
    )  # fmt: skip
    assert found["statuses"]["subscribed"] == {"there": 1_200, "here": 1_200}
    assert simulator.calls - before <= 2 + 8
    assert office.change_count() == 0


def test_drift_is_named_and_mended_by_the_next_push(office: Any, simulator: Any) -> None:
    ids = office.crowd(10)
    office.push()
    audience = next(iter(simulator.running.world.audiences.values()))
    simulator.staff("edit", "p1@house.test", merge_fields={"FNAME": "Wrong"})
    audience.drop(audience.find("p2@house.test"))
    simulator.contact("signup", "stranger@house.test")

    run = compare(office)

    found = run.findings
    assert (run.state, found["missing"], found["gone"], found["strangers"]) == ("done", 1, 1, 1)
    assert found["samples"]["gone"][0]["contact_id"] == ids[1]
    assert found["samples"]["missing"][0]["contact_id"] == ids[1]
    office.push()
    assert simulator.member("p2@house.test").status == "subscribed"
    assert compare(office).findings["missing"] == 0


def test_a_differing_field_of_ours_is_named_with_its_direction(office: Any, simulator: Any) -> None:
    (contact_id,) = office.crowd(1)
    office.push()
    office.execute('UPDATE contacts SET fields = fields || \'{"first_name": "Newer"}\'')

    found = compare(office).findings

    assert found["differing"] == 1
    assert found["fields"]["FNAME"]["count"] == 1
    assert found["samples"]["differing"][0]["contact_id"] == contact_id
    office.push()
    assert simulator.member("p1@house.test").merge_fields["FNAME"] == "Newer"


def test_much_drift_waits_for_an_admin(office: Any, simulator: Any) -> None:
    office.crowd(60)
    office.push()
    office.execute('UPDATE contacts SET fields = fields || \'{"first_name": "Newer"}\'')

    run = compare(office)

    assert (run.state, run.findings["differing"], run.findings["queued"]) == ("waiting", 60, 0)
    assert office.change_count() == 0
    with transaction(office.sessions) as session:
        approve(session, run.run_id, "tester")
    office.push()
    assert simulator.member("p60@house.test").merge_fields["FNAME"] == "Newer"


def test_somebody_archived_there_is_no_longer_missing_here(office: Any, simulator: Any) -> None:
    (contact_id,) = office.crowd(1)
    office.push()
    simulator.staff("archive", "p1@house.test")

    found = compare(office).findings

    assert office.mirror(contact_id).status == "archived"
    assert (found["missing"], found["refused"]) == (0, 1)


def test_people_who_cannot_be_synced_are_named_with_reason_and_next_step(office: Any) -> None:
    fake = office.add("x@example.com")
    office.push()

    (reason,) = compare(office).findings["cannot_sync"]

    assert (reason["code"], reason["contact_ids"], reason["count"]) == ("fake_address", [fake], 1)
    assert "Correct it" in reason["reason"] + reason["hint"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("reconciled_at = now() - interval '3 days'", True),
        ("reconciled_at = now()", False),
        ("approved_at = now(), reconciled_at = NULL", False),
        ("reconciled_at = now() - interval '3 days', approved_at = NULL", False),
        ("reconciled_at = now() - interval '3 days', paused_code = 'gone'", False),
        ("reconciled_at = now() - interval '3 days', is_enabled = false", False),
    ],
)
def test_a_night_comes_once_a_day(
    office: Any, monkeypatch: pytest.MonkeyPatch, columns: str, expected: bool
) -> None:
    monkeypatch.setattr("app.audiences.reconcile.NIGHT_HOUR", 0)
    office.execute(f"UPDATE audiences SET {columns}")

    with transaction(office.sessions) as session:
        due = list_audiences_to_reconcile(session)

    assert (due == [office.audience_id]) is expected
