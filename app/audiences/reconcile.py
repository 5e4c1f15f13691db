"""Reconcile: both sides counted and compared whole; a little drift is mended by itself, much of it waits for an admin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import open_gateway
from app.audiences.guard import leave_limit
from app.audiences.models import Audience
from app.audiences.outbox import touch_changes
from app.audiences.outward import OutwardField
from app.audiences.runs import Progress, RunWatch
from app.audiences.seen import Seen
from app.audiences.survey import Survey, open_comparison, survey_audience
from app.audiences.whole_read import (
    Gone,
    Reading,
    comparing,
    count_by_status,
    read_everybody,
    settle_gone,
)
from app.core.clock import database_now
from app.core.db import transaction

KIND = "reconcile"
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
SAMPLE_SIZE = 10
NIGHT_HOUR = 2  # UTC

MIRROR_COUNTS = text("""
    SELECT status, count(*) AS count FROM members WHERE audience_id = :audience_id AND status <> '' GROUP BY status
""")
CANNOT = text("""
    SELECT error ->> 'code' AS code, min(error ->> 'reason') AS reason, min(error ->> 'hint') AS hint,
        count(*) AS count, (array_agg(contact_id ORDER BY contact_id))[1:5] AS contact_ids
    FROM members WHERE audience_id = :audience_id AND sync_state = 'failed' GROUP BY 1 ORDER BY 4 DESC
""")
# Once a night, at once for one that a night was missed for, and for one that was paused and resumed. Not beside one that
# runs, however long it takes; and where an admin cancelled it, not before the next night.
DUE = text("""
    SELECT id FROM audiences
    WHERE is_enabled AND approved_at IS NOT NULL AND coalesce(paused_code, '') <> 'gone'
      AND (coalesce(reconciled_at, approved_at) < date_trunc('day', now()) + make_interval(hours => :hour)
        AND now() >= date_trunc('day', now()) + make_interval(hours => :hour)
        AND NOT EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = audiences.id AND r.kind = 'reconcile'
                        AND (r.started_at > now() - interval '1 hour' OR r.state IN ('running', 'paused')
                          OR r.state = 'cancelled' AND r.wish = 'cancel'
                            AND r.finished_at >= date_trunc('day', now()) + make_interval(hours => :hour)))
        OR paused_at IS NULL AND EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = audiences.id AND r.kind = 'reconcile'
                                         AND r.state = 'paused' AND r.wish = ''))
    ORDER BY coalesce(reconciled_at, approved_at)
""")


def list_audiences_to_reconcile(session: Session) -> list[int]:
    """Whose night it is, or whose comparison was resumed. For the sweep."""
    return list(session.scalars(DUE, {"hour": NIGHT_HOUR}))


def run_reconcile(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    actor: str = "muster",
    on_progress: Callable[[Progress], None] | None = None,
) -> int:
    """The id of the run. `done`: what was little is queued; `waiting`: it is much, and `approve` queues it.

    Opt-outs and erasures are queued in any case.
    """
    audience, gateway = open_gateway(sessions, connections, audience_id)
    with transaction(sessions) as session:
        started_at = database_now(session)
    watch = RunWatch(sessions, audience_id, KIND, actor=actor, on_progress=on_progress)
    reading = Reading(sessions, gateway, audience, watch, connections.box, gateway.call_count)
    run_id = open_comparison(watch)
    with comparing(reading):
        seen = read_everybody(reading)
        gone = settle_gone(reading, seen, started_at) if not watch.wish else Gone()
        if watch.wish:
            return run_id
        with transaction(sessions) as session:
            share = session.get_one(Audience, audience_id).guard_share
        limit = leave_limit(seen.member_count, share)
        survey = Survey(limit, seen, gone.unasked)
        survey_audience(sessions, audience, watch, survey)
        if watch.wish:
            return run_id
        findings = _report(reading, survey, seen, gone.contact_ids)
        reading.tell()
        is_much = survey.call_count > limit
        to_mend = survey.urgent if is_much else survey.to_send
        findings |= {"limit": limit, "queued": len(to_mend)}
        watch.close(state="waiting" if is_much else "done", findings=findings)
        # Closing is the last moment to cancel it, so nothing is queued before. Should it end here, the night comes again.
        if not watch.wish:
            _mend(sessions, audience_id, to_mend)
    return run_id


def _mend(sessions: sessionmaker[Session], audience_id: int, contact_ids: list[int]) -> None:
    with transaction(sessions) as session:
        session.execute(update(Audience).where(Audience.id == audience_id).values(reconciled_at=func.now()))
        if contact_ids:
            touch_changes(session, audience_id, contact_ids)


def _report(reading: Reading, survey: Survey, seen: Seen, gone: Sequence[int]) -> dict[str, Any]:
    audience = reading.audience
    there = count_by_status(reading.gateway, audience.list_id, STATUSES)
    with transaction(reading.sessions) as session:
        asked = {"audience_id": audience.audience_id}
        ours = {row.status: row.count for row in session.execute(MIRROR_COUNTS, asked)}
        cannot = [dict(row) for row in session.execute(CANNOT, asked).mappings()]
    found = survey.as_findings()
    return {
        "statuses": {status: {"there": there[status], "here": ours.get(status, 0)} for status in STATUSES},
        "missing": found["added"],
        "differing": found["changed"],
        "leaving": found["removed"] + found["opted_out"],
        "in_step": found["unchanged"],
        "refused": found["refused"],
        "out": found["out"],
        "gone": len(gone),
        "strangers": seen.stranger_count,
        "fields": _with_direction(found["fields"], audience.outward.fields),
        "cannot_sync": merge_reasons(cannot, found["refusals"]),
        "samples": {**_named(found["samples"]), "gone": _gone_sample(gone)},
    }


def _with_direction(
    fields: Mapping[str, int], mapping: Mapping[str, OutwardField]
) -> dict[str, dict[str, Any]]:
    """Merge field -> how many differ, and whose value goes where. What is not mapped is our own contact id."""
    return {
        tag: {"count": count, "direction": mapping[tag].direction if tag in mapping else "ours"}
        for tag, count in fields.items()
    }


def _named(samples: Mapping[str, Any]) -> dict[str, Any]:
    names = {"added": "missing", "changed": "differing", "removed": "leaving", "opted_out": "leaving"}
    named: dict[str, Any] = {}
    for kind, name in names.items():
        if kind in samples:
            named[name] = [*named.get(name, []), *samples[kind]][:SAMPLE_SIZE]
    return named


def _gone_sample(gone: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"contact_id": one, "change": "was a member, and is not listed any more"}
        for one in gone[:SAMPLE_SIZE]
    ]


def merge_reasons(kept: list[dict[str, Any]], planned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasons why people cannot be synced: what planning says now, and what Mailchimp said when they were last written."""
    known = {one["code"] for one in planned}
    return [*planned, *(one for one in kept if one["code"] not in known)]
