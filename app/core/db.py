"""PostgreSQL: one engine a process, sessions for verbs, names for constraints."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table of Muster."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {dict[str, Any]: JSONB, list[Any]: JSONB}  # noqa: RUF012 - SQLAlchemy's own declaration


def sqlalchemy_url(url: str) -> str:
    """The same server for SQLAlchemy with psycopg 3."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def read_json(content: bytes | str) -> Any:
    """A JSON column's value. The quick decoder refuses numbers beyond a float's range; the plain one calls them inf."""
    try:
        return msgspec.json.decode(content)
    except msgspec.MsgspecError:
        return json.loads(content)


def make_engine(url: str, *, pool_size: int = 5, statement_timeout_ms: int = 30_000) -> Engine:
    """An engine whose every wait has an end: connect 3 s, pool 5 s, statements as given."""
    engine = create_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=5,
        pool_pre_ping=True,
        json_deserializer=read_json,
        hide_parameters=True,  # an error's text must not carry a person's data into a log
        connect_args={
            "connect_timeout": 3,
            "application_name": "muster",
            "options": f"-c statement_timeout={statement_timeout_ms} -c timezone=UTC"
            " -c idle_in_transaction_session_timeout=60000",
        },
    )

    # psycopg prepares a statement after five uses, which breaks behind a transaction-pooling proxy; the gain here is small.
    @event.listens_for(engine, "connect")
    def _no_prepare(connection: Any, _record: Any) -> None:
        connection.prepare_threshold = None

    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions whose rows stay readable after commit; the caller owns the transaction."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One unit of work: commit at the end, roll back on any error."""
    with sessions() as session, session.begin():
        yield session
