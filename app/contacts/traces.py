"""Traces of an erased person in deliveries and events: blank what is only about them, redact what is not."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

SHORTEST_REDACTED = 4  # characters; shorter values would tear holes into everybody's data

# Reads whole tables, which is what erasing means; it happens rarely and may take its time.
PATIENCE = text("SET LOCAL statement_timeout = '30min'")
FIND_EVENTS = text(
    """
    SELECT id FROM events
    WHERE content::text ILIKE ANY(:patterns) OR enriched::text ILIKE ANY(:patterns) OR error::text ILIKE ANY(:patterns)
       OR warnings::text ILIKE ANY(:patterns) OR reason ILIKE ANY(:patterns) OR key ILIKE ANY(:patterns)
    """
)
FIND_DELIVERIES = text(
    """
    SELECT id FROM deliveries
    WHERE id IN (SELECT delivery_id FROM events WHERE id = ANY(:event_ids))
       OR encode(body, 'escape') ILIKE ANY(:patterns) OR headers::text ILIKE ANY(:patterns)
       OR query::text ILIKE ANY(:patterns) OR key ILIKE ANY(:patterns) OR error::text ILIKE ANY(:patterns)
    """
)
# What somebody else's patch hangs on, or is still to be split, is redacted; the rest is blanked.
SHARED_EVENTS = text(
    """
    SELECT e.id, e.key, e.content, e.enriched, e.warnings, e.error FROM events e
    WHERE e.id = ANY(:event_ids) AND EXISTS (
        SELECT FROM contact_patches p WHERE p.event_id = e.id AND p.contact_id <> ALL(:contact_ids))
    """
)
SHARED_DELIVERIES = text(
    """
    SELECT d.id, d.key, d.headers, d.query, d.body, d.error FROM deliveries d
    WHERE d.id = ANY(:delivery_ids)
      AND (d.settled_at IS NULL OR EXISTS (SELECT FROM events e WHERE e.delivery_id = d.id AND e.id <> ALL(:event_ids)))
    """
)
BLANK_EVENTS = text(
    """
    UPDATE events SET content = '{}', enriched = NULL, error = NULL, warnings = '[]', reason = 'The person was erased.',
                      state = CASE WHEN settled_at IS NULL THEN 'ignored' ELSE state END,
                      settled_at = coalesce(settled_at, now()),
                      key = CASE WHEN key ILIKE ANY(:patterns) THEN 'erased:' || id ELSE key END
    WHERE id = ANY(:ids)
    """
)
BLANK_DELIVERIES = text(
    """
    UPDATE deliveries SET body = '', headers = '[]', query = '[]', error = NULL,
                          key = CASE WHEN key ILIKE ANY(:patterns) THEN 'erased:' || id ELSE key END
    WHERE id = ANY(:ids)
    """
)
REDACT_EVENT = text(
    """
    UPDATE events SET content = CAST(:content AS jsonb), enriched = CAST(:enriched AS jsonb),
                      warnings = CAST(:warnings AS jsonb), error = CAST(:error AS jsonb), reason = '',
                      key = CASE WHEN key ILIKE ANY(:patterns) THEN 'erased:' || id ELSE key END
    WHERE id = :id
    """
)
REDACT_DELIVERY = text(
    """
    UPDATE deliveries SET body = :body, headers = CAST(:headers AS jsonb), query = CAST(:query AS jsonb),
                          error = CAST(:error AS jsonb),
                          key = CASE WHEN key ILIKE ANY(:patterns) THEN 'erased:' || id ELSE key END
    WHERE id = :id
    """
)
BLANK_CONFLICTS = text(
    """
    UPDATE delivery_conflicts SET body = '', headers = '[]',
                                  key = CASE WHEN key ILIKE ANY(:patterns) THEN 'erased:' || id ELSE key END
    WHERE encode(body, 'escape') ILIKE ANY(:patterns) OR headers::text ILIKE ANY(:patterns) OR key ILIKE ANY(:patterns)
       OR (source_id, key) IN (SELECT source_id, key FROM deliveries WHERE id = ANY(:ids))
    """
)
FORGET_ATTEMPTS = text(
    """
    DELETE FROM attempts
    WHERE event_id = ANY(:event_ids) OR delivery_id = ANY(:delivery_ids) OR contact_id = ANY(:contact_ids)
       OR error::text ILIKE ANY(:patterns)
    """
)
FORGET_LIST_ROWS = text("DELETE FROM list_rows WHERE row_key ILIKE ANY(:patterns)")


@dataclass(frozen=True, slots=True)
class Traces:
    """Where an erased person may have left traces, and what they look like."""

    event_ids: tuple[int, ...]  # events known to be about the person
    searched: tuple[str, ...]  # addresses and ids to look for everywhere
    redacted: tuple[str, ...]  # all values to take out of what others share
    contact_ids: frozenset[int]


def wipe_traces(session: Session, traces: Traces) -> None:
    """Take every trace out of events, deliveries, conflicts, attempts and list rows."""
    session.execute(PATIENCE)
    patterns = like_patterns(traces.searched)
    found = session.scalars(FIND_EVENTS, {"patterns": patterns}) if patterns else ()
    event_ids = sorted({*traces.event_ids, *found})
    asked = {"event_ids": event_ids, "patterns": patterns, "contact_ids": sorted(traces.contact_ids)}
    delivery_ids = list(session.scalars(FIND_DELIVERIES, asked))
    asked |= {"delivery_ids": delivery_ids}
    redact = redactor(traces.redacted)
    _wipe_events(session, asked, redact)
    _wipe_deliveries(session, asked, redact)
    session.execute(FORGET_ATTEMPTS, asked)
    session.execute(FORGET_LIST_ROWS, {"patterns": patterns})


def _wipe_events(session: Session, asked: dict[str, Any], redact: "Redact") -> None:
    shared = session.execute(SHARED_EVENTS, asked).all()
    alone = sorted(set(asked["event_ids"]) - {row.id for row in shared})
    session.execute(BLANK_EVENTS, {"ids": alone, "patterns": asked["patterns"]})
    for row in shared:
        columns = {
            name: _json(redact(getattr(row, name))) for name in ("content", "enriched", "warnings", "error")
        }
        session.execute(REDACT_EVENT, {"id": row.id, "patterns": asked["patterns"], **columns})


def _wipe_deliveries(session: Session, asked: dict[str, Any], redact: "Redact") -> None:
    ids, patterns = asked["delivery_ids"], asked["patterns"]
    session.execute(BLANK_CONFLICTS, {"ids": ids, "patterns": patterns})
    shared = session.execute(SHARED_DELIVERIES, asked).all()
    alone = sorted(set(ids) - {row.id for row in shared})
    session.execute(BLANK_DELIVERIES, {"ids": alone, "patterns": patterns})
    for row in shared:
        columns = {name: _json(redact(getattr(row, name))) for name in ("headers", "query", "error")}
        session.execute(
            REDACT_DELIVERY, {"id": row.id, "patterns": patterns, "body": redact(bytes(row.body)), **columns}
        )


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def like_patterns(values: Iterable[str]) -> list[str]:
    """Patterns for ILIKE that find each value as it stands, percent-encoded, and with JSON's escapes."""
    patterns: dict[str, None] = {}
    for value in values:
        if not value:
            continue
        escaped = json.dumps(value)[1:-1]
        octal = "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in value.encode())  # noqa: PLR2004 - as encode(..., 'escape') prints
        percent = "".join(c if c.isalnum() or c in "-._~" else f"%{ord(c):02X}" for c in value if c.isascii())
        for form in (
            value,
            escaped,
            octal,
            percent if value.isascii() else value,
            percent.replace("%20", "+"),
        ):
            plain = form.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            patterns[f"%{plain}%"] = None
    return list(patterns)


Redact = Callable[[Any], Any]


def redactor(values: Iterable[str]) -> Redact:
    """A function that takes these values out of text, bytes, lists and dicts, in whatever way they are written."""
    worth = sorted({value for value in values if len(value) >= SHORTEST_REDACTED}, key=len, reverse=True)
    if not worth:
        return lambda value: value
    in_text = re.compile("|".join(map(re.escape, worth)), re.IGNORECASE)
    in_bytes = re.compile(b"|".join(map(_spellings, worth)), re.IGNORECASE)

    def redact(value: Any) -> Any:
        if isinstance(value, str):
            return in_text.sub("", value)
        if isinstance(value, bytes):
            return in_bytes.sub(b"", value)
        if isinstance(value, dict):
            return {redact(name): redact(inner) for name, inner in value.items()}
        return [redact(inner) for inner in value] if isinstance(value, list) else value

    return redact


def _spellings(value: str) -> bytes:
    """Each character as UTF-8, percent-encoded, or escaped as JSON does."""
    return b"".join(_character(character) for character in value)


def _character(character: str) -> bytes:
    raw = character.encode("utf-8", "surrogatepass")
    percent = b"".join(b"%%%02x" % byte for byte in raw)
    utf_16 = character.encode("utf-16-be", "surrogatepass")
    units = b"".join(b"\\\\u%02x%02x" % (utf_16[i], utf_16[i + 1]) for i in range(0, len(utf_16), 2))
    space = (rb"\+",) if character == " " else ()
    return b"(?:" + b"|".join((re.escape(raw), percent, units, *space)) + b")"
