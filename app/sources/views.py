"""What admins read about sources: what was turned away, and what came twice with other bytes."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_REJECTIONS = text("""
    SELECT day, reason, count, last_at FROM rejections WHERE source_id = :source_id
    ORDER BY day DESC, count DESC LIMIT :limit
""")
# The table belongs to the inbox, which is above this room; its name and columns are part of the schema.
_CONFLICTS = text("""
    SELECT c.id, s.slug AS source, c.key, c.received_at, octet_length(c.body) AS byte_count,
        encode(c.body_sha256, 'hex') AS sha256
    FROM delivery_conflicts c JOIN sources s ON s.id = c.source_id
    WHERE CAST(:slug AS text) IS NULL OR s.slug = :slug ORDER BY c.id DESC LIMIT :limit
""")


_MAPPING_NUMBER = text("""
    SELECT v.number FROM sources s JOIN mapping_versions v ON v.id = s.mapping_version_id WHERE s.id = :source_id
""")


@dataclass(frozen=True, slots=True)
class RejectionView:
    """How often a source turned something away for one reason on one day."""

    day: date
    reason: str
    count: int
    last_at: datetime

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ConflictView:
    """The second bytes under a key."""

    id: int
    source: str
    key: str
    received_at: datetime
    byte_count: int
    sha256: str

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)


def find_mapping_number(session: Session, source_id: int) -> int | None:
    """The number of the mapping version in force."""
    number: int | None = session.scalar(_MAPPING_NUMBER, {"source_id": source_id})
    return number


def list_rejections(session: Session, source_id: int, limit: int = 20) -> list[RejectionView]:
    """The latest days first."""
    rows = session.execute(_REJECTIONS, {"source_id": source_id, "limit": limit})
    return [RejectionView(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


def list_conflicts(session: Session, slug: str | None = None, limit: int = 50) -> list[ConflictView]:
    """Newest first."""
    rows = session.execute(_CONFLICTS, {"slug": slug, "limit": limit})
    return [ConflictView(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
