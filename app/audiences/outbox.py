"""The outbox: which contacts must be planned again for which audience. Queue, take, lease, settle.

One row a pair. A row that is touched again takes the next number, so that whoever works on it learns at settling
that it is out of date. Leases and due-times are the database clock's.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column, texts_column, texts_sql
from app.audiences.retry import GIVE_UP_SECONDS
from app.audiences.views import Trouble
from app.inbox.models import BULK_LANE, LIVE_LANE

TOUCH = """
    ON CONFLICT (audience_id, contact_id) DO UPDATE SET
        number = excluded.number, lane = least(changes.lane, excluded.lane), changed_at = now(),
        next_attempt_at = now(), attempt_count = 0, first_failed_at = NULL, parked_at = NULL, error = NULL
"""

QUEUE = text(
    "INSERT INTO changes (audience_id, contact_id, lane)"  # noqa: S608 - constants only
    " SELECT a.id, c.id, :lane FROM audiences a CROSS JOIN unnest(CAST(:ids AS bigint[])) AS c(id)"
    " WHERE a.is_enabled ORDER BY a.id, c.id" + TOUCH
)
QUEUE_AUDIENCE = text(
    "INSERT INTO changes (audience_id, contact_id, lane)"  # noqa: S608 - constants only
    " SELECT :audience_id, id, :lane FROM ("
    "   SELECT k.contact_id AS id FROM consents k JOIN audiences a ON a.id = :audience_id"
    "   WHERE k.channel = a.channel AND k.purpose = a.purpose AND k.status = 'given'"
    "   UNION SELECT contact_id FROM members WHERE audience_id = :audience_id) AS everybody"
    " ORDER BY id" + TOUCH
)
QUEUE_SOME = text(
    "INSERT INTO changes (audience_id, contact_id)"  # noqa: S608 - constants only
    " SELECT :audience_id, id FROM unnest(CAST(:ids AS bigint[])) AS c(id) ORDER BY id" + TOUCH
)
# Rows are found by number or by place, never by a plan: statistics of a table that fills and empties mislead planners,
# which then read all of it for each page.
TAKE = text("""
    SELECT contact_id, number, attempt_count, lane, sent_email, CAST(ctid AS text), lease_token IS NOT NULL FROM changes
    WHERE audience_id = :audience_id AND parked_at IS NULL AND next_attempt_at <= now()
      AND (leased_until IS NULL OR leased_until <= now()) AND lane <= :max_lane
    ORDER BY lane, next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
DROP = text(f"DELETE FROM changes WHERE ctid = ANY(CAST({texts_sql('places')} AS tid[]))")  # noqa: S608 - constants only
LEASE = text(f"""
    UPDATE changes c
    SET lease_token = :token, leased_until = now() + make_interval(secs => :lease), sent_email = l.email
    FROM unnest(CAST(:ids AS bigint[]), {texts_sql("emails")}) AS l(contact_id, email)
    WHERE c.ctid = ANY(CAST({texts_sql("places")} AS tid[])) AND c.contact_id = l.contact_id
""")  # noqa: S608 - constants only
# Locked in order of contact, as everybody does who touches changes. Deleted by key: a row whose lease was renewed while this
# waited for it lies elsewhere, where this statement's snapshot does not see it.
SETTLE = text("""
    WITH ended AS MATERIALIZED (
        SELECT e.id, e.number, e.done = 1 AS is_done, (CAST(:tokens AS uuid[]))[e.slot] AS token
        FROM unnest(CAST(:ids AS bigint[]), CAST(:numbers AS bigint[]), CAST(:slots AS int[]), CAST(:dones AS int[]))
            AS e(id, number, slot, done)
        ORDER BY e.id),
    held AS MATERIALIZED (
        SELECT e.id, e.token, c.number, e.is_done AND e.number = c.number AS is_over
        FROM ended e CROSS JOIN LATERAL (
            SELECT number FROM changes
            WHERE audience_id = :audience_id AND contact_id = e.id AND lease_token = e.token LIMIT 1 FOR UPDATE) AS c),
    gone AS (DELETE FROM changes WHERE audience_id = :audience_id
        AND contact_id = ANY(ARRAY(SELECT id FROM held WHERE is_over)))
    SELECT e.id, e.token, h.number FROM ended e LEFT JOIN held h ON h.id = e.id AND h.token = e.token
    WHERE h.is_over IS NOT TRUE
""")
RELEASE = text("""
    UPDATE changes SET lease_token = NULL, leased_until = NULL, next_attempt_at = now(),
        sent_email = CASE WHEN contact_id <> ALL(CAST(:known AS bigint[])) THEN sent_email END
    WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))
""")
EXCUSE = text("""
    UPDATE changes c SET first_failed_at = first_failed_at + (now() - greatest(first_failed_at, :paused_at))
    FROM audiences a WHERE a.id = c.audience_id AND (a.destination_id = :destination_id OR a.id = :audience_id)
      AND c.first_failed_at IS NOT NULL AND c.parked_at IS NULL
""")
POSTPONE = text(
    "UPDATE changes c SET lease_token = NULL, leased_until = NULL, attempt_count = attempt_count + 1,"
    " sent_email = CASE WHEN f.delay_seconds IS NOT NULL THEN sent_email END,"
    " first_failed_at = coalesce(first_failed_at, now()), error = f.error,"
    " next_attempt_at = now() + make_interval(secs => coalesce(f.delay_seconds, 0)),"
    " parked_at = CASE WHEN f.delay_seconds IS NULL"
    "   OR first_failed_at < now() - make_interval(secs => :give_up) THEN now() END"
    " FROM jsonb_to_recordset(CAST(:failures AS jsonb))"
    "   AS f(contact_id bigint, delay_seconds double precision, error jsonb)"
    " WHERE c.audience_id = :audience_id AND c.contact_id = f.contact_id"
)


class TakenChange(msgspec.Struct, frozen=True, gc=False):
    """A change as it stood when it was taken. `sent_email`: somebody was at it and never said how it ended."""

    contact_id: int
    number: int
    attempt_count: int = 0
    lane: int = BULK_LANE
    sent_email: str | None = None
    place: str = ""  # where the row lies; true while the transaction that took it lasts
    is_abandoned: bool = False  # whoever held it never came back: a call may have been made


How = Literal["done", "again", "release", "later"]


class Ended(msgspec.Struct, frozen=True, gc=False):
    """How the work on a change ended: done; again at once; released, for nothing was sent; or later.

    `later` waits `delay_seconds`; None parks it until it is touched again.
    """

    contact_id: int
    number: int
    token: uuid.UUID
    how: How
    delay_seconds: float | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the changes; `lost` are those whose lease had gone to somebody else, (contact, token)."""

    done_count: int = 0
    touched_count: int = 0  # changed while they were worked on: due again
    lost: frozenset[tuple[int, uuid.UUID]] = frozenset()


def queue_changes(session: Session, contact_ids: Collection[int], lane: int = LIVE_LANE) -> int:
    """Plan these contacts again for every enabled audience; the number of rows touched."""
    if not contact_ids:
        return 0
    return _count(session.execute(QUEUE, {"ids": numbers_column(sorted(set(contact_ids))), "lane": lane}))


def queue_audience(session: Session, audience_id: int, lane: int = BULK_LANE) -> int:
    """Plan everybody who gave consent or is a member again, for one audience; the number of rows touched."""
    return _count(session.execute(QUEUE_AUDIENCE, {"audience_id": audience_id, "lane": lane}))


def touch_changes(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """Plan these contacts again for one audience, at once."""
    session.execute(QUEUE_SOME, {"audience_id": audience_id, "ids": numbers_column(sorted(set(contact_ids)))})


def take_changes(
    session: Session, audience_id: int, limit: int, max_lane: int = BULK_LANE
) -> tuple[TakenChange, ...]:
    """Lock due changes for this transaction, live before bulk, oldest first; rows that others hold are skipped.

    Before it ends each must be dropped or leased. In order of contact id.
    """
    rows = session.execute(TAKE, {"audience_id": audience_id, "limit": limit, "max_lane": max_lane})
    return tuple([TakenChange(*row) for row in sorted(map(tuple, rows))])


def drop_changes(session: Session, changes: Sequence[TakenChange]) -> None:
    """Nothing is left to do for these, which this transaction has taken."""
    if changes:
        session.execute(DROP, {"places": texts_column([one.place for one in changes])})


def lease_changes(
    session: Session, changes: Sequence[TakenChange], emails: Mapping[int, str], lease_seconds: float
) -> uuid.UUID:
    """Keep changes that this transaction has taken, beyond its end. `emails`: contact -> where a call may make a member.

    Should the answer be lost and an opt-out come, whoever takes the change next knows that there may be somebody.
    """
    token = uuid.uuid4()
    if changes:
        values = {
            "ids": numbers_column([one.contact_id for one in changes]),
            "emails": texts_column([emails.get(one.contact_id) for one in changes]),
            "places": texts_column([one.place for one in changes]),
        }
        session.execute(LEASE, {**values, "token": token, "lease": lease_seconds})
    return token


def renew_lease(session: Session, audience_id: int, token: uuid.UUID, lease_seconds: float) -> bool:
    """Hold on to what is left of a claim; False when nothing is: a lease that ran out is not taken back."""
    renewed = session.execute(
        text(
            "UPDATE changes SET leased_until = now() + make_interval(secs => :lease)"
            " WHERE audience_id = :audience_id AND lease_token = :token AND leased_until > now()"
        ),
        {"audience_id": audience_id, "token": token, "lease": lease_seconds},
    )
    return _count(renewed) > 0


def settle_changes(session: Session, audience_id: int, ends: Sequence[Ended]) -> Settled:
    """Give changes back, each as it ended.

    A change that was touched meanwhile is due again at once, however it ended. A lost lease settles nothing:
    the contact is planned anew (I16).
    """
    if not ends:
        return Settled()
    by_key = {(one.contact_id, one.token): one for one in ends}
    left = {(row.id, row.token): row.number for row in _settle_done(session, audience_id, ends)}
    lost = frozenset(key for key, number in left.items() if number is None)
    ours = [(by_key[key], number) for key, number in left.items() if number is not None]
    touched = [end for end, number in ours if end.number != number]
    current = [end for end, number in ours if end.number == number]
    _release(session, audience_id, [*touched, *(end for end in current if end.how != "later")])
    _postpone(session, audience_id, [end for end in current if end.how == "later"])
    if lost:
        touch_changes(session, audience_id, {contact_id for contact_id, _ in lost})
    return Settled(len(by_key) - len(left), len(touched), lost)


def _settle_done(session: Session, audience_id: int, ends: Sequence[Ended]) -> Sequence[Row[Any]]:
    """Delete what is done and was not touched; the rest, with its number now, None for a lost lease."""
    tokens = list({one.token for one in ends})
    slots = {token: slot for slot, token in enumerate(tokens, 1)}
    values = {
        "audience_id": audience_id,
        "tokens": tokens,
        "ids": numbers_column([one.contact_id for one in ends]),
        "numbers": numbers_column([one.number for one in ends]),
        "slots": numbers_column([slots[one.token] for one in ends]),
        "dones": numbers_column([int(one.how == "done") for one in ends]),
    }
    return session.execute(SETTLE, values).all()


def wake_changes(session: Session, destination_id: int, within_seconds: float = 10.0) -> int:
    """Once a destination works again: what waits for a next try is due within seconds, spread against a storm."""
    return _count(
        session.execute(
            text(
                "UPDATE changes c SET next_attempt_at = now() + random() * make_interval(secs => :within)"
                " FROM audiences a WHERE a.id = c.audience_id AND a.destination_id = :destination_id"
                " AND c.parked_at IS NULL AND c.error ->> 'code' <> 'too_many_signups'"
                " AND c.next_attempt_at > now() + make_interval(secs => :within)"
            ),
            {"destination_id": destination_id, "within": within_seconds},
        )
    )


def excuse_pause(
    session: Session, paused_at: datetime | None, *, destination_id: int = 0, audience_id: int = 0
) -> None:
    """A pause is over: its time does not count among the hours after which a change is given up."""
    if paused_at is not None:
        asked = {"paused_at": paused_at, "destination_id": destination_id, "audience_id": audience_id}
        session.execute(EXCUSE, asked)


def _release(session: Session, audience_id: int, ends: Sequence[Ended]) -> None:
    """Due at once. Where an answer said what there is, no member is uncertain any more."""
    if ends:
        known = [one.contact_id for one in ends if one.how in {"done", "again"}]
        values = {
            "audience_id": audience_id,
            "ids": numbers_column([one.contact_id for one in ends]),
            "known": numbers_column(known),
        }
        session.execute(RELEASE, values)


def _postpone(session: Session, audience_id: int, ends: Sequence[Ended]) -> None:
    if ends:
        rows = [
            {
                "contact_id": one.contact_id,
                "delay_seconds": one.delay_seconds,
                "error": one.trouble.as_dict() if one.trouble else None,
            }
            for one in ends
        ]
        session.execute(
            POSTPONE,
            {"audience_id": audience_id, "failures": json.dumps(rows), "give_up": GIVE_UP_SECONDS},
        )


def _count(result: object) -> int:
    return int(getattr(result, "rowcount", 0))
