"""Deliveries and events, and what became of them.

A delivery or event is *pending* while `settled_at` is NULL. A worker claims pending rows with a lease (database
clock); a lease that ran out is simply claimed again.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PgUUID  # noqa: N811 - two things called UUID
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.core.models import Timestamp

LIVE_LANE, BULK_LANE = 0, 1  # smaller first


class Delivery(Base):
    """One HTTP request as received: headers and raw bytes, kept even if unreadable."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("source_id", "key"),
        CheckConstraint("state in ('new', 'done', 'dead')", name="state"),
        Index("ix_deliveries_pending", "next_attempt_at", "id", postgresql_where=text("settled_at IS NULL")),
        Index("ix_deliveries_received", "received_at"),
        Index("ix_deliveries_dead", "id", postgresql_where=text("state = 'dead'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id"))
    key: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    method: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text, server_default="")
    headers: Mapped[list[Any]] = mapped_column(
        server_default="[]"
    )  # [[name, value], ...], the integration's allow-list
    query: Mapped[list[Any]] = mapped_column(
        server_default="[]"
    )  # [[name, value], ...] without keys and tokens
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text, server_default="new")  # new -> done (split) | dead (unreadable)
    event_count: Mapped[int] = mapped_column(Integer, server_default="0")
    ignored: Mapped[list[Any]] = mapped_column(server_default="[]")  # [[kind, reason, count], ...]
    error: Mapped[dict[str, Any] | None]  # {code, reason, hint, path, value}
    lease_token: Mapped[UUID | None] = mapped_column(PgUUID(as_uuid=True))
    leased_until: Mapped[datetime | None] = mapped_column(Timestamp)
    attempt_count: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    settled_at: Mapped[datetime | None] = mapped_column(Timestamp)


class DeliveryConflict(Base):
    """The same key came again with other bytes: kept beside the first, acted on by nobody but an admin."""

    __tablename__ = "delivery_conflicts"
    __table_args__ = (UniqueConstraint("source_id", "key", "body_sha256"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id"))
    key: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    headers: Mapped[list[Any]] = mapped_column(server_default="[]")
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)


class Event(Base):
    """One thing that happened. Unique by (source, key), however deliveries group it."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("source_id", "key"),
        CheckConstraint(
            "state in ('new', 'waiting_enrich', 'blocked', 'done', 'ignored', 'dead')", name="state"
        ),
        Index(
            "ix_events_pending", "lane", "next_attempt_at", "id", postgresql_where=text("settled_at IS NULL")
        ),
        Index("ix_events_delivery", "delivery_id"),
        Index(
            "ix_events_message",
            "source_id",
            text("((content -> '$message'::text) ->> 'id'::text)"),
            postgresql_where=text("(content ? '$message'::text)"),
        ),
        Index("ix_events_dead", "id", postgresql_where=text("state = 'dead'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id"))
    key: Mapped[str] = mapped_column(Text)
    delivery_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deliveries.id"))
    list_run_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("list_runs.id"))
    lane: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    kind: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text, server_default="")
    is_erasure: Mapped[bool] = mapped_column(server_default="false")
    occurred_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    received_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    content: Mapped[dict[str, Any]]  # what split read; safe for jsonb (the bytes stay in the delivery)
    enriched: Mapped[dict[str, Any] | None]  # what enrich fetched, read instead of content
    # new | waiting_enrich | blocked (credentials) are pending; done | ignored | dead are settled
    state: Mapped[str] = mapped_column(Text, server_default="new")
    reason: Mapped[str] = mapped_column(Text, server_default="")  # why ignored, or the dead letter's sentence
    error: Mapped[dict[str, Any] | None]  # {code, reason, hint, path, field, value}
    warnings: Mapped[list[Any]] = mapped_column(server_default="[]")
    mapping_version_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("mapping_versions.id"))
    contact_id: Mapped[int | None] = mapped_column(BigInteger)  # of its (first) patch
    lease_token: Mapped[UUID | None] = mapped_column(PgUUID(as_uuid=True))
    leased_until: Mapped[datetime | None] = mapped_column(Timestamp)
    attempt_count: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    settled_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Attempt(Base):
    """One try that failed; successes need no row."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_event", "event_id"), Index("ix_attempts_at", "at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    delivery_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("deliveries.id", ondelete="CASCADE")
    )
    event_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("events.id", ondelete="CASCADE"))
    audience_id: Mapped[int | None] = mapped_column(BigInteger)
    contact_id: Mapped[int | None] = mapped_column(BigInteger)
    stage: Mapped[str] = mapped_column(Text)  # split, enrich, map, record, push, pull
    error: Mapped[dict[str, Any]]  # {code, reason, hint}
