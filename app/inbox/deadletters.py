"""Dead letters: deliveries nobody could read and events nobody could use, in one list, newest first."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import InvalidError, NotFoundError
from app.inbox.settle import LetterError, read_error

_COLUMNS = {
    "deliveries": "'delivery' AS kind, t.id, s.slug AS source, '' AS event_kind, t.id AS delivery_id,"
    " t.received_at, t.settled_at, t.attempt_count, t.error, '' AS reason, t.key",
    "events": "'event' AS kind, t.id, s.slug AS source, t.kind AS event_kind, t.delivery_id,"
    " t.received_at, t.settled_at, t.attempt_count, t.error, t.reason, t.key",
}
_SELECT = "SELECT {columns} FROM {table} t JOIN sources s ON s.id = t.source_id WHERE t.state = 'dead' AND "
_PARTS = {table: _SELECT.format(columns=columns, table=table) for table, columns in _COLUMNS.items()}
_TERMS = "(CAST(:source AS text) IS NULL OR s.slug = :source)"
_LIST = text(f"""
    SELECT * FROM ({_PARTS["deliveries"]} {_TERMS} UNION ALL {_PARTS["events"]} {_TERMS}) AS letters
    WHERE CAST(:at AS timestamptz) IS NULL OR (settled_at, kind, id) < (CAST(:at AS timestamptz), :kind, :id)
    ORDER BY settled_at DESC, kind DESC, id DESC LIMIT :limit
""")  # noqa: S608 - fixed texts of this module only
_ONE = {
    "delivery": text(_PARTS["deliveries"] + "t.id = :id"),
    "event": text(_PARTS["events"] + "t.id = :id"),
}

Kind = Literal["delivery", "event"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was given up, and why."""

    kind: Kind
    id: int
    source: str
    event_kind: str
    delivery_id: int | None
    key: str
    received_at: datetime
    settled_at: datetime
    attempt_count: int
    error: LetterError

    @property
    def name(self) -> str:
        """`event:12`, as commands take it."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some dead letters; `cursor` asks for those after them, "" at the end."""

    letters: tuple[DeadLetter, ...]
    cursor: str = ""


def list_dead_letters(
    session: Session, source: str | None = None, limit: int = 50, cursor: str = ""
) -> DeadLetterPage:
    """The next page, newest first."""
    at, kind, number = _read_cursor(cursor)
    arguments = {"source": source, "at": at, "kind": kind, "id": number, "limit": limit + 1}
    letters = [_letter(row) for row in session.execute(_LIST, arguments)]
    is_more = len(letters) > limit
    shown = tuple(letters[:limit])
    return DeadLetterPage(shown, _write_cursor(shown[-1]) if is_more else "")


def get_dead_letter(session: Session, name: str) -> DeadLetter:
    """By its name, `event:12` or `delivery:3`; a bare number is an event's. NotFoundError otherwise."""
    kind, _, number = name.rpartition(":")
    row = None
    if number.isdecimal() and (kind or "event") in _ONE:
        row = session.execute(_ONE[kind or "event"], {"id": int(number)}).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no dead letter {name[:40]!r}.",
            "`muster deadletters` lists them: event:12, delivery:3.",
        )
    return _letter(row)


def _letter(row: Any) -> DeadLetter:
    error = read_error(row.error) or LetterError("unknown", row.reason or "no reason was kept")
    return DeadLetter(
        kind=row.kind,
        id=row.id,
        source=row.source,
        event_kind=row.event_kind,
        delivery_id=row.delivery_id,
        key=row.key,
        received_at=row.received_at,
        settled_at=row.settled_at,
        attempt_count=row.attempt_count,
        error=error,
    )


def _write_cursor(letter: DeadLetter) -> str:
    place = json.dumps([letter.settled_at.isoformat(), letter.kind, letter.id])
    return base64.urlsafe_b64encode(place.encode()).decode("ascii")


def _read_cursor(cursor: str) -> tuple[datetime | None, str, int]:
    if not cursor:
        return None, "", 0
    try:
        at, kind, number = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(at), str(kind), int(number)
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidError("The page cursor is not one of ours.", "Start again at the first page.") from error
