"""The first sync as a dry run: read Mailchimp whole, plan everybody, show what would happen, wait for an admin.

Nothing is written at Mailchimp. Any audience may be rehearsed; only one that was never approved waits for it.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.fingerprint import settings_fingerprint
from app.audiences.gate import open_gateway
from app.audiences.guard import leave_limit
from app.audiences.models import Audience
from app.audiences.runs import Progress, RunWatch
from app.audiences.seen import Seen
from app.audiences.survey import Survey, open_comparison, survey_audience
from app.audiences.views import Trouble
from app.audiences.whole_read import Gone, Reading, comparing, read_everybody, settle_gone
from app.core.clock import database_now
from app.core.db import transaction

KIND = "first_sync"


def run_first_sync(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    actor: str = "muster",
    on_progress: Callable[[Progress], None] | None = None,
) -> int:
    """The id of the run. It ends as `waiting` (for `approve`), `done` (approved before) or `failed` (too much at stake)."""
    # Before they are read: settings that change meanwhile were not rehearsed.
    with transaction(sessions) as session:
        settings = settings_fingerprint(session.get_one(Audience, audience_id))
        started_at = database_now(session)
    audience, gateway = open_gateway(sessions, connections, audience_id)
    watch = RunWatch(sessions, audience_id, KIND, actor=actor, on_progress=on_progress)
    reading = Reading(sessions, gateway, audience, watch, connections.box, gateway.call_count)
    run_id = open_comparison(watch)
    with comparing(reading):
        seen = read_everybody(reading)
        # Who was there at an earlier rehearsal and left since is not among the members that this one counts.
        gone = settle_gone(reading, seen, started_at) if not watch.wish else Gone()
        survey = Survey(seen=seen, left_out=gone.unasked)
        if not watch.wish:
            survey_audience(sessions, audience, watch, survey)
        if watch.wish:
            return run_id
        with transaction(sessions) as session:
            row = session.get_one(Audience, audience_id)
            share, is_approved = row.guard_share, row.approved_at is not None
        trouble = find_danger(survey, seen.member_count, share)
        findings = {**_findings(survey, seen, share), "settings": settings}
        end = {"state": "done" if is_approved else "waiting", "findings": findings}
        watch.close(trouble.as_dict() if trouble else None, **end)  # type: ignore[arg-type]  # of two kinds
    return run_id


def find_danger(survey: Survey, member_count: int, share: float) -> Trouble | None:
    """Why a first sync must not go on as it is; None when nothing much can be lost. Pure."""
    limit = leave_limit(member_count, share)
    if member_count and not survey.entitled_count:
        return Trouble(
            "empty_source",
            f"Nobody here belongs in this audience, while it has {member_count:,} members.",
            "Look at the entry rule, the purpose and the consents; then `muster sync dry-run` again.",
        )
    if survey.losing_count > limit:
        return Trouble(
            "guard",
            f"{survey.losing_count:,} of {member_count:,} members would leave or lose a value; {limit:,} may.",
            "Look at the samples, mend rule or directions of fields, then `muster sync dry-run` again;"
            " or `muster sync approve --anyway`.",
        )
    return None


def _findings(survey: Survey, seen: Seen, share: float) -> dict[str, Any]:
    return {
        **survey.as_findings(),
        "members": seen.member_count,
        "strangers": seen.stranger_count,
        "statuses": dict(seen.statuses),
        "losing": survey.losing_count,
        "limit": leave_limit(seen.member_count, share),
    }
