"""An RQ worker: it listens for bells and runs the jobs of `app.jobs`, one at a time."""

import threading
from collections.abc import Sequence
from typing import Self

from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy
from sqlalchemy.exc import SQLAlchemyError

from app.core.config import Settings
from app.core.heartbeat import beat, stop_beating
from app.core.log import get_log
from app.core.queue import QUEUES, AllowedJob, make_queue, make_redis
from app.core.runtime import Runtime, keep_runtime

BEAT_SECONDS = 5.0
MAINTENANCE_SECONDS = 60  # RQ's own sweep of its registries; ours does not depend on it

log = get_log(__name__)


class Beats:
    """Says every few seconds that this process lives, from a thread of its own."""

    def __init__(self, runtime: Runtime, kind: str) -> None:
        self._runtime, self._kind = runtime, kind
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join(2.0)
        try:
            with self._runtime.transaction() as session:
                stop_beating(session, self._kind)
        except SQLAlchemyError:
            log.info("beat.not_ended", kind=self._kind)  # the row goes stale by itself

    def _run(self) -> None:
        while True:
            try:
                with self._runtime.transaction() as session:
                    beat(session, self._kind)
            except SQLAlchemyError as error:
                log.warning("beat.failed", error=type(error).__name__)
            if self._is_over.wait(BEAT_SECONDS):
                return


def run_worker(settings: Settings, queues: Sequence[str] = QUEUES) -> None:
    """Work until SIGTERM: the running job ends first. `queues` in the order of their urgency."""
    runtime = Runtime(settings, pool_size=4)
    keep_runtime(runtime)
    redis = make_redis(settings.valkey_url, timeout_seconds=None)  # RQ waits on its own clock
    worker = SimpleWorker(
        [make_queue(redis, name) for name in queues],
        connection=redis,
        job_class=AllowedJob,
        serializer=JSONSerializer,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    with Beats(runtime, "worker"):
        # Each queue in turn, so that a long list in one keeps nobody waiting in another.
        worker.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
