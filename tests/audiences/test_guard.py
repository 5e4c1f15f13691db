"""The guard: many who would leave at once wait for an admin, opt-outs never do."""

from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.guard import Leaves, leave_limit
from app.audiences.run_views import list_runs
from app.audiences.steer import approve, get_waiting_run, reject, resume
from app.audiences.tend import mend_guards
from app.core.db import transaction

RULE = 'UPDATE audiences SET entry_rule = \'{"tags_any": ["alumni"]}\''


def statuses(office: Any, simulator: Any) -> dict[str, int]:
    audience = next(iter(simulator.running.world.audiences.values()))
    counts: dict[str, int] = {}
    for member in audience.members():
        counts[member.status] = counts.get(member.status, 0) + 1
    return counts


def paused_code(office: Any) -> str | None:
    return office.execute("SELECT paused_code FROM audiences")[0][0]


def alerts(office: Any) -> list[Any]:
    with transaction(office.sessions) as session:
        return list_alerts(session)


def raised(office: Any) -> int:
    return int(office.execute("SELECT count(*) FROM attempts WHERE error ? 'alert'")[0][0])


def decide(office: Any, verb: Any) -> None:
    with transaction(office.sessions) as session:
        verb(session, get_waiting_run(session, office.audience_id).id, "tester")


@pytest.fixture
def crowd(office: Any) -> list[int]:
    """A hundred members, and a rule by which all of them would leave."""
    ids = office.crowd(100)
    office.push()
    office.execute(RULE)
    return ids


@pytest.mark.parametrize(
    ("members", "share", "expected"), [(0, 0.1, 20), (199, 0.1, 20), (4000, 0.1, 400), (4000, 0.0, 20)]
)
def test_so_many_may_leave_unasked(members: int, share: float, expected: int) -> None:
    assert leave_limit(members, share) == expected


@pytest.mark.parametrize(
    ("leaving", "left", "allowed", "expected"),
    [(400, 0, 0, False), (401, 0, 0, True), (300, 101, 0, False), (311, 101, 0, True), (800, 0, 400, False)],
)
def test_too_many_is_judged_over_a_day_and_with_what_an_admin_allowed(
    leaving: int, left: int, allowed: int, expected: bool
) -> None:
    assert Leaves(leaving, 4000, left, allowed).is_too_many is expected


def test_when_all_would_leave_nobody_does_and_there_is_one_alert(
    office: Any, simulator: Any, crowd: list[int]
) -> None:
    office.touch(*crowd)
    before = simulator.calls

    office.push(claim_size=30)
    office.push()

    assert before == simulator.calls
    assert statuses(office, simulator) == {"subscribed": 100}
    assert (paused_code(office), raised(office)) == ("guard", 1)
    (alert,) = alerts(office)
    assert (alert.level, alert.code, alert.slug) == ("stopped", "guard", "newsletter")
    assert alert.reason.startswith("100 of 100 members would leave at once")
    assert "100 no longer fit the entry rule" in alert.reason
    assert "muster sync approve newsletter" in alert.next_step


def test_a_few_leave_unasked(office: Any, simulator: Any, crowd: list[int]) -> None:
    office.touch(*crowd[:20])

    office.push()

    assert statuses(office, simulator) == {"archived": 20, "subscribed": 80}
    assert paused_code(office) is None


def test_many_after_few_within_a_day_are_too_many(office: Any, simulator: Any, crowd: list[int]) -> None:
    for contact_id in crowd[:30]:
        office.touch(contact_id)
        office.push()

    assert statuses(office, simulator)["archived"] == 20
    assert paused_code(office) == "guard"


def test_once_approved_they_leave(office: Any, simulator: Any, crowd: list[int]) -> None:
    office.touch(*crowd)
    office.push()

    decide(office, approve)
    office.push()

    assert statuses(office, simulator) == {"archived": 100}
    assert (paused_code(office), alerts(office), office.change_count()) == (None, [], 0)


def test_a_rejection_keeps_everybody_and_the_audience_paused(
    office: Any, simulator: Any, crowd: list[int]
) -> None:
    office.touch(*crowd)
    office.push()

    decide(office, reject)
    office.push()

    assert statuses(office, simulator) == {"subscribed": 100}
    assert paused_code(office) == "guard"
    (alert,) = alerts(office)
    assert (alert.code, "muster sync resume newsletter" in alert.next_step) == ("guard", True)


def test_once_the_cause_is_mended_the_audience_goes_on_by_itself(
    office: Any, simulator: Any, crowd: list[int]
) -> None:
    office.touch(*crowd)
    office.push()
    before = simulator.calls
    mend_guards(office.sessions, is_young=True)
    assert paused_code(office) == "guard"

    office.execute("UPDATE audiences SET entry_rule = '{}'")
    mend_guards(office.sessions, is_young=True)
    office.push()

    assert paused_code(office) is None
    assert (simulator.calls, office.change_count()) == (before, 0)
    with transaction(office.sessions) as session:
        assert [run.state for run in list_runs(session, kinds=["guard"])] == ["cancelled"]


def test_resuming_without_mending_stops_again_with_another_alert(office: Any, crowd: list[int]) -> None:
    office.touch(*crowd)
    office.push()

    with transaction(office.sessions) as session:
        resume(session, office.audience_id, "tester")
    office.push()

    assert (paused_code(office), raised(office)) == ("guard", 2)


def test_opt_outs_pass_the_guard_and_never_count(office: Any, simulator: Any, crowd: list[int]) -> None:
    for number, contact_id in enumerate(crowd[:40], 1):
        office.say(contact_id, "withdrawn", f"p{number}@house.test")
    office.touch(*crowd)

    office.push()

    assert statuses(office, simulator) == {"subscribed": 60, "unsubscribed": 40}
    assert paused_code(office) == "guard"
    (alert,) = alerts(office)
    assert alert.reason.startswith("60 of ")


def test_erasing_passes_every_pause(office: Any, simulator: Any) -> None:
    ada = office.add("ada@house.test")
    office.push()
    office.execute("UPDATE audiences SET paused_at = now(), paused_code = 'by_admin'")
    office.execute("UPDATE contacts SET state = 'erased', fields = '{}' WHERE id = :id", id=ada)
    office.touch(ada)

    office.push()

    assert simulator.member("ada@house.test") is None
