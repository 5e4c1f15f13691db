"""Destinations, audiences, the mirror of their members, the outbox of changes, sync runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID  # noqa: N811 - both are called UUID
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.core.models import Timestamp

# A change that is touched again takes the next number, so that a push in flight knows that it is out of date.
change_numbers = Sequence("change_numbers", metadata=Base.metadata)


class Destination(Base):
    """Where contacts are synced to: one Mailchimp account."""

    __tablename__ = "destinations"
    __table_args__ = (CheckConstraint("login in ('api_key', 'oauth')", name="login"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text, server_default="mailchimp")
    label: Mapped[str] = mapped_column(Text, server_default="")
    base_url: Mapped[str] = mapped_column(Text)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)  # SecretBox, bound to "destination:<slug>"
    login: Mapped[str] = mapped_column(Text, server_default="api_key")  # api_key, oauth
    account: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # {account_id, name, role, dc}, last seen
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)
    paused_code: Mapped[str | None] = mapped_column(Text)  # the kind of problem: credentials, disabled
    paused_reason: Mapped[str | None] = mapped_column(Text)
    # {state: closed|open|half_open, failures: [...], until: time}: shared by all workers
    breaker: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Audience(Base):
    """One Mailchimp audience that Muster keeps in step."""

    __tablename__ = "audiences"
    __table_args__ = (
        UniqueConstraint("destination_id", "list_id"),
        CheckConstraint("on_leave in ('unsubscribe', 'archive', 'delete', 'keep')", name="on_leave"),
        CheckConstraint("on_return in ('pending_once', 'form_only')", name="on_return"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    destination_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("destinations.id"))
    list_id: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text, server_default="")
    channel: Mapped[str] = mapped_column(Text, server_default="email")
    purpose: Mapped[str] = mapped_column(Text, server_default="newsletter")
    # {"FNAME": "first_name"} or {"FNAME": {"from": <field or mapping expression>, "direction": "ours"}}
    merge_fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[Any]] = mapped_column(server_default="[]")  # the contact tags that Muster manages there
    # {interest id: {"tag": ...} or {"field": ..., "is": ...}}: the interests that Muster sets; others are staff's
    interests: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    marketing_permissions: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # {permission id: purpose}
    contact_id_field: Mapped[str] = mapped_column(
        Text, server_default=""
    )  # merge tag that holds our contact id
    entry_rule: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # {} = everybody with consent
    is_double_opt_in: Mapped[bool] = mapped_column(Boolean, server_default="false")
    on_leave: Mapped[str] = mapped_column(Text, server_default="archive")
    # new consent after an opt-out that Mailchimp remembers: ask once by `pending`, or only hand out the form
    on_return: Mapped[str] = mapped_column(Text, server_default="pending_once")
    # more than this share of the members leaving or changing at once waits for an admin
    guard_share: Mapped[float] = mapped_column(Double, server_default="0.1")
    keeps_activity: Mapped[bool] = mapped_column(
        Boolean, server_default="false"
    )  # sends, opens, clicks, bounces
    activity_until: Mapped[datetime | None] = mapped_column(Timestamp)
    approved_at: Mapped[datetime | None] = mapped_column(Timestamp)  # NULL: the first sync waits for an admin
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)
    # by_admin, guard, gone (the audience), merge_field (a mapped one is gone)
    paused_code: Mapped[str | None] = mapped_column(Text)
    paused_reason: Mapped[str | None] = mapped_column(Text)
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default="true")
    remote_schema: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # last seen merge fields, interests
    pulled_until: Mapped[datetime | None] = mapped_column(Timestamp)
    reconciled_at: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Member(Base):
    """The mirror: what Mailchimp last said of a contact in an audience, and what was last written."""

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_contact", "contact_id"),
        Index("ix_members_hash", "audience_id", "subscriber_hash"),
        Index(
            "ix_members_remote",
            "audience_id",
            "remote_contact_id",
            postgresql_where=text("remote_contact_id <> ''"),
        ),
        CheckConstraint("sync_state in ('ok', 'failed')", name="sync_state"),
    )

    # Audience and contact are kept by triggers there: foreign keys would lock a row of each for every member written.
    audience_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email_address: Mapped[str] = mapped_column(Text)
    subscriber_hash: Mapped[str] = mapped_column(Text)  # Mailchimp's member id
    remote_contact_id: Mapped[str] = mapped_column(Text, server_default="")
    # subscribed, unsubscribed, cleaned, pending, transactional, archived; "" = never seen there
    status: Mapped[str] = mapped_column(Text, server_default="")
    merge_fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default="{}"
    )  # managed tags that are set there
    interests: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # managed ones, {id: bool}
    marketing_permissions: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # managed ones, {id: bool}
    # {tag: time}: when somebody else than Muster was seen to have changed a merge field there
    theirs_changed: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    # the line of the ledger for which they were asked by `pending`: once for each new consent
    asked_evidence_id: Mapped[int | None] = mapped_column(BigInteger)
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
    __table_args__ = (
        Index("ix_changes_due", "audience_id", "lane", "next_attempt_at"),
        {
            "postgresql_with": {"fillfactor": 45}
        },  # a lease is written beside its row: no new entry in the indexes
    )

    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('change_numbers')"))
    lane: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    changed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    lease_token: Mapped[UUID | None] = mapped_column(PgUUID(as_uuid=True))
    leased_until: Mapped[datetime | None] = mapped_column(Timestamp)
    # the address of a member that a call under this lease may make: should its answer be lost, there may be somebody
    sent_email: Mapped[str | None] = mapped_column(Text)
    attempt_count: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    first_failed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    error: Mapped[dict[str, Any] | None]
    parked_at: Mapped[datetime | None] = mapped_column(
        Timestamp
    )  # given up until an admin or a mended account asks again


class SyncRun(Base):
    """One push, pull, reconcile or dry run over an audience, with counts and progress."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        Index("ix_sync_runs_audience", "audience_id", "id"),
        CheckConstraint(
            "state in ('running', 'paused', 'waiting', 'done', 'failed', 'cancelled')", name="state"
        ),
        CheckConstraint("wish in ('', 'pause', 'cancel')", name="wish"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"))
    kind: Mapped[str] = mapped_column(Text)  # push, pull, first_sync, reconcile, activity
    state: Mapped[str] = mapped_column(Text, server_default="running")  # waiting = for an admin's approval
    wish: Mapped[str] = mapped_column(Text, server_default="")  # what an admin asks of a running one
    actor: Mapped[str] = mapped_column(Text, server_default="muster")
    done_count: Mapped[int] = mapped_column(Integer, server_default="0")
    total_count: Mapped[int | None] = mapped_column(Integer)  # NULL while nobody knows
    call_count: Mapped[int] = mapped_column(Integer, server_default="0")
    counts: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    errors: Mapped[list[Any]] = mapped_column(
        server_default="[]"
    )  # [{code, reason, hint, count, contact_ids, known_ids}]
    findings: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # of a dry run or reconcile, with samples
    error: Mapped[dict[str, Any] | None]
    beat_at: Mapped[datetime | None] = mapped_column(Timestamp)  # a running one without a beat has died
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)


class FieldReview(Base):
    """A merge field whose two sides differ and whose direction is `review`: an admin says which value stands."""

    __tablename__ = "field_reviews"
    __table_args__ = (
        CheckConstraint("verdict in ('', 'ours', 'theirs')", name="verdict"),
        Index(
            "ix_field_reviews_open",
            "audience_id",
            "contact_id",
            "tag",
            unique=True,
            postgresql_where=text("verdict = ''"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    audience_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("audiences.id"))
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    tag: Mapped[str] = mapped_column(Text)
    ours: Mapped[Any] = mapped_column(JSONB, nullable=True)
    theirs: Mapped[Any] = mapped_column(JSONB, nullable=True)
    verdict: Mapped[str] = mapped_column(Text, server_default="")
    actor: Mapped[str] = mapped_column(Text, server_default="")
    seen_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    decided_at: Mapped[datetime | None] = mapped_column(Timestamp)
