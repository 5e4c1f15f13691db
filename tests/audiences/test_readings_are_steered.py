"""An admin's pause and cancel reach readings too: they end after a page, keep what they read, and lose nothing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.audiences import activity, pull, reconcile, rehearse, runs, steer, survey
from app.audiences.gate import list_audiences_to_pull
from app.audiences.run_views import RunView, list_runs
from app.audiences.runs import RunWatch, run_counted
from app.audiences.tend import list_audiences_to_rehearse, list_audiences_wanting_activity
from app.core.db import transaction

PEOPLE, PAGE = 6, 2
ENDS = {"pause": "paused", "cancel": "cancelled"}
COMPARISONS: dict[str, Callable[..., int]] = {
    "reconcile": reconcile.run_reconcile,
    "first_sync": rehearse.run_first_sync,
}
ASKS: dict[str, Callable[..., Any]] = {"pause": steer.pause, "cancel": steer.cancel}


@pytest.fixture
def crowd(office: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Members on three pages, of whom nothing was read yet; every note of a run is written at once."""
    monkeypatch.setattr(pull, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(runs, "WRITE_SECONDS", 0.0)
    ids: list[int] = office.crowd(PEOPLE)
    office.push()
    office.execute("UPDATE audiences SET keeps_activity = true, pulled_until = NULL")
    return ids


def asked_after(office: Any, ask: str, number: int, act: Callable[..., Any]) -> Callable[..., Any]:
    """`act`, and in its call of this number an admin asks for `ask`."""
    calls = iter(range(1, 100))

    def acting(*arguments: Any) -> Any:
        if next(calls) == number:
            with transaction(office.sessions) as session:
                ASKS[ask](session, office.audience_id, "admin@house.test")
        return act(*arguments)

    return acting


def read(office: Any, kind: str, **options: Any) -> Any:
    reading: Callable[..., Any] = {"pull": pull.pull_audience, "activity": activity.pull_activity}[kind]
    work = partial(reading, office.sessions, office.connections, office.audience_id, **options)
    return run_counted(RunWatch(office.sessions, office.audience_id, kind), work)


def latest(office: Any) -> RunView:
    with transaction(office.sessions) as session:
        return list_runs(session, office.audience_id, 1)[0]


def is_due(office: Any, kind: str) -> bool:
    find = {
        "pull": list_audiences_to_pull,
        "activity": list_audiences_wanting_activity,
        "reconcile": reconcile.list_audiences_to_reconcile,
        "first_sync": list_audiences_to_rehearse,
    }[kind]
    with transaction(office.sessions) as session:
        return office.audience_id in find(session)


def read_alone(office: Any, kind: str) -> int:
    """How many people a comparison counts that nobody steers; while another is paused it has a row of its own."""
    COMPARISONS[kind](office.sessions, office.connections, office.audience_id)
    return latest(office).done_count


def resume(office: Any) -> None:
    with transaction(office.sessions) as session:
        steer.resume(session, office.audience_id, "admin@house.test")


@pytest.mark.parametrize("ask", ["pause", "cancel"])
def test_a_pull_ends_after_the_page_and_begins_again_where_it_began(
    office: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pull, "apply_member_states", asked_after(office, ask, 1, pull.apply_member_states))
        counts = read(office, "pull")
    run = latest(office)
    held = is_due(office, "pull")
    if ask == "pause":
        resume(office)
    else:
        office.execute("UPDATE sync_runs SET finished_at = now() - interval '6 minutes'")

    assert (PAGE, 1) == (counts.counts["read"], counts.call_count)
    assert (ENDS[ask], ask, PAGE, 1) == (run.state, run.wish, run.done_count, run.call_count)
    assert [(None,)] == office.execute("SELECT pulled_until FROM audiences")
    assert (False, True) == (held, is_due(office, "pull"))
    assert PEOPLE == read(office, "pull").counts["read"]
    assert "done" == latest(office).state


@pytest.mark.parametrize("ask", ["pause", "cancel"])
def test_activity_ends_after_the_member_and_goes_on_behind_them(
    office: Any, simulator: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(activity, "keep_activity", asked_after(office, ask, 4, activity.keep_activity))
        first = read(office, "activity")
    run = latest(office)
    held = is_due(office, "activity")
    if ask == "pause":
        resume(office)
    else:
        office.execute("UPDATE sync_runs SET started_at = now() - interval '25 hours'")
    is_due_again = is_due(office, "activity")
    second = read(office, "activity")

    assert (4, False) == (first.read, first.is_whole)
    assert (ENDS[ask], 4, 4) == (run.state, run.done_count, run.call_count)
    assert (False, True) == (held, is_due_again)
    assert (PEOPLE - 4, True) == (second.read, second.is_whole)
    asked = [entry["path"] for entry in simulator.entries() if "activity" in entry["path"]]
    assert PEOPLE == len(asked) == len(set(asked))


@pytest.mark.parametrize("kind", COMPARISONS)
@pytest.mark.parametrize("ask", ["pause", "cancel"])
def test_a_comparison_ends_after_the_page_and_says_nothing_of_half_of_both_sides(
    office: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch, kind: str, ask: str
) -> None:
    monkeypatch.setattr(survey, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(survey, "load_situations", asked_after(office, ask, 2, survey.load_situations))

    run_id = COMPARISONS[kind](office.sessions, office.connections, office.audience_id)
    run = latest(office)

    assert (run_id, kind, ENDS[ask], {}) == (run.run_id, run.kind, run.state, run.findings)
    assert not is_due(office, kind)


@pytest.mark.parametrize("kind", COMPARISONS)
def test_a_comparison_that_was_paused_begins_anew_in_its_row_when_it_is_resumed(
    office: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(survey, "PAGE_SIZE", PAGE)
        patched.setattr(survey, "load_situations", asked_after(office, "pause", 2, survey.load_situations))
        paused_id = COMPARISONS[kind](office.sessions, office.connections, office.audience_id)
    whole_count = read_alone(office, kind)
    resume(office)
    is_due_again = is_due(office, kind)
    again_id = COMPARISONS[kind](office.sessions, office.connections, office.audience_id)

    with transaction(office.sessions) as session:
        run = next(one for one in list_runs(session, office.audience_id, 9) if one.run_id == paused_id)
    assert (True, paused_id, "done", whole_count) == (is_due_again, again_id, run.state, run.done_count)
    assert not is_due(office, kind)


def test_a_reading_that_came_to_its_end_is_done_whatever_was_asked(
    office: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "PAGE_SIZE", PEOPLE + 1)
    monkeypatch.setattr(
        pull, "apply_member_states", asked_after(office, "pause", 1, pull.apply_member_states)
    )

    counts = read(office, "pull")

    assert (PEOPLE, False) == (counts.counts["read"], counts.is_stopped)
    assert "done" == latest(office).state
    assert [(True,)] == office.execute("SELECT pulled_until IS NOT NULL FROM audiences")


def test_short_readings_go_on_in_a_pause_for_the_opt_outs_sake(
    office: Any, simulator: Any, crowd: list[int]
) -> None:
    with transaction(office.sessions) as session:
        steer.pause(session, office.audience_id, "admin@house.test")
    simulator.contact("unsubscribe", "p1@house.test")

    is_pull_due = is_due(office, "pull")
    read(office, "pull")

    assert (True, False) == (is_pull_due, is_due(office, "activity"))
    assert [("withdrawn",)] == office.execute(
        "SELECT DISTINCT status FROM consents WHERE contact_id = :id", id=crowd[0]
    )


def test_resuming_lets_a_reading_that_has_not_noticed_the_pause_go_on(office: Any, crowd: list[int]) -> None:
    watch = RunWatch(office.sessions, office.audience_id, "pull")
    watch.open()
    with transaction(office.sessions) as session:
        steer.pause(session, office.audience_id, "admin@house.test")
    resume(office)

    assert "" == watch.note(done=1)
    assert "running" == latest(office).state
    watch.close()


def test_the_end_of_a_cancelled_reading_forgets_no_change_that_was_queued_since(
    office: Any, crowd: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pull, "apply_member_states", asked_after(office, "cancel", 1, pull.apply_member_states)
    )
    watch = RunWatch(office.sessions, office.audience_id, "pull")

    def work(given: RunWatch) -> Any:
        counts = pull.pull_audience(office.sessions, office.connections, office.audience_id, given)
        with transaction(office.sessions) as session:
            pull.touch_changes(session, office.audience_id, crowd[:1])
        office.execute("UPDATE changes SET lane = 1")
        return counts

    run_counted(watch, work)

    assert ("cancelled", [(1,)]) == (latest(office).state, office.execute("SELECT count(*) FROM changes"))
