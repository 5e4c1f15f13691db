"""Runs in the console: progress, grouped errors, and steering."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.audiences.models import Audience, SyncRun
from app.web.states import RUN_KINDS
from tests.web.conftest import Person, run_sql
from tests.web.rows import add_run


@pytest.fixture
def running(session, office) -> int:
    audience = session.query(Audience).one()
    error = {
        "code": "fake", "reason": "The address looks fake.", "hint": "Correct it.", "count": 17,
        "contact_ids": [office["contact"]],
    }  # fmt: skip
    run = add_run(
        session,
        audience,
        state="running",
        done_count=250,
        total_count=1000,
        call_count=4,
        errors=[error],
        counts={"written": 233},
        started_at=datetime.now(UTC) - timedelta(seconds=30),
        beat_at=datetime.now(UTC) + timedelta(minutes=5),
    )
    session.commit()
    return run.id


def test_the_list_shows_every_run_with_its_progress(viewer: Person, running: int):
    page = viewer.get("/runs").text

    for expected in (
        "Push",
        "250 people",
        "First sync, dry run",
        "Running",
        "Waits for you",
        "The address looks fake. (x17)",
    ):
        assert expected in page


@pytest.mark.parametrize(("query", "expected"), [
    ("", {"push", "first"}), ("kind=push", {"push"}), ("audience=newsletter", {"push", "first"}),
    ("audience=other", set()), ("kind=nonsense", {"push", "first"}), ("kind=guard", set()),
])  # fmt: skip
def test_runs_are_found_by_audience_and_kind(
    viewer: Person, office, running: int, query: str, expected: set[str]
):
    ids = {"push": running, "first": office["run"]}
    pages = [viewer.get(f"/runs?{query}").text, viewer.get(f"/runs/now?{query}").text]

    for page in pages:
        assert expected == {name for name, run_id in ids.items() if f'href="/runs/{run_id}"' in page}


@pytest.mark.parametrize(("kind", "expected"), [
    ("push", ("250 people", "People")), ("pull", ("250 members read", "Members read")),
    ("activity", ("250 members read", "Members read")), ("reconcile", ("250 steps", "Steps")),
    ("first_sync", ("250 steps", "Steps")),
])  # fmt: skip
def test_what_a_run_counts_is_called_what_it_is(
    viewer: Person, engine, running: int, *, kind: str, expected: tuple[str, str]
):
    run_sql(engine, "UPDATE sync_runs SET kind = :kind WHERE id = :id", kind=kind, id=running)

    found = viewer.get("/runs").text, viewer.get(f"/runs/{running}").text

    assert expected[0] in found[0]
    assert f"<dt>{expected[1]}</dt><dd>250 " in found[1]


def test_a_run_is_called_by_the_name_of_its_audience_beside_the_slug(viewer: Person, engine, running: int):
    run_sql(engine, "UPDATE audiences SET label = 'College news'")

    for page in (viewer.get("/runs").text, viewer.get(f"/runs/{running}").text):
        assert '<a href="/audiences/newsletter"><bdi>College news</bdi></a>' in page
        assert ">newsletter<" in page


def test_the_kinds_of_runs_are_the_words_of_the_glossary():
    glossary = (Path(__file__).parents[2] / "docs/glossary.md").read_text()

    for name in RUN_KINDS.values():
        assert name.partition(",")[0].lower() in glossary


def test_a_dry_run_shows_both_values_of_those_it_would_change(editor: Person, session, engine, office):
    run_sql(engine, """UPDATE audiences SET merge_fields = '{"FNAME": "first_name"}'""")
    run_sql(engine, """UPDATE members SET merge_fields = '{"FNAME": "Anna <b>"}'""")
    samples = {"changed": [{"contact_id": office["contact"], "change": "fields FNAME"}]}
    session.get(SyncRun, office["run"]).findings = {"changed": 1, "samples": samples}
    session.commit()

    pages = [editor.get(f"/runs/{office['run']}").text, editor.get("/audiences/newsletter").text]
    editor.post(f"/runs/{office['run']}/reject")

    for page in pages:
        assert "<code>FNAME</code> <bdi>Anna &lt;b&gt;</bdi> → <strong><bdi>Ana</bdi></strong>" in page
    assert "Anna" not in editor.get(f"/runs/{office['run']}").text


def test_a_running_run_shows_how_far_it_is_and_refreshes_itself(viewer: Person, office, running: int):
    page = viewer.get(f"/runs/{running}").text

    for expected in (
        '<progress class="bar" max="1000" value="250"', "about 1 min", "x17", "Correct it.", "Written", "Ana Example",
        f'data-refresh="/runs/{running}/now"', '<meta http-equiv="refresh"',
    ):  # fmt: skip
        assert expected in page
    assert "data-refresh-end" not in page


def test_members_whom_a_policy_deleted_are_not_called_erased(viewer: Person, engine, running: int):
    run_sql(engine, """UPDATE sync_runs SET counts = '{"erase": 3, "set_status": 2}'""")

    page = viewer.get(f"/runs/{running}").text

    assert [True, True, False] == [f"<dt>{name}</dt>" in page for name in ("Deleted", "Set status", "Erase")]


def test_a_run_that_ended_no_longer_refreshes_itself(viewer: Person, engine, running: int):
    run_sql(engine, "UPDATE sync_runs SET state = 'done', finished_at = now()")

    page, now = viewer.get(f"/runs/{running}").text, viewer.get(f"/runs/{running}/now").text

    assert "data-refresh=" not in page
    assert "data-refresh-end" in now


def test_a_run_without_a_beat_has_died_and_says_what_to_do(viewer: Person, engine, running: int):
    run_sql(engine, "UPDATE sync_runs SET beat_at = now() - interval '10 minutes'")

    page = viewer.get(f"/runs/{running}").text

    assert "The worker died" in page
    assert "Broken off" in page


def test_pausing_a_run_asks_it_to_stop_and_resuming_lets_it_go_on(
    editor: Person, engine, running: int, audited
):
    paused = editor.post(f"/runs/{running}/pause", follow_redirects=True)
    wish = run_sql(engine, "SELECT wish FROM sync_runs WHERE id = :id", id=running)[0][0]
    resumed = editor.post(f"/runs/{running}/resume", follow_redirects=True)

    assert "Only opt-outs and erasures are written" in paused.text
    assert "It was asked to pause" in paused.text
    assert "pause" == wish
    assert "It goes on where it stopped." in resumed.text
    assert ["audience.pause", "audience.resume"] == [action for _, action, _ in audited()]


@pytest.mark.parametrize("kind", ["push", "pull", "activity", "reconcile", "first_sync"])
def test_every_run_that_ends_at_a_pause_offers_one(editor: Person, engine, running: int, kind: str):
    run_sql(engine, "UPDATE sync_runs SET kind = :kind WHERE id = :id", kind=kind, id=running)

    assert f'action="/runs/{running}/pause"' in editor.get(f"/runs/{running}").text


def test_a_drift_report_shows_who_is_out_on_both_sides(viewer: Person, session, office):
    findings = {"missing": 0, "in_step": 7, "out": 2, "gone": 1, "samples": {}}
    run = add_run(session, session.query(Audience).one(), "reconcile", findings=findings)
    session.commit()

    page = viewer.get(f"/runs/{run.id}").text

    assert '<span class="find-number">2</span><span class="find-name">Out on both sides</span>' in page
    assert "Known here, no member there, and not to be one" in page


def test_cancelling_asks_the_run_to_end(editor: Person, engine, running: int, audited):
    answer = editor.post(f"/runs/{running}/cancel", follow_redirects=True)

    assert "Cancelled" in answer.text
    assert "cancel" == run_sql(engine, "SELECT wish FROM sync_runs WHERE id = :id", id=running)[0][0]
    assert ["sync.cancel"] == [action for _, action, _ in audited()]


def test_cancelling_what_has_ended_is_told_at_the_form(editor: Person, engine, running: int):
    run_sql(engine, "UPDATE sync_runs SET state = 'done'")

    answer = editor.post(f"/runs/{running}/cancel")

    assert (409, True) == (answer.status_code, "Nothing runs for this audience." in answer.text)


def test_leaves_that_the_guard_holds_are_let_go(editor: Person, session, engine, office, audited):
    audience = session.query(Audience).one()
    audience.paused_at, audience.paused_code, audience.paused_reason = (
        datetime.now(UTC),
        "guard",
        "Many would leave.",
    )
    findings = {
        "leaving": 40,
        "members": 100,
        "limit": 20,
        "causes": {"no longer fit the entry rule": 40},
        "samples": {},
    }
    run = add_run(session, audience, "guard", state="waiting", findings=findings)
    session.commit()

    page = editor.get(f"/runs/{run.id}").text
    answer = editor.post(f"/runs/{run.id}/approve", follow_redirects=True)

    assert "40 members no longer fit the entry rule" in page
    assert "Let them go" in page
    assert "Approved" in answer.text
    assert run_sql(engine, "SELECT paused_at FROM audiences")[0][0] is None
    assert "sync.approve" in [action for _, action, _ in audited()]


def test_a_run_that_is_not_there_is_a_page_that_says_so(viewer: Person):
    assert 404 == viewer.get("/runs/999").status_code


def test_viewers_cannot_steer(viewer: Person, engine, running: int):
    answers = [
        viewer.post(f"/runs/{running}/{verb}").status_code
        for verb in ("pause", "resume", "cancel", "approve")
    ]

    assert [403] * 4 == answers
    assert "" == run_sql(engine, "SELECT wish FROM sync_runs WHERE id = :id", id=running)[0][0]
