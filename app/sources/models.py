"""Sources, their secrets and their mapping versions."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Sequence,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base
from app.core.models import Timestamp

# Every change to a source or its secrets takes the next number; web processes compare the highest one they know.
source_revisions = Sequence("source_revisions", metadata=Base.metadata)


class Source(Base):
    """One configured inbound connection of an integration."""

    __tablename__ = "sources"
    __table_args__ = (CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name="slug"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    integration: Mapped[str] = mapped_column(Text)  # a folder of integrations/, or "list" for a list's preset
    label: Mapped[str] = mapped_column(Text, server_default="")
    settings: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default="true")
    trust: Mapped[int] = mapped_column(
        Integer, server_default="50"
    )  # survivorship "most_trusted": higher wins
    paused_at: Mapped[datetime | None] = mapped_column(Timestamp)  # enrichment is paused: credentials
    paused_reason: Mapped[str | None] = mapped_column(Text)
    max_body_bytes: Mapped[int] = mapped_column(Integer, server_default="1048576")
    mapping_version_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("mapping_versions.id", use_alter=True)
    )
    # {state: alive|dead|unknown, reason, hint, checked_at, silent_since}: as last looked at
    health: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    backfilled_until: Mapped[datetime | None] = mapped_column(Timestamp)
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('source_revisions')"))
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())

    secrets: Mapped[list["Secret"]] = relationship(order_by="Secret.id.desc()", cascade="all, delete-orphan")


class Secret(Base):
    """One secret value of a source, sealed; two of a name are valid while one is being rotated out."""

    __tablename__ = "secrets"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("sources.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)  # SecretBox, bound to "secret:<source_id>:<name>"
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(Timestamp)  # set by rotation; NULL = until rotated


class MappingVersion(Base):
    """One immutable published revision of a source's mapping."""

    __tablename__ = "mapping_versions"
    __table_args__ = (UniqueConstraint("source_id", "number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)  # 1, 2, 3 ... per source
    document: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default="")
    author: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Rejection(Base):
    """Requests turned away at the door, counted by day and reason; nothing of their content is kept but a hash."""

    __tablename__ = "rejections"

    source_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    last_body_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)


class PendingLogin(Base):
    """An authorization asked of a platform's login page and not answered yet; its state is used once."""

    __tablename__ = "pending_logins"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # of the `state` in the address
    purpose: Mapped[str] = mapped_column(Text)  # "destination" or "source"
    slug: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
