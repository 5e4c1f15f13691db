"""Push and pull one audience."""

from functools import partial

from app.audiences import pull, push
from app.audiences.runs import run_counted
from app.core.runtime import get_runtime
from app.jobs.job import get_connections, job, ring

PUSH = push.PushOptions(budget_seconds=20.0)  # then it is another job's turn


@job("audience")
def push_audience(audience_id: int) -> None:
    """Bring Mailchimp to what changed; rings again while there is more."""
    runtime = get_runtime()
    counts = push.push_audience(runtime.sessions, get_connections(), audience_id, PUSH)
    if counts.call_count and not counts.is_blocked:
        ring(runtime, "audience", audience_id)


@job("pull")
def pull_audience(audience_id: int) -> None:
    """Learn what Mailchimp changed since the last pull, as a run with counts."""
    runtime = get_runtime()
    work = partial(pull.pull_audience, runtime.sessions, get_connections(), audience_id)
    run_counted(runtime.sessions, audience_id, "pull", work)
