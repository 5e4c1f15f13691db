"""What a run says it did, and how much is left: held changes are not done, errors count people, every call is told."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.audiences import reconcile
from app.audiences.models import SyncRun
from app.audiences.pull import pull_audience
from app.audiences.push import PushCounts, PushOptions, push_audience
from app.audiences.rehearse import run_first_sync
from app.audiences.run_errors import KNOWN_PEOPLE, group_errors
from app.audiences.run_views import RunView, list_runs
from app.audiences.runs import Progress, RunWatch, run_counted, watched
from app.audiences.steer import cancel, pause, resume
from app.audiences.views import Trouble
from app.core.db import transaction

FAKE = Trouble("fake_address", "The address looks fake.", "Correct it.")
COMPARISONS: dict[str, Callable[..., int]] = {
    "reconcile": reconcile.run_reconcile,
    "first_sync": run_first_sync,
}


def rows(office: Any) -> list[RunView]:
    with transaction(office.sessions) as session:
        return list_runs(session, office.audience_id)


def steer(office: Any, verb: Any) -> Any:
    with transaction(office.sessions) as session:
        return verb(session, office.audience_id, "tester")


def open_push(office: Any, *, is_folding: bool = True) -> RunWatch:
    watch = RunWatch(office.sessions, office.audience_id, "push", is_folding=is_folding)
    watch.open()
    return watch


def push(office: Any, **options: Any) -> PushCounts:
    watch = open_push(office)
    with watched(watch):
        return push_audience(
            office.sessions, office.connections, office.audience_id, PushOptions(**options), watch
        )


def pull(office: Any, tell: Callable[[Progress], None] | None = None, *, is_full: bool = True) -> RunView:
    watch = RunWatch(office.sessions, office.audience_id, "pull", on_progress=tell)
    work = partial(pull_audience, office.sessions, office.connections, office.audience_id, is_full=is_full)
    run_counted(watch, work)
    return rows(office)[0]


def compare(office: Any, kind: str, tell: Callable[[Progress], None] | None = None) -> RunView:
    COMPARISONS[kind](office.sessions, office.connections, office.audience_id, "tester", tell)
    return next(run for run in rows(office) if run.kind == kind)


# What waits for the end of a pause


def test_what_a_pause_holds_back_is_not_done_and_not_counted(office: Any, simulator: Any) -> None:
    office.crowd(60)
    steer(office, pause)

    counts = push(office)

    (run,) = rows(office)
    assert (counts.is_blocked, counts.as_dict().get("upsert", 0), simulator.calls) == (True, 0, 0)
    assert (run.done_count, run.total_count, dict(run.counts)) == (0, 60, {})


def test_after_a_pause_everybody_is_done_once(office: Any, simulator: Any) -> None:
    office.crowd(60)
    watch = open_push(office)
    steer(office, pause)
    with watched(watch):
        push_audience(office.sessions, office.connections, office.audience_id, PushOptions(), watch)
    held = (rows(office)[0].state, rows(office)[0].done_count)
    steer(office, resume)

    counts = push(office)

    (run,) = rows(office)
    assert held == ("paused", 0)
    assert (counts.is_blocked, simulator.member_count()) == (False, 60)
    assert (run.state, run.done_count, run.total_count, run.counts["upsert"]) == ("done", 60, 60, 60)


def test_opt_outs_behind_many_that_are_held_are_sent_by_the_same_push(office: Any, simulator: Any) -> None:
    ada = office.add("ada@house.test")
    office.push()
    steer(office, pause)
    office.crowd(60)
    office.say(ada, "withdrawn", "ada@house.test")
    office.execute("UPDATE changes SET number = number + 1000 WHERE contact_id = :id", id=ada)

    counts = push(office, claim_size=10)

    (run,) = rows(office)
    assert simulator.member("ada@house.test").status == "unsubscribed"
    assert (counts.is_blocked, run.done_count, run.total_count) == (True, 1, 61)


def test_leaves_that_the_guard_holds_are_not_done(office: Any) -> None:
    ids = office.crowd(60)
    office.push()
    office.execute('UPDATE audiences SET entry_rule = \'{"tags_any": ["alumni"]}\'')
    office.touch(*ids)

    counts = push(office)

    run = next(one for one in rows(office) if one.kind == "push")
    assert (counts.is_blocked, counts.as_dict().get("archive", 0), run.done_count) == (True, 0, 0)


# Resuming what runs


def test_a_running_push_that_is_resumed_still_runs_and_can_be_cancelled(office: Any) -> None:
    watch = open_push(office, is_folding=False)

    steer(office, resume)
    state = rows(office)[0].state
    steer(office, cancel)
    watch.close()

    assert (state, rows(office)[0].state) == ("running", "cancelled")


def test_a_pause_that_is_taken_back_before_a_push_noticed_stops_nothing(office: Any) -> None:
    watch = open_push(office, is_folding=False)

    steer(office, pause)
    steer(office, resume)

    assert (rows(office)[0].state, rows(office)[0].wish) == ("running", "")
    watch.close()
    assert rows(office)[0].state == "done"


# Errors


def test_whoever_is_tried_again_is_not_another_person() -> None:
    first = group_errors([], [(number, FAKE) for number in (1, 2, 1)])

    (found,) = group_errors(first, [(number, FAKE) for number in (2, 3)])

    assert (found["count"], found["contact_ids"]) == (3, [1, 2, 3])


def test_a_group_tells_so_many_people_apart_and_counts_tries_behind_them() -> None:
    everybody = [(number, FAKE) for number in range(KNOWN_PEOPLE + 10)]
    first = group_errors([], everybody)

    (found,) = group_errors(first, everybody)

    assert (first[0]["count"], found["count"]) == (KNOWN_PEOPLE + 10, KNOWN_PEOPLE + 20)
    assert (len(found["known_ids"]), found["contact_ids"]) == (KNOWN_PEOPLE, [0, 1, 2, 3, 4])


def test_a_group_of_an_older_version_goes_on_counting() -> None:
    old = {**FAKE.as_dict(), "count": 17, "contact_ids": [1, 2, 3, 4, 5]}

    (found,) = group_errors([old], [(5, FAKE), (9, FAKE)])

    assert (found["count"], found["contact_ids"]) == (18, [1, 2, 3, 4, 5])


def test_tries_of_one_push_after_the_other_are_one_person(office: Any) -> None:
    fake = office.add("x@example.com")
    for _ in range(3):
        office.touch(fake)
        push(office)

    (run,) = rows(office)
    (error,) = run.errors
    assert (error["count"], error["contact_ids"], run.error_lines[0][-4:]) == (1, [fake], "(x1)")
    assert "known_ids" not in error
    assert [([fake],)] == office.execute("SELECT errors #> '{0,known_ids}' FROM sync_runs")


def test_errors_of_calls_that_failed_count_people(office: Any, simulator: Any) -> None:
    office.crowd(40)
    simulator.fault("500", times=2)
    for _ in range(4):
        push(office)
        office.hurry()
        office.execute("UPDATE destinations SET breaker = '{}'")

    (run,) = rows(office)
    assert [one["count"] for one in run.errors] == [40]
    assert (run.done_count, run.total_count, simulator.member_count()) == (40, 40, 40)


# How far, and how long


def test_a_pull_knows_from_its_first_page_how_many_there_are(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.crowd(6)
    office.push()
    monkeypatch.setattr("app.audiences.pull.PAGE_SIZE", 2)
    monkeypatch.setattr("app.audiences.runs.WRITE_SECONDS", 0.0)
    told: list[Progress] = []

    run = pull(office, told.append)

    assert [(one.done_count, one.total_count) for one in told][:4] == [(0, None), (2, 6), (4, 6), (6, 6)]
    assert (run.done_count, run.total_count) == (6, 6)


def test_an_empty_pull_has_nothing_left_to_read(office: Any) -> None:
    run = pull(office)

    assert (run.state, run.done_count, run.total_count, run.eta_seconds) == ("done", 0, 0, None)


@pytest.mark.parametrize("kind", COMPARISONS)
def test_a_comparison_expects_everybody_the_members_and_the_archived(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    office.crowd(40)
    office.push()
    for number in range(1, 4):
        simulator.staff("archive", f"p{number}@house.test")
    office.pull()
    simulator.contact("signup", "stranger@house.test")
    monkeypatch.setattr("app.audiences.runs.WRITE_SECONDS", 0.0)
    told: list[Progress] = []

    run = compare(office, kind, told.append)

    # 40 here; 38 listed; 3 archived.
    totals = list(dict.fromkeys(one.total_count for one in told))
    assert totals == [40, 78, 81]
    assert (run.done_count, run.total_count) == (81, 81)


@pytest.mark.parametrize("are_archived_listed", [True, False])
def test_at_its_end_a_comparison_has_done_all_of_it(
    office: Any, simulator: Any, *, are_archived_listed: bool
) -> None:
    simulator.call("POST", "/switches", {"are_archived_listed": are_archived_listed})
    office.crowd(10)
    office.push()
    simulator.staff("archive", "p1@house.test")
    simulator.staff("delete", "p2@house.test")

    run = compare(office, "reconcile")

    assert run.done_count == run.total_count


def test_what_is_left_of_a_comparison_is_judged_once_something_was_read(office: Any) -> None:
    watch = RunWatch(office.sessions, office.audience_id, "reconcile")
    watch.expect(100)
    watch.open()
    before = rows(office)[0].eta_seconds
    office.execute("UPDATE sync_runs SET started_at = now() - interval '10 seconds', done_count = 50")

    (run,) = rows(office)

    assert before is None
    assert run.eta_seconds == pytest.approx(10, abs=2)


@pytest.mark.parametrize("kind", COMPARISONS)
def test_a_comparison_tells_of_every_call(office: Any, simulator: Any, kind: str) -> None:
    office.crowd(40)
    office.push()
    simulator.staff("delete", "p1@house.test")
    before = simulator.calls

    run = compare(office, kind)

    assert run.call_count == simulator.calls - before > 1


def test_a_comparison_that_fails_tells_of_its_calls(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.crowd(3)
    office.push()
    before = simulator.calls
    count_by_status = reconcile.count_by_status

    def counting(*arguments: Any) -> None:
        count_by_status(*arguments)
        raise ValueError("It fell over.")

    monkeypatch.setattr(reconcile, "count_by_status", counting)

    with pytest.raises(ValueError, match="fell over"):
        compare(office, "reconcile")

    with transaction(office.sessions) as session:
        run = session.query(SyncRun).filter_by(kind="reconcile").one()
        assert (run.state, run.call_count) == ("failed", simulator.calls - before)
