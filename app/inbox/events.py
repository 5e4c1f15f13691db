"""Storing what a delivery splits into: each event once per source, whatever deliveries it came in."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.inbox.claim import ClaimedDelivery
from app.inbox.models import BULK_LANE, LIVE_LANE
from app.inbox.received import bounded_key
from integrations.kit.contract import Event, Split
from integrations.kit.strict_json import safe_text

_STORE = text("""
    INSERT INTO events (source_id, key, delivery_id, list_run_id, lane, kind, account, is_erasure, occurred_at,
        received_at, content, state)
    SELECT g.source_id, g.key, g.delivery_id, g.list_run_id, g.lane, g.kind, g.account, g.is_erasure,
        least(coalesce(g.occurred_at, coalesce(g.received_at, now())), coalesce(g.received_at, now())),
        coalesce(g.received_at, now()), g.content, g.state
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(
        source_id bigint, key text, delivery_id bigint, list_run_id bigint, lane smallint, kind text, account text,
        is_erasure boolean, occurred_at timestamptz, received_at timestamptz, content jsonb, state text)
    ORDER BY g.source_id, g.key
    ON CONFLICT (source_id, key) DO NOTHING
    RETURNING id
""").columns()

_UNSAFE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def store_events(session: Session, split: Iterable[tuple[ClaimedDelivery, Split]]) -> list[int]:
    """Insert the events of deliveries that are not there yet; their ids. What is there stays as it is."""
    return _store(
        session,
        [
            {
                **_plain(event),
                "source_id": delivery.source_id,
                "delivery_id": delivery.id,
                "lane": LIVE_LANE,
                "received_at": delivery.received_at.isoformat(),
            }
            for delivery, found in split
            for event in found.events
        ],
    )


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
    return sorted(session.scalars(_STORE, {"rows": safe_json(rows)})) if rows else []


def _plain(event: Event) -> dict[str, Any]:
    return {
        "key": bounded_key(event.key),
        "kind": event.kind,
        "account": event.account,
        "is_erasure": event.is_erasure,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "content": event.content,
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
