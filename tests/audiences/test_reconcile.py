"""Reconcile: what differs is counted and named; a little is mended, much waits."""

from typing import Any

import pytest

from app.audiences import reconcile
from app.audiences.reconcile import list_audiences_to_reconcile, run_reconcile
from app.audiences.run_views import RunView, get_run
from app.audiences.runs import RunWatch
from app.audiences.steer import approve, cancel, pause, reject
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


def opt_out_at_the_address(office: Any, contact_id: int) -> None:
    office.add(office.fields(contact_id)["email"], consent="withdrawn")


def opt_out_given_up(office: Any, contact_id: int) -> None:
    office.say(contact_id, "withdrawn", office.fields(contact_id)["email"])
    office.execute("UPDATE changes SET parked_at = now()")


def erase(office: Any, contact_id: int) -> None:
    office.execute("UPDATE contacts SET state = 'erased', fields = '{}' WHERE id = :id", id=contact_id)


@pytest.mark.parametrize(
    ("leave", "expected"),
    [(opt_out_at_the_address, "unsubscribed"), (opt_out_given_up, "unsubscribed"), (erase, None)],
)
def test_while_much_drift_waits_opt_outs_and_erasures_go_through(
    office: Any, simulator: Any, leave: Any, expected: str | None
) -> None:
    office.crowd(60)
    ada = office.add("ada@house.test")
    office.push()
    leave(office, ada)
    office.execute("DELETE FROM changes WHERE parked_at IS NULL")
    office.execute(
        'UPDATE contacts SET fields = fields || \'{"first_name": "Newer"}\' WHERE id <> :id', id=ada
    )

    run = compare(office)
    office.push()

    assert ("waiting", 1) == (run.state, run.findings["queued"])
    member = simulator.member("ada@house.test")
    assert expected == (member.status if member else None)
    assert "P1" == simulator.member("p1@house.test").merge_fields["FNAME"]


def test_what_is_urgent_is_bounded(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.audiences.survey.URGENT_MOST", 2)
    ids = office.crowd(60)
    office.push()
    office.execute("UPDATE contacts SET state = 'erased', fields = '{}' WHERE id = ANY(:ids)", ids=ids[:30])

    run = compare(office)

    assert ("waiting", 30, 2) == (run.state, run.findings["leaving"], run.findings["queued"])
    assert [(ids[0],), (ids[1],)] == office.execute("SELECT contact_id FROM changes ORDER BY contact_id")


@pytest.mark.parametrize(("ask", "state"), [(cancel, "cancelled"), (pause, "paused")])
def test_one_that_is_stopped_while_it_reports_mends_nothing_and_says_nothing(
    office: Any, monkeypatch: pytest.MonkeyPatch, ask: Any, state: str
) -> None:
    office.crowd(10)
    office.push()
    office.execute('UPDATE contacts SET fields = fields || \'{"first_name": "Newer"}\'')
    count_by_status = reconcile.count_by_status

    def counting(*arguments: Any) -> dict[str, int]:
        with transaction(office.sessions) as session:
            ask(session, office.audience_id, "tester")
        return count_by_status(*arguments)

    monkeypatch.setattr(reconcile, "count_by_status", counting)

    run = compare(office)

    assert (state, {}, 0) == (run.state, run.findings, office.change_count())
    assert [(None,)] == office.execute("SELECT reconciled_at FROM audiences")


@pytest.fixture
def missed(office: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The audience two nights after it was compared, with an hour gone since the night began."""
    monkeypatch.setattr(reconcile, "NIGHT_HOUR", 0)
    office.execute("UPDATE audiences SET reconciled_at = now() - interval '2 days'")
    return office


def age(office: Any) -> None:
    office.execute("UPDATE sync_runs SET started_at = now() - interval '61 minutes'")


def is_due(office: Any) -> bool:
    with transaction(office.sessions) as session:
        return list_audiences_to_reconcile(session) == [office.audience_id]


def test_a_night_that_takes_long_is_not_begun_again_beside_itself(missed: Any) -> None:
    RunWatch(missed.sessions, missed.audience_id, "reconcile").open()
    age(missed)
    beside = is_due(missed)
    missed.execute("UPDATE sync_runs SET state = 'failed', finished_at = now()")

    assert (False, True) == (beside, is_due(missed))


def test_a_night_that_was_cancelled_comes_again_the_next_night(missed: Any) -> None:
    watch = RunWatch(missed.sessions, missed.audience_id, "reconcile")
    watch.open()
    with transaction(missed.sessions) as session:
        cancel(session, missed.audience_id, "tester")
    watch.close()
    age(missed)
    this_night = is_due(missed)
    missed.execute("UPDATE sync_runs SET finished_at = now() - interval '1 day'")

    assert (False, True) == (this_night, is_due(missed))


def test_a_rejected_repair_keeps_no_night_away(missed: Any) -> None:
    watch = RunWatch(missed.sessions, missed.audience_id, "reconcile")
    run_id = watch.open()
    watch.close(state="waiting", findings={"differing": 60})
    with transaction(missed.sessions) as session:
        reject(session, run_id, "tester")
    age(missed)

    assert is_due(missed)
