"""Asking again: events and deliveries put back to pending, after a mapping or a secret was mended. Safe to repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import InvalidError, NotFoundError

# What failed while it was fetched is fetched again; what was fetched once is not.
_REPLAY_EVENTS = """
    UPDATE events e SET settled_at = NULL, next_attempt_at = now(), attempt_count = 0,
        lease_token = NULL, leased_until = NULL, reason = '', error = NULL,
        state = CASE WHEN e.enriched IS NULL AND (e.state IN ('waiting_enrich', 'blocked')
            OR EXISTS (SELECT FROM attempts a WHERE a.event_id = e.id AND a.stage = 'enrich'))
            THEN 'waiting_enrich' ELSE 'new' END
    WHERE e.settled_at IS NOT NULL AND {where} RETURNING e.id
"""
_REPLAY_DELIVERIES = """
    UPDATE deliveries d SET settled_at = NULL, next_attempt_at = now(), attempt_count = 0,
        lease_token = NULL, leased_until = NULL, error = NULL, state = 'new'
    WHERE d.settled_at IS NOT NULL AND {where} RETURNING d.id
"""
_MISSING = {
    "event": "SELECT id FROM unnest(CAST(:ids AS bigint[])) AS named(id) WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = named.id)",
    "delivery": "SELECT id FROM unnest(CAST(:ids AS bigint[])) AS named(id) WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.id = named.id)",
}
_SOURCE = "{row}.source_id = (SELECT id FROM sources WHERE slug = :source)"


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ask again for. At least one of them; several narrow each other down.

    With `delivery_ids` the deliveries are split again and their events are done again; with `event_ids` only those
    events; otherwise the events of the source or time, and with `is_dead` only dead ones and dead deliveries too.
    """

    event_ids: tuple[int, ...] = ()
    delivery_ids: tuple[int, ...] = ()
    source: str = ""
    since: datetime | None = None
    is_dead: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.event_ids or self.delivery_ids or self.source or self.since or self.is_dead)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many were put back."""

    event_count: int = 0
    delivery_count: int = 0

    @property
    def count(self) -> int:
        return self.event_count + self.delivery_count


def replay(session: Session, choice: Choice) -> Replayed:
    """Put the chosen back to pending. What is pending already is left alone, so a second call changes nothing."""
    events = _run(session, _REPLAY_EVENTS, *_event_terms(choice))
    deliveries = _run(session, _REPLAY_DELIVERIES, *_delivery_terms(choice))
    return Replayed(len(events), len(deliveries))


def check_choice(session: Session, choice: Choice) -> None:
    """NotFoundError where a source, event or delivery that is named does not exist."""
    if choice.source and not session.scalar(
        text("SELECT EXISTS (SELECT FROM sources WHERE slug = :slug)"), {"slug": choice.source}
    ):
        raise NotFoundError(
            f"There is no source {choice.source[:80]!r}.", "`muster sources list` shows the ones there are."
        )
    for kind, ids in (("event", choice.event_ids), ("delivery", choice.delivery_ids)):
        missing = list(session.scalars(text(_MISSING[kind]), {"ids": list(ids)})) if ids else []
        if missing:
            raise NotFoundError(
                f"There is no {kind} {', '.join(map(str, missing[:10]))}.",
                "`muster deadletters`, or the console, shows their numbers.",
            )


def count_replayable(session: Session, choice: Choice) -> Replayed:
    """What `replay` would put back."""
    events, event_values = _event_terms(choice)
    deliveries, delivery_values = _delivery_terms(choice)
    return Replayed(
        _count(session, f"events e WHERE e.settled_at IS NOT NULL AND {events}", event_values),
        _count(session, f"deliveries d WHERE d.settled_at IS NOT NULL AND {deliveries}", delivery_values),
    )


def replay_events(
    session: Session,
    ids: Sequence[int] = (),
    *,
    source: str = "",
    since: datetime | None = None,
    is_dead: bool = False,
) -> int:
    """Replay by ids, by source and time, or everything dead; how many were put back."""
    choice = Choice(event_ids=tuple(ids), source=source, since=since, is_dead=is_dead)
    return replay(session, choice).count


def replay_deliveries(session: Session, ids: Sequence[int]) -> int:
    """Split deliveries again and do their events again; how many deliveries were put back."""
    return replay(session, Choice(delivery_ids=tuple(ids))).delivery_count


def _event_terms(choice: Choice) -> tuple[str, dict[str, Any]]:
    terms, values = _shared_terms(choice, "e")
    if choice.event_ids:
        terms.append("e.id = ANY(:event_ids)")
        values["event_ids"] = list(choice.event_ids)
    if choice.delivery_ids:
        terms.append("e.delivery_id = ANY(:delivery_ids)")
        values["delivery_ids"] = list(choice.delivery_ids)
    return " AND ".join(terms), values


def _delivery_terms(choice: Choice) -> tuple[str, dict[str, Any]]:
    """Deliveries are split again only where they are named or dead; their events are found by their own terms."""
    if choice.event_ids or not (choice.delivery_ids or choice.is_dead):
        return "false", {}
    terms, values = _shared_terms(choice, "d")
    if choice.delivery_ids:
        terms.append("d.id = ANY(:delivery_ids)")
        values["delivery_ids"] = list(choice.delivery_ids)
    return " AND ".join(terms), values


def _shared_terms(choice: Choice, row: str) -> tuple[list[str], dict[str, Any]]:
    if choice.is_empty:
        raise InvalidError(
            "Nothing was chosen for a replay.",
            "Name events, a delivery, a source, a time, or all that is dead.",
        )
    terms: list[str] = []
    values: dict[str, Any] = {}
    if choice.source:
        terms.append(_SOURCE.format(row=row))
        values["source"] = choice.source
    if choice.since is not None:
        terms.append(f"{row}.received_at >= :since")
        values["since"] = choice.since
    if choice.is_dead:
        terms.append(f"{row}.state = 'dead'")
    return terms, values


def _run(session: Session, statement: str, where: str, values: dict[str, Any]) -> list[int]:
    return list(session.scalars(text(statement.format(where=where)), values))


def _count(session: Session, rest: str, values: dict[str, Any]) -> int:
    # Table, alias and terms are fixed texts of this module; what was given travels as parameters.
    return int(session.execute(text(f"SELECT count(*) FROM {rest}"), values).scalar_one())  # noqa: S608
