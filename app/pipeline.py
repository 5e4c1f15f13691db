"""The story: deliveries are claimed and split; events are claimed, mapped, resolved, recorded and queued for sync."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.hints import leave_to_pull
from app.audiences.models import Audience
from app.audiences.outbox import queue_changes
from app.audiences.webhook import mirror_event
from app.contacts.arrivals import Arrival, Resolved
from app.contacts.erase import erase_arrival
from app.contacts.messages import Said, keep_messages
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.runtime import Runtime
from app.inbox.bury import (
    LostLeaseError,
    bury_deadly,
    bury_delivery,
    bury_event,
    given_back,
    is_deadly,
)
from app.inbox.claim import WHOLE_STATES, ClaimedDelivery, ClaimedEvent, claim_deliveries, claim_events
from app.inbox.events import store_events
from app.inbox.forget import forget_events
from app.inbox.isolate import isolate
from app.inbox.mapped import MappedEvent, map_events, settle_unmapped
from app.inbox.message import find_message
from app.inbox.settle import SettledEvent, settle_deliveries, settle_events
from app.inbox.split import split_delivery
from app.sources.loaded import LoadedSource, load_sources
from mappings.language.fields import default_fields

DELIVERY_BATCH = 256
EVENT_BATCH = 500
SUPPRESSED = "The person was erased and stays out."


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many deliveries were split, whether any of their events must be fetched, and those held to be applied."""

    count: int = 0
    needs_enrich: bool = False
    held: tuple[ClaimedEvent, ...] = ()


@dataclass(slots=True)
class Applied:
    """How many events were applied, and the audiences that have to look."""

    count: int = 0
    audience_ids: set[int] = field(default_factory=set)


def sources_by_id(runtime: Runtime) -> dict[int, LoadedSource]:
    """Every source with its secrets open."""
    with runtime.transaction() as session:
        return {loaded.id: loaded for loaded in load_sources(session, runtime.box)}


def split_deliveries(runtime: Runtime, limit: int = DELIVERY_BATCH) -> SplitCount:
    """One batch: claim deliveries, read what is in them, store their events.

    The caller holds the first of the new events and passes them on to `apply_events` at once.
    """
    with runtime.transaction() as session:
        claimed = claim_deliveries(session, limit)
    if not claimed:
        return SplitCount()
    sources = sources_by_id(runtime)
    thin_counts: list[int] = []
    held: list[ClaimedEvent] = []

    def work(batch: Sequence[ClaimedDelivery]) -> None:
        split = [split_delivery(delivery, sources) for delivery in batch]
        with runtime.transaction() as session:
            stored = store_events(
                session, [(one.delivery, one.split) for one in split], EVENT_BATCH - len(held)
            )
            if len(settle_deliveries(session, [one.settled for one in split])) != len(split):
                raise LostLeaseError
        held.extend(stored.held)
        thin_counts.append(sum(event.needs_enrich for one in split for event in one.split.events))

    with given_back(runtime, "deliveries", claimed):
        isolate(claimed, work, partial(bury_delivery, runtime))
    return SplitCount(len(claimed), any(thin_counts), tuple(held))


def apply_events(runtime: Runtime, held: Sequence[ClaimedEvent] = (), limit: int = EVENT_BATCH) -> Applied:
    """One batch: claim events, map them, find their contacts, record, queue for sync: together or not at all.

    Events that are `held` already come first; what else is due fills the batch.
    """
    claimed = list(held)
    if len(claimed) < limit:
        with runtime.transaction() as session:
            claimed += claim_events(session, limit - len(claimed), states=WHOLE_STATES)
    applied = Applied(len(claimed))
    # What was in flight when a worker died goes alone, so that it takes nobody with it.
    bury_deadly(runtime, [event for event in claimed if is_deadly(event)])
    fresh = [event for event in claimed if event.attempt_count == 1]
    suspects = [[event] for event in claimed if event.attempt_count > 1 and not is_deadly(event)]
    with given_back(runtime, "events", claimed):
        for batch in (fresh, *suspects):
            isolate(batch, partial(_apply, runtime, applied), partial(bury_event, runtime))
    return applied


def _apply(runtime: Runtime, applied: Applied, batch: Sequence[ClaimedEvent]) -> None:
    with runtime.transaction() as session:
        mapped = leave_to_pull(session, map_events(session, batch))
        settled, changed = record_mapped(session, runtime, mapped)
        keep_messages(session, list(said_in(mapped, settled)))
        if changed:
            queue_changes(session, changed, max(event.lane for event in batch))
        for one in mapped:
            if one.integration == "mailchimp" and one.result.patches:
                mirror_event(session, one.settings, one.event.to_map)
        audience_ids = (
            list(session.scalars(select(Audience.id).where(Audience.is_enabled))) if changed else []
        )
        if len(settle_events(session, settled)) != len(settled):
            raise LostLeaseError
        forget_events(session, [one.id for one in settled if one.reason == SUPPRESSED])
    applied.audience_ids.update(audience_ids)


def record_mapped(
    session: Session, runtime: Runtime, mapped: Sequence[MappedEvent]
) -> tuple[list[SettledEvent], frozenset[int]]:
    """Resolve and record every patch of a batch; how each event ends, and the contacts that changed."""
    ends = [end for one in mapped if (end := settle_unmapped(one))]
    arrivals = [arrival for one in mapped for arrival in arrivals_of(one)]
    resolved = resolve(session, arrivals, runtime.box)
    recorded = record(session, resolved, default_fields())
    changed = set(recorded.changed_contact_ids)
    for one in resolved:
        if one.is_erasure:
            changed.update(erase_arrival(session, one, runtime.box).contact_ids)
    by_event: dict[int | None, list[Resolved]] = {}
    for one in resolved:
        by_event.setdefault(one.arrival.event_id, []).append(one)
    ends.extend(_end(one, by_event[one.event.id]) for one in mapped if one.result.patches)
    return ends, frozenset(changed)


def arrivals_of(mapped: MappedEvent) -> list[Arrival]:
    """The event's patches with where they come from."""
    event = mapped.event
    return [
        Arrival(
            event_id=event.id,
            ordinal=ordinal,
            source_id=event.source_id,
            mapping_version_id=mapped.version_id,
            trust=mapped.trust,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            patch=patch,
            is_first=event.is_new,
        )
        for ordinal, patch in enumerate(mapped.result.patches)
    ]


def said_in(mapped: Sequence[MappedEvent], settled: Sequence[SettledEvent]) -> Iterator[Said]:
    """What people said in a batch, also where the mapping knows nobody; an event that is dead says nothing yet."""
    ends = {end.id: end for end in settled}
    for one in mapped:
        message, end = find_message(one.event.to_map), ends[one.event.id]
        if message is not None and end.state != "dead" and end.reason != SUPPRESSED:
            yield Said(one.event.id, one.event.source_id, end.contact_id, one.event.occurred_at, message)


def _end(mapped: MappedEvent, resolved: Sequence[Resolved]) -> SettledEvent:
    contact_id = next((one.contact_id for one in resolved if one.contact_id is not None), None)
    is_kept_out = contact_id is None and any(one.suppressed for one in resolved)
    return SettledEvent(
        mapped.event.id,
        mapped.event.token,
        "ignored" if is_kept_out else "done",
        SUPPRESSED if is_kept_out else "",
        warnings=mapped.warnings,
        mapping_version_id=mapped.version_id,
        contact_id=contact_id,
    )
