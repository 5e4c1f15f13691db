"""A trial: a sample delivery taken through every stage - verified, split, mapped, matched, planned - and nothing written.

It runs the very steps of the pipeline inside a transaction that is always rolled back, so what it shows is what would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audiences.load import load_situations, view_audience
from app.audiences.models import Audience
from app.audiences.operation import Operation
from app.audiences.plan import plan_member
from app.core.errors import InvalidError
from app.core.runtime import Runtime
from app.inbox.claim import EVENT_COLUMNS, ClaimedEvent
from app.inbox.events import insert_events
from app.inbox.mapped import MappedEvent, map_events
from app.inbox.sample import patch_as_json, read_sample, reading_as_json
from app.inbox.settle import SettledEvent
from app.pipeline import record_mapped
from app.sources.loaded import LoadedSource, load_sources
from integrations.kit.contract import EnrichError, Event, RawRequest
from integrations.kit.fetch import client_for
from integrations.kit.runner import event_as_json

MAX_EVENTS = 200

EVENTS = text(f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ANY(:ids) ORDER BY id").columns()  # noqa: S608 - fixed words
KNOWN = text("SELECT key FROM events WHERE source_id = :source_id AND key = ANY(:keys)")
GOING = frozenset({"archive", "erase"})  # whoever goes so is given no status
NEWEST = text("SELECT coalesce(max(id), 0) FROM contacts")


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One event on its way. `outcome`: what becomes of it, in words."""

    event: dict[str, Any]
    outcome: str
    patches: tuple[dict[str, Any], ...] = ()
    problem: dict[str, Any] | None = None
    contact_id: int | None = None
    is_new_contact: bool = False
    operations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything a delivery would do. `reading` is that of `muster integrations read`."""

    source: str
    reading: dict[str, Any]
    steps: tuple[TrialStep, ...] = ()


def try_delivery(runtime: Runtime, slug: str, request: RawRequest, *, is_fetching: bool = False) -> Trial:
    """Take a request through the source as it is configured now. With `is_fetching` thin events are fetched.

    InvalidError where there is no such source.
    """
    with runtime.transaction() as session:
        loaded = _find(session, runtime, slug)
    assert request.received_at is not None
    read = read_sample(loaded.source, loaded.config, request, None, request.received_at)
    events = list(read.events[:MAX_EVENTS])
    failures = _fetch(loaded, events) if is_fetching else {}
    with runtime.sessions() as session:
        try:
            steps = _rehearse(session, runtime, loaded, events)
        finally:
            session.rollback()
    reading = reading_as_json(replace(read, results=tuple(None for _ in read.events)))
    waiting = [
        TrialStep(event_as_json(event), failures.get(index, "waits to be fetched from the platform's API"))
        for index, event in enumerate(events)
        if event.needs_enrich
    ]
    return Trial(slug, _head(reading), (*steps, *waiting))


def _find(session: Session, runtime: Runtime, slug: str) -> LoadedSource:
    found = next((one for one in load_sources(session, runtime.box) if one.slug == slug), None)
    if found is None:
        raise InvalidError(
            f"There is no source {slug[:80]!r} with a hook.", "`muster sources list` shows them."
        )
    return found


def _head(reading: dict[str, Any]) -> dict[str, Any]:
    return {name: reading[name] for name in ("verdict", "challenge", "reply", "ignored", "unreadable")}


def _fetch(loaded: LoadedSource, events: list[Event]) -> dict[int, str]:
    """Replace thin events by whole ones; index -> why one cannot be fetched."""
    client = client_for(loaded.source, loaded.config)
    failures: dict[int, str] = {}
    for index, event in enumerate(events):
        if event.needs_enrich:
            try:
                events[index] = replace(
                    loaded.source.enrich(event, loaded.config, client), needs_enrich=False
                )
            except EnrichError as error:
                failures[index] = f"{error.outcome}: {error.reason}"
    return failures


def _rehearse(
    session: Session, runtime: Runtime, loaded: LoadedSource, events: Sequence[Event]
) -> list[TrialStep]:
    whole = [event for event in events if not event.needs_enrich]
    known = set(session.scalars(KNOWN, {"source_id": loaded.id, "keys": [event.key for event in whole]}))
    newest: int = session.execute(NEWEST).scalar_one()
    mark = uuid4().hex
    steps = []
    for number, event in enumerate(whole):
        ids = insert_events(session, loaded.id, [replace(event, key=f"trial:{mark}:{number}")])
        claimed = [ClaimedEvent(uuid4(), *row) for row in session.execute(EVENTS, {"ids": ids})]
        [mapped] = map_events(session, claimed)
        [end], _ = record_mapped(session, runtime, [mapped])
        steps.append(_step(session, event, mapped, end, newest=newest, is_known=event.key in known))
    return steps


def _step(
    session: Session, event: Event, mapped: MappedEvent, end: SettledEvent, *, newest: int, is_known: bool
) -> TrialStep:
    shown = event_as_json(event)
    outcome = {"done": "recorded", "ignored": f"ignored: {end.reason}", "dead": "dead letter"}[end.state]
    if is_known:
        outcome += " (this event came before: a second one has no effect)"
    contact_id = end.contact_id
    return TrialStep(
        shown,
        outcome,
        tuple(patch_as_json(patch) for patch in mapped.result.patches),
        end.error.as_plain() if end.error else None,
        contact_id,
        contact_id is not None and contact_id > newest,
        tuple(_operations(session, contact_id)) if contact_id is not None else (),
    )


def _operations(session: Session, contact_id: int) -> list[dict[str, Any]]:
    """What each audience would be told of the contact."""
    planned = []
    for audience in session.scalars(select(Audience).where(Audience.is_enabled).order_by(Audience.slug)):
        view = view_audience(audience)
        for situation in load_situations(session, view, [contact_id]).values():
            operation = plan_member(situation.contact, situation.mirror, view)
            planned.append({"audience": audience.slug, **_plain(operation)})
    return planned


def _plain(operation: Operation) -> dict[str, Any]:
    made = {
        "kind": operation.kind,
        "status": "" if operation.kind in GOING else operation.status or operation.status_if_new,
        "merge_fields": dict(operation.merge_fields),
        "tags": list(operation.tags_add or operation.tags),
        "tags_removed": list(operation.tags_remove),
        "trouble": operation.trouble.as_dict() if operation.trouble else None,
    }
    if not operation.is_call:
        made = {"kind": operation.kind, "trouble": made["trouble"]}
    return {name: value for name, value in made.items() if value}


def trial_as_json(trial: Trial) -> dict[str, Any]:
    """For people and programs."""
    return {
        "source": trial.source,
        **trial.reading,
        "steps": [
            {
                "event": step.event,
                "outcome": step.outcome,
                "patches": list(step.patches),
                "problem": step.problem,
                "contact_id": None if step.is_new_contact else step.contact_id,
                "is_new_contact": step.is_new_contact,
                "operations": list(step.operations),
            }
            for step in trial.steps
        ],
    }
