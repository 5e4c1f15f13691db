"""The overview: today, what waits, what failed, each source, each audience."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.heartbeat import Beat, list_heartbeats
from app.web.queries.alerts import AlertLine, list_alert_lines


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source on the overview. Counts are of today (UTC)."""

    slug: str
    label: str
    integration: str
    state: str  # on, paused, off
    delivery_count: int
    event_count: int
    dead_count: int
    rejection_count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class AudienceLine:
    """One audience on the overview."""

    slug: str
    label: str
    is_enabled: bool
    member_counts: Mapping[str, int]  # Mailchimp's status -> members
    failed_count: int
    change_count: int
    oldest_change_seconds: float | None
    last_pushed_at: datetime | None

    @property
    def subscribed_count(self) -> int:
        return self.member_counts.get("subscribed", 0)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the overview, as of one moment."""

    as_of: datetime
    deliveries_today: int
    events_today: Mapping[str, int]  # state -> events
    contact_count: int
    contacts_today: int
    oldest_pending_seconds: float | None
    pending_count: int
    blocked_count: int
    dead_count: int
    change_count: int
    oldest_change_seconds: float | None
    sources: tuple[SourceLine, ...]
    audiences: tuple[AudienceLine, ...]
    processes: tuple[Beat, ...]
    alerts: tuple[AlertLine, ...]

    @property
    def event_count(self) -> int:
        return sum(self.events_today.values())

    @property
    def member_count(self) -> int:
        return sum(line.subscribed_count for line in self.audiences)

    @property
    def failed_count(self) -> int:
        return sum(line.failed_count for line in self.audiences)


# Ids rise with time, so walking back from the newest one reads today's events only.
FIRST_OF_TODAY = """
    coalesce((SELECT id FROM events WHERE received_at < date_trunc('day', now()) ORDER BY id DESC LIMIT 1), 0)
"""
TOTALS = text("""
    SELECT now() AS as_of,
        (SELECT count(*) FROM deliveries WHERE received_at >= date_trunc('day', now())) AS deliveries_today,
        (SELECT count(*) FROM contacts WHERE state = 'active') AS contact_count,
        (SELECT count(*) FROM contacts WHERE state = 'active' AND created_at >= date_trunc('day', now())
            -- implied, and there is an index on it
            AND updated_at >= date_trunc('day', now())) AS contacts_today,
        (SELECT count(*) FROM events WHERE state = 'dead')
            + (SELECT count(*) FROM deliveries WHERE state = 'dead') AS dead_count
""")
PENDING = text("""
    SELECT count(*) FILTER (WHERE state <> 'blocked') AS pending_count,
        count(*) FILTER (WHERE state = 'blocked') AS blocked_count,
        extract(epoch FROM now() - min(received_at) FILTER (WHERE state <> 'blocked'))::float AS oldest_pending_seconds
    FROM (
        SELECT state, received_at FROM events WHERE settled_at IS NULL
        UNION ALL
        SELECT state, received_at FROM deliveries WHERE settled_at IS NULL
    ) AS pending
""")
EVENTS_TODAY = text(f"SELECT state, count(*) FROM events WHERE id > {FIRST_OF_TODAY} GROUP BY state")  # noqa: S608 - a constant
SOURCES = text(f"""
    WITH delivered AS (
        SELECT source_id, count(*) AS count FROM deliveries
        WHERE received_at >= date_trunc('day', now()) GROUP BY source_id
    ), happened AS (
        SELECT source_id, count(*) AS count FROM events WHERE id > {FIRST_OF_TODAY} GROUP BY source_id
    ), dead AS (
        SELECT source_id, count(*) AS count FROM (
            SELECT source_id FROM events WHERE state = 'dead'
            UNION ALL SELECT source_id FROM deliveries WHERE state = 'dead'
        ) AS given_up GROUP BY source_id
    ), rejected AS (
        SELECT source_id, sum(count) AS count FROM rejections
        WHERE day = (now() AT TIME ZONE 'UTC')::date GROUP BY source_id
    )
    SELECT s.slug, s.label, s.integration,
        CASE WHEN NOT s.is_enabled THEN 'off' WHEN s.paused_at IS NOT NULL THEN 'paused' ELSE 'on' END AS state,
        coalesce(delivered.count, 0)::bigint AS delivery_count, coalesce(happened.count, 0)::bigint AS event_count,
        coalesce(dead.count, 0)::bigint AS dead_count, coalesce(rejected.count, 0)::bigint AS rejection_count,
        (SELECT d.received_at FROM deliveries d WHERE d.source_id = s.id ORDER BY d.received_at DESC LIMIT 1) AS last_at
    FROM sources s
    LEFT JOIN delivered ON delivered.source_id = s.id LEFT JOIN happened ON happened.source_id = s.id
    LEFT JOIN dead ON dead.source_id = s.id LEFT JOIN rejected ON rejected.source_id = s.id
    ORDER BY s.slug
""")  # noqa: S608 - a constant
MEMBERS = text("""
    SELECT audience_id, status, count(*) AS count, count(*) FILTER (WHERE sync_state = 'failed') AS failed_count,
        max(pushed_at) AS last_pushed_at
    FROM members GROUP BY audience_id, status
""")
AUDIENCES = text("""
    SELECT a.id, a.slug, a.label, a.is_enabled, coalesce(c.count, 0)::bigint AS change_count,
        c.oldest_change_seconds
    FROM audiences a LEFT JOIN (
        SELECT audience_id, count(*) AS count,
            extract(epoch FROM now() - min(changed_at))::float AS oldest_change_seconds
        FROM changes WHERE parked_at IS NULL GROUP BY audience_id
    ) AS c ON c.audience_id = a.id
    ORDER BY a.slug
""")


def read_overview(session: Session) -> Overview:
    """Count everything. Reads today's rows, pending rows, dead letters; contacts and members whole."""
    totals = session.execute(TOTALS).mappings().one()
    pending = session.execute(PENDING).mappings().one()
    audiences = _audiences(session)
    ages = [line.oldest_change_seconds for line in audiences if line.oldest_change_seconds is not None]
    return Overview(
        **totals,
        **pending,
        events_today=dict(tuple(row) for row in session.execute(EVENTS_TODAY)),
        change_count=sum(line.change_count for line in audiences),
        oldest_change_seconds=max(ages, default=None),
        sources=read_source_lines(session),
        audiences=audiences,
        processes=tuple(list_heartbeats(session)),
        alerts=list_alert_lines(session),
    )


def read_source_lines(session: Session) -> tuple[SourceLine, ...]:
    """Every source with its counts of today, by slug."""
    return tuple(SourceLine(**row) for row in session.execute(SOURCES).mappings())


def _audiences(session: Session) -> tuple[AudienceLine, ...]:
    members = session.execute(MEMBERS).mappings().all()
    lines = []
    for row in session.execute(AUDIENCES).mappings():
        own = [m for m in members if m["audience_id"] == row["id"]]
        pushed = [m["last_pushed_at"] for m in own if m["last_pushed_at"]]
        lines.append(
            AudienceLine(
                **{name: value for name, value in row.items() if name != "id"},
                member_counts={m["status"]: m["count"] for m in own},
                failed_count=sum(m["failed_count"] for m in own),
                last_pushed_at=max(pushed, default=None),
            )
        )
    return tuple(lines)
