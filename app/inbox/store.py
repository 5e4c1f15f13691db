"""The inbox's only way into the database on the answering path: a group of deliveries in one statement.

Plain psycopg and not the ORM: this is the one place where a tenth of a millisecond counts.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from app.inbox.received import NewDelivery, Outcome

Connection = psycopg.Connection[tuple[Any, ...]]

_GIVEN = """
    unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[], %b::bytea[]{types})
        AS g(source_id, key, method, content_type, headers, query, body, sha256{names})
"""
_INSERT = """
INSERT INTO deliveries (source_id, key, method, content_type, headers, query, body, body_sha256)
SELECT g.source_id, g.key, g.method, g.content_type, g.headers::jsonb, g.query::jsonb, g.body, g.sha256
FROM {given} {only}
ON CONFLICT (source_id, key) DO NOTHING RETURNING source_id, key
"""
INSERT_PLAIN = _INSERT.format(given=_GIVEN.format(types="", names=""), only="")
INSERT_WINDOWED = _INSERT.format(
    given=_GIVEN.format(
        types=", %b::text[], %b::text[], %b::bigint[]", names=", earlier, later, window_seconds"
    ),
    only="""WHERE NOT EXISTS (
    SELECT FROM deliveries d WHERE d.source_id = g.source_id AND d.key IN (g.earlier, g.later)
    AND d.received_at > now() - g.window_seconds * interval '1 second')""",
)
# Two requests on both sides of a window's edge have different keys, so no unique index holds one of them up. The lock
# does; it is taken by a statement of its own, as the next one must see what the holder before us committed.
LOCK_WINDOWED = "SELECT pg_advisory_xact_lock(g) FROM unnest(%b::bigint[]) AS g"
COMPARE = """
SELECT g.n, bool_or(d.body_sha256 = g.sha256)
FROM unnest(%b::int[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[])
    AS g(n, source_id, key, earlier, later, sha256)
JOIN deliveries d ON d.source_id = g.source_id AND d.key IN (g.key, g.earlier, g.later)
GROUP BY g.n
"""
INSERT_CONFLICT = """
INSERT INTO delivery_conflicts (source_id, key, headers, body, body_sha256)
VALUES (%s, %s, %s::jsonb, %b, %b) ON CONFLICT (source_id, key, body_sha256) DO NOTHING
"""
COUNT_REJECTIONS = """
INSERT INTO rejections (source_id, day, reason, count, last_at, last_body_sha256)
SELECT g.source_id, g.day, g.reason, g.count, now(), g.sha256
FROM unnest(%b::bigint[], %b::date[], %b::text[], %b::bigint[], %b::bytea[]) AS g(source_id, day, reason, count, sha256)
WHERE EXISTS (SELECT FROM sources s WHERE s.id = g.source_id)
ON CONFLICT (source_id, day, reason) DO UPDATE
SET count = rejections.count + excluded.count, last_at = excluded.last_at, last_body_sha256 = excluded.last_body_sha256
"""


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """How many requests were turned away for one reason on one day, and the hash of the last one's body."""

    source_id: int
    day: date
    reason: str
    count: int
    body_sha256: bytes | None


def store_deliveries(connection: Connection, group: Sequence[NewDelivery]) -> list[Outcome]:
    """Store a group and say of each what became of it; when this returns, all of it is committed.

    The connection is in autocommit: a statement is a transaction. Rows are sorted by key, so that two processes that
    store the same keys wait for each other instead of dead-locking.
    """
    first, repeats = _first_of_each(group)
    inserted: set[tuple[int, str]] = set()
    plain = sorted((each for each in first if not each.key.earlier), key=_order)
    windowed = sorted((each for each in first if each.key.earlier), key=_order)
    if plain:
        inserted.update(connection.execute(INSERT_PLAIN, _columns(plain)).fetchall())
    if windowed:
        inserted.update(_store_windowed(connection, windowed))
    outcomes: dict[int, Outcome] = {
        id(each): Outcome.NEW for each in first if (each.source_id, each.key.value) in inserted
    }
    known = [each for each in first if id(each) not in outcomes] + repeats
    if known:
        outcomes.update(_compare(connection, known))
    return [outcomes[id(each)] for each in group]


def count_rejections(connection: Connection, counts: Sequence[RejectionCount]) -> None:
    """Add to the daily counts."""
    ordered = sorted(counts, key=lambda each: (each.source_id, each.day, each.reason))
    connection.execute(
        COUNT_REJECTIONS,
        (
            [each.source_id for each in ordered],
            [each.day for each in ordered],
            [each.reason for each in ordered],
            [each.count for each in ordered],
            [each.body_sha256 for each in ordered],
        ),
    )


def _first_of_each(group: Sequence[NewDelivery]) -> tuple[list[NewDelivery], list[NewDelivery]]:
    """Those to insert, and those that repeat one of them inside the group (or just over a window's edge)."""
    seen: set[tuple[int, str]] = set()
    first: list[NewDelivery] = []
    repeats: list[NewDelivery] = []
    for each in group:
        key = each.key
        is_repeat = any(
            (each.source_id, value) in seen for value in (key.value, key.earlier, key.later) if value
        )
        seen.add((each.source_id, each.key.value))
        (repeats if is_repeat else first).append(each)
    return first, repeats


def _order(delivery: NewDelivery) -> tuple[int, str]:
    return delivery.source_id, delivery.key.value


def _columns(rows: Sequence[NewDelivery]) -> tuple[list[Any], ...]:
    return (
        [each.source_id for each in rows],
        [each.key.value for each in rows],
        [each.method for each in rows],
        [each.content_type for each in rows],
        [each.headers for each in rows],
        [each.query for each in rows],
        [each.body for each in rows],
        [each.body_sha256 for each in rows],
    )


def _store_windowed(connection: Connection, rows: Sequence[NewDelivery]) -> list[tuple[Any, ...]]:
    locks = sorted({_lock_number(each) for each in rows})
    extra = (
        [each.key.earlier for each in rows],
        [each.key.later for each in rows],
        [each.key.window_seconds for each in rows],
    )
    with connection.transaction():
        connection.execute(LOCK_WINDOWED, (locks,))
        return connection.execute(INSERT_WINDOWED, (*_columns(rows), *extra)).fetchall()


def _lock_number(delivery: NewDelivery) -> int:
    """The same for all windows of a key."""
    value = delivery.key.value.rpartition("@")[0]
    return int.from_bytes(
        hashlib.sha256(f"{delivery.source_id}:{value}".encode()).digest()[:8], "big", signed=True
    )


def _compare(connection: Connection, rows: Sequence[NewDelivery]) -> Mapping[int, Outcome]:
    """Duplicates, and conflicts, which are kept. A row that is found no more was removed meanwhile: a duplicate."""
    answers = connection.execute(
        COMPARE,
        (
            list(range(len(rows))),
            [each.source_id for each in rows],
            [each.key.value for each in rows],
            [each.key.earlier for each in rows],
            [each.key.later for each in rows],
            [each.body_sha256 for each in rows],
        ),
    ).fetchall()
    other = {n for n, is_same in answers if not is_same}
    for n in sorted(other):
        each = rows[n]
        connection.execute(
            INSERT_CONFLICT, (each.source_id, each.key.value, each.headers, each.body, each.body_sha256)
        )
    return {id(each): Outcome.CONFLICT if n in other else Outcome.DUPLICATE for n, each in enumerate(rows)}
