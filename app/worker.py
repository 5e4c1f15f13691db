"""An RQ worker: it listens for bells and runs the jobs of `app.jobs`, one at a time."""

import gc
from collections.abc import Sequence

from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy

from app.core.beats import Beats
from app.core.config import Settings
from app.core.queue import QUEUES, AllowedJob, make_queue, make_redis
from app.core.runtime import Runtime, keep_runtime
from app.tables import ROOMS

MAINTENANCE_SECONDS = 60  # RQ's own sweep of its registries; ours does not depend on it


def run_worker(settings: Settings, queues: Sequence[str] = QUEUES) -> None:
    """Work until SIGTERM: the running job ends first. `queues` in the order of their urgency."""
    assert ROOMS  # their tables are known before the first job
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
    # What is loaded by now lives as long as the process: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    with Beats(runtime, "worker"):
        # Each queue in turn, so that a long list in one keeps nobody waiting in another.
        worker.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
