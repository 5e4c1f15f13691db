"""Drain the inbox: batch after batch until nothing is due, or until it is another job's turn."""

import time

from redis import RedisError

from app.core.bell import answer_bell, ring_now
from app.core.log import get_log
from app.core.runtime import Runtime, get_runtime
from app.pipeline import apply_events, enrich_events, split_deliveries

# A job this short lets a worker stop in time; what is left rings again.
JOB_SECONDS = 4.0

log = get_log(__name__)


def drain_inbox() -> None:
    """Split what was delivered and apply what happened; then ring for the audiences that were touched."""
    runtime = get_runtime()
    _answer(runtime, "inbox")
    end = time.monotonic() + JOB_SECONDS
    while time.monotonic() < end:
        split = split_deliveries(runtime)
        applied = apply_events(runtime)
        if split.needs_enrich:
            ring(runtime, "enrich")
        for audience_id in applied.audience_ids:
            ring(runtime, "audience", audience_id)
        if not split.count and not applied.count:
            return
    ring(runtime, "inbox")


def drain_enrich() -> None:
    """Fetch what thin events point at; then ring the inbox for those that are whole now."""
    runtime = get_runtime()
    _answer(runtime, "enrich")
    end = time.monotonic() + JOB_SECONDS
    while time.monotonic() < end:
        enriched_count = enrich_events(runtime)
        if not enriched_count:
            return
        ring(runtime, "inbox")
    ring(runtime, "enrich")


def _answer(runtime: Runtime, name: str) -> None:
    try:
        answer_bell(runtime.redis, name)
    except (RedisError, OSError):
        log.warning("bell.unanswered", bell=name)


def ring(runtime: Runtime, name: str, *ids: int) -> None:
    """Ring for the next job; without Redis the sweep finds the work."""
    try:
        ring_now(runtime.redis, name, *ids)
    except (RedisError, OSError):
        log.warning("bell.failed", bell=name)
