"""Runs: one row with progress, folding, grouped errors; pausing, resuming, cancelling; the dead are shown as such."""

import threading
import time
from typing import Any

import pytest

from app.audiences.outbox import queue_changes
from app.audiences.push import PushOptions, push_audience
from app.audiences.run_errors import group_errors
from app.audiences.run_views import clear_old_runs, close_dead_runs, eta_seconds, get_run, list_runs
from app.audiences.runs import RunWatch, watched
from app.audiences.steer import cancel, pause, resume
from app.audiences.views import Trouble
from app.core.db import transaction
from app.core.errors import ConflictError, NotFoundError
from app.inbox.models import BULK_LANE

FAKE = Trouble("fake_address", "The address looks fake.", "Correct it.")


@pytest.fixture
def watch(office: Any) -> RunWatch:
    return RunWatch(office.sessions, office.audience_id, "push", is_folding=True)


def push_watched(office: Any, **options: Any) -> RunWatch:
    watch = RunWatch(office.sessions, office.audience_id, "push", is_folding=True)
    with watched(watch):
        push_audience(office.sessions, office.connections, office.audience_id, PushOptions(**options), watch)
    return watch


def rows(office: Any) -> list[Any]:
    with transaction(office.sessions) as session:
        return list_runs(session, office.audience_id)


def steer(office: Any, verb: Any, *more: Any) -> Any:
    with transaction(office.sessions) as session:
        return verb(session, office.audience_id, "tester", *more)


def make_bulk(office: Any, count: int) -> list[int]:
    ids = office.crowd(count)
    office.execute("UPDATE changes SET lane = 1")
    return ids


def test_errors_are_grouped_by_reason_with_the_first_five_people() -> None:
    known = group_errors([], [(1, FAKE), (2, FAKE)])

    found = group_errors(known, [*((number, FAKE) for number in range(3, 18)), (9, Trouble("x", "Other."))])

    assert [(one["reason"], one["count"]) for one in found] == [
        ("The address looks fake.", 17),
        ("Other.", 1),
    ]
    assert found[0]["contact_ids"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "expected"),
    [(0, 10, 5, None), (5, None, 5, None), (5, 15, 10, 20.0), (15, 15, 10, 0.0), (20, 15, 10, 0.0)],
)
def test_what_is_left_is_judged_by_the_pace_so_far(
    done: int, total: int | None, elapsed: float, expected: float | None
) -> None:
    assert eta_seconds(done, total, elapsed) == expected


def test_a_push_leaves_one_row_with_its_counts_and_errors(office: Any) -> None:
    office.crowd(30)
    fake = office.add("x@example.com")

    push_watched(office)

    (run,) = rows(office)
    assert (run.kind, run.state, run.actor) == ("push", "done", "muster")
    assert (run.call_count >= 1, run.done_count >= 31, run.total_count) == (True, True, run.done_count)
    assert [(one["code"], one["contact_ids"]) for one in run.errors] == [("fake_address", [fake])]
    assert run.error_lines[0].endswith("(x1)")
    assert "example.com" not in str(run.errors)


def test_pushes_that_follow_each_other_share_a_row(office: Any) -> None:
    for number in range(3):
        office.add(f"ada{number}@house.test")
        push_watched(office)

    (run,) = rows(office)
    assert (run.state, run.call_count, run.done_count) == ("done", 3, 3)
    office.execute("UPDATE sync_runs SET finished_at = now() - interval '2 minutes'")
    office.add("late@house.test")
    push_watched(office)
    assert len(rows(office)) == 2


def test_a_push_without_a_call_leaves_no_row(office: Any) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    office.touch(contact_id)

    push_watched(office)

    assert rows(office) == []


def test_progress_is_written_once_a_second_at_most(
    watch: RunWatch, office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.open()
    office.execute("UPDATE sync_runs SET done_count = 1000")

    for _ in range(50):
        watch.note(done=1)
    before = rows(office)[0].done_count
    monkeypatch.setattr(watch, "_written_at", time.monotonic() - 2)
    watch.note(done=1)

    assert (before, rows(office)[0].done_count) == (1000, 1051)


def test_two_workers_add_to_one_row(office: Any, watch: RunWatch) -> None:
    other = RunWatch(office.sessions, office.audience_id, "push", is_folding=True)
    watch.open()
    other.open()
    watch.note(done=2, calls=1, counts={"upsert": 2})
    other.note(done=3, calls=1, counts={"upsert": 3})
    watch.close()
    other.close()

    (run,) = rows(office)
    assert (run.done_count, run.call_count, dict(run.counts), run.state) == (5, 2, {"upsert": 5}, "done")


def test_a_run_that_fails_says_why_and_raises_on(office: Any) -> None:
    watch = RunWatch(office.sessions, office.audience_id, "pull")

    def fail() -> None:
        watch.open()
        with watched(watch):
            raise ValueError("ada@house.test")

    with pytest.raises(ValueError, match="ada"):
        fail()

    (run,) = rows(office)
    assert (run.state, run.error["code"]) == ("failed", "ValueError")
    assert "ada" not in str(run.error)


def test_a_run_whose_worker_died_is_shown_failed_at_once_and_noted_by_the_sweep(
    office: Any, watch: RunWatch
) -> None:
    watch.open()
    office.execute("UPDATE sync_runs SET beat_at = now() - interval '61 seconds'")

    shown = rows(office)[0]
    with transaction(office.sessions) as session:
        close_dead_runs(session)

    assert (shown.state, shown.eta_seconds) == ("failed", None)
    assert "worker died" in shown.error["reason"]
    assert office.execute("SELECT state FROM sync_runs")[0][0] == "failed"


def test_five_hundred_runs_are_kept_and_those_of_the_last_days(office: Any) -> None:
    office.execute(
        "INSERT INTO sync_runs (audience_id, kind, state, started_at)"
        " SELECT :id, 'pull', 'done', now() - interval '3 days' FROM generate_series(1, 510)",
        id=office.audience_id,
    )
    office.execute(
        "INSERT INTO sync_runs (audience_id, kind, state) SELECT :id, 'pull', 'done' FROM generate_series(1, 5)",
        id=office.audience_id,
    )

    with transaction(office.sessions) as session:
        clear_old_runs(session)

    assert office.execute("SELECT count(*) FROM sync_runs")[0][0] == 500


def test_a_run_that_is_not_there_is_named(session: Any) -> None:
    with pytest.raises(NotFoundError, match="17"):
        get_run(session, 17)


# Pause, resume, cancel


@pytest.fixture
def slow_push(office: Any, simulator: Any) -> Any:
    """A bulk push under way, 300 ms a call."""
    simulator.running.world.switches.latency_ms = 300
    threads: list[threading.Thread] = []

    def start() -> threading.Thread:
        options = {"thread_count": 1, "claim_size": 500, "ahead_count": 1000}
        thread = threading.Thread(target=push_watched, args=(office,), kwargs=options)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    simulator.running.world.switches.latency_ms = 0
    for thread in threads:
        thread.join(20)


def test_a_pause_stops_a_running_push_within_two_seconds_and_resume_goes_on(
    office: Any, simulator: Any, slow_push: Any, wait_for: Any
) -> None:
    make_bulk(office, 6_000)
    thread = slow_push()
    wait_for(lambda: simulator.member_count() >= 500 and rows(office))

    steer(office, pause)
    time.sleep(2.0)
    count = simulator.member_count()
    thread.join(10)

    assert not thread.is_alive()
    assert count == simulator.member_count() < 6_000
    assert [(run.state, run.done_count) for run in rows(office)] == [("paused", count)]
    assert office.push().call_count == 0
    simulator.running.world.switches.latency_ms = 0
    assert steer(office, resume)
    push_watched(office)
    assert simulator.member_count() == 6_000
    assert [(run.state, run.wish, run.done_count, run.total_count) for run in rows(office)] == [
        ("done", "", 6_000, 6_000)
    ]


def test_a_paused_audience_still_unsubscribes_whoever_says_no(office: Any, simulator: Any) -> None:
    ada = office.add("ada@house.test")
    office.push()
    steer(office, pause)
    office.add("bob@house.test")
    office.say(ada, "withdrawn", "ada@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "unsubscribed"
    assert simulator.member("bob@house.test") is None
    steer(office, resume)
    office.push()
    assert simulator.member("bob@house.test").status == "subscribed"


def test_a_cancel_forgets_bulk_work_but_neither_opt_outs_nor_live_changes(
    office: Any, simulator: Any
) -> None:
    quitter, mover, *_ = make_bulk(office, 10)
    office.push()
    with transaction(office.sessions) as session:
        queue_changes(session, list(range(1, 11)), BULK_LANE)
    office.say(quitter, "withdrawn", "p1@house.test")
    office.execute("UPDATE changes SET lane = 1")
    office.change(mover, first_name="Moved")

    dropped = steer(office, cancel)

    assert dropped == 8
    office.push()
    assert simulator.member("p1@house.test").status == "unsubscribed"
    assert simulator.member("p2@house.test").merge_fields["FNAME"] == "Moved"
    assert office.change_count() == 0


def test_a_shared_address_that_somebody_opted_out_is_not_forgotten(office: Any) -> None:
    ada = office.add("home@house.test")
    office.push()
    office.add("home@house.test", consent="withdrawn")
    office.touch(ada)
    office.execute("UPDATE changes SET lane = 1")

    with pytest.raises(ConflictError):
        steer(office, cancel)

    assert office.change_count() == 2


def test_a_running_push_that_is_cancelled_ends_cancelled(
    office: Any, simulator: Any, slow_push: Any, wait_for: Any
) -> None:
    make_bulk(office, 12_000)
    thread = slow_push()
    wait_for(lambda: simulator.member_count() >= 500 and rows(office))

    steer(office, cancel)
    thread.join(10)

    assert [run.state for run in rows(office)] == ["cancelled"]
    assert office.change_count() == 0
    assert simulator.member_count() < 12_000


def test_there_is_nothing_to_cancel_where_nothing_runs(office: Any) -> None:
    with pytest.raises(ConflictError):
        steer(office, cancel)


def test_a_comparison_that_was_silent_for_a_minute_is_alive_at_its_next_beat(office: Any) -> None:
    watch = RunWatch(office.sessions, office.audience_id, "reconcile")
    watch.open()
    office.execute("UPDATE sync_runs SET beat_at = now() - interval '61 seconds'")
    with transaction(office.sessions) as session:
        close_dead_runs(session)
    (dead,) = rows(office)

    watch.close(state="waiting", findings={"differing": 60})

    (run,) = rows(office)
    assert ("failed", "died") == (dead.state, dead.error["code"])
    assert ("waiting", None, {"differing": 60}) == (run.state, run.error, run.findings)
    assert run.finished_at is None


def test_a_run_that_failed_otherwise_stays_failed(office: Any) -> None:
    watch = RunWatch(office.sessions, office.audience_id, "reconcile")
    watch.open()
    office.execute("UPDATE sync_runs SET state = 'failed', error = '{\"code\": \"MailchimpProblem\"}'")

    watch.close(state="waiting", findings={})

    assert ["failed"] == [run.state for run in rows(office)]


@pytest.mark.parametrize(("minutes", "row_count"), [(9, 1), (11, 2)])
def test_a_push_goes_on_in_a_row_that_ended_unless_that_is_an_old_one(
    office: Any, watch: RunWatch, minutes: int, row_count: int
) -> None:
    watch.open()
    watch.note(done=300)
    steer(office, pause)
    watch.close()
    office.execute(
        "UPDATE sync_runs SET started_at = now() - make_interval(mins => :minutes)", minutes=minutes
    )
    steer(office, resume)

    RunWatch(office.sessions, office.audience_id, "push", is_folding=True).open(2_000)

    assert row_count == len(rows(office))


def test_what_is_left_of_a_push_is_not_judged_by_the_pause_before_it(office: Any, watch: RunWatch) -> None:
    watch.open()
    watch.note(done=300)
    steer(office, pause)
    watch.close()
    office.execute("UPDATE sync_runs SET started_at = now() - interval '10 hours'")
    steer(office, resume)
    office.crowd(2_000)

    later = RunWatch(office.sessions, office.audience_id, "push", is_folding=True)
    later.note(done=1_000)
    later.open()

    left_seconds = rows(office)[0].eta_seconds
    assert left_seconds is not None
    assert left_seconds < 60
