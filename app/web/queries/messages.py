"""What people said on platforms, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

PAGE = 50
LARGEST_ID = 2**62
LIST = text("""
    SELECT m.id, s.slug AS source, coalesce(nullif(s.label, ''), s.slug) AS source_label, m.kind, m.text, m.is_private,
        m.url, m.rating, m.influence, m.said_at, m.deleted_at IS NOT NULL AS is_deleted,
        coalesce(c.merged_into_id, c.id) AS contact_id,
        coalesce(nullif(btrim(w.fields ->> 'full_name'), ''),
            nullif(btrim(concat_ws(' ', w.fields ->> 'first_name', w.fields ->> 'last_name')), ''), '') AS author
    FROM messages m JOIN sources s ON s.id = m.source_id
    LEFT JOIN contacts c ON c.id = m.contact_id AND c.state <> 'erased'
    LEFT JOIN contacts w ON w.id = coalesce(c.merged_into_id, c.id)
    WHERE (:source = '' OR s.slug = :source) AND (:kind = '' OR m.kind = :kind)
      AND (CAST(:before AS bigint) IS NULL OR (m.said_at, m.id) < (
            SELECT b.said_at, b.id FROM messages b WHERE b.id = :before))
    ORDER BY m.said_at DESC, m.id DESC LIMIT :limit
""")
SOURCES = text("""
    SELECT s.slug, coalesce(nullif(s.label, ''), s.slug) AS label FROM sources s
    WHERE EXISTS (SELECT FROM messages m WHERE m.source_id = s.id) ORDER BY 2
""")


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One message. `text` "" = private and not kept, or deleted; `contact_id` None = nobody we could know."""

    id: int
    source: str
    source_label: str
    kind: str
    text: str
    is_private: bool
    url: str
    rating: int | None
    influence: float | None
    said_at: datetime
    is_deleted: bool
    contact_id: int | None
    author: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, and where the next page begins (None after the last)."""

    lines: tuple[MessageLine, ...]
    older: int | None = None


def list_messages(
    session: Session, source: str = "", kind: str = "", before: int | None = None
) -> MessagePage:
    """The newest of one source or all, of one kind or all."""
    cursor = None if before is None else max(1, min(before, LARGEST_ID))
    asked: Mapping[str, Any] = {"source": source, "kind": kind, "before": cursor, "limit": PAGE + 1}
    lines = [MessageLine(**row) for row in session.execute(LIST, asked).mappings()]
    return MessagePage(tuple(lines[:PAGE]), lines[PAGE - 1].id if len(lines) > PAGE else None)


def list_talking_sources(session: Session) -> tuple[tuple[str, str], ...]:
    """(slug, label) of sources that brought messages."""
    return tuple((row.slug, row.label) for row in session.execute(SOURCES))
