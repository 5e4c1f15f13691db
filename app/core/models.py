"""Tables without business words: heartbeats, breakers, the audit chain."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Integer, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base

Timestamp = DateTime(timezone=True)


class Heartbeat(Base):
    """One running process, as it last said so itself."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(Text, primary_key=True)  # kind + host + pid
    kind: Mapped[str] = mapped_column(Text)  # web, worker, sweep, sim
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    beat_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class AuditEntry(Base):
    """One change an admin made. `hash` covers the row and `previous_hash`, so a removed row shows."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)  # "source.add", "mapping.publish", ...
    subject: Mapped[str] = mapped_column(Text)  # "source:website", "contact:17"
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
