"""Time: aware and in UTC, from this machine or from the database."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def utc_now() -> datetime:
    """The time of this machine. Leases and due-times use `database_now` instead, the one clock all processes share."""
    return datetime.now(UTC)


def database_now(session: Session) -> datetime:
    """The time on the database server's wall, moving on within a transaction."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)
