"""Settling what was claimed: done, ignored, dead, or later. A stale lease token settles nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.inbox.events import safe_json

_SETTLE_DELIVERIES = text("""
    UPDATE deliveries d SET state = g.state, event_count = g.event_count, ignored = g.ignored, error = g.error,
        settled_at = now(), lease_token = NULL, leased_until = NULL
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(
        id bigint, token uuid, state text, event_count integer, ignored jsonb, error jsonb)
    WHERE d.id = g.id AND d.lease_token = g.token
    RETURNING d.id
""")
_SETTLE_EVENTS = text("""
    UPDATE events e SET state = g.state, reason = g.reason, error = g.error, warnings = g.warnings,
        mapping_version_id = g.mapping_version_id, contact_id = g.contact_id,
        settled_at = now(), lease_token = NULL, leased_until = NULL
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(
        id bigint, token uuid, state text, reason text, error jsonb, warnings jsonb, mapping_version_id bigint, contact_id bigint)
    WHERE e.id = g.id AND e.lease_token = g.token
    RETURNING e.id
""")
_LATER = {
    "deliveries": text("""
        UPDATE deliveries d SET next_attempt_at = now() + g.delay * interval '1 second', error = g.error,
            lease_token = NULL, leased_until = NULL
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, token uuid, delay float8, state text, error jsonb)
        WHERE d.id = g.id AND d.lease_token = g.token RETURNING d.id
    """),
    "events": text("""
        UPDATE events e SET next_attempt_at = now() + g.delay * interval '1 second', error = g.error,
            state = coalesce(g.state, e.state), lease_token = NULL, leased_until = NULL,
            attempt_count = CASE WHEN g.state = 'blocked' THEN 0 ELSE e.attempt_count END
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, token uuid, delay float8, state text, error jsonb)
        WHERE e.id = g.id AND e.lease_token = g.token RETURNING e.id
    """),
}
_KEEP_ENRICHED = text("""
    UPDATE events e SET enriched = g.enriched, state = 'new', error = NULL,
        occurred_at = least(coalesce(g.occurred_at, e.occurred_at), e.received_at),
        content = CASE WHEN g.enriched ? '$message'
            THEN e.content || jsonb_build_object('$message', (g.enriched -> '$message') - 'text') ELSE e.content END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, token uuid, enriched jsonb, occurred_at timestamptz)
    WHERE e.id = g.id AND e.lease_token = g.token RETURNING e.id
""")
_RELEASE = text("""
    UPDATE events e SET lease_token = NULL, leased_until = NULL, attempt_count = 0, next_attempt_at = now()
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, token uuid)
    WHERE e.id = g.id AND e.lease_token = g.token RETURNING e.id
""")
_POSTPONE = text("""
    UPDATE events e SET next_attempt_at = now() + g.delay * interval '1 second', lease_token = NULL, leased_until = NULL,
        attempt_count = greatest(e.attempt_count - 1, 0)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, token uuid, delay float8)
    WHERE e.id = g.id AND e.lease_token = g.token
""")
_LET_GO = {
    table: text(
        f"UPDATE {table} SET lease_token = NULL, leased_until = NULL, next_attempt_at = now() + interval '1 second',"  # noqa: S608 - two fixed names
        " attempt_count = greatest(attempt_count - 1, 0) WHERE lease_token = :token AND id = ANY(:ids)"
    )
    for table in ("deliveries", "events")
}
_RENEW = {
    table: text(
        f"UPDATE {table} SET leased_until = now() + :lease * interval '1 second'"  # noqa: S608 - two fixed names
        " WHERE lease_token = :token AND id = ANY(:ids) RETURNING id"
    )
    for table in ("deliveries", "events")
}
_ATTEMPT = text("""
    INSERT INTO attempts (delivery_id, event_id, stage, error)
    SELECT g.delivery_id, g.event_id, g.stage, g.error
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(delivery_id bigint, event_id bigint, stage text, error jsonb)
""")

Queue = Literal["deliveries", "events"]


@dataclass(frozen=True, slots=True)
class LetterError:
    """Why something failed, for the person who can fix it. Values are cut to 80 characters."""

    code: str
    reason: str
    hint: str = ""
    path: str = ""
    field: str = ""
    value: str = ""
    stage: str = ""  # split, enrich, map, record

    def as_plain(self) -> dict[str, str]:
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "value": self.value[:80]}


@dataclass(frozen=True, slots=True)
class SettledDelivery:
    """The end of a delivery: split into `event_count` events, or dead with an error."""

    id: int
    token: UUID
    state: Literal["done", "dead"] = "done"
    event_count: int = 0
    ignored: tuple[tuple[str, str, int], ...] = ()  # kind, reason, how many
    error: LetterError | None = None


@dataclass(frozen=True, slots=True)
class SettledEvent:
    """The end of an event: recorded, ignored with a reason, or dead with an error."""

    id: int
    token: UUID
    state: Literal["done", "ignored", "dead"] = "done"
    reason: str = ""
    error: LetterError | None = None
    warnings: tuple[Mapping[str, Any], ...] = ()
    mapping_version_id: int | None = None
    contact_id: int | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Another try after `delay_seconds`; `state` only where it changes (waiting_enrich, blocked, new)."""

    id: int
    token: UUID
    delay_seconds: float
    error: LetterError
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Enriched:
    """What was fetched for an event that is still held."""

    id: int
    token: UUID
    content: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None  # where the platform's answer knows it better


def settle_deliveries(session: Session, settled: Sequence[SettledDelivery]) -> set[int]:
    """Settle in bulk; the ids that were still held by their token."""
    rows = [
        {
            "id": each.id,
            "token": str(each.token),
            "state": each.state,
            "event_count": each.event_count,
            "ignored": [list(one) for one in each.ignored],
            "error": _plain(each.error),
        }
        for each in settled
    ]
    _note_attempts(session, (("delivery_id", each.id, each.error) for each in settled))
    return _run(session, _SETTLE_DELIVERIES, rows)


def settle_events(session: Session, settled: Sequence[SettledEvent]) -> set[int]:
    """Settle in bulk; the ids that were still held by their token."""
    rows = [
        {
            "id": each.id,
            "token": str(each.token),
            "state": each.state,
            "reason": each.reason or (each.error.reason if each.error else ""),
            "error": _plain(each.error),
            "warnings": [dict(warning) for warning in each.warnings],
            "mapping_version_id": each.mapping_version_id,
            "contact_id": each.contact_id,
        }
        for each in settled
    ]
    _note_attempts(session, (("event_id", each.id, each.error) for each in settled))
    return _run(session, _SETTLE_EVENTS, rows)


def retry_later(session: Session, queue: Queue, later: Sequence[Later]) -> set[int]:
    """Put back for another try, by the database's clock; the ids that were still held by their token."""
    rows = [
        {
            "id": each.id,
            "token": str(each.token),
            "delay": each.delay_seconds,
            "state": each.state,
            "error": _plain(each.error),
        }
        for each in later
    ]
    column = "delivery_id" if queue == "deliveries" else "event_id"
    _note_attempts(session, ((column, each.id, each.error) for each in later))
    return _run(session, _LATER[queue], rows)


def keep_enriched(session: Session, enriched: Sequence[Enriched]) -> set[int]:
    """Keep what was fetched, so that a later failure does not fetch again; the lease goes on."""
    rows = [
        {
            "id": each.id,
            "token": str(each.token),
            "enriched": dict(each.content),
            "occurred_at": each.occurred_at.isoformat() if each.occurred_at else None,
        }
        for each in enriched
    ]
    return _run(session, _KEEP_ENRICHED, rows)


def release_events(session: Session, enriched: Sequence[Enriched]) -> set[int]:
    """Let go of events that are whole now: they are due at once, and this try is not held against them."""
    rows = [{"id": each.id, "token": str(each.token)} for each in enriched]
    return _run(session, _RELEASE, rows)


def postpone_events(session: Session, postponed: Sequence[tuple[int, UUID, float]]) -> None:
    """Put thin events (id, token, seconds) back until their source may call again; this is no try of theirs."""
    rows = [{"id": event_id, "token": str(token), "delay": delay} for event_id, token, delay in postponed]
    if rows:
        session.execute(_POSTPONE, {"rows": json.dumps(rows)})


def let_go(session: Session, queue: Queue, token: UUID, ids: Sequence[int]) -> None:
    """Give back what was claimed and not settled, for another try in a second; this one is not held against it."""
    session.execute(_LET_GO[queue], {"token": token, "ids": list(ids)})


def renew_lease(
    session: Session, queue: Queue, token: UUID, ids: Sequence[int], lease_seconds: float
) -> set[int]:
    """Hold on for longer; the ids that are still ours."""
    arguments = {"token": token, "ids": list(ids), "lease": lease_seconds}
    return set(session.scalars(_RENEW[queue], arguments))


def _run(session: Session, statement: Any, rows: list[dict[str, Any]]) -> set[int]:
    if not rows:
        return set()
    return set(session.scalars(statement, {"rows": safe_json(sorted(rows, key=lambda row: row["id"]))}))


def _note_attempts(session: Session, failed: Iterable[tuple[str, int, LetterError | None]]) -> None:
    rows = [
        {column: number, "stage": error.stage or "unknown", "error": error.as_plain()}
        for column, number, error in failed
        if error is not None
    ]
    if rows:
        session.execute(_ATTEMPT, {"rows": safe_json(rows)})


def _plain(error: LetterError | None) -> dict[str, str] | None:
    return None if error is None else error.as_plain()


def read_error(plain: Mapping[str, Any] | str | None) -> LetterError | None:
    """The error as stored; None for none."""
    if plain is None:
        return None
    values = json.loads(plain) if isinstance(plain, str) else plain
    known = {name: str(values.get(name) or "") for name in LetterError.__slots__}
    return LetterError(**known)
