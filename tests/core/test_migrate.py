"""The schema: complete, locked, all or nothing."""

import importlib
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from app.core.db import Base, make_engine
from app.core.migrate import current_revision, head_revision, migrate

ROOMS = ("core", "sources", "inbox", "contacts", "audiences", "lists", "web")


@pytest.fixture
def empty_engine(settings):
    """A database of its own, without a schema."""
    admin = make_engine(settings.postgres_url, pool_size=1)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS migrate_test WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE migrate_test"))
    engine = make_engine(settings.postgres_url.replace("/muster?", "/migrate_test?"), pool_size=5)
    yield engine
    engine.dispose()
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE migrate_test WITH (FORCE)"))
    admin.dispose()


def test_an_empty_database_comes_to_the_newest_revision(empty_engine):
    assert current_revision(empty_engine) == ""

    assert migrate(empty_engine) == head_revision()
    assert current_revision(empty_engine) == head_revision()


def test_migrating_again_changes_nothing(empty_engine):
    migrate(empty_engine)

    assert migrate(empty_engine) == current_revision(empty_engine)


def test_several_at_once_do_the_work_once(empty_engine):
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(migrate(empty_engine))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [head_revision()] * 4


def test_the_migrated_schema_is_the_one_the_models_describe(empty_engine):
    for room in ROOMS:
        importlib.import_module(f"app.{room}.models")
    migrate(empty_engine)

    with empty_engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []
