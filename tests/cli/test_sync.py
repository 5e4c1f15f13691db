"""`muster sync` and `muster audiences`: rehearse, approve, pause, resume, cancel, compare, repair, show."""

import json

import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.outbox import queue_changes
from app.core.models import AuditEntry
from app.core.secretbox import open_box

PERSON = """
WITH person AS (INSERT INTO contacts (fields) VALUES (jsonb_build_object('email', CAST(:email AS text))) RETURNING id),
address AS (INSERT INTO identities (kind, match_value, given_value, contact_id) SELECT 'email', :email, :email, id FROM person),
line AS (INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, occurred_at)
         SELECT id, 'email', 'newsletter', :email, 'given', now() FROM person RETURNING id, contact_id)
INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
SELECT contact_id, 'email', 'newsletter', 'given', 'claimed', id, now() FROM line RETURNING contact_id
"""


@pytest.fixture
def people(sessions, settings, simulator):
    """The built-in audience with three people to push; their ids."""
    with sessions.begin() as session:
        ensure_simulated_audience(session, settings, open_box(settings))
        session.execute(text("UPDATE destinations SET base_url = :url"), {"url": simulator.url})
        ids = [session.scalar(text(PERSON), {"email": f"p{number}@house.test"}) for number in range(3)]
        queue_changes(session, ids)
    return ids


@pytest.fixture
def unapproved(sessions, people):
    with sessions.begin() as session:
        session.execute(text("UPDATE audiences SET approved_at = NULL"))
    return people


def member_count(simulator):
    return sum(1 for _ in next(iter(simulator.world.audiences.values())).members())


def plain(call, *words):
    ended = call(*words, "--json")
    assert 0 == ended.code, ended.err
    return json.loads(ended.out)


def test_a_push_tells_its_counts_and_leaves_a_run_in_our_name(call, people, simulator):
    pushed = plain(call, "sync", "push", "newsletter")

    (run,) = plain(call, "sync", "runs")
    assert (3, 1, False) == tuple(pushed[0][name] for name in ("upsert", "calls", "is_blocked"))
    assert ("push", "done", "command line", 3, 3) == tuple(
        run[name] for name in ("kind", "state", "actor", "done_count", "total_count")
    )
    assert "3 of 3" in call("sync", "runs").out
    assert "3 of 3 people done, 1 call" in call("sync", "show", "newsletter").out
    assert 3 == member_count(simulator)


def test_an_unapproved_audience_is_rehearsed_approved_and_only_then_sent(call, unapproved, simulator):
    refused = call("sync", "push", "newsletter", "--json")
    (found,) = plain(call, "sync", "dry-run", "newsletter")
    shown = call("sync", "show", "newsletter").out

    assert (75, 0) == (refused.code, member_count(simulator))
    assert "waits for approval" in json.loads(refused.err)["error"]
    assert ("waiting", 3, 0) == (found["state"], found["findings"]["added"], found["findings"]["removed"])
    assert "added 3, changed 0" in shown
    assert f"added: contact {unapproved[0]} joins as subscribed" in shown
    assert f"muster sync approve {found['run_id']}" in shown
    assert "done" == plain(call, "sync", "approve", "newsletter")["state"]
    plain(call, "sync", "push", "newsletter")
    assert 3 == member_count(simulator)


def test_a_rejection_sends_nothing(call, unapproved, simulator):
    (found,) = plain(call, "sync", "dry-run", "newsletter")

    assert "cancelled" == plain(call, "sync", "reject", str(found["run_id"]))["state"]
    assert 75 == call("sync", "push", "newsletter").code
    assert 0 == member_count(simulator)


def test_an_empty_source_ends_the_rehearsal_with_65(call, sessions, unapproved, simulator):
    plain(call, "sync", "approve", str(plain(call, "sync", "dry-run", "newsletter")[0]["run_id"]))
    plain(call, "sync", "push", "newsletter")
    with sessions.begin() as session:
        session.execute(text("UPDATE consents SET status = 'withdrawn'"))

    ended = call("sync", "dry-run", "newsletter")

    assert 65 == ended.code
    assert "Nobody here belongs in this audience" in ended.err


def test_a_paused_audience_waits_for_resume(call, people, simulator):
    said = call("sync", "pause", "newsletter", "--reason", "We move house").out
    held = call("sync", "push", "newsletter", "--changed")

    assert "paused" in said
    assert (75, True) == (held.code, "newsletter: not all was done; paused" in held.err)
    assert 0 == member_count(simulator)
    assert "paused: We move house" == plain(call, "audiences", "list")[0]["state"]
    assert "already" in call("sync", "pause", "newsletter").out
    call("sync", "resume", "newsletter")
    plain(call, "sync", "push", "newsletter", "--changed")
    assert 3 == member_count(simulator)
    assert "not paused" in call("sync", "resume", "newsletter").out


def test_a_cancel_forgets_bulk_work_and_is_audited(call, sessions, people):
    with sessions.begin() as session:
        session.execute(text("UPDATE changes SET lane = 1"))

    ended = call("sync", "cancel", "newsletter")

    assert "3 queued changes were forgotten" in ended.out
    with sessions() as session:
        actions = [one.action for one in session.query(AuditEntry)]
    assert "sync.cancel" in actions
    assert 73 == call("sync", "cancel", "newsletter").code


def test_reconcile_reports_both_sides(call, people, simulator):
    plain(call, "sync", "push", "newsletter")

    (found,) = plain(call, "sync", "reconcile", "newsletter")
    said = call("sync", "reconcile").out

    assert ("done", 3, 0) == (found["state"], found["findings"]["in_step"], found["findings"]["missing"])
    assert "subscribed: 3 there, 3 here" in said
    assert "in step 3, refused 0, out 0, gone 0, strangers 0" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sync", "approve", "newsletter"), 66),
        (("sync", "approve", "999"), 66),
        (("sync", "reject", "nope"), 66),
        (("sync", "show", "newsletter"), 66),
        (("sync", "show", "9" * 30), 66),
        (("sync", "pause", "nope"), 66),
        (("sync", "dry-run", "nope"), 66),
        (("audiences", "repair-webhook", "nope"), 66),
    ],
)
def test_what_is_not_there_is_named(call, people, words, code):
    ended = call(*words, "--json")

    assert code == ended.code, ended.err
    assert json.loads(ended.err)["hint"]


def test_a_webhook_that_cannot_be_made_ends_with_75_and_says_why(call, people, monkeypatch):
    monkeypatch.setattr("app.cli.audiences.DOOR_SECONDS", 0.0)
    monkeypatch.setenv("PORT", "9")

    ended = call("audiences", "repair-webhook", "newsletter")

    assert 75 == ended.code
    assert "could not be repaired" in ended.err


def test_show_tells_approval_guard_webhook_and_runs(call, people):
    plain(call, "sync", "push", "newsletter")

    found = plain(call, "audiences", "show", "newsletter")

    assert found["approved_at"]
    assert {"share": 0.1, "limit": 20} == found["guard"]
    assert "missing" == found["webhook"]["state"]
    assert ["push"] == [run["kind"] for run in found["runs"]]
    assert {} == found["paused"]


@pytest.mark.usefixtures("people", "simulator")
@pytest.mark.parametrize("more", [(), ("--approve",)])
def test_an_added_audience_waits_unless_it_is_approved_knowingly(call, sessions, more):
    with sessions.begin() as session:
        session.execute(text("DELETE FROM changes"))
        session.execute(text("DELETE FROM audiences"))

    found = plain(call, "audiences", "add", "second", "a1b2c3d4e5", *more)

    is_approved = bool(more)
    assert is_approved is (found["approved_at"] is not None)
    with sessions() as session:
        actions = [one.action for one in session.query(AuditEntry)]
    assert is_approved is ("audience.approve" in actions)
