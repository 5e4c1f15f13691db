"""Storing what a delivery splits into: each event once per source, whatever deliveries it came in."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.inbox.claim import EVENT_COLUMNS, LEASE_SECONDS, ClaimedDelivery, ClaimedEvent
from app.inbox.message import content_of
from app.inbox.models import BULK_LANE, LIVE_LANE
from app.inbox.received import bounded_key
from integrations.kit.contract import Event, Split
from integrations.kit.strict_json import safe_text

_INSERT = """
    INSERT INTO events (source_id, key, delivery_id, list_run_id, lane, kind, account, is_erasure, occurred_at,
        received_at, content, state, lease_token, leased_until, attempt_count)
    SELECT g.source_id, g.key, g.delivery_id, g.list_run_id, g.lane, g.kind, g.account, g.is_erasure,
        least(coalesce(g.occurred_at, coalesce(g.received_at, now())), coalesce(g.received_at, now())),
        coalesce(g.received_at, now()), g.content, g.state,
        CASE WHEN g.is_held THEN CAST(:token AS uuid) END,
        CASE WHEN g.is_held THEN now() + :lease * interval '1 second' END, CASE WHEN g.is_held THEN 1 ELSE 0 END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(
        source_id bigint, key text, delivery_id bigint, list_run_id bigint, lane smallint, kind text, account text,
        is_erasure boolean, occurred_at timestamptz, received_at timestamptz, content jsonb, state text, is_held boolean)
    ORDER BY g.source_id, g.key
    ON CONFLICT (source_id, key) DO NOTHING
    RETURNING """
_STORE = text(f"{_INSERT} id").columns()
_STORE_AND_HOLD = text(f"{_INSERT} {EVENT_COLUMNS}, true AS is_new, lease_token").columns()

_UNSAFE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True)
class Stored:
    """How many events were new, and those of them that the caller holds, read as `claim_events` would read them."""

    count: int = 0
    held: tuple[ClaimedEvent, ...] = ()


def store_events(
    session: Session,
    split: Iterable[tuple[ClaimedDelivery, Split]],
    hold_limit: int = 0,
    lease_seconds: float = LEASE_SECONDS,
) -> Stored:
    """Insert the events of deliveries that are not there yet. What is there stays as it is.

    Up to `hold_limit` events that need no enriching are claimed in the same breath: whoever stores them goes on to map
    them, and saves a second write of each row.
    """
    rows = [
        {
            **_plain(event),
            "source_id": delivery.source_id,
            "delivery_id": delivery.id,
            "lane": LIVE_LANE,
            "received_at": delivery.received_at.isoformat(),
        }
        for delivery, found in split
        for event in found.events
    ]
    if not rows:
        return Stored()
    for row in [row for row in rows if row["state"] == "new"][:hold_limit]:
        row["is_held"] = True
    token = uuid4()
    asked = {"rows": safe_json(rows), "token": token, "lease": lease_seconds}
    stored = session.execute(_STORE_AND_HOLD, asked).all()
    held = [ClaimedEvent(token, *columns) for *columns, holder in stored if holder == token]
    return Stored(len(stored), tuple(sorted(held, key=attrgetter("id"))))


def insert_events(
    session: Session, source_id: int, events: Sequence[Event], *, list_run_id: int | None = None
) -> list[int]:
    """Insert events that came without a delivery and are not there yet; those of a list run go into the bulk lane.

    Nothing can have happened after it was received: a later `occurred_at` is a clock gone wrong and is cut.
    """
    lane = LIVE_LANE if list_run_id is None else BULK_LANE
    rows = [
        {**_plain(event), "source_id": source_id, "list_run_id": list_run_id, "lane": lane}
        for event in events
    ]
    return _store(session, rows)


def _store(session: Session, rows: list[dict[str, Any]]) -> list[int]:
    asked = {"rows": safe_json(rows), "token": None, "lease": 0}
    return sorted(session.scalars(_STORE, asked)) if rows else []


def _plain(event: Event) -> dict[str, Any]:
    return {
        "key": bounded_key(event.key),
        "kind": event.kind,
        "account": event.account,
        "is_erasure": event.is_erasure,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "content": event.content if event.message is None else content_of(event),
        "state": "waiting_enrich" if event.needs_enrich else "new",
    }


def safe_json(value: Any) -> str:
    """JSON that jsonb takes: U+0000 and half surrogates become U+FFFD. ValueError for NaN and Infinity."""
    written = json.dumps(value, allow_nan=False, default=_as_json)
    return json.dumps(_safe(json.loads(written))) if _UNSAFE.search(written) else written


def _as_json(value: Any) -> Any:
    """Mappings that are no dicts, and tuples inside them, are written as what they are."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [_safe(each) for each in value]
    if isinstance(value, dict):
        return {safe_text(name): _safe(each) for name, each in value.items()}
    return value
