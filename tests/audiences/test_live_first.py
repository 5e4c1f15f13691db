"""A live change reaches Mailchimp within a second, whatever bulk push is under way."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.audiences.push import PushOptions, push_audience
from app.audiences.runs import RunWatch
from app.audiences.steer import cancel
from app.core.db import transaction
from app.inbox.models import LIVE_LANE
from app.jobs.sync import BULK, LIVE

LATENCY_MS, SOON_SECONDS = 100, 1.0
# A machine that runs many things at once is given this much more before the test fails.
PATIENCE_SECONDS = 4.0


def push(office: Any, audience_id: int, options: PushOptions, watch: RunWatch | None = None) -> None:
    push_audience(office.sessions, office.connections, audience_id, options, watch)


@pytest.fixture
def bulk(office: Any, simulator: Any, wait_for: Any) -> Iterator[None]:
    """A first push of 20,000 under way."""
    office.crowd(20_000)
    office.execute("UPDATE changes SET lane = 1")
    simulator.running.world.switches.latency_ms = LATENCY_MS
    watch = RunWatch(office.sessions, office.audience_id, "push")
    watch.open()
    thread = threading.Thread(target=push, args=(office, office.audience_id, BULK, watch))
    thread.start()
    wait_for(lambda: simulator.member_count() >= 1000)
    yield
    with transaction(office.sessions) as session:
        cancel(session, office.audience_id, "tester")
    thread.join(120)  # a push that outlives its database would fail in another test
    assert not thread.is_alive()


@pytest.fixture
def other(office: Any, simulator: Any) -> int:
    """A second audience on the same account."""
    simulator.call("POST", "/lists", {"list_id": "bbbbbbbbbb", "name": "Other"})
    rows = office.execute(
        "INSERT INTO audiences (slug, destination_id, list_id, approved_at)"
        " SELECT 'other', destination_id, 'bbbbbbbbbb', now() FROM audiences RETURNING id"
    )
    return int(rows[0][0])


def arrives_after(simulator: Any, list_id: str, email: str) -> float:
    started_at = time.monotonic()
    while simulator.running.world.audiences[list_id].find(email) is None:
        assert time.monotonic() - started_at < 20
        time.sleep(0.01)
    return time.monotonic() - started_at


@pytest.mark.usefixtures("bulk")
@pytest.mark.parametrize("list_id", ["a1b2c3d4e5", "bbbbbbbbbb"])
def test_a_live_change_overtakes_a_bulk_push(office: Any, simulator: Any, other: int, list_id: str) -> None:
    audience_id = other if list_id == "bbbbbbbbbb" else office.audience_id
    office.add("live@house.test")
    worker = threading.Thread(target=push, args=(office, audience_id, LIVE))

    worker.start()
    seconds = arrives_after(simulator, list_id, "live@house.test")
    worker.join(20)

    assert seconds < SOON_SECONDS + PATIENCE_SECONDS
    assert simulator.member_count() < 20_000


def test_a_live_job_leaves_bulk_work_alone(office: Any, simulator: Any) -> None:
    office.crowd(50)
    office.execute("UPDATE changes SET lane = 1")
    office.add("live@house.test")

    push(office, office.audience_id, LIVE)

    assert LIVE.max_lane == LIVE_LANE
    assert simulator.member_count() == 1
    assert office.execute("SELECT DISTINCT lane FROM changes") == [(1,)]
