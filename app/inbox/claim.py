"""Claiming what is pending: a lease by the database's clock, rows somebody else holds are skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

LEASE_SECONDS = 30.0  # a batch takes a second or two; what a dead worker held is free again after this
WHOLE_STATES = ("new",)
THIN_STATES = ("waiting_enrich", "blocked")
PENDING_STATES = (*WHOLE_STATES, *THIN_STATES)

# Chosen as an array, once (as `id IN (...)` a planner that joins by nested loops looks again for each row, finds the next
# ones, and claims more than the limit).
_CLAIM_DELIVERIES = text("""
    UPDATE deliveries SET lease_token = :token, leased_until = now() + :lease * interval '1 second',
        attempt_count = attempt_count + 1
    WHERE id = ANY(ARRAY(
        SELECT id FROM deliveries
        WHERE settled_at IS NULL AND next_attempt_at <= now() AND (leased_until IS NULL OR leased_until < now())
        ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING id, source_id, key, received_at, method, content_type, headers, query, body, attempt_count
""").columns()

EVENT_COLUMNS = (
    "id, source_id, key, delivery_id, list_run_id, lane, kind, account, is_erasure, occurred_at, received_at,"
    " content, enriched, state, attempt_count"
)
# Blocked events wait for their source to get working credentials.
_CLAIM_EVENTS = text(f"""
    UPDATE events SET lease_token = :token, leased_until = now() + :lease * interval '1 second',
        attempt_count = attempt_count + 1
    WHERE id = ANY(ARRAY(
        SELECT e.id FROM events e
        WHERE e.settled_at IS NULL AND e.next_attempt_at <= now() AND (e.leased_until IS NULL OR e.leased_until < now())
        AND e.state = ANY(:states)
        AND (e.state <> 'blocked' OR EXISTS (SELECT FROM sources s WHERE s.id = e.source_id AND s.paused_at IS NULL))
        ORDER BY e.lane, e.next_attempt_at, e.id LIMIT :limit FOR UPDATE OF e SKIP LOCKED))
    RETURNING {EVENT_COLUMNS}
""").columns()  # noqa: S608 - fixed words only


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery to split, held by `token` until the lease runs out."""

    token: UUID
    id: int
    source_id: int
    key: str
    received_at: datetime
    method: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    body: bytes
    attempt_count: int  # this try included


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event to enrich, map and record, held by `token` until the lease runs out. After the token, `EVENT_COLUMNS`."""

    token: UUID
    id: int
    source_id: int
    key: str
    delivery_id: int | None
    list_run_id: int | None
    lane: int
    kind: str
    account: str
    is_erasure: bool
    occurred_at: datetime
    received_at: datetime
    content: dict[str, Any]
    enriched: dict[str, Any] | None
    state: str
    attempt_count: int  # this try included
    is_new: bool = False  # stored by whoever holds it, so certainly never applied before

    @property
    def to_map(self) -> dict[str, Any]:
        """What the mapping reads: what was fetched, else what came."""
        return self.content if self.enriched is None else self.enriched


def claim_deliveries(
    session: Session, limit: int, lease_seconds: float = LEASE_SECONDS
) -> list[ClaimedDelivery]:
    """Up to `limit` pending deliveries, the one due longest first. Commit before working on them."""
    token = uuid4()
    rows = session.execute(_CLAIM_DELIVERIES, {"token": token, "lease": lease_seconds, "limit": limit})
    claimed = [
        ClaimedDelivery(
            token=token,
            id=row.id,
            source_id=row.source_id,
            key=row.key,
            received_at=row.received_at,
            method=row.method,
            content_type=row.content_type,
            headers=_pairs(row.headers),
            query=_pairs(row.query),
            body=row.body,
            attempt_count=row.attempt_count,
        )
        for row in rows.all()
    ]
    return sorted(claimed, key=attrgetter("id"))


def claim_events(
    session: Session, limit: int, lease_seconds: float = LEASE_SECONDS, states: Sequence[str] = PENDING_STATES
) -> list[ClaimedEvent]:
    """Up to `limit` pending events in these states, live ones before bulk ones. Commit before working on them."""
    token = uuid4()
    rows = session.execute(
        _CLAIM_EVENTS, {"token": token, "lease": lease_seconds, "limit": limit, "states": list(states)}
    )
    claimed = [ClaimedEvent(token, *row) for row in rows.all()]
    return sorted(claimed, key=attrgetter("lane", "id"))


def _pairs(stored: list[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in stored)
