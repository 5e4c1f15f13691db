"""Drain the inbox: batch after batch until nothing is due, or until it is another job's turn."""

import time
from concurrent.futures import ThreadPoolExecutor

from app.core.runtime import Runtime, get_runtime
from app.inbox.fetching import enrich_events
from app.jobs.job import job, ring
from app.pipeline import EVENT_BATCH, apply_events, split_deliveries

# A job this short lets a worker stop in time; what is left rings again.
JOB_SECONDS = 4.0


@job("inbox")
def drain_inbox() -> None:
    """Split what was delivered and apply what happened; then ring for the audiences that were touched.

    A backlog is worked on by two hands: while one waits for PostgreSQL, the other maps.
    """
    runtime = get_runtime()
    end = time.monotonic() + JOB_SECONDS
    if drain_batch(runtime) < EVENT_BATCH:
        is_left = _drain_until(runtime, end)
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="drain") as second_hand:
            other = second_hand.submit(_drain_until, runtime, end)
            is_left = _drain_until(runtime, end)
            is_left = other.result() or is_left
    if is_left:
        ring(runtime, "inbox")


def _drain_until(runtime: Runtime, end: float) -> bool:
    """Batch after batch; True when time ran out before the work did."""
    while time.monotonic() < end:
        if not drain_batch(runtime):
            return False
    return True


def drain_batch(runtime: Runtime) -> int:
    """One batch; how many deliveries and events were worked on."""
    split = split_deliveries(runtime)
    applied = apply_events(runtime, split.held)
    if split.needs_enrich:
        ring(runtime, "enrich")
    for audience_id in sorted(applied.audience_ids):
        ring(runtime, "audience", audience_id)
    return split.count + applied.count


@job("enrich")
def drain_enrich() -> None:
    """Fetch what thin events point at, and ring the inbox for those that are whole now."""
    runtime = get_runtime()
    end = time.monotonic() + JOB_SECONDS
    while time.monotonic() < end:
        if not enrich_events(runtime):
            return
        ring(runtime, "inbox")
    ring(runtime, "enrich")
