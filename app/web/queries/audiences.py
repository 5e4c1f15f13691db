"""Audiences as the console shows them: a line each, and everything about one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.configure import get_audience_row, list_audiences
from app.audiences.hooks import hook_state
from app.audiences.reviews import ReviewLine, list_reviews
from app.audiences.run_views import RunView, list_runs
from app.audiences.show import describe_audience, summarise_audience
from app.audiences.value_changes import ValueChange, find_run_values
from app.web.queries.alerts import AlertLine, list_alert_lines

DECIDED_KINDS = ("first_sync", "guard", "reconcile")
MOST_PEOPLE = 200
NAMES = text("""
    SELECT id, coalesce(nullif(btrim(fields ->> 'full_name'), ''),
        nullif(btrim(concat_ws(' ', fields ->> 'first_name', fields ->> 'last_name')), ''),
        fields ->> 'email', '') AS name
    FROM contacts WHERE id = ANY(CAST(:ids AS bigint[]))
""")
CANNOT = text("""
    SELECT contact_id, updated_at FROM members
    WHERE audience_id = :id AND sync_state = 'failed' AND error ->> 'code' = :code
    ORDER BY contact_id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class AudienceLine:
    """One audience of the list. `reason` says why it is not ready."""

    slug: str
    label: str
    destination: str
    state: str  # ready, off, paused, waiting
    reason: str
    member_count: int
    waiting_count: int
    cannot_count: int
    hook: str
    hook_trouble: str
    last_run: RunView | None


@dataclass(frozen=True, slots=True)
class AudiencePage:
    """One audience. `told` is what `muster audiences show` tells, `asking` the run that waits for an admin."""

    id: int
    slug: str
    label: str
    state: str
    reason: str
    told: Mapping[str, Any]
    asking: RunView | None
    compared: RunView | None
    runs: tuple[RunView, ...]  # the latest
    alerts: tuple[AlertLine, ...]
    reviews: tuple[ReviewLine, ...]
    names: Mapping[int, str]
    values: Mapping[int, Sequence[ValueChange]]  # that `asking` would write over


@dataclass(frozen=True, slots=True)
class CannotLine:
    """Somebody who cannot be synced."""

    contact_id: int
    name: str
    updated_at: datetime


def list_audience_lines(session: Session) -> tuple[AudienceLine, ...]:
    """Every audience, by slug."""
    lines = []
    for audience, destination in list_audiences(session):
        told = summarise_audience(session, audience, destination)
        state, reason = split_state(told["state"])
        hook = hook_state(audience)
        last = list_runs(session, audience.id, 1)
        lines.append(
            AudienceLine(
                audience.slug,
                audience.label or audience.slug,
                destination.slug,
                state,
                reason,
                told["members"],
                told["waiting"],
                told["cannot_sync"],
                hook.state,
                hook.trouble,
                last[0] if last else None,
            )
        )
    return tuple(lines)


def split_state(words: str) -> tuple[str, str]:
    """`paused: the key was refused` as state and reason."""
    state, _, reason = words.partition(": ")
    return state, reason[:1].upper() + reason[1:]


def get_audience_page(session: Session, slug: str) -> AudiencePage:
    """Everything about one. NotFoundError where there is none."""
    row = get_audience_row(session, slug)
    told = describe_audience(session, row.id)
    state, reason = split_state(told["state"])
    decided = list_runs(session, row.id, 20, DECIDED_KINDS)
    compared = next((run for run in decided if run.kind == "reconcile" and run.findings), None)
    reviews = tuple(list_reviews(session, row.id))
    asking = find_asking(decided)
    subjects = {("audience", slug), ("destination", told["destination"])}
    shown = list_runs(session, row.id, 6)
    ids = {
        *(one for group in told["cannot_sync"] for one in group["contact_ids"]),
        *(review.person_id for review in reviews),
        *(one for run in (asking, compared) if run for one in run_people(run)),
    }
    return AudiencePage(
        row.id,
        slug,
        row.label or slug,
        state,
        reason,
        told,
        asking,
        compared,
        tuple(shown),
        tuple(alert for alert in list_alert_lines(session) if (alert.kind, alert.slug) in subjects),
        reviews,
        find_names(session, ids),
        find_run_values(session, asking) if asking else {},
    )


def find_asking(runs: Sequence[RunView]) -> RunView | None:
    """The run that waits for an admin, or the last first sync where it was broken off as dangerous. Pure."""
    waiting = next((run for run in runs if run.state == "waiting"), None)
    last = next((run for run in runs if run.kind == "first_sync"), None)
    is_dangerous = last is not None and last.state == "failed" and bool(last.findings)
    return waiting or (last if is_dangerous else None)


def run_people(run: RunView) -> Iterator[int]:
    """Contact ids that a run's errors and findings name."""
    groups = [*run.errors, *run.findings.get("refusals", ()), *run.findings.get("cannot_sync", ())]
    for group in groups:
        yield from group.get("contact_ids", ())
    for sample in (run.findings.get("samples") or {}).values():
        yield from (one["contact_id"] for one in sample)


def find_names(session: Session, contact_ids: Collection[int]) -> Mapping[int, str]:
    """Contact -> how to call them."""
    if not contact_ids:
        return {}
    return {row.id: row.name for row in session.execute(NAMES, {"ids": sorted(set(contact_ids))})}


def list_cannot(session: Session, audience_id: int, code: str) -> tuple[CannotLine, ...]:
    """The first people who cannot be synced for one reason."""
    asked = {"id": audience_id, "code": code, "limit": MOST_PEOPLE}
    rows = session.execute(CANNOT, asked).all()
    names = find_names(session, [row.contact_id for row in rows])
    return tuple(CannotLine(row.contact_id, names.get(row.contact_id, ""), row.updated_at) for row in rows)
