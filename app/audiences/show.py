"""What people see of an audience: members by status, what waits, who cannot be synced and why."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.guard import leave_limit
from app.audiences.hooks import find_last_delivery, hook_state
from app.audiences.load import LONG_AGO, view_audience
from app.audiences.models import Audience, Destination
from app.audiences.preflight import check_schema
from app.audiences.run_views import RunView, list_runs
from app.audiences.valve import REACHABLE_THERE

STATUSES = text(
    "SELECT status, count(*) FROM members WHERE audience_id = :id AND status <> '' GROUP BY status ORDER BY status"
)
WAITING = text(
    "SELECT count(*) FILTER (WHERE parked_at IS NULL) AS waiting, count(parked_at) AS parked,"
    " count(*) FILTER (WHERE first_failed_at IS NOT NULL AND parked_at IS NULL) AS retrying"
    " FROM changes WHERE audience_id = :id"
)
CANNOT = text(
    "SELECT error ->> 'code' AS code, min(error ->> 'reason') AS reason, min(error ->> 'hint') AS hint, count(*) AS people,"
    " (array_agg(contact_id ORDER BY contact_id))[1:5] AS contact_ids"
    " FROM members WHERE audience_id = :id AND sync_state = 'failed' GROUP BY 1 ORDER BY 4 DESC"
)
ERRORS = text(
    "SELECT at, error ->> 'code' AS code, error ->> 'reason' AS reason, error ->> 'hint' AS hint"
    " FROM attempts WHERE audience_id = :id ORDER BY id DESC LIMIT 5"
)


def summarise_audience(session: Session, audience: Audience, destination: Destination) -> dict[str, Any]:
    """One line of the list of audiences."""
    statuses: dict[str, int] = {row[0]: row[1] for row in session.execute(STATUSES, {"id": audience.id})}
    waiting = session.execute(WAITING, {"id": audience.id}).one()
    failed = session.execute(CANNOT, {"id": audience.id})
    return {
        "slug": audience.slug,
        "label": audience.label,
        "list_id": audience.list_id,
        "destination": destination.slug,
        "members": statuses.get("subscribed", 0),
        "waiting": waiting.waiting,
        "parked": waiting.parked,
        "cannot_sync": sum(row.people for row in failed),
        "state": audience_state(audience, destination),
    }


def audience_state(audience: Audience, destination: Destination) -> str:
    """ready, off, paused (with the reason), or waiting (for approval, or because Mailchimp is down)."""
    if not audience.is_enabled:
        return "off"
    if destination.paused_at is not None:
        return f"paused: {destination.paused_reason}"
    if audience.paused_at is not None:
        return f"paused: {audience.paused_reason}"
    if audience.approved_at is None:
        return "waiting: for approval of its first sync"
    is_up = (destination.breaker or {}).get("state", "closed") == "closed"
    return "ready" if is_up else "waiting: Mailchimp is down"


def describe_audience(session: Session, audience_id: int) -> dict[str, Any]:
    """Everything about one audience; people by contact id only."""
    audience = session.get_one(Audience, audience_id)
    destination = session.get_one(Destination, audience.destination_id)
    waiting = session.execute(WAITING, {"id": audience.id}).one()
    members = {row[0]: row[1] for row in session.execute(STATUSES, {"id": audience.id})}
    return {
        "slug": audience.slug,
        "label": audience.label,
        "list_id": audience.list_id,
        "destination": destination.slug,
        "state": audience_state(audience, destination),
        "purpose": audience.purpose,
        "merge_fields": dict(audience.merge_fields),
        "tags": list(audience.tags),
        "entry_rule": dict(audience.entry_rule),
        "is_double_opt_in": audience.is_double_opt_in,
        "on_leave": audience.on_leave,
        "form_url": str((audience.remote_schema or {}).get("subscribe_url") or ""),
        "approved_at": audience.approved_at,
        "paused": _pause(audience),
        "guard": _guard(audience, members),
        "webhook": _webhook(session, audience),
        "preflight": [asdict(row) for row in check_schema(view_audience(audience))],
        # Everything is to be read once more where it says long ago.
        "pulled_until": None
        if str(audience.pulled_until).startswith(LONG_AGO[:10])
        else audience.pulled_until,
        "reconciled_at": audience.reconciled_at,
        "runs": [_run_line(run) for run in list_runs(session, audience.id, 5)],
        "members": members,
        "changes": {"waiting": waiting.waiting, "retrying": waiting.retrying, "parked": waiting.parked},
        "cannot_sync": [dict(row) for row in session.execute(CANNOT, {"id": audience.id}).mappings()],
        "last_errors": [dict(row) for row in session.execute(ERRORS, {"id": audience.id}).mappings()],
    }


def _pause(audience: Audience) -> dict[str, Any]:
    if audience.paused_at is None:
        return {}
    return {"code": audience.paused_code, "reason": audience.paused_reason, "since": audience.paused_at}


def _guard(audience: Audience, members: Mapping[str, int]) -> dict[str, Any]:
    """How many may leave within a day unasked."""
    member_count = sum(members.get(status, 0) for status in REACHABLE_THERE)
    return {"share": audience.guard_share, "limit": leave_limit(member_count, audience.guard_share)}


def _webhook(session: Session, audience: Audience) -> dict[str, Any]:
    hook = hook_state(audience)
    return {
        "state": hook.state,
        "url": hook.url,
        "source": hook.source,
        "checked_at": hook.checked_at,
        "last_delivery_at": find_last_delivery(session, hook),
        "trouble": hook.trouble,
        "repaired": hook.repaired,
    }


def _run_line(run: RunView) -> dict[str, Any]:
    return {"run": run.run_id, "kind": run.kind, "state": run.state, "started_at": run.started_at}
