"""What audiences need: live changes at once; bulk work, readings and comparisons in a queue of their own."""

from functools import partial

from app.audiences import activity, pull, push
from app.audiences.gate import list_due_audiences
from app.audiences.reconcile import run_reconcile
from app.audiences.rehearse import run_first_sync
from app.audiences.runs import RunWatch, run_counted, watched
from app.audiences.silence import pull_after_silence
from app.core.runtime import get_runtime
from app.inbox.models import BULK_LANE, LIVE_LANE
from app.jobs.job import get_connections, job, ring

LIVE = push.PushOptions(budget_seconds=2.0, max_lane=LIVE_LANE)
BULK = push.PushOptions(budget_seconds=20.0)  # then it is another audience's turn


def _push(audience_id: int, options: push.PushOptions) -> push.PushCounts:
    """One push under a run row, which goes on in the row of a push that ended a moment ago."""
    sessions = get_runtime().sessions
    pull_after_silence(sessions, get_connections(), audience_id)
    with watched(RunWatch(sessions, audience_id, "push", is_folding=True)) as watch:
        return push.push_audience(sessions, get_connections(), audience_id, options, watch)


@job("audience")
def push_audience(audience_id: int) -> None:
    """Bring to Mailchimp what somebody just did; rings again while there is more, and for bulk work that waits."""
    runtime = get_runtime()
    counts = _push(audience_id, LIVE)
    if counts.call_count and not counts.is_blocked:
        ring(runtime, "audience", audience_id)
    with runtime.transaction() as session:
        has_bulk = audience_id in list_due_audiences(session, BULK_LANE)
    if has_bulk:
        ring(runtime, "bulk", audience_id)


@job("bulk")
def push_bulk(audience_id: int) -> None:
    """Bring Mailchimp to everything that changed; rings again while there is more."""
    runtime = get_runtime()
    counts = _push(audience_id, BULK)
    if counts.call_count and not counts.is_blocked:
        ring(runtime, "bulk", audience_id)


@job("pull")
def pull_audience(audience_id: int) -> None:
    """Learn what Mailchimp changed since the last pull, as a run with counts."""
    runtime = get_runtime()
    work = partial(pull.pull_audience, runtime.sessions, get_connections(), audience_id)
    run_counted(RunWatch(runtime.sessions, audience_id, "pull", is_folding=True), work)


@job("whole_pull")
def pull_everybody(audience_id: int) -> None:
    """Read every member once more, as a run of its own."""
    runtime = get_runtime()
    work = partial(pull.pull_audience, runtime.sessions, get_connections(), audience_id, is_full=True)
    run_counted(RunWatch(runtime.sessions, audience_id, "pull"), work)


@job("activity")
def pull_activity(audience_id: int) -> None:
    """Read the next members' campaign activity into their timelines."""
    runtime = get_runtime()
    work = partial(activity.pull_activity, runtime.sessions, get_connections(), audience_id)
    run_counted(RunWatch(runtime.sessions, audience_id, "activity"), work)


@job("first_sync")
def rehearse_audience(audience_id: int) -> None:
    """Find out what a first sync would do, for an admin to approve."""
    run_first_sync(get_runtime().sessions, get_connections(), audience_id)


@job("reconcile")
def reconcile_audience(audience_id: int) -> None:
    """Compare both sides whole, and mend what is little."""
    run_reconcile(get_runtime().sessions, get_connections(), audience_id)
