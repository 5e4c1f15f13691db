"""The queue: RQ with JSON only, and a job class that runs nothing but what stands in one table.

Whoever can write to Redis can plant a job that names any function, so the name is checked before it is imported;
callbacks and webhooks, which RQ would import or call as well, are never read back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.errors import MusterError


@dataclass(frozen=True, slots=True)
class Bell:
    """A reason to ring: the job it starts, the queue it waits in, and how long the job may take."""

    function: str
    queue: str
    timeout_seconds: int = 300


LONG_SECONDS = 6 * 3600  # reading a whole audience: a call a thousand members
# What a bell starts. Arguments are ids; a job that finds nothing to do ends at once.
BELLS: Mapping[str, Bell] = {
    "inbox": Bell("app.jobs.drain.drain_inbox", queue="inbox"),
    "enrich": Bell("app.jobs.drain.drain_enrich", queue="enrich"),
    "audience": Bell("app.jobs.sync.push_audience", queue="audiences"),
    "bulk": Bell("app.jobs.sync.push_bulk", queue="bulk"),
    "pull": Bell("app.jobs.sync.pull_audience", queue="bulk", timeout_seconds=LONG_SECONDS),
    "whole_pull": Bell("app.jobs.sync.pull_everybody", queue="bulk", timeout_seconds=LONG_SECONDS),
    "first_sync": Bell("app.jobs.sync.rehearse_audience", queue="bulk", timeout_seconds=LONG_SECONDS),
    "activity": Bell("app.jobs.sync.pull_activity", queue="bulk", timeout_seconds=LONG_SECONDS),
    "reconcile": Bell("app.jobs.sync.reconcile_audience", queue="bulk", timeout_seconds=LONG_SECONDS),
}
LIVE_QUEUES = (
    "inbox",
    "enrich",
    "audiences",
)  # what somebody waits for; a worker may leave the rest to others
QUEUES = tuple(dict.fromkeys(bell.queue for bell in BELLS.values()))
ALLOWED = frozenset(bell.function for bell in BELLS.values())
FAILED_JOB_SECONDS = 3600
# A job nobody took is dropped: the sweep finds its work in PostgreSQL anyway.
WAITING_SECONDS = 600


class RefusedJob(MusterError):  # noqa: N818 - it says what happened
    """A job in Redis names a function that Muster never queues."""


class AllowedJob(Job):
    """A job that runs only what the allow-list names."""

    allowed = ALLOWED

    def restore(self, raw_data: Any) -> Any:
        """Read the job, less everything in it that would import or call something else."""
        restored = super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        return restored

    def perform(self) -> Any:
        """Run it, or raise RefusedJob."""
        name = self.func_name
        if name not in self.allowed or self.instance is not None:
            raise RefusedJob(
                f"A queued job names the function {str(name)[:80]!r}, which Muster never queues.",
                "Somebody else writes to this Redis: give Muster its own, with a password or a private socket.",
            )
        return super().perform()


def make_redis(url: str, *, timeout_seconds: float | None = 5.0) -> "Redis":
    """A client whose every wait ends; it does not retry by itself."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def make_queue(redis: "Redis", name: str) -> Any:
    """An RQ queue of allowed jobs in JSON."""
    return Queue(name, connection=redis, job_class=AllowedJob, serializer=JSONSerializer)


def ring_job(redis: "Redis", name: str, *ids: int) -> None:
    """Queue the job of bell `name` with these ids; nothing is kept of it when it is done."""
    bell = BELLS[name]
    make_queue(redis, bell.queue).enqueue_call(
        bell.function,
        args=list(ids),
        timeout=bell.timeout_seconds,
        result_ttl=0,
        ttl=WAITING_SECONDS,
        failure_ttl=FAILED_JOB_SECONDS,
        description=name,
    )
