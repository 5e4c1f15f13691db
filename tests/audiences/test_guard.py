"""The guard: many who would leave at once wait for an admin, opt-outs never do."""

from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.guard import Leaves, leave_limit
from app.audiences.run_views import list_runs
from app.audiences.steer import approve, get_waiting_run, pause, reject, resume
from app.audiences.tend import mend_guards
from app.core.db import transaction
from tests.kit.office import join_contacts

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
    [
        (400, 0, 0, False),
        (401, 0, 0, True),
        (300, 101, 0, False),
        (311, 101, 0, True),
        (800, 0, 400, False),
        (0, 500, 0, False),
    ],
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


def opt_out_households(office: Any, members: list[int]) -> None:
    """Beside each of these members somebody has the address, too, and opts out."""
    for contact_id in members:
        office.add(office.fields(contact_id)["email"], consent="withdrawn")
    office.touch(*members)


def merge_away(office: Any, members: list[int]) -> None:
    """Each of these members is merged into another member."""
    winners = [office.add(f"winner{number}@house.test") for number in range(len(members))]
    office.push()
    for winner, loser in zip(winners, members, strict=True):
        join_contacts(office, winner, loser)


@pytest.mark.parametrize("leave", [opt_out_households, merge_away])
def test_who_left_by_an_opt_out_at_the_address_or_a_merge_does_not_count_as_left(
    office: Any, simulator: Any, leave: Any
) -> None:
    ids = office.crowd(60)
    office.push()
    leave(office, ids[:30])
    office.push()
    left_count = sum(count for status, count in statuses(office, simulator).items() if status != "subscribed")
    office.execute(RULE)
    office.touch(ids[40])

    office.push()

    assert (30, None) == (left_count, paused_code(office))
    assert "archived" == simulator.member("p41@house.test").status


def test_once_nobody_leaves_any_more_it_goes_on_however_many_have_left(office: Any, crowd: list[int]) -> None:
    office.touch(*crowd[:20])
    office.push()
    office.touch(crowd[20])
    office.push()
    stopped = paused_code(office)
    office.execute("UPDATE members SET pushed_hash = (SELECT pushed_hash FROM members WHERE contact_id = :id)"
                   " WHERE contact_id = ANY(:others)", id=crowd[0], others=crowd[50:])  # fmt: skip

    office.execute("UPDATE audiences SET entry_rule = '{}'")
    mend_guards(office.sessions, is_young=True)

    assert ("guard", None) == (stopped, paused_code(office))


def test_a_pause_by_an_admin_outlasts_the_guards(office: Any, crowd: list[int]) -> None:
    office.touch(*crowd)
    office.push()
    with transaction(office.sessions) as session:
        is_first = pause(session, office.audience_id, "tester", "We move house")
    office.execute("UPDATE audiences SET entry_rule = '{}'")

    mend_guards(office.sessions, is_young=True)

    assert (True, "by_admin") == (is_first, paused_code(office))
    assert [("by_admin", "We move house")] == [(one.code, one.reason) for one in alerts(office)]
    assert [({"reason": "We move house"}, "guard")] == office.execute(
        "SELECT after, before ->> 'code' FROM audit_entries WHERE action = 'audience.pause'"
    )
    with transaction(office.sessions) as session:
        assert resume(session, office.audience_id, "tester")
    office.push()
    assert (None, 0) == (paused_code(office), office.change_count())
