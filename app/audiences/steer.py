"""What admins ask of runs and audiences: pause, resume, cancel, approve, reject. Every one is audited."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audiences.fingerprint import settings_fingerprint
from app.audiences.load import get_audience
from app.audiences.models import Audience, SyncRun
from app.audiences.outbox import queue_audience
from app.audiences.pauses import BY_ADMIN, GUARD, pause_audience, resume_audience
from app.audiences.runs import COMPARISONS, drop_bulk_changes
from app.audiences.theirs import learn_rehearsed
from app.audiences.views import Trouble
from app.core.audit import audit
from app.core.errors import ConflictError, NotFoundError

ACTIVE = ("running", "paused")


def pause(session: Session, audience_id: int, actor: str, reason: str = "") -> bool:
    """Stop an audience's pushes until `resume`; what runs takes no new work. False where it was paused already.

    A reading or comparison stops after its page. Where none was under way, the sweep's short ones go on, for the opt-outs' sake.
    Of an audience that the guard stopped it takes over: that would go on by itself once the cause is mended.
    """
    words = reason or f"Paused by {actor}."
    is_first = pause_audience(session, audience_id, BY_ADMIN, Trouble(BY_ADMIN, words), actor)
    is_first = is_first or _take_over(session, audience_id, actor, words)
    for run in _list_active(session, audience_id):
        if run.state == "running":
            run.wish = "pause"
    return is_first


def _take_over(session: Session, audience_id: int, actor: str, words: str) -> bool:
    """Make the guard's pause an admin's. What the guard asked it asks anew after `resume`."""
    query = select(Audience).where(Audience.id == audience_id, Audience.paused_code == GUARD)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    audience = session.scalar(locked)
    if audience is None:
        return False
    before = {"code": GUARD, "reason": audience.paused_reason}
    audience.paused_code, audience.paused_reason = BY_ADMIN, words
    _close_guards(session, audience_id)
    audit(session, actor, "audience.pause", f"audience:{audience.slug}", before, {"reason": words})
    return True


def resume(session: Session, audience_id: int, actor: str) -> bool:
    """Let a paused audience go on where it stopped; a comparison begins anew. False where it was not paused.

    One that the guard stopped is compared anew, and stops again while as many would leave.
    """
    was_paused = resume_audience(session, audience_id, actor)
    for run in _list_active(session, audience_id):
        run.wish = ""
        if run.state == "paused" and run.kind not in COMPARISONS:
            # What follows of a push or a pull goes on in this row, unless it is an old one.
            run.state, run.finished_at = "done", func.now()
    _close_guards(session, audience_id)
    return was_paused


def cancel(session: Session, audience_id: int, actor: str) -> int:
    """End the running or paused work of an audience: nothing new is taken, and what waits in its bulk lane is forgotten.

    Opt-outs, erasures and live changes stay queued. How many changes were forgotten at once; a running push forgets
    what it holds when it ends. ConflictError where nothing runs or waits.
    """
    runs = _list_active(session, audience_id)
    dropped = drop_bulk_changes(session, audience_id)
    if not runs and not dropped:
        raise ConflictError("Nothing runs for this audience.", "`muster sync runs` shows what did.")
    for run in runs:
        run.wish = "cancel"
        if run.state == "paused":
            run.state, run.finished_at = "cancelled", func.now()
    audit(
        session,
        actor,
        "sync.cancel",
        f"audience:{audience_id}",
        None,
        {"runs": [run.id for run in runs], "dropped": dropped},
    )
    return dropped


def approve(session: Session, run_id: int, actor: str, *, is_anyway: bool = False) -> None:
    """Let what waits in a run happen: a first sync, leaves that the guard holds, a repair. Then ring for the audience.

    ConflictError for a run that waits for nothing, and for a first sync whose settings are others by now. `is_anyway`:
    also a first sync that was broken off as dangerous.
    """
    run = _get_run(session, run_id)
    is_dangerous = run.kind == "first_sync" and run.state == "failed" and bool(run.findings)
    if run.state != "waiting" and not (is_anyway and is_dangerous):
        raise ConflictError(f"Run {run_id} is {run.state}: it waits for nobody.", _hint(run, is_dangerous))
    APPROVALS[run.kind](session, run, actor)
    run.state, run.finished_at = "done", func.now()
    _audit(session, actor, "sync.approve", run)


def _approve_first(session: Session, run: SyncRun, actor: str) -> None:
    audience = session.get_one(Audience, run.audience_id, with_for_update={"key_share": True})
    rehearsed = run.findings.get("settings")  # a run of an older version has none
    if rehearsed is not None and rehearsed != settings_fingerprint(audience):
        raise ConflictError(
            f"The settings of {audience.slug} were changed since run {run.id} looked at them.",
            f"Rehearse them as they are now: `muster sync dry-run {audience.slug}`, then approve that.",
        )
    admit_audience(session, run.audience_id, actor)


def admit_audience(session: Session, audience_id: int, actor: str) -> None:
    """Approve an audience's first sync and queue everybody for it; what its dry run read is judged from now on."""
    audience = session.get_one(Audience, audience_id)
    if audience.approved_at is None:
        audience.approved_at = session.scalar(select(func.now()))
        session.flush()
        audit(session, actor, "audience.approve", f"audience:{audience.slug}")
        learn_rehearsed(session, get_audience(session, audience_id))
        session.refresh(audience)
    queue_audience(session, audience_id)


def _approve_leaves(session: Session, run: SyncRun, actor: str) -> None:
    audience = session.get_one(Audience, run.audience_id)
    if audience.paused_code == GUARD:
        resume_audience(session, run.audience_id, actor)


def _approve_repair(session: Session, run: SyncRun, _actor: str) -> None:
    queue_audience(session, run.audience_id)


APPROVALS: Mapping[str, Callable[[Session, SyncRun, str], None]] = {
    "first_sync": _approve_first,
    "guard": _approve_leaves,
    "reconcile": _approve_repair,
}


def reject(session: Session, run_id: int, actor: str) -> None:
    """Say no to what waits in a run. A first sync stays undone; an audience that the guard stopped stays paused."""
    run = _get_run(session, run_id)
    if run.state != "waiting":
        raise ConflictError(f"Run {run_id} is {run.state}: it waits for nobody.", _hint(run))
    run.state, run.finished_at = "cancelled", func.now()
    _audit(session, actor, "sync.reject", run)


def get_waiting_run(session: Session, audience_id: int) -> SyncRun:
    """The latest run of an audience that waits for an admin, or the first sync broken off last. NotFoundError."""
    waiting = next(iter(_waiting(session, audience_id)), None)
    if waiting is not None:
        return waiting
    last: SyncRun | None = session.scalar(
        select(SyncRun)
        .where(SyncRun.audience_id == audience_id, SyncRun.kind == "first_sync")
        .order_by(SyncRun.id.desc())
        .limit(1)
    )
    if last is None or last.state != "failed" or not last.findings:
        raise NotFoundError(
            "Nothing of this audience waits for approval.", "`muster sync runs` lists what ran."
        )
    return last


def close_mended_guard(session: Session, audience_id: int) -> None:
    """Too many no longer want to leave: the guard's run is over and the audience goes on by itself."""
    _close_guards(session, audience_id)
    resume_audience(session, audience_id)


def _close_guards(session: Session, audience_id: int) -> None:
    for run in _waiting(session, audience_id, GUARD):
        run.state, run.finished_at = "cancelled", func.now()


def _list_active(session: Session, audience_id: int) -> list[SyncRun]:
    query = select(SyncRun).where(SyncRun.audience_id == audience_id, SyncRun.state.in_(ACTIVE))
    return list(session.scalars(query.with_for_update()))


def _waiting(session: Session, audience_id: int, kind: str = "") -> list[SyncRun]:
    query = select(SyncRun).where(SyncRun.audience_id == audience_id, SyncRun.state == "waiting")
    if kind:
        query = query.where(SyncRun.kind == kind)
    return list(session.scalars(query.order_by(SyncRun.id.desc()).with_for_update()))


def _get_run(session: Session, run_id: int) -> SyncRun:
    run = session.scalar(select(SyncRun).where(SyncRun.id == run_id).with_for_update())
    if run is None:
        raise NotFoundError(f"There is no run {run_id}.", "`muster sync runs` lists them.")
    return run


def _hint(run: SyncRun, is_dangerous: bool = False) -> str:
    if is_dangerous:
        return (
            f"It was broken off: {(run.error or {}).get('reason', '')} `--anyway` approves it all the same."
        )
    return "`muster sync runs` shows which runs are waiting."


def _audit(session: Session, actor: str, action: str, run: SyncRun) -> None:
    after: dict[str, Any] = {"kind": run.kind, "audience_id": run.audience_id}
    audit(session, actor, action, f"run:{run.id}", None, after)
