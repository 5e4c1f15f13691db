"""Processes on the list of the living."""

from datetime import timedelta

from sqlalchemy import func, insert, select, update

from app.core.heartbeat import beat, heartbeat_name, list_heartbeats, stop_beating
from app.core.models import Heartbeat


def test_a_process_that_beats_is_alive_with_its_last_words(session):
    beat(session, "worker", {"claimed_count": 1})
    beat(session, "worker", {"claimed_count": 2})

    (only,) = list_heartbeats(session)

    assert (only.name, only.kind, only.detail) == (heartbeat_name("worker"), "worker", {"claimed_count": 2})
    assert only.is_alive


def test_one_process_may_beat_as_two_kinds(session):
    beat(session, "worker")
    beat(session, "sweep")

    assert [one.kind for one in list_heartbeats(session)] == ["sweep", "worker"]


def test_a_process_not_heard_for_a_minute_is_not_alive(session):
    beat(session, "web")
    session.execute(update(Heartbeat).values(beat_at=func.now() - timedelta(seconds=60)))

    (only,) = list_heartbeats(session)

    assert not only.is_alive
    assert 59 < only.age_seconds < 61


def test_beating_again_keeps_the_start_and_moves_the_beat(session):
    beat(session, "web")
    session.execute(
        update(Heartbeat).values(
            beat_at=func.now() - timedelta(hours=1), started_at=func.now() - timedelta(hours=2)
        )
    )

    beat(session, "web")

    (only,) = list_heartbeats(session)
    assert only.beat_at - only.started_at == timedelta(hours=2)


def test_ending_takes_the_process_and_the_long_dead_off_the_list(session):
    beat(session, "web")
    dead = {"kind": "web", "host": "gone", "pid": 1}
    session.execute(insert(Heartbeat).values(name="long", beat_at=func.now() - timedelta(days=2), **dead))
    session.execute(insert(Heartbeat).values(name="lately", beat_at=func.now() - timedelta(hours=2), **dead))

    stop_beating(session, "web")

    assert session.scalars(select(Heartbeat.name)).all() == ["lately"]
