"""A source makes no more calls a minute than its platform allows, over all workers."""

import time

import redis

from app.inbox.budget import CallBudget


def calls(client: redis.Redis, per_minute: float, seconds: float, source_id: int = 1) -> int:
    budget, until, count = CallBudget(client), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        if budget.wait_seconds(source_id, per_minute) == 0:
            count += 1
        else:
            time.sleep(0.005)
    return count


def test_a_burst_goes_at_once_and_then_a_drip(redis_url):
    client = redis.Redis.from_url(redis_url)
    client.flushdb()

    made = calls(client, 600, 1.0)

    assert 50 <= made <= 63  # five seconds' worth at ten a second, and one second's


def test_each_source_has_its_own(redis_url):
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    calls(client, 60, 0.2, source_id=1)

    budget = CallBudget(client)

    assert budget.wait_seconds(1, 60) > 0
    assert budget.wait_seconds(2, 60) == 0
    assert budget.wait_seconds(1, 0) == 0  # no limit known


def test_without_redis_nobody_is_held_up():
    nobody = redis.Redis(port=1, socket_connect_timeout=0.2)

    assert CallBudget(nobody).wait_seconds(1, 60) == 0
