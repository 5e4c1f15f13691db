"""The outbox: which contacts must be planned again for which audience. Queue, claim by lease, settle.

One row a pair. A row that is touched again takes the next number, so that whoever works on it learns at settling
that it is out of date. Leases and due-times are the database clock's.
"""

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

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
POSTPONE = text(
    "UPDATE changes c SET lease_token = NULL, leased_until = NULL, attempt_count = attempt_count + 1,"
    " first_failed_at = coalesce(first_failed_at, now()), error = f.error,"
    " next_attempt_at = now() + make_interval(secs => coalesce(f.delay_seconds, 0)),"
    " parked_at = CASE WHEN f.delay_seconds IS NULL"
    "   OR first_failed_at < now() - make_interval(secs => :give_up) THEN now() END"
    " FROM jsonb_to_recordset(CAST(:failures AS jsonb))"
    "   AS f(contact_id bigint, delay_seconds double precision, error jsonb)"
    " WHERE c.audience_id = :audience_id AND c.contact_id = f.contact_id"
)


@dataclass(frozen=True, slots=True)
class ClaimedChange:
    """A change as it stood when it was claimed."""

    contact_id: int
    number: int
    attempt_count: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Changes of one audience under one lease."""

    token: uuid.UUID
    changes: tuple[ClaimedChange, ...]


@dataclass(frozen=True, slots=True)
class Postponed:
    """A change to try again in `delay_seconds`; None parks it until it is touched again."""

    contact_id: int
    number: int
    delay_seconds: float | None
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the changes; `lost` are contacts whose lease had gone to somebody else."""

    done_count: int = 0
    touched_count: int = 0  # changed while they were worked on: due again
    lost: tuple[int, ...] = ()


def queue_changes(session: Session, contact_ids: Collection[int], lane: int = LIVE_LANE) -> int:
    """Plan these contacts again for every enabled audience; the number of rows touched."""
    if not contact_ids:
        return 0
    return _count(session.execute(QUEUE, {"ids": sorted(set(contact_ids)), "lane": lane}))


def queue_audience(session: Session, audience_id: int, lane: int = BULK_LANE) -> int:
    """Plan everybody who gave consent or is a member again, for one audience; the number of rows touched."""
    return _count(session.execute(QUEUE_AUDIENCE, {"audience_id": audience_id, "lane": lane}))


def touch_changes(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """Plan these contacts again for one audience, at once."""
    session.execute(QUEUE_SOME, {"audience_id": audience_id, "ids": sorted(set(contact_ids))})


def claim_changes(session: Session, audience_id: int, limit: int, lease_seconds: float) -> Claim:
    """Take due changes, live before bulk, oldest first; rows that others hold are skipped."""
    token = uuid.uuid4()
    rows = session.execute(
        text(
            "WITH due AS (SELECT contact_id FROM changes WHERE audience_id = :audience_id"
            "   AND parked_at IS NULL AND next_attempt_at <= now() AND (leased_until IS NULL OR leased_until <= now())"
            "   ORDER BY lane, next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
            " UPDATE changes c SET lease_token = :token, leased_until = now() + make_interval(secs => :lease)"
            " FROM due WHERE c.audience_id = :audience_id AND c.contact_id = due.contact_id"
            " RETURNING c.contact_id, c.number, c.attempt_count"
        ),
        {"audience_id": audience_id, "limit": limit, "token": token, "lease": lease_seconds},
    ).all()
    return Claim(token, tuple(sorted((ClaimedChange(*row) for row in rows), key=lambda one: one.contact_id)))


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


def hold_changes(
    session: Session, audience_id: int, token: uuid.UUID, contact_ids: Sequence[int]
) -> dict[int, int]:
    """Lock what of these is still ours; contact -> its number now. Whoever is missing went to somebody else."""
    rows = session.execute(
        text(
            "SELECT contact_id, number FROM changes WHERE audience_id = :audience_id AND lease_token = :token"
            " AND contact_id = ANY(CAST(:ids AS bigint[])) ORDER BY contact_id FOR UPDATE"
        ),
        {"audience_id": audience_id, "token": token, "ids": list(contact_ids)},
    )
    return {row.contact_id: row.number for row in rows}


def settle_changes(
    session: Session,
    audience_id: int,
    token: uuid.UUID,
    *,
    done: Sequence[tuple[int, int]] = (),
    again: Sequence[tuple[int, int]] = (),
    failed: Sequence[Postponed] = (),
) -> Settled:
    """Give changes back, each as it ended. `done` and `again` are (contact, number as claimed).

    A change that was touched meanwhile is due again at once, however it ended. A lost lease settles nothing:
    the contact is planned anew (I16).
    """
    wanted = [*done, *again, *((one.contact_id, one.number) for one in failed)]
    held = hold_changes(session, audience_id, token, [contact_id for contact_id, _ in wanted])
    lost = tuple(sorted(contact_id for contact_id, _ in wanted if contact_id not in held))
    touched = sorted(contact_id for contact_id, number in wanted if held.get(contact_id, number) != number)
    current = {contact_id for contact_id, number in wanted if held.get(contact_id) == number}
    _release(session, audience_id, [*touched, *(one for one, _ in again if one in current)])
    done_count = _delete(session, audience_id, [one for one, _ in done if one in current])
    _postpone(session, audience_id, [one for one in failed if one.contact_id in current])
    if lost:
        touch_changes(session, audience_id, lost)
    return Settled(done_count, len(touched), lost)


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


def _release(session: Session, audience_id: int, contact_ids: Sequence[int]) -> None:
    if contact_ids:
        session.execute(
            text(
                "UPDATE changes SET lease_token = NULL, leased_until = NULL, next_attempt_at = now()"
                " WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": list(contact_ids)},
        )


def _delete(session: Session, audience_id: int, contact_ids: Sequence[int]) -> int:
    if not contact_ids:
        return 0
    return _count(
        session.execute(
            text(
                "DELETE FROM changes WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": list(contact_ids)},
        )
    )


def _postpone(session: Session, audience_id: int, failures: Sequence[Postponed]) -> None:
    if failures:
        rows = [
            {"contact_id": one.contact_id, "delay_seconds": one.delay_seconds, "error": one.trouble.as_dict()}
            for one in failures
        ]
        session.execute(
            POSTPONE,
            {"audience_id": audience_id, "failures": json.dumps(rows), "give_up": GIVE_UP_SECONDS},
        )


def _count(result: object) -> int:
    return int(getattr(result, "rowcount", 0))
