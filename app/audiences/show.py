"""What people see of an audience: members by status, what waits, who cannot be synced and why."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.hooks import hook_state
from app.audiences.models import Audience, Destination

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
    """ready, off, paused (with the reason), or waiting (Mailchimp is down)."""
    if not audience.is_enabled:
        return "off"
    if destination.paused_at is not None:
        return f"paused: {destination.paused_reason}"
    return (
        "ready"
        if (destination.breaker or {}).get("state", "closed") == "closed"
        else "waiting: Mailchimp is down"
    )


def describe_audience(session: Session, audience_id: int) -> dict[str, Any]:
    """Everything about one audience; people by contact id only."""
    audience = session.get_one(Audience, audience_id)
    destination = session.get_one(Destination, audience.destination_id)
    hook = hook_state(audience)
    waiting = session.execute(WAITING, {"id": audience.id}).one()
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
        "webhook": {"state": hook.state, "url": hook.url, "source": hook.source},
        "pulled_until": audience.pulled_until,
        "members": {row[0]: row[1] for row in session.execute(STATUSES, {"id": audience.id})},
        "changes": {"waiting": waiting.waiting, "retrying": waiting.retrying, "parked": waiting.parked},
        "cannot_sync": [dict(row) for row in session.execute(CANNOT, {"id": audience.id}).mappings()],
        "last_errors": [dict(row) for row in session.execute(ERRORS, {"id": audience.id}).mappings()],
    }
