"""Writing the rows that joined or changed, a chunk at a time: events, contacts and snapshot in one transaction."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.outbox import queue_changes
from app.contacts.arrivals import Arrival, Resolved
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.secretbox import SecretBox
from app.inbox.events import safe_json
from app.inbox.forget import forget_events
from app.inbox.models import BULK_LANE
from app.lists.compare import Compared
from app.lists.source import ListSource
from mappings.language.fields import default_fields

_EVENTS = text("""
    INSERT INTO events (source_id, key, list_run_id, lane, kind, occurred_at, received_at, content, state,
        mapping_version_id, settled_at)
    SELECT :source_id, g.key, :run_id, :lane, 'row', :as_of, now(), g.content, 'done', :version_id, now()
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(key text, content jsonb)
    RETURNING id, key
""")
_OUTCOMES = text("""
    UPDATE events e SET contact_id = g.contact_id, state = g.state, reason = g.reason
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(id bigint, contact_id bigint, state text, reason text)
    WHERE e.id = g.id
""")
_SNAPSHOT = text("""
    INSERT INTO list_rows (source_id, row_key, row_sha256, contact_id, list_run_id)
    SELECT :source_id, g.row_key, decode(g.sha256, 'hex'), g.contact_id, :run_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(row_key text, sha256 text, contact_id bigint)
    ON CONFLICT (source_id, row_key) DO UPDATE
    SET row_sha256 = excluded.row_sha256, contact_id = excluded.contact_id, list_run_id = excluded.list_run_id, updated_at = now()
""")
_KNOWN = text(
    "SELECT row_key, row_sha256 FROM list_rows WHERE source_id = :source_id AND row_key = ANY(:keys)"
)
SUPPRESSED = "The person was erased and stays out."


def load_snapshot(session: Session, source_id: int, keys: Sequence[str]) -> dict[str, bytes]:
    """What these rows said when they were last applied."""
    rows = session.execute(_KNOWN, {"source_id": source_id, "keys": list(keys)})
    return {row.row_key: bytes(row.row_sha256) for row in rows}


def write_rows(  # noqa: PLR0917 - where, for whom, what, as of when
    session: Session,
    box: SecretBox,
    source: ListSource,
    run_id: int,
    rows: Sequence[tuple[Compared, dict[str, str]]],
    as_of: datetime,
) -> int:
    """Apply one chunk; how many contacts changed."""
    event_ids = _insert_events(session, source, run_id, rows, as_of)
    arrivals = [
        Arrival(
            event_ids[_event_key(run_id, row)],
            0,
            source.id,
            source.mapping_version_id,
            source.trust,
            as_of,
            as_of,
            row.patch,
        )
        for row, _ in rows
        if row.patch is not None
    ]
    resolved = resolve(session, arrivals, box)
    recorded = record(session, resolved, default_fields())
    if recorded.changed_contact_ids:
        queue_changes(session, recorded.changed_contact_ids, BULK_LANE)
    by_event = {one.arrival.event_id: one for one in resolved}
    session.execute(_OUTCOMES, {"rows": json.dumps([_outcome(one) for one in resolved])})
    kept_out = {one.arrival.event_id for one in resolved if is_kept_out(one)}
    forget_events(session, sorted(event_id for event_id in kept_out if event_id is not None))
    snapshot = [
        {
            "row_key": row.row_key,
            "sha256": row.row_sha256.hex(),
            "contact_id": by_event[event_ids[_event_key(run_id, row)]].contact_id,
        }
        for row, _ in rows
        if event_ids[_event_key(run_id, row)] not in kept_out
    ]
    session.execute(_SNAPSHOT, {"source_id": source.id, "run_id": run_id, "rows": safe_json(snapshot)})
    return len(recorded.changed_contact_ids)


def _insert_events(
    session: Session,
    source: ListSource,
    run_id: int,
    rows: Sequence[tuple[Compared, dict[str, str]]],
    as_of: datetime,
) -> dict[str, int]:
    plain: list[dict[str, Any]] = [{"key": _event_key(run_id, row), "content": cells} for row, cells in rows]
    stored = session.execute(
        _EVENTS,
        {
            "source_id": source.id,
            "run_id": run_id,
            "lane": BULK_LANE,
            "as_of": as_of,
            "version_id": source.mapping_version_id,
            "rows": safe_json(plain),
        },
    )
    return {row.key: row.id for row in stored}


def _event_key(run_id: int, row: Compared) -> str:
    """A row is one event per run: the address in its key is hashed, keys are shown and logged."""
    return f"{run_id}:{row.line}:{hashlib.sha256(row.row_key.encode()).hexdigest()[:16]}"


def is_kept_out(one: Resolved) -> bool:
    """The person was erased; nothing of the row is kept, so every run meets it anew."""
    return one.contact_id is None and one.suppressed


def _outcome(one: Resolved) -> dict[str, Any]:
    return {
        "id": one.arrival.event_id,
        "contact_id": one.contact_id,
        "state": "ignored" if is_kept_out(one) else "done",
        "reason": SUPPRESSED if is_kept_out(one) else "",
    }
