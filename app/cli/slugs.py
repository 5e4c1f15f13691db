"""Slugs of sources and audiences for the shell's completion."""

from contextlib import ExitStack

import click
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from app.audiences.models import Audience
from app.cli.kit import close_runtime, open_runtime
from app.core.errors import MusterError
from app.sources.models import Source

SHOWN_COUNT = 200


def complete_source(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Slugs of sources that begin so; none while the database is away."""
    return _slugs(Source.slug, start)


def complete_audience(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Slugs of audiences that begin so; none while the database is away."""
    return _slugs(Audience.slug, start)


def _slugs(column: InstrumentedAttribute[str], start: str) -> list[str]:
    try:
        with ExitStack() as stack:
            runtime = open_runtime()
            stack.callback(close_runtime, runtime)
            session = stack.enter_context(runtime.transaction())
            query = select(column).where(column.startswith(start, autoescape=True)).order_by(column)
            return list(session.scalars(query.limit(SHOWN_COUNT)))
    except (MusterError, SQLAlchemyError, RedisError, OSError):  # a person is typing: nothing to say now
        return []
