"""How the inbox stands: what waits, since when, what was given up."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

# Of the pending, those held back on purpose (a retry due later, blocked credentials) do not count as waiting.
_OLDEST = text("""
    SELECT coalesce(extract(epoch FROM now() - least(
        (SELECT min(received_at) FROM deliveries WHERE settled_at IS NULL AND next_attempt_at <= now()),
        (SELECT min(received_at) FROM events
            WHERE settled_at IS NULL AND next_attempt_at <= now() AND state <> 'blocked' AND lane = 0))), 0)
""")
_COUNTS = text("""
    SELECT (SELECT count(*) FROM deliveries WHERE settled_at IS NULL) AS delivery_pending,
        (SELECT count(*) FROM deliveries WHERE state = 'dead') AS delivery_dead,
        (SELECT count(*) FROM deliveries WHERE received_at >= date_trunc('day', now())) AS delivery_today,
        (SELECT count(*) FROM events WHERE settled_at IS NULL) AS event_pending,
        (SELECT count(*) FROM events WHERE settled_at IS NULL AND state = 'waiting_enrich') AS event_waiting,
        (SELECT count(*) FROM events WHERE settled_at IS NULL AND state = 'blocked') AS event_blocked,
        (SELECT count(*) FROM events WHERE state = 'dead') AS event_dead,
        (SELECT count(*) FROM delivery_conflicts) AS conflict_count,
        (SELECT coalesce(sum(count), 0)::bigint FROM rejections WHERE day = current_date) AS rejection_today
""")


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """Counts for `muster status` and the console's overview."""

    delivery_pending: int
    delivery_dead: int
    delivery_today: int
    event_pending: int
    event_waiting: int
    event_blocked: int
    event_dead: int
    conflict_count: int
    rejection_today: int


def oldest_pending_seconds(session: Session) -> float:
    """The age of what has waited longest although it could be worked on; 0 when nothing waits."""
    return float(session.execute(_OLDEST).scalar_one())


def count_inbox(session: Session) -> InboxCounts:
    """All counts at one moment."""
    return InboxCounts(**session.execute(_COUNTS).one()._mapping)  # noqa: SLF001 - SQLAlchemy's public name
