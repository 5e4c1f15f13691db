"""The first sync: rehearsed without writing anything, approved by an admin, broken off when much is at stake."""

from collections.abc import Callable
from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.gate import list_audiences_to_pull, list_due_audiences
from app.audiences.models import Audience
from app.audiences.rehearse import find_danger, run_first_sync
from app.audiences.run_views import RunView, get_run
from app.audiences.simulated import STATE_FILE
from app.audiences.steer import approve, get_waiting_run, reject
from app.audiences.survey import Survey
from app.audiences.tend import list_audiences_to_rehearse
from app.audiences.value_changes import ValueChange, find_run_values, value_text
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import ConflictError
from app.core.models import AuditEntry
from app.core.secretbox import SecretBox
from integrations.mailchimp.problems import MailchimpProblem

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def new(office: Any) -> Any:
    """The audience as if just added: never approved."""
    office.execute("UPDATE audiences SET approved_at = NULL")
    return office


def rehearse(office: Any) -> RunView:
    run_id = run_first_sync(office.sessions, office.connections, office.audience_id, "tester")
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


def decide(office: Any, verb: Callable[..., None], **more: Any) -> None:
    with transaction(office.sessions) as session:
        verb(session, get_waiting_run(session, office.audience_id).id, "tester", **more)


def ask(office: Any, question: Callable[..., Any]) -> Any:
    with transaction(office.sessions) as session:
        return question(session)


def written(simulator: Any) -> list[str]:
    return [one["method"] for one in simulator.entries() if one["method"] in WRITES]


def test_an_audience_that_was_never_approved_sends_nothing(new: Any, simulator: Any) -> None:
    new.crowd(3)

    counts = new.push()

    assert (counts.is_blocked, simulator.calls) == (True, 0)
    assert (ask(new, list_due_audiences), ask(new, list_audiences_to_pull)) == ([], [])
    assert ask(new, list_audiences_to_rehearse) == [new.audience_id]


def test_a_rehearsal_counts_everybody_writes_nothing_and_waits(new: Any, simulator: Any) -> None:
    for name in ("stranger", "ada", "gone", "same"):
        simulator.contact("signup", f"{name}@house.test", merge_fields={"FNAME": name.title()})
    joins = new.add("joins@house.test")
    changes = new.add("ada@house.test", first_name="Augusta")
    new.add("same@house.test", first_name="Same")
    out = new.add("gone@house.test", consent="withdrawn")
    new.execute("UPDATE audiences SET tags = '[]', merge_fields = '{\"FNAME\": \"first_name\"}'")

    run = rehearse(new)

    found = run.findings
    assert (run.kind, run.state, written(simulator)) == ("first_sync", "waiting", [])
    names = ("added", "changed", "opted_out", "unchanged", "strangers", "members")
    assert [found[name] for name in names] == [1, 1, 1, 1, 1, 4]
    assert found["samples"]["added"] == [{"contact_id": joins, "change": "joins as subscribed"}]
    assert [one["contact_id"] for one in found["samples"]["changed"]] == [changes]
    assert [one["contact_id"] for one in found["samples"]["opted_out"]] == [out]
    assert "house.test" not in str(found)
    assert "Augusta" not in str(found)
    assert ask(new, lambda session: find_run_values(session, run)) == {
        changes: (ValueChange("FNAME", "Ada", "Augusta"),)
    }
    (alert,) = ask(new, list_alerts)
    assert (alert.level, alert.code, alert.run_id) == ("waiting", "first_sync", run.run_id)


def test_once_approved_it_is_sent_and_audited(new: Any, simulator: Any) -> None:
    new.crowd(3)
    rehearse(new)

    decide(new, approve)
    new.push()

    assert simulator.member_count() == 3
    assert ask(new, list_alerts) == []
    with transaction(new.sessions) as session:
        actions = [one.action for one in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert {"audience.approve", "sync.approve"} <= set(actions)


def test_what_is_decided_tells_no_values_any_more(new: Any, simulator: Any) -> None:
    simulator.contact("signup", "ada@house.test", merge_fields={"FNAME": "Ada"})
    new.add("ada@house.test", first_name="Augusta")
    run = rehearse(new)
    before = ask(new, lambda session: find_run_values(session, run))

    decide(new, reject)

    decided = ask(new, lambda session: get_run(session, run.run_id))
    assert len(before) == 1
    assert ask(new, lambda session: find_run_values(session, decided)) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("  ", ""),
        (1998, "1998"),
        ({"addr1": "Hill 1", "addr2": "", "city": "Ulm"}, "Hill 1, Ulm"),
    ],
)
def test_a_value_is_shown_in_one_line(value: Any, expected: str) -> None:
    assert value_text(value) == expected


def test_a_rejected_one_stays_unsent_and_is_not_rehearsed_again_unasked(new: Any, simulator: Any) -> None:
    new.crowd(3)
    rehearse(new)

    decide(new, reject)
    new.push()

    assert simulator.member_count() == 0
    assert ask(new, list_audiences_to_rehearse) == []
    assert [alert.code for alert in ask(new, list_alerts)] == ["rehearsal"]


def test_an_empty_source_breaks_it_off(new: Any, simulator: Any) -> None:
    simulator.contact("signup", "ada@house.test")

    run = rehearse(new)

    assert (run.state, run.error["code"]) == ("failed", "empty_source")
    assert "Nobody here belongs in this audience" in run.error["reason"]
    with pytest.raises(ConflictError, match="waits for nobody"):
        decide(new, approve)


def test_many_values_that_would_be_overwritten_break_it_off_unless_approved_anyway(
    new: Any, simulator: Any
) -> None:
    for number in range(1, 31):
        simulator.contact("signup", f"p{number}@house.test", merge_fields={"FNAME": "Their own"})
    new.crowd(40)

    run = rehearse(new)

    assert (run.state, run.error["code"]) == ("failed", "guard")
    assert run.error["reason"].startswith("30 of 30 members would leave or lose a value")
    decide(new, approve, is_anyway=True)
    new.push()
    assert simulator.member("p1@house.test").merge_fields["FNAME"] == "P1"


@pytest.mark.parametrize(
    ("entitled", "losing", "members", "expected"),
    [
        (0, 0, 0, None),
        (0, 0, 5, "empty_source"),
        (9, 20, 100, None),
        (9, 21, 100, "guard"),
        (9, 400, 4000, None),
    ],
)
def test_danger_is_judged_by_share(entitled: int, losing: int, members: int, expected: str | None) -> None:
    survey = Survey(entitled_count=entitled, losing_count=losing)

    found = find_danger(survey, members, 0.1)

    assert (found.code if found else None) == expected


def test_refused_people_are_named_with_their_reason(new: Any, simulator: Any) -> None:
    simulator.contact("signup", "ada@house.test")
    simulator.contact("unsubscribe", "ada@house.test")
    ada = new.add("ada@house.test")
    new.execute("DELETE FROM consent_evidence WHERE actor = 'mailchimp'")
    new.add("bob@house.test")
    new.add("bob@house.test")

    run = rehearse(new)

    assert run.findings["refused"] >= 1
    assert all(one["reason"] and one["contact_ids"] for one in run.findings["refusals"])
    assert ada is not None


def test_a_rehearsal_of_an_approved_audience_waits_for_nobody(office: Any) -> None:
    office.crowd(2)

    run = rehearse(office)

    assert (run.state, run.findings["added"]) == ("done", 2)


def test_a_rehearsal_that_cannot_read_fails_with_the_reason(new: Any, simulator: Any) -> None:
    simulator.call("DELETE", "/lists/a1b2c3d4e5")

    with pytest.raises(MailchimpProblem):
        rehearse(new)

    assert new.execute("SELECT state, error ->> 'code' FROM sync_runs") == [("failed", "audience_gone")]
    assert new.execute("SELECT paused_code FROM audiences") == [("gone",)]


def test_the_built_in_audience_approves_itself_while_its_simulator_never_ran(
    sessions: Any, settings: Settings, box: SecretBox
) -> None:
    state = settings.home / STATE_FILE
    state.touch()
    try:
        with transaction(sessions) as session:
            known = ensure_simulated_audience(session, settings, box)
            assert known is not None
            assert known.approved_at is None
            session.delete(known)
    finally:
        state.unlink()

    with transaction(sessions) as session:
        session.execute(Audience.__table__.delete())
        again = ensure_simulated_audience(session, settings, box)
        assert again is not None
        assert again.approved_at is not None


def test_a_second_rehearsal_sees_who_is_gone_since_the_first(new: Any, simulator: Any) -> None:
    for number in (1, 2, 3):
        simulator.contact("signup", f"p{number}@house.test", merge_fields={"FNAME": f"P{number}"})
    new.put(tags=[], merge_fields={"FNAME": "first_name"})
    new.crowd(3)
    first = rehearse(new)
    audience = next(iter(simulator.running.world.audiences.values()))
    for number in (1, 2):
        audience.drop(audience.find(f"p{number}@house.test"))

    second = rehearse(new)

    names = ("members", "unchanged", "added")
    assert [(3, 3, 0), (1, 1, 2)] == [tuple(run.findings[name] for name in names) for run in (first, second)]
    with transaction(new.sessions) as session:
        approve(session, get_waiting_run(session, new.audience_id).id, "tester")
    new.push()
    assert 3 == simulator.member_count()
