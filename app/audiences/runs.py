"""Run rows: one push or pull over an audience, with counts and how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.models import Audience, SyncRun
from app.core.db import transaction
from app.core.errors import MusterError
from integrations.mailchimp.problems import MailchimpProblem


class Counts(Protocol):
    """What a push or pull answers with."""

    def as_dict(self) -> Mapping[str, Any]:
        """Names and numbers for people."""


Result = TypeVar("Result", bound=Counts)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as shown."""

    run_id: int
    audience: str
    kind: str
    state: str
    counts: Mapping[str, Any]
    error: Mapping[str, Any] | None
    started_at: datetime
    finished_at: datetime | None


def run_counted(
    sessions: sessionmaker[Session], audience_id: int, kind: str, work: Callable[[], Result]
) -> Result:
    """Do `work` under a run row (kind push or pull); a failure is noted there and raised on."""
    with transaction(sessions) as session:
        run = SyncRun(audience_id=audience_id, kind=kind)
        session.add(run)
        session.flush()
        run_id = run.id
    try:
        result = work()
    except (MusterError, MailchimpProblem) as problem:
        hint = getattr(problem, "hint", "") or getattr(problem, "sentence", "")
        _finish(
            sessions,
            run_id,
            "failed",
            {},
            {"code": type(problem).__name__, "reason": str(problem), "hint": hint},
        )
        raise
    _finish(sessions, run_id, "done", result.as_dict(), None)
    return result


def _finish(
    sessions: sessionmaker[Session],
    run_id: int,
    state: str,
    counts: Mapping[str, Any],
    error: Mapping[str, Any] | None,
) -> None:
    with transaction(sessions) as session:
        session.execute(
            update(SyncRun)
            .where(SyncRun.id == run_id)
            .values(state=state, counts=dict(counts), error=error, finished_at=func.now())
        )


def list_runs(session: Session, audience_id: int | None = None, limit: int = 20) -> list[RunView]:
    """The latest runs, newest first."""
    query = select(SyncRun, Audience.slug).join(Audience, Audience.id == SyncRun.audience_id)
    if audience_id is not None:
        query = query.where(SyncRun.audience_id == audience_id)
    rows = session.execute(query.order_by(SyncRun.id.desc()).limit(limit))
    return [
        RunView(run.id, slug, run.kind, run.state, run.counts, run.error, run.started_at, run.finished_at)
        for run, slug in rows
    ]
