"""Sources and their mapping versions, and stored events to try a mapping on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import NotFoundError

MOST_EVENTS = 20
MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class RejectionLine:
    """Requests turned away on one day for one reason."""

    day: date
    reason: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class SecretLine:
    """A secret of a source, without its value."""

    name: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source as configured, without secrets."""

    id: int
    slug: str
    label: str
    integration: str
    settings: Mapping[str, Any]
    state: str  # on, paused, off
    paused_reason: str
    trust: int
    max_body_bytes: int
    mapping_number: int | None
    mapping_note: str
    mapping_author: str
    mapping_at: datetime | None
    created_at: datetime
    updated_at: datetime
    health: Mapping[str, Any]  # state, reason, hint, silence, checked_at: as last looked at
    backfilled_until: datetime | None
    has_token: bool  # of a platform that was signed in to
    delivery_count: int  # of the last 7 days
    last_at: datetime | None
    last_event_at: datetime | None
    rejections: tuple[RejectionLine, ...]
    secrets: tuple[SecretLine, ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One published mapping version."""

    number: int
    note: str
    author: str
    created_at: datetime
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class EventChoice:
    """A stored event to try a mapping on."""

    id: int
    kind: str
    state: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event's content and what surrounds it."""

    id: int
    key: str
    kind: str
    account: str
    occurred_at: datetime
    received_at: datetime
    content: Mapping[str, Any]
    state: str


SOURCE = text("""
    SELECT s.id, s.slug, s.label, s.integration, s.settings, coalesce(s.paused_reason, '') AS paused_reason,
        CASE WHEN NOT s.is_enabled THEN 'off' WHEN s.paused_at IS NOT NULL THEN 'paused' ELSE 'on' END AS state,
        s.trust, s.max_body_bytes, v.number AS mapping_number, coalesce(v.note, '') AS mapping_note,
        coalesce(v.author, '') AS mapping_author, v.created_at AS mapping_at, s.created_at, s.updated_at,
        s.health, s.backfilled_until, EXISTS (SELECT FROM secrets k WHERE k.source_id = s.id AND k.name = 'access_token'
            AND (k.expires_at IS NULL OR k.expires_at > now())) AS has_token,
        (SELECT d.received_at FROM deliveries d WHERE d.source_id = s.id AND d.event_count > 0
            ORDER BY d.received_at DESC LIMIT 1) AS last_event_at,
        (SELECT count(*) FROM deliveries d WHERE d.source_id = s.id AND d.received_at > now() - interval '7 days')
            AS delivery_count,
        (SELECT d.received_at FROM deliveries d WHERE d.source_id = s.id ORDER BY d.received_at DESC LIMIT 1) AS last_at
    FROM sources s LEFT JOIN mapping_versions v ON v.id = s.mapping_version_id
    WHERE s.slug = :slug
""")
REJECTIONS = text("""
    SELECT day, reason, count, last_at FROM rejections
    WHERE source_id = :id AND day > (now() AT TIME ZONE 'UTC')::date - 30 ORDER BY day DESC, count DESC LIMIT 50
""")
SECRETS = text("""
    SELECT name, created_at, expires_at FROM secrets
    WHERE source_id = :id AND (expires_at IS NULL OR expires_at > now()) ORDER BY name, id DESC
""")
VERSIONS = text("""
    SELECT v.number, v.note, v.author, v.created_at, v.id = s.mapping_version_id AS is_in_force
    FROM mapping_versions v JOIN sources s ON s.id = v.source_id
    WHERE s.slug = :slug ORDER BY v.number DESC LIMIT :limit
""")
DOCUMENT = text("""
    SELECT v.document FROM mapping_versions v JOIN sources s ON s.id = v.source_id
    WHERE s.slug = :slug AND v.number = :number
""")
CHOICES = text("""
    SELECT e.id, e.kind, e.state, e.received_at FROM events e JOIN sources s ON s.id = e.source_id
    WHERE s.slug = :slug ORDER BY e.id DESC LIMIT :limit
""")
STORED_EVENT = text("""
    SELECT e.id, e.key, e.kind, e.account, e.occurred_at, e.received_at, coalesce(e.enriched, e.content) AS content,
        e.state
    FROM events e JOIN sources s ON s.id = e.source_id WHERE s.slug = :slug AND e.id = :id
""")
SOURCE_NAMES = text("SELECT slug, coalesce(nullif(label, ''), slug) AS label FROM sources ORDER BY 2")


def get_source_view(session: Session, slug: str) -> SourceView:
    """One source with its rejections of 30 days and its secrets' names. NotFoundError when there is none."""
    row = session.execute(SOURCE, {"slug": slug}).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such source.", "Sources are added by `muster sources add`.")
    rejections = session.execute(REJECTIONS, {"id": row["id"]}).mappings()
    secrets = session.execute(SECRETS, {"id": row["id"]}).mappings()
    health = {**row["health"], "checked_at": _time(row["health"].get("checked_at"))}
    return SourceView(
        **{**row, "health": health},
        rejections=tuple(RejectionLine(**r) for r in rejections),
        secrets=tuple(SecretLine(**s) for s in secrets),
    )


def _time(stored: Any) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None


def list_source_names(session: Session) -> tuple[tuple[str, str], ...]:
    """(slug, label) of every source, by label."""
    return tuple((slug, label) for slug, label in session.execute(SOURCE_NAMES))


def list_version_lines(session: Session, slug: str) -> tuple[VersionLine, ...]:
    """Published versions of a source's mapping, the newest first."""
    rows = session.execute(VERSIONS, {"slug": slug, "limit": MOST_VERSIONS}).mappings()
    return tuple(VersionLine(**{**row, "is_in_force": bool(row["is_in_force"])}) for row in rows)


def get_document(session: Session, slug: str, number: int) -> str:
    """The text of one version. NotFoundError when there is none."""
    document = session.execute(
        DOCUMENT, {"slug": slug, "number": min(number, 2**31 - 1)}
    ).scalar_one_or_none()
    if document is None:
        raise NotFoundError(
            f"There is no version {number} of this mapping.", "The versions are listed on its page."
        )
    return str(document)


def list_event_choices(session: Session, slug: str) -> tuple[EventChoice, ...]:
    """The source's last events."""
    rows = session.execute(CHOICES, {"slug": slug, "limit": MOST_EVENTS}).mappings()
    return tuple(EventChoice(**row) for row in rows)


def find_stored_event(session: Session, slug: str, event_id: int) -> StoredEvent | None:
    """One event of the source; an id of another source's event finds nothing."""
    row = (
        session.execute(STORED_EVENT, {"slug": slug, "id": max(0, min(event_id, 2**63 - 1))})
        .mappings()
        .one_or_none()
    )
    return None if row is None else StoredEvent(**row)
