"""The schema: complete, locked, all or nothing."""

import importlib
import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

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


# One row of everything that revision 0002 touches, as revision 0001 kept it.
ROWS_OF_0001 = """
INSERT INTO destinations (slug, base_url, sealed_key, paused_at, paused_reason)
    VALUES ('mailchimp', 'https://us6.api.example/3.0', 'sealed', now(), 'wrong key');
INSERT INTO audiences (slug, destination_id, list_id, merge_fields, tags, entry_rule, on_leave)
    SELECT 'newsletter', id, 'a1b2c3d4e5', '{"FNAME": "first_name"}', '["Alumni"]', '{"tags_any": ["alumni"]}', 'keep'
    FROM destinations;
INSERT INTO contacts (fields) SELECT jsonb_build_object('email', 'p' || n || '@house.test') FROM generate_series(1, 50) AS n;
INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash, status, tags, pushed_hash, merge_fields)
    SELECT a.id, c.id, c.fields ->> 'email', md5(c.fields ->> 'email'), 'subscribed', '{Alumni}', 'hash', '{"FNAME": "P"}'
    FROM audiences a, contacts c;
INSERT INTO changes (audience_id, contact_id, lane) SELECT a.id, c.id, 1 FROM audiences a, contacts c WHERE c.id <= 10;
INSERT INTO sync_runs (audience_id, kind, state, counts) SELECT id, 'push', state, '{"upsert": 3}'
    FROM audiences, unnest(ARRAY['running', 'done', 'failed', 'blocked']) AS state;
"""
COUNTED = ("destinations", "audiences", "contacts", "members", "changes", "sync_runs")


def test_a_database_of_the_first_revision_with_rows_upgrades_without_losing_one(empty_engine):
    with empty_engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "app:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in ROWS_OF_0001.split(";")[:-1]:
            connection.execute(text(statement))
        before = count_rows(connection)
        kept = (
            connection.execute(text("SELECT to_jsonb(m) FROM members m ORDER BY contact_id")).scalars().all()
        )

    migrate(empty_engine)

    with empty_engine.connect() as connection:
        after = count_rows(connection)
        members = (
            connection.execute(text("SELECT to_jsonb(m) FROM members m ORDER BY contact_id")).scalars().all()
        )
        audience = connection.execute(text("SELECT * FROM audiences")).one()
        states = connection.execute(text("SELECT state FROM sync_runs ORDER BY id")).scalars().all()
        paused = connection.execute(text("SELECT paused_reason, login FROM destinations")).one()
    assert before == after
    assert kept == [{name: member[name] for name in kept[0]} for member in members]
    assert audience.approved_at is not None
    assert (audience.on_leave, audience.tags, audience.paused_at) == ("keep", ["Alumni"], None)
    assert (audience.guard_share, audience.on_return) == (0.1, "pending_once")
    assert states == ["running", "done", "failed", "failed"]
    assert tuple(paused) == ("wrong key", "api_key")


def count_rows(connection):
    return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in COUNTED}


def test_an_audience_with_members_cannot_be_deleted(empty_engine):
    migrate(empty_engine)
    with empty_engine.begin() as connection:
        for statement in ROWS_OF_0001.split(";")[:4]:
            connection.execute(text(statement))

    with pytest.raises(IntegrityError, match="has members"), empty_engine.begin() as connection:
        connection.execute(text("DELETE FROM audiences"))

    with empty_engine.begin() as connection:
        connection.execute(text("DELETE FROM members"))
        assert connection.execute(text("DELETE FROM audiences")).rowcount == 1


def test_a_contact_is_kept_for_ever(empty_engine):
    migrate(empty_engine)
    with empty_engine.begin() as connection:
        connection.execute(text("INSERT INTO contacts DEFAULT VALUES"))

    for statement in ("DELETE FROM contacts", "UPDATE contacts SET id = 7"):
        with pytest.raises(IntegrityError, match="Contacts are kept"), empty_engine.begin() as connection:
            connection.execute(text(statement))
