"""Drain the inbox: batch after batch until nothing is due, or until it is another job's turn."""

import time

from app.core.runtime import get_runtime
from app.inbox.fetching import enrich_events
from app.jobs.job import job, ring
from app.pipeline import apply_events, split_deliveries

# A job this short lets a worker stop in time; what is left rings again.
JOB_SECONDS = 4.0


@job("inbox")
def drain_inbox() -> None:
    """Split what was delivered and apply what happened; then ring for the audiences that were touched."""
    runtime = get_runtime()
    end = time.monotonic() + JOB_SECONDS
    while time.monotonic() < end:
        split = split_deliveries(runtime)
        applied = apply_events(runtime, split.held)
        if split.needs_enrich:
            ring(runtime, "enrich")
        for audience_id in sorted(applied.audience_ids):
            ring(runtime, "audience", audience_id)
        if not split.count and not applied.count:
            return
    ring(runtime, "inbox")


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
