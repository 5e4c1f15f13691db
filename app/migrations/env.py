"""How Alembic runs a revision: on the connection it is given, or on the configured database."""

import importlib
from typing import Any

from alembic import context
from sqlalchemy import Connection, MetaData

from app.core.config import load_settings
from app.core.db import Base, make_engine

ROOMS = ("core", "sources", "inbox", "contacts", "audiences", "lists", "web")


def every_table() -> MetaData:
    """All tables, for comparing; loading every room is needless for an upgrade."""
    for room in ROOMS:
        importlib.import_module(f"app.{room}.models")
    return Base.metadata


def run(connection: Connection, tables: MetaData | None) -> None:
    """Run what Alembic was asked for inside the caller's transaction."""
    context.configure(connection=connection, target_metadata=tables, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given: Any = context.config.attributes.get("connection")
if given is not None:
    run(given, None)
else:
    with make_engine(load_settings().postgres_url).begin() as opened:
        run(opened, every_table())
