"""The leaving policy `delete`: counted by the guard like every other leave, kept in the mirror, never a must."""

from typing import Any

import pytest

from app.audiences.guard import leaving_cause, look_ahead, must_go
from app.audiences.load import get_audience, load_situations
from app.audiences.plan import plan_member
from app.audiences.reconcile import run_reconcile
from app.audiences.run_views import get_run
from app.audiences.survey import find_difference
from app.core.db import transaction


@pytest.fixture
def crowd(office: Any) -> list[int]:
    """A hundred members who would all be deleted by a new rule."""
    ids: list[int] = office.crowd(100)
    office.push()
    office.execute("UPDATE audiences SET on_leave = 'delete', entry_rule = '{\"tags_any\": [\"alumni\"]}'")
    return ids


def test_deleting_by_policy_is_a_leave_and_passes_no_pause(office: Any, crowd: list[int]) -> None:
    with transaction(office.sessions) as session:
        audience = get_audience(session, office.audience_id)
        situation = load_situations(session, audience, crowd[:1])[crowd[0]]
        operation = plan_member(situation.contact, situation.mirror, audience)

    assert (operation.kind, operation.status) == ("erase", "forgotten")
    assert leaving_cause(situation.contact, operation) == "no longer fit the entry rule"
    assert must_go(situation.contact, operation) is False
    found = find_difference(situation.contact, situation.mirror, operation)
    assert (found.kind, found.change) == ("removed", "deleted")


def test_all_at_once_are_stopped_before_anybody_is_deleted(
    office: Any, simulator: Any, crowd: list[int]
) -> None:
    office.touch(*crowd)
    before = simulator.calls

    office.push()

    assert (simulator.calls, simulator.member_count()) == (before, 100)
    assert office.execute("SELECT paused_code FROM audiences")[0][0] == "guard"


def test_those_deleted_within_a_day_count(office: Any, simulator: Any, crowd: list[int]) -> None:
    office.touch(*crowd[:20])
    office.push()
    with transaction(office.sessions) as session:
        ahead = look_ahead(session, get_audience(session, office.audience_id))
    office.touch(crowd[20])

    office.push()

    assert (ahead.member_count, ahead.left_count) == (80, 20)
    assert simulator.member_count() == 80
    assert office.execute("SELECT paused_code FROM audiences")[0][0] == "guard"
    kept = office.mirror(crowd[0])
    assert (kept.status, kept.pushed_hash) == ("forgotten", "left")


def test_the_deleted_are_asked_for_by_no_reconcile(office: Any, crowd: list[int]) -> None:
    office.touch(*crowd[:5])
    office.push()

    run_id = run_reconcile(office.sessions, office.connections, office.audience_id)

    with transaction(office.sessions) as session:
        found = get_run(session, run_id).findings
    assert (found["gone"], found["missing"]) == (0, 0)
    assert office.mirror(crowd[0]).status == "forgotten"


def test_reconcile_names_the_direction_of_each_field(office: Any) -> None:
    office.crowd(1)
    office.push()
    office.execute(
        'UPDATE audiences SET merge_fields = \'{"FNAME": {"from": "first_name", "direction": "never_blank"},'
        ' "LNAME": "last_name"}\''
    )
    office.execute('UPDATE contacts SET fields = fields || \'{"first_name": "Newer", "last_name": "Newer"}\'')

    run_id = run_reconcile(office.sessions, office.connections, office.audience_id)

    with transaction(office.sessions) as session:
        found = get_run(session, run_id).findings["fields"]
    assert found == {
        "FNAME": {"count": 1, "direction": "never_blank"},
        "LNAME": {"count": 1, "direction": "newest"},
    }
