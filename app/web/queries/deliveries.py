"""Deliveries: the list, and one of them with all that became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import NotFoundError

PAGE_SIZE = 50
MOST_EVENTS = 200  # of one delivery on its page; a Meta batch may hold 1,000
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery in the list. `state` sums up the delivery and its events: waiting, done, dead."""

    id: int
    source: str
    source_label: str
    received_at: datetime
    state: str
    event_count: int
    kinds: tuple[str, ...]
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of lines, and the id to continue below; None at the end."""

    lines: tuple[Any, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try that failed."""

    at: datetime
    stage: str
    event_id: int | None
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class EventView:
    """One event and what became of it."""

    id: int
    key: str
    kind: str
    state: str
    reason: str
    error: Mapping[str, Any]
    warnings: tuple[Mapping[str, Any], ...]
    occurred_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime
    attempt_count: int
    mapping_number: int | None
    contact_id: int | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery, with its bytes."""

    id: int
    source: str
    source_label: str
    integration: str
    key: str
    received_at: datetime
    method: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    body: bytes
    body_sha256: bytes
    state: str
    event_count: int
    ignored: tuple[tuple[str, str, int], ...]
    error: Mapping[str, Any]
    attempt_count: int
    next_attempt_at: datetime
    settled_at: datetime | None
    conflict_count: int
    events: tuple[EventView, ...]
    attempts: tuple[AttemptLine, ...]


SUMMED_STATE = """
    CASE WHEN d.state = 'dead' OR EXISTS (SELECT FROM events e WHERE e.delivery_id = d.id AND e.state = 'dead') THEN 'dead'
         WHEN d.settled_at IS NULL
             OR EXISTS (SELECT FROM events e WHERE e.delivery_id = d.id AND e.settled_at IS NULL) THEN 'waiting'
         ELSE 'done' END
"""
# Each state's condition starts from the index that finds it, not from the sum above.
STATE_CONDITIONS = {
    "": "true",
    "done": f"({SUMMED_STATE}) = 'done'",
    "waiting": """(d.settled_at IS NULL OR d.id IN (SELECT delivery_id FROM events WHERE settled_at IS NULL))""",
    "dead": """(d.state = 'dead' OR d.id IN (SELECT delivery_id FROM events WHERE state = 'dead'))""",
}
LIST = """
    SELECT d.id, s.slug AS source, s.label AS source_label, d.received_at, {state} AS state, d.event_count,
        ARRAY(SELECT DISTINCT e.kind FROM events e WHERE e.delivery_id = d.id ORDER BY e.kind LIMIT 4) AS kinds,
        length(d.body) AS size,
        coalesce(d.error->>'reason', (SELECT e.reason FROM events e WHERE e.delivery_id = d.id AND e.state = 'dead'
            ORDER BY e.id LIMIT 1), '') AS reason
    FROM deliveries d JOIN sources s ON s.id = d.source_id
    WHERE {condition} AND d.id < :before
        AND (:source = '' OR s.slug = :source)
        AND (cast(:wanted AS bigint) IS NULL OR d.id = :wanted
            OR d.id = (SELECT delivery_id FROM events WHERE id = :wanted))
        AND (:key = '' OR d.key = :key OR d.id IN (SELECT delivery_id FROM events WHERE key = :key))
    ORDER BY d.id DESC LIMIT :limit
"""
LISTS = {
    state: text(LIST.format(state=SUMMED_STATE, condition=condition))
    for state, condition in STATE_CONDITIONS.items()
}
ONE = text("""
    SELECT d.id, s.slug AS source, s.label AS source_label, s.integration, d.key, d.received_at, d.method,
        d.content_type, d.headers, d.query, d.body, d.body_sha256, d.state, d.event_count, d.ignored, d.error,
        d.attempt_count, d.next_attempt_at, d.settled_at,
        (SELECT count(*) FROM delivery_conflicts c WHERE c.source_id = d.source_id AND c.key = d.key) AS conflict_count
    FROM deliveries d JOIN sources s ON s.id = d.source_id WHERE d.id = :id
""")
EVENTS = text("""
    SELECT e.id, e.key, e.kind, e.state, e.reason, e.error, e.warnings, e.occurred_at, e.settled_at,
        e.next_attempt_at, e.attempt_count, v.number AS mapping_number, e.contact_id
    FROM events e LEFT JOIN mapping_versions v ON v.id = e.mapping_version_id
    WHERE e.delivery_id = :id ORDER BY e.state = 'dead' DESC, e.id LIMIT :limit
""")
ATTEMPTS = text("""
    SELECT at, stage, event_id, coalesce(error->>'reason', '') AS reason, coalesce(error->>'hint', '') AS hint
    FROM attempts WHERE delivery_id = :id OR event_id IN (SELECT id FROM events WHERE delivery_id = :id)
    ORDER BY id DESC LIMIT :limit
""")


def list_deliveries(
    session: Session, source: str = "", state: str = "", query: str = "", before: int | None = None
) -> Page:
    """The newest deliveries first. `query` is the id or key of a delivery or of one of its events."""
    wanted = int(query) if query.isdecimal() and query.isascii() and int(query) <= LARGEST_ID else None
    rows = session.execute(
        LISTS.get(state, LISTS[""]),
        {
            "source": source.replace("\0", ""),
            "before": max(0, min(before or LARGEST_ID, LARGEST_ID)),
            "wanted": wanted,
            "key": "" if wanted is not None else query.replace("\0", ""),
            "limit": PAGE_SIZE + 1,
        },
    ).mappings()
    lines = tuple(DeliveryLine(**{**row, "kinds": tuple(row["kinds"])}) for row in rows)
    return Page(lines[:PAGE_SIZE], lines[PAGE_SIZE - 1].id if len(lines) > PAGE_SIZE else None)


def get_delivery_view(session: Session, delivery_id: int) -> DeliveryView:
    """One delivery with its events, the given-up ones first, and failed tries. NotFoundError when there is none."""
    row = session.execute(ONE, {"id": min(delivery_id, LARGEST_ID)}).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no delivery {delivery_id}.", "Look for it in the list of deliveries.")
    events = session.execute(EVENTS, {"id": delivery_id, "limit": MOST_EVENTS}).mappings()
    attempts = session.execute(ATTEMPTS, {"id": delivery_id, "limit": MOST_EVENTS}).mappings()
    return DeliveryView(
        **{
            **row,
            "headers": tuple((str(name), str(value)) for name, value in row["headers"]),
            "query": tuple((str(name), str(value)) for name, value in row["query"]),
            "ignored": tuple((str(kind), str(reason), int(count)) for kind, reason, count in row["ignored"]),
            "error": row["error"] or {},
            "body": bytes(row["body"]),
            "body_sha256": bytes(row["body_sha256"]),
        },
        events=tuple(
            EventView(**{**e, "error": e["error"] or {}, "warnings": tuple(e["warnings"])}) for e in events
        ),
        attempts=tuple(AttemptLine(**attempt) for attempt in attempts),
    )


def list_event_ids(session: Session, delivery_id: int) -> tuple[int, ...]:
    """The ids of a delivery's events."""
    query = text("SELECT id FROM events WHERE delivery_id = :id ORDER BY id")
    return tuple(session.execute(query, {"id": delivery_id}).scalars())
