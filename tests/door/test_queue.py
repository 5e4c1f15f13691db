"""The bell and the queue: garbage in Redis runs nothing, and a silent Redis holds nobody up."""

import os
import pickle
import time
import zlib

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.core.bell import BellRinger, Breaker, answer_bell, bell_key, ring_now
from app.core.queue import ALLOWED, AllowedJob, make_queue, make_redis, ring_job


@pytest.fixture
def redis(redis_url):
    with make_redis(redis_url) as redis:
        redis.flushdb()
        yield redis
        redis.flushdb()


@pytest.fixture
def work(redis, monkeypatch):
    """Run the queue empty with one allowed function that leaves a mark."""
    monkeypatch.setattr(AllowedJob, "allowed", frozenset({"os.getpid"}))

    def run():
        worker = SimpleWorker(
            [make_queue(redis, "inbox")], connection=redis, job_class=AllowedJob, serializer=JSONSerializer
        )
        worker.work(burst=True, logging_level="ERROR")

    return run


def _plant(redis, job_id, data, **more):
    fields = {
        "created_at": "2026-01-01T00:00:00Z",
        "data": data,
        "origin": "inbox",
        "status": "queued",
        "timeout": 10,
        **more,
    }
    redis.hset(f"rq:job:{job_id}", mapping=fields)
    redis.rpush("rq:queue:inbox", job_id)


def _json(function, *arguments):
    return zlib.compress(f'["{function}", null, {list(arguments)!r}, {{}}]'.replace("'", '"').encode())


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_planted_jobs_run_nothing_and_the_worker_goes_on(redis, work, tmp_path):
    mark = tmp_path / "ran"
    _plant(redis, "pickled", zlib.compress(pickle.dumps(("os.system", None, (f"touch {mark}",), {}))))
    _plant(redis, "reduced", zlib.compress(pickle.dumps(Evil(mark))))
    _plant(redis, "by-name", _json("os.system", f"touch {mark}"))
    _plant(redis, "not-zlib", b"garbage")
    redis.rpush("rq:queue:inbox", "missing-hash")
    _plant(
        redis,
        "called-back",
        _json("os.getpid"),
        success_callback_name="os.abort",
        failure_callback_name="os.abort",
    )
    _plant(
        redis,
        "hooked",
        _json("os.getpid"),
        webhooks=f'[{{"url": "http://127.0.0.1:9/{mark}", "job_status": "finished"}}]',
    )
    make_queue(redis, "inbox").enqueue_call("os.getpid", result_ttl=60, job_id="allowed")

    work()

    assert not mark.exists()
    assert redis.hget("rq:job:allowed", "status") == b"finished"
    assert redis.hget("rq:job:by-name", "status") == b"failed"
    assert redis.llen("rq:queue:inbox") == 0


def test_only_our_own_jobs_are_allowed():
    assert ALLOWED
    assert all(name.startswith("app.jobs.") for name in ALLOWED)


def test_a_bell_rings_once_until_it_is_answered(redis):
    first, second = ring_now(redis, "audience", 3), ring_now(redis, "audience", 3)
    other = ring_now(redis, "audience", 4)
    answer_bell(redis, "audience", 3)
    third = ring_now(redis, "audience", 3)

    assert (first, second, other, third) == (True, False, True, True)
    assert redis.llen("rq:queue:audiences") == 3
    assert 0 < redis.pttl(bell_key("audience", 3)) <= 5_000


def test_a_job_carries_ids_and_leaves_nothing_behind(redis):
    ring_job(redis, "audience", 7)
    [job] = make_queue(redis, "audiences").get_jobs()

    assert (job.func_name, list(job.args), job.result_ttl) == ("app.jobs.sync.push_audience", [7], 0)


def test_the_ringer_rings_from_its_own_thread(redis, redis_url):
    ringer = BellRinger(redis_url)
    for _ in range(50):
        ringer.ring("inbox")
    ringer.close()

    assert redis.llen("rq:queue:inbox") == 1


def test_a_redis_that_is_not_there_costs_nobody_time(tmp_path):
    ringer = BellRinger(f"unix://{tmp_path}/nobody.sock")
    started = time.monotonic()
    for _ in range(1_000):
        ringer.ring("inbox")
    took = time.monotonic() - started
    ringer.close()

    assert took < 0.5


def test_the_breaker_waits_longer_after_each_failure_and_forgets_after_a_success():
    breaker = Breaker()
    waits = []
    for _ in range(4):
        breaker.fail(100.0)
        waits.append(breaker.open_until - 100.0)
    breaker.succeed()
    breaker.fail(200.0)

    assert waits == [1.0, 2.0, 5.0, 5.0]
    assert breaker.open_until == 201.0
    assert not breaker.is_open(201.0)
