"""What people say on platforms: one row a message, its newest wording, gone for good once the platform deletes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.traces import redactor
from app.inbox.message import MESSAGE_KEY

# The newest wording stands, whatever order it comes in; what was deleted stays deleted.
KEEP = text("""
    INSERT INTO messages AS m (source_id, message_id, event_id, contact_id, kind, text, is_private, url, thread_id, rating,
        influence, said_at, worded_at, deleted_at)
    SELECT source_id, message_id, event_id, contact_id, kind, text, is_private, url, thread_id, rating, influence,
        said_at, said_at, CASE WHEN change = 'deleted' THEN said_at END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(source_id bigint, message_id text, event_id bigint, contact_id bigint,
        kind text, text text, is_private boolean, url text, thread_id text, rating smallint, influence double precision,
        said_at timestamptz, change text)
    ORDER BY source_id, message_id
    ON CONFLICT (source_id, message_id) DO UPDATE SET
        contact_id = coalesce(m.contact_id, excluded.contact_id),
        event_id = coalesce(m.event_id, excluded.event_id),
        text = CASE WHEN m.deleted_at IS NOT NULL OR excluded.deleted_at IS NOT NULL THEN ''
                    WHEN excluded.worded_at >= m.worded_at THEN excluded.text ELSE m.text END,
        worded_at = greatest(m.worded_at, excluded.worded_at), said_at = least(m.said_at, excluded.said_at),
        url = CASE WHEN m.url = '' THEN excluded.url ELSE m.url END,
        rating = coalesce(excluded.rating, m.rating), influence = coalesce(excluded.influence, m.influence),
        is_private = m.is_private OR excluded.is_private,
        deleted_at = coalesce(m.deleted_at, excluded.deleted_at)
""")
MARK = text("""
    UPDATE timeline_entries t SET kind = 'message', is_private = r.is_private
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(event_id bigint, is_private boolean)
    WHERE t.event_id = r.event_id AND t.kind = 'event'
""")
# What was deleted, now or before its words came.
GONE = text("""
    SELECT DISTINCT m.source_id, m.message_id
    FROM unnest(CAST(:source_ids AS bigint[]), CAST(:message_ids AS text[])) AS s(source_id, message_id)
    JOIN messages m USING (source_id, message_id) WHERE m.deleted_at IS NOT NULL
""")
# Every event of this source that carries the message, whichever of them said or edited it.
SAID = text("""
    SELECT e.id, e.delivery_id, e.content, e.enriched FROM events e
    WHERE e.source_id = :source_id AND e.content ? '$message' AND e.content -> '$message' ->> 'id' = :message_id
""")
REDACT_EVENT = text(
    "UPDATE events SET content = CAST(:content AS jsonb), enriched = CAST(:enriched AS jsonb) WHERE id = :id"
)
BODY = text("SELECT id, body FROM deliveries WHERE id = ANY(:ids)")
REDACT_BODY = text("UPDATE deliveries SET body = :body WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Said:
    """A message as an event carries it, and whose it is (None: nobody we could know)."""

    event_id: int
    source_id: int
    contact_id: int | None
    said_at: datetime
    message: Mapping[str, Any]  # as `app.inbox.message` writes it

    def as_row(self) -> dict[str, Any]:
        return {
            **{name: self.message.get(name) for name in ("kind", "rating", "influence", "change")},
            **{name: self.message.get(name) or "" for name in ("text", "url", "thread_id")},
            "is_private": bool(self.message.get("is_private")),
            "source_id": self.source_id,
            "message_id": str(self.message["id"]),
            "event_id": self.event_id,
            "contact_id": self.contact_id,
            "said_at": self.said_at.isoformat(),
        }


def keep_messages(session: Session, said: Sequence[Said]) -> None:
    """Write the messages of a batch, mark their timeline entries, and redact what a platform deleted."""
    if not said:
        return
    for batch in _one_of_each(said):
        session.execute(KEEP, {"rows": json.dumps([one.as_row() for one in batch])})
    marks = [
        {"event_id": one.event_id, "is_private": bool(one.message.get("is_private"))}
        for one in said
        if one.contact_id is not None
    ]
    if marks:
        session.execute(MARK, {"rows": json.dumps(marks)})
    for source_id, message_id in session.execute(
        GONE,
        {
            "source_ids": [one.source_id for one in said],
            "message_ids": [str(one.message["id"]) for one in said],
        },
    ).all():
        redact_message(session, source_id, message_id)


def _one_of_each(said: Sequence[Said]) -> list[list[Said]]:
    """Batches in which no message stands twice: one statement cannot touch a row twice."""
    batches: list[dict[tuple[int, str], Said]] = []
    for one in said:
        key = (one.source_id, str(one.message["id"]))
        room = next((batch for batch in batches if key not in batch), None)
        if room is None:
            room = {}
            batches.append(room)
        room[key] = one
    return [list(batch.values()) for batch in batches]


def redact_message(session: Session, source_id: int, message_id: str) -> None:
    """Take a deleted message's words out of the events and deliveries that brought it."""
    rows = session.execute(SAID, {"source_id": source_id, "message_id": message_id}).all()
    words = {
        str(found)
        for row in rows
        for content in (row.content, row.enriched)
        if content and (found := (content.get(MESSAGE_KEY) or {}).get("text"))
    }
    if not words:
        return
    redact = redactor(words)
    for row in rows:
        plain = {"content": redact(row.content), "enriched": redact(row.enriched)}
        for content in plain.values():
            if content and MESSAGE_KEY in content:
                content[MESSAGE_KEY] = {**content[MESSAGE_KEY], "text": ""}
        session.execute(
            REDACT_EVENT,
            {"id": row.id, **{name: None if one is None else json.dumps(one) for name, one in plain.items()}},
        )
    ids = [row.delivery_id for row in rows if row.delivery_id is not None]
    for delivery in session.execute(BODY, {"ids": ids}).all():
        session.execute(REDACT_BODY, {"id": delivery.id, "body": redact(bytes(delivery.body))})
