"""The sweep's rounds: each does its work against a real database and simulator, and rings for what is due."""

from typing import Any

import pytest
from redis import Redis

from app.audiences.run_views import list_runs
from app.core.bell import bell_key
from app.core.db import transaction
from app.core.queue import ALLOWED, BELLS, LIVE_QUEUES, QUEUES
from app.core.runtime import Runtime
from app.jobs.waiting import list_waiting
from app.sweep import JOBS, AudienceRounds


@pytest.fixture
def rounds(office: Any, runtime: Runtime, redis_url: str) -> AudienceRounds:
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    return AudienceRounds(runtime)


def is_ringing(rounds: AudienceRounds, name: str, *ids: int) -> bool:
    return bool(rounds.runtime.redis.exists(bell_key(name, *ids)))


def go(rounds: AudienceRounds) -> None:
    """Every round once; a failure goes through."""
    for each in rounds.list_rounds():
        each.work()


def test_every_bell_has_a_job_and_every_queue_a_worker() -> None:
    assert set(JOBS) == set(BELLS)
    assert {f"{job.__module__}.{job.__name__}" for job in JOBS.values()} == ALLOWED
    assert set(LIVE_QUEUES) < set(QUEUES)


def test_a_whole_pull_reads_everybody_again_as_a_run_of_its_own(office: Any, rounds: AudienceRounds) -> None:
    office.crowd(3)
    office.push()
    office.pull()

    JOBS["whole_pull"](office.audience_id)

    with transaction(office.sessions) as session:
        run = list_runs(session, office.audience_id, 1)[0]
    assert (run.kind, run.state, run.done_count, run.call_count) == ("pull", "done", 3, 1)


def test_every_round_works(office: Any, rounds: AudienceRounds) -> None:
    office.crowd(3)

    go(rounds)

    assert [one.name for one in rounds.list_rounds()][:2] == ["webhooks", "pulls"]


@pytest.mark.parametrize(
    ("columns", "bell"),
    [
        ("pulled_until = now() - interval '10 minutes'", "pull"),
        ("approved_at = NULL", "first_sync"),
        ("keeps_activity = true", "activity"),
        ("reconciled_at = now() - interval '3 days'", "reconcile"),
    ],
)
def test_what_is_due_is_rung_for(
    office: Any, rounds: AudienceRounds, monkeypatch: pytest.MonkeyPatch, columns: str, bell: str
) -> None:
    monkeypatch.setattr("app.audiences.reconcile.NIGHT_HOUR", 0)
    office.execute("UPDATE audiences SET pulled_until = now(), reconciled_at = now()")
    office.execute(f"UPDATE audiences SET {columns}")

    go(rounds)

    rung = {name for name in ("pull", "first_sync", "activity", "reconcile") if is_ringing(rounds, name, 1)}
    assert rung == {bell}


def test_live_and_bulk_work_ring_bells_of_their_own(office: Any, rounds: AudienceRounds) -> None:
    office.crowd(2)
    office.execute("UPDATE changes SET lane = contact_id - 1")

    with rounds.runtime.transaction() as session:
        found = [(one.bell, one.ids) for one in list_waiting(session)]

    assert found == [("audience", (1,)), ("bulk", (1,))]


def test_the_jobs_push_rehearse_and_reconcile(office: Any, simulator: Any, rounds: AudienceRounds) -> None:
    office.crowd(3)

    JOBS["bulk"](1)
    JOBS["reconcile"](1)
    JOBS["first_sync"](1)
    JOBS["pull"](1)

    assert simulator.member_count() == 3
    runs = office.execute("SELECT kind, state FROM sync_runs ORDER BY id")
    assert runs == [("push", "done"), ("reconcile", "done"), ("first_sync", "done"), ("pull", "done")]
