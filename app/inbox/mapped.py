"""Mapping claimed events by the version of their source that is in force now; one version per event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import NotFoundError
from app.inbox.claim import ClaimedEvent
from app.inbox.settle import LetterError, SettledEvent
from app.sources.mappings import MappingInForce, mapping_in_force
from mappings.language.event import EventInfo
from mappings.language.patch import MappingResult, Problem

_SOURCES = text("SELECT id, slug, trust, integration, settings FROM sources WHERE id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """An event and what its mapping made of it."""

    event: ClaimedEvent
    result: MappingResult
    version_id: int | None
    trust: int
    integration: str
    settings: Mapping[str, Any]

    @property
    def warnings(self) -> tuple[dict[str, Any], ...]:
        return tuple(plain_problem(problem) for problem in self.result.warnings)


def plain_problem(problem: Problem) -> dict[str, Any]:
    """A problem as stored with an event."""
    return {
        "path": problem.path,
        "code": problem.code,
        "reason": problem.reason,
        "hint": problem.hint,
        "value": problem.value[:80],
        "field": problem.field,
    }


def map_events(session: Session, events: Sequence[ClaimedEvent]) -> list[MappedEvent]:
    """Map each event; a source without a mapping rejects its events with the next step."""
    ids = sorted({event.source_id for event in events})
    rows = {row.id: row for row in session.execute(_SOURCES, {"ids": ids})}
    in_force = {source_id: _find_in_force(session, source_id) for source_id in ids}
    return [_map_event(event, in_force[event.source_id], rows[event.source_id]) for event in events]


def _find_in_force(session: Session, source_id: int) -> MappingInForce | None:
    try:
        return mapping_in_force(session, source_id)
    except NotFoundError:
        return None


def _map_event(event: ClaimedEvent, mapping: MappingInForce | None, row: Any) -> MappedEvent:
    if mapping is None:
        problem = Problem(
            "", "no_mapping", "its source has no mapping", "Publish one, then replay the event."
        )
        return MappedEvent(
            event, MappingResult(rejected=problem), None, row.trust, row.integration, row.settings
        )
    info = EventInfo(event.key, event.kind, event.occurred_at, event.received_at, event.account, row.slug)
    return MappedEvent(
        event,
        mapping.compiled.apply(event.to_map, info),
        mapping.version_id,
        row.trust,
        row.integration,
        row.settings,
    )


def settle_unmapped(mapped: MappedEvent) -> SettledEvent | None:
    """How an event without patches ends: ignored or dead; None when it has patches."""
    event, result = mapped.event, mapped.result
    if result.rejected:
        problem = result.rejected
        letter = LetterError(
            problem.code, problem.reason, problem.hint, problem.path, problem.field, problem.value, "map"
        )
        return SettledEvent(
            event.id,
            event.token,
            "dead",
            error=letter,
            warnings=mapped.warnings,
            mapping_version_id=mapped.version_id,
        )
    if not result.patches:
        reason = result.ignored or "The mapping made nothing of it."
        return SettledEvent(
            event.id,
            event.token,
            "ignored",
            reason,
            warnings=mapped.warnings,
            mapping_version_id=mapped.version_id,
        )
    return None
