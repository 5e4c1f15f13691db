"""What is wrong with destinations and audiences now: since when, why, and what to do. Gone once it is mended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.hooks import hook_state
from app.audiences.models import Audience, Destination, SyncRun
from app.audiences.pauses import BY_ADMIN, GONE, GUARD, MERGE_FIELD
from app.audiences.permissions import permission_trouble
from app.audiences.schema import interest_trouble
from app.audiences.whose import SAME_LIST, SAME_LIST_STEP, list_twins, twin_trouble

INTEREST, PERMISSION = "interest", "permission"

Level = Literal["stopped", "waiting", "notice"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that wants an admin. level: stopped (nothing goes), waiting (for approval), notice (it goes, less well)."""

    level: Level
    code: str
    subject: str  # audience newsletter, destination mailchimp
    slug: str
    since: datetime | None
    reason: str
    next_step: str
    run_id: int | None = None


NEXT_STEPS: Mapping[str, str] = {
    "credentials": "Set the Mailchimp key again; Muster asks by itself and goes on.",
    "revoked": "Connect the account again.",
    "wrong_data_centre": "Correct the key or MAILCHIMP_BASE_URL; Muster asks by itself and goes on.",
    "user_disabled": "Sign in to Mailchimp and open the account; Muster goes on by itself.",
    "disabled": "Sign in to Mailchimp: a notice there says why. Muster goes on by itself.",
    GONE: "Bring the audience back in Mailchimp, or remove it here; Muster asks by itself.",
    MERGE_FIELD: "`muster audiences add-field {slug} TAG` makes it again; or take it out of the mapping.",
    INTEREST: "Make it again in Mailchimp, where it gets a new id, and set that one; `muster audiences set {slug} interests.ID=` takes this one out.",
    PERMISSION: "Set the right id; `muster audiences set {slug} marketing_permissions.ID=` takes this one out.",
    SAME_LIST: SAME_LIST_STEP,
    GUARD: "Mend the rule or the list, and it goes on by itself; or `muster sync approve {slug}` lets them go.",
    "rejected": "Mend the rule or the list, and it goes on by itself; `muster sync resume {slug}` compares anew and asks again.",
    BY_ADMIN: "`muster sync resume {slug}` lets it go on.",
    "outage": "Nothing to do: Muster asks every 30 seconds and goes on by itself.",
    "webhook": "`muster audiences repair-webhook {slug}`.",
    "first_sync": "`muster sync show {run_id}`, then `muster sync approve {slug}`.",
    "rehearsal": "`muster sync dry-run {slug}` shows what would happen; then `muster sync approve {slug}`.",
    "reconcile": "`muster sync show {run_id}`, then `muster sync approve {run_id}`.",
}


def list_alerts(session: Session) -> list[Alert]:
    """Everything that is open now: what stopped first, then what waits, then notices; the oldest first of each."""
    found = [
        *_of_destinations(session),
        *_of_audiences(session),
        *_of_twins(session),
        *_of_runs(session),
    ]
    order = {"stopped": 0, "waiting": 1, "notice": 2}
    return sorted(found, key=lambda one: (order[one.level], str(one.since or "")))


def _of_destinations(session: Session) -> Iterator[Alert]:
    used = select(Audience.destination_id).where(Audience.is_enabled)
    for one in session.scalars(
        select(Destination).where(Destination.id.in_(used)).order_by(Destination.slug)
    ):
        subject = f"destination {one.slug}"
        if one.paused_at is not None:
            code = one.paused_code or "credentials"
            reason = one.paused_reason or "No reason was given."
            yield _alert("stopped", code, subject, one.slug, since=one.paused_at, reason=reason)
        elif (one.breaker or {}).get("state", "closed") != "closed":
            reason = "Mailchimp does not answer properly; what is to be written waits."
            yield _alert("stopped", "outage", subject, one.slug, reason=reason)


def _of_audiences(session: Session) -> Iterator[Alert]:
    guards = select(SyncRun.audience_id).where(SyncRun.kind == GUARD, SyncRun.state == "waiting")
    asking = set(session.scalars(guards))  # those are told as approvals that are awaited
    for one in session.scalars(select(Audience).where(Audience.is_enabled).order_by(Audience.slug)):
        subject = f"audience {one.slug}"
        if one.paused_at is not None and not (one.paused_code == GUARD and one.id in asking):
            code, reason = one.paused_code or BY_ADMIN, one.paused_reason or ""
            level: Level = "notice" if code == BY_ADMIN else "stopped"
            step = "rejected" if code == GUARD else code
            yield _alert(level, code, subject, one.slug, since=one.paused_at, reason=reason, step=step)
        if gone := (one.remote_schema or {}).get("gone"):
            reason = f"The audience no longer has {', '.join(gone)}; everything else goes on without."
            yield _alert("notice", MERGE_FIELD, subject, one.slug, reason=reason)
        gone_interests = (one.remote_schema or {}).get("gone_interests") or {}
        if still := {what: name for what, name in gone_interests.items() if what in one.interests}:
            reason = interest_trouble(still).reason
            yield _alert("notice", INTEREST, subject, one.slug, reason=reason)
        refused = (one.remote_schema or {}).get("gone_permissions") or ()
        if lacking := {
            what: one.marketing_permissions[what] for what in refused if what in one.marketing_permissions
        }:
            reason = permission_trouble(one.slug, lacking).reason
            yield _alert("notice", PERMISSION, subject, one.slug, reason=reason)
        hook = hook_state(one)
        if hook.trouble:
            yield _alert("notice", "webhook", subject, one.slug, since=hook.since, reason=hook.trouble)


def _of_twins(session: Session) -> Iterator[Alert]:
    """Audiences that turned out to be on one list of one account."""
    for one, other in list_twins(session):
        reason = twin_trouble(one, other).reason
        yield _alert(
            "notice", SAME_LIST, f"audience {one.slug}", one.slug, since=one.created_at, reason=reason
        )


def _of_runs(session: Session) -> Iterator[Alert]:
    """Approvals that are awaited, and audiences that were never rehearsed."""
    query = select(SyncRun, Audience).join(Audience, Audience.id == SyncRun.audience_id)
    waiting = session.execute(
        query.where(SyncRun.state == "waiting", Audience.is_enabled).order_by(SyncRun.id)
    ).all()
    for run, audience in waiting:
        level: Level = "stopped" if run.kind == GUARD else "waiting"
        reason = _waiting_reason(run, audience)
        yield _alert(
            level,
            run.kind,
            f"audience {audience.slug}",
            audience.slug,
            since=run.started_at,
            reason=reason,
            run_id=run.id,
        )
    known = {audience.id for _, audience in waiting}
    unapproved = select(Audience).where(Audience.is_enabled, Audience.approved_at.is_(None))
    for audience in session.scalars(unapproved.order_by(Audience.slug)):
        if audience.id not in known:
            reason = "Its first sync was never approved, so nothing is sent."
            yield _alert(
                "waiting",
                "rehearsal",
                f"audience {audience.slug}",
                audience.slug,
                since=audience.created_at,
                reason=reason,
            )


def _waiting_reason(run: SyncRun, audience: Audience) -> str:
    if run.kind == GUARD:
        return audience.paused_reason or "Many members would leave at once."
    found: Mapping[str, Any] = run.findings
    if run.kind == "first_sync":
        counts = ", ".join(f"{found.get(name, 0):,} {name}" for name in ("added", "changed", "removed"))
        return f"The first sync waits for approval: {counts}."
    counts = ", ".join(f"{found.get(name, 0):,} {name}" for name in ("missing", "differing", "leaving"))
    return f"The two sides differ by more than is mended unasked: {counts}."


def _alert(level: Level, code: str, subject: str, slug: str, **more: Any) -> Alert:
    run_id = more.get("run_id")
    step = NEXT_STEPS.get(
        more.get("step", code), "Sign in to Mailchimp to see why; Muster asks by itself and goes on."
    )
    return Alert(
        level,
        code,
        subject,
        slug,
        more.get("since"),
        more.get("reason", ""),
        step.format(slug=slug, run_id=run_id),
        run_id,
    )
