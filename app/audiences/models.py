"""Destinations, audiences, the mirror of their members, the outbox of changes, sync runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PgUUID  # noqa: N811 - both are called UUID
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.core.models import Timestamp

# A change that is touched again takes the next number, so that a push in flight knows that it is out of date.
change_numbers = Sequence("change_numbers", metadata=Base.metadata)


class Destination(Base):
    """Where contacts are synced to: one Mailchimp account."""

    __tablename__ = "destinations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text, server_default="mailchimp")
    label: Mapped[str] = mapped_column(Text, server_default="")
    base_url: Mapped[str] = mapped_column(Text)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)  # SecretBox, bound to "destination:<slug>"
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)
    paused_reason: Mapped[str | None] = mapped_column(Text)
    # {state: closed|open|half_open, failures: [...], until: time}: shared by all workers
    breaker: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Audience(Base):
    """One Mailchimp audience that Muster keeps in step."""

    __tablename__ = "audiences"
    __table_args__ = (
        UniqueConstraint("destination_id", "list_id"),
        CheckConstraint("on_leave in ('unsubscribe', 'archive', 'keep')", name="on_leave"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    destination_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("destinations.id"))
    list_id: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text, server_default="")
    channel: Mapped[str] = mapped_column(Text, server_default="email")
    purpose: Mapped[str] = mapped_column(Text, server_default="newsletter")
    merge_fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # {"FNAME": "first_name", ...}
    tags: Mapped[list[Any]] = mapped_column(server_default="[]")  # the contact tags that Muster manages there
    entry_rule: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # {} = everybody with consent
    is_double_opt_in: Mapped[bool] = mapped_column(Boolean, server_default="false")
    on_leave: Mapped[str] = mapped_column(Text, server_default="archive")
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default="true")
    remote_schema: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # last seen merge fields
    pulled_until: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Member(Base):
    """The mirror: what Mailchimp last said of a contact in an audience, and what was last written."""

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_contact", "contact_id"),
        Index("ix_members_hash", "audience_id", "subscriber_hash"),
        CheckConstraint("sync_state in ('ok', 'failed')", name="sync_state"),
    )

    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"), primary_key=True)
    email_address: Mapped[str] = mapped_column(Text)
    subscriber_hash: Mapped[str] = mapped_column(Text)  # Mailchimp's member id
    remote_contact_id: Mapped[str] = mapped_column(Text, server_default="")
    # subscribed, unsubscribed, cleaned, pending, transactional, archived; "" = never seen there
    status: Mapped[str] = mapped_column(Text, server_default="")
    merge_fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default="{}"
    )  # managed tags that are set there
    pushed_hash: Mapped[str] = mapped_column(
        Text, server_default=""
    )  # of the last desired state that was written
    pushed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_changed: Mapped[datetime | None] = mapped_column(Timestamp)
    sync_state: Mapped[str] = mapped_column(Text, server_default="ok")
    error: Mapped[dict[str, Any] | None]  # {code, reason, hint}: why this person cannot be synced
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Change(Base):
    """Outbox row: this contact must be planned again for this audience. One row a pair, touched again when needed."""

    __tablename__ = "changes"
    __table_args__ = (Index("ix_changes_due", "audience_id", "lane", "next_attempt_at"),)

    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('change_numbers')"))
    lane: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    changed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    lease_token: Mapped[UUID | None] = mapped_column(PgUUID(as_uuid=True))
    leased_until: Mapped[datetime | None] = mapped_column(Timestamp)
    attempt_count: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    first_failed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    error: Mapped[dict[str, Any] | None]
    parked_at: Mapped[datetime | None] = mapped_column(
        Timestamp
    )  # given up until an admin or a mended account asks again


class SyncRun(Base):
    """One push or pull over an audience, with counts."""

    __tablename__ = "sync_runs"
    __table_args__ = (Index("ix_sync_runs_audience", "audience_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"))
    kind: Mapped[str] = mapped_column(Text)  # push, pull
    state: Mapped[str] = mapped_column(Text, server_default="running")  # running, done, failed
    counts: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    error: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)
