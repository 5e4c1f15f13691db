"""Heartbeats: each process says regularly that it lives, by the clock of the database."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.models import Heartbeat

FORGOTTEN_AFTER = timedelta(days=1)
STALE_SECONDS = 30.0  # processes beat every few seconds


@dataclass(frozen=True, slots=True)
class Beat:
    """A process as it last said so itself; `age_seconds` by the database clock."""

    name: str
    kind: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    age_seconds: float
    detail: Mapping[str, Any]

    @property
    def is_alive(self) -> bool:
        return self.age_seconds < STALE_SECONDS


def heartbeat_name(kind: str) -> str:
    """The name of this process as `kind`: web, worker, sweep, sim."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def beat(session: Session, kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """Say that this process lives. One statement."""
    shown = dict(detail or {})
    row = insert(Heartbeat).values(
        name=heartbeat_name(kind), kind=kind, host=socket.gethostname(), pid=os.getpid(), detail=shown
    )
    session.execute(
        row.on_conflict_do_update(index_elements=["name"], set_={"beat_at": func.now(), "detail": shown})
    )


def stop_beating(session: Session, kind: str) -> None:
    """Take this process off the list: it ends as it should. Rows of the long dead go with it."""
    gone = Heartbeat.beat_at < func.now() - FORGOTTEN_AFTER
    session.execute(delete(Heartbeat).where((Heartbeat.name == heartbeat_name(kind)) | gone))


def list_heartbeats(session: Session) -> list[Beat]:
    """Every process that beat within the last day, by kind and age."""
    age = extract("epoch", func.now() - Heartbeat.beat_at)
    rows = session.execute(select(Heartbeat, age).order_by(Heartbeat.kind, age))
    return [
        Beat(b.name, b.kind, b.host, b.pid, b.started_at, b.beat_at, float(seconds), b.detail)
        for b, seconds in rows
    ]
