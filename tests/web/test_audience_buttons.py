"""The buttons of an audience's page: pausing, pushing, pulling, switching, adding; each audited, each refused in words."""

import pytest

from tests.web.conftest import AUDIENCE_PAGE, Person, change_audience, read_audience, run_sql


def test_pausing_and_resuming_is_audited(editor: Person, engine, office, audited):
    change_audience(engine, "approved_at = now()")

    paused = editor.post(
        f"{AUDIENCE_PAGE}/pause", data={"reason": "The newsletter is being rewritten."}, follow_redirects=True
    )
    resumed = editor.post(f"{AUDIENCE_PAGE}/resume", follow_redirects=True)
    again = editor.post(f"{AUDIENCE_PAGE}/resume", follow_redirects=True)

    assert "The newsletter is being rewritten." in paused.text
    assert "It goes on where it stopped." in resumed.text
    assert "It was not paused." in again.text
    assert ["audience.pause", "audience.resume"] == [action for _, action, _ in audited()]


def test_cancelling_where_nothing_runs_is_told_at_the_form(editor: Person, office):
    answer = editor.post(f"{AUDIENCE_PAGE}/cancel")

    assert (409, True) == (answer.status_code, "Nothing runs for this audience." in answer.text)


@pytest.mark.parametrize(("path", "said"), [
    ("dry-run", "The dry run begins"), ("reconcile", "The reconcile begins"), ("pull", "The pull begins"),
])  # fmt: skip
def test_a_worker_is_asked_for_a_dry_run_a_reconcile_or_a_whole_pull(
    editor: Person, engine, office, monkeypatch, *, path: str, said: str
):
    change_audience(engine, "approved_at = now()")
    rung = []
    monkeypatch.setattr("app.web.pages.audiences.ask_worker", lambda *bell: rung.append(bell[0]))

    answer = editor.post(f"{AUDIENCE_PAGE}/{path}", follow_redirects=True)

    assert said in answer.text
    assert [{"dry-run": "first_sync", "pull": "whole_pull"}.get(path, path)] == rung


@pytest.mark.parametrize("path", ["reconcile", "pull", "push"])
@pytest.mark.parametrize(("assignments", "reason"), [
    ("approved_at = NULL", "It waits for approval"), ("approved_at = now(), is_enabled = false", "It is switched off."),
])  # fmt: skip
def test_nothing_is_pushed_or_pulled_before_its_time(
    editor: Person, engine, office, *, path: str, assignments: str, reason: str
):
    change_audience(engine, assignments)

    answer = editor.post(f"{AUDIENCE_PAGE}/{path}")

    assert (422, True) == (answer.status_code, reason in answer.text)
    assert [] == run_sql(engine, "SELECT FROM changes")


def test_a_push_plans_everybody_anew_and_rings_for_a_worker(
    editor: Person, engine, office, monkeypatch, audited
):
    change_audience(engine, "approved_at = now()")
    rung = []
    monkeypatch.setattr("app.web.pages.audiences.ring", lambda *bell: rung.append(bell[0]))
    page = editor.get(AUDIENCE_PAGE).text

    answer = editor.post(f"{AUDIENCE_PAGE}/push", follow_redirects=True)

    assert f'action="{AUDIENCE_PAGE}/push"' in page
    assert f'action="{AUDIENCE_PAGE}/pull"' in page
    assert "The push begins." in answer.text
    assert [(office["contact"],)] == [tuple(row) for row in run_sql(engine, "SELECT contact_id FROM changes")]
    assert ["bulk"] == rung
    assert ("editor@office.example", "audience.push", "audience:newsletter") in audited()


def test_a_paused_audience_is_not_pushed(editor: Person, engine, office):
    change_audience(
        engine, "approved_at = now(), paused_at = now(), paused_code = 'by_admin', paused_reason = 'Rest'"
    )

    answer = editor.post(f"{AUDIENCE_PAGE}/push")

    assert (422, True) == (answer.status_code, "Resume it first." in answer.text)


def test_an_audience_is_switched_off_and_on(editor: Person, engine, office, audited):
    change_audience(engine, "approved_at = now()")

    off = editor.post(f"{AUDIENCE_PAGE}/off", follow_redirects=True).text
    states = [read_audience(engine, "is_enabled")]
    again = editor.post(f"{AUDIENCE_PAGE}/off", follow_redirects=True).text
    on = editor.post(f"{AUDIENCE_PAGE}/on", follow_redirects=True).text
    states.append(read_audience(engine, "is_enabled"))

    assert [(False,), (True,)] == states
    assert f'action="{AUDIENCE_PAGE}/on"' in off
    assert f'action="{AUDIENCE_PAGE}/push"' not in off
    assert "It was off already." in again
    assert f'action="{AUDIENCE_PAGE}/off"' in on
    assert ["audience.change", "audience.change"] == [action for _, action, _ in audited()]


def test_an_audience_is_added_and_its_first_sync_waits(editor: Person, engine, house, audited):
    listed = run_sql(engine, "SELECT list_id, slug FROM audiences")[0]
    house.execute("DELETE FROM audiences")
    account = run_sql(engine, "SELECT slug FROM destinations")[0][0]
    typed = {"slug": "college", "list_id": listed.list_id, "destination": account}

    answer = editor.post("/audiences/add", data=typed, follow_redirects=True)

    assert "It is added. Nothing is sent yet" in answer.text
    assert [("college", listed.list_id, "newsletter", None)] == [
        tuple(row) for row in run_sql(engine, "SELECT slug, list_id, purpose, approved_at FROM audiences")
    ]
    assert ("editor@office.example", "audience.add", "audience:college") in audited()


def test_an_audience_that_mailchimp_does_not_know_is_refused_at_its_form(editor: Person, engine, house):
    account = run_sql(engine, "SELECT slug FROM destinations")[0][0]
    typed = {"slug": "college", "list_id": "nothing000", "destination": account, "purpose": "events"}

    answer = editor.post("/audiences/add", data=typed)

    assert (422, True) == (answer.status_code, 'class="form-problem"' in answer.text)
    for value in ("college", "nothing000", "events"):
        assert f'value="{value}"' in answer.text
    assert 1 == len(run_sql(engine, "SELECT FROM audiences"))
