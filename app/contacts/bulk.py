"""Many rows in one go: COPY for rows that are known to be new, numbers drawn ahead from a table's sequence."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# OFFSET 0 keeps the sequence's name from being looked up again for every number.
NUMBERS = text(
    """
    SELECT nextval(s.sequence)
    FROM (SELECT CAST(pg_get_serial_sequence(:table_name, 'id') AS regclass) AS sequence OFFSET 0) s,
         generate_series(1, CAST(:number AS integer))
    """
)


def draw_ids(session: Session, table_name: str, number: int) -> list[int]:
    """The next ids of a table, in order."""
    if not number:
        return []
    return list(session.scalars(NUMBERS, {"table_name": table_name, "number": number}).all())


@lru_cache(maxsize=4_096)
def array_text(words: tuple[str, ...]) -> str:
    """A text[] as COPY takes it; psycopg's own way is slow for many short lists."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "{" + ",".join(f'"{word}"' for word in quoted) + "}"


def copy_rows(
    session: Session, table_name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows within the session's transaction. JSON columns take JSON text, arrays `array_text`.

    `table_name` and `columns` are the code's own words, never somebody's input.
    """
    connection = session.connection().connection.driver_connection
    assert connection is not None  # a session's connection is open
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table_name} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
