"""Runs as people see them: state, counts, progress, how long it may still take, grouped errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audiences.models import Audience, SyncRun
from app.audiences.run_errors import shown_errors
from app.audiences.runs import DEAD_SECONDS, DIED_CODE
from app.core.clock import database_now
from app.core.errors import NotFoundError

DIED = {
    "code": DIED_CODE,
    "reason": "The worker died; the work goes on by itself in the next run.",
    "hint": "Nothing to do. `muster status` shows which processes run.",
}
# What a run counts as done: one, several. Reconcile and first sync read every member and look at every person of ours, so
# that whoever is both is two steps.
DONE_WORDS: Mapping[str, tuple[str, str]] = {
    "push": ("person", "people"),
    "pull": ("member read", "members read"),
    "activity": ("member read", "members read"),
    "first_sync": ("step", "steps"),
    "reconcile": ("step", "steps"),
}
KEPT_RUNS, KEPT_HOURS = 500, 48
CLOSE_DEAD = text("""
    UPDATE sync_runs SET finished_at = beat_at, error = CAST(:error AS jsonb),
        state = CASE wish WHEN 'pause' THEN 'paused' WHEN 'cancel' THEN 'cancelled' ELSE 'failed' END
    WHERE state = 'running' AND coalesce(beat_at, started_at) < now() - make_interval(secs => :dead)
""")
CLEAR = text("""
    DELETE FROM sync_runs WHERE id IN (
        SELECT id FROM (SELECT id, state, started_at, row_number() OVER (PARTITION BY audience_id ORDER BY id DESC) AS place
                        FROM sync_runs) AS ranked
        WHERE place > :kept AND state NOT IN ('running', 'waiting', 'paused')
          AND started_at < now() - make_interval(hours => :hours) LIMIT 5000)
""")


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as shown. `errors`: {code, reason, hint, count (of people), contact_ids}; `findings`: of a dry run, reconcile or guard.

    `audience` is the slug, `label` how people call it.
    """

    run_id: int
    audience: str
    label: str
    kind: str
    state: str
    wish: str
    actor: str
    done_count: int
    total_count: int | None
    call_count: int
    eta_seconds: float | None
    counts: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]]
    findings: Mapping[str, Any]
    error: Mapping[str, Any] | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def done_words(self) -> tuple[str, str]:
        """What `done_count` and `total_count` count: the word for one, and for several."""
        return DONE_WORDS.get(self.kind, DONE_WORDS["push"])

    @property
    def error_lines(self) -> list[str]:
        """`message (x17)`, the commonest first."""
        return [f"{one['reason']} (x{one['count']})" for one in self.errors]


def eta_seconds(done_count: int, total_count: int | None, elapsed_seconds: float) -> float | None:
    """How long the rest takes at the pace so far; None while nobody can know."""
    if total_count is None or done_count <= 0 or elapsed_seconds <= 0:
        return None
    return max(0.0, (total_count - done_count) * elapsed_seconds / done_count)


def list_runs(
    session: Session, audience_id: int | None = None, limit: int = 20, kinds: Sequence[str] = ()
) -> list[RunView]:
    """The latest runs, newest first; of one audience, or of some kinds."""
    query = select(SyncRun, Audience).join(Audience, Audience.id == SyncRun.audience_id)
    if audience_id is not None:
        query = query.where(SyncRun.audience_id == audience_id)
    if kinds:
        query = query.where(SyncRun.kind.in_(kinds))
    now = database_now(session)
    rows = session.execute(query.order_by(SyncRun.id.desc()).limit(limit))
    return [_view(run, audience, now) for run, audience in rows]


def get_run(session: Session, run_id: int) -> RunView:
    """One run. NotFoundError where there is none."""
    query = select(SyncRun, Audience).join(Audience, Audience.id == SyncRun.audience_id)
    row = session.execute(query.where(SyncRun.id == run_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}.", "`muster sync runs` lists them.")
    return _view(row[0], row[1], database_now(session))


def _view(run: SyncRun, audience: Audience, now: datetime) -> RunView:
    beat = run.beat_at or run.started_at
    is_dead = run.state == "running" and (now - beat).total_seconds() > DEAD_SECONDS
    is_running = run.state == "running" and not is_dead
    elapsed = (now - run.started_at).total_seconds()
    return RunView(
        run.id,
        audience.slug,
        audience.label or audience.slug,
        run.kind,
        "failed" if is_dead else run.state,
        run.wish,
        run.actor,
        run.done_count,
        run.total_count,
        run.call_count,
        eta_seconds(run.done_count, run.total_count, elapsed) if is_running else None,
        run.counts,
        shown_errors(run.errors),
        run.findings,
        DIED if is_dead else run.error,
        run.started_at,
        run.finished_at,
    )


def close_dead_runs(session: Session) -> None:
    """Note the end of runs whose worker is gone. For the sweep."""
    session.execute(CLOSE_DEAD, {"dead": DEAD_SECONDS, "error": json.dumps(DIED)})


def clear_old_runs(session: Session) -> None:
    """Keep the latest 500 of each audience, and everything of the last two days. For the sweep."""
    session.execute(CLEAR, {"kept": KEPT_RUNS, "hours": KEPT_HOURS})
