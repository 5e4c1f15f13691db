"""List runs, and the snapshot that the next run is compared with."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.core.models import Timestamp


class ListRun(Base):
    """One run of a list sync job: read, compared, planned, applied, with counts."""

    __tablename__ = "list_runs"
    __table_args__ = (CheckConstraint("state in ('running', 'planned', 'done', 'failed')", name="state"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id"), index=True)
    file_name: Mapped[str] = mapped_column(Text)
    file_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    is_dry_run: Mapped[bool] = mapped_column(server_default="false")
    state: Mapped[str] = mapped_column(Text, server_default="running")
    counts: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # read, joiners, changed, unchanged, invalid
    error: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)


class ListRow(Base):
    """One row of a list as last applied."""

    __tablename__ = "list_rows"
    __table_args__ = (Index("ix_list_rows_run", "source_id", "list_run_id"),)

    source_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("sources.id"), primary_key=True)
    row_key: Mapped[str] = mapped_column(
        Text, primary_key=True
    )  # the person within the list: external id, else address
    row_sha256: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # of the mapped patch, so that a moved column changes nothing
    contact_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    list_run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("list_runs.id"))
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
