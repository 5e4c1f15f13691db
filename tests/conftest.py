"""Fixtures for every room: real PostgreSQL, real Valkey, a fresh database for each test session."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.core.config import Settings, load_settings
from app.core.db import make_engine, make_sessions
from app.core.migrate import migrate
from app.core.secretbox import SecretBox, open_box
from app.core.servers import running_servers

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("MUSTER_SHARED", ROOT.parent / "shared"))

# How long an example takes says more about the machine than about the code. And chance belongs where somebody watches: the
# same examples each time, so that a change never fails for what another one did; `MUSTER_PROPERTIES=long` draws new ones.
hypothesis.settings.register_profile(
    "muster", deadline=None, derandomize=os.environ.get("MUSTER_PROPERTIES") != "long", print_blob=True
)
hypothesis.settings.load_profile("muster")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--live`: see docs/live-contract.md."""
    parser.addoption(
        "--live",
        action="store_true",
        help="run the live contract against the Mailchimp account of MUSTER_LIVE_API_KEY",
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data folder beside the project; tests that read it are skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the folder of sample data is not beside the project (MUSTER_SHARED)")
    return SHARED / "data"


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings of a Muster with embedded servers of its own, in a short private directory."""
    with tempfile.TemporaryDirectory(prefix="muster-test-", dir="/tmp", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # as root the servers run under another account
        saved = {
            key: os.environ.pop(key)
            for key in ("DATABASE_URL", "REDIS_URL", "MAILCHIMP_API_KEY")
            if key in os.environ
        }
        os.environ["MUSTER_HOME"] = f"{home}/var"
        fresh = load_settings()
        with running_servers(fresh):
            yield fresh
        del os.environ["MUSTER_HOME"]
        os.environ.update(saved)


@pytest.fixture(scope="session")
def database_url(settings: Settings) -> str:
    """The libpq URL of a migrated, empty database."""
    engine = make_engine(settings.postgres_url)
    migrate(engine)
    engine.dispose()
    return settings.postgres_url


@pytest.fixture(scope="session")
def redis_url(settings: Settings) -> str:
    return settings.valkey_url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, pool_size=10)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def box(settings: Settings) -> SecretBox:
    return open_box(settings)


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
SEQUENCES = """
SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL AND sequencename NOT IN ('source_revisions', 'change_numbers')
"""


def empty_database(engine: Engine) -> None:
    """Remove every row; identities start again at 1, revisions go on. Deleting few rows is much quicker than TRUNCATE of all tables."""
    with engine.begin() as connection:
        names = connection.execute(text(TABLES)).scalars().all()
        filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        # Keys between tables are of no concern while all of them are emptied.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for name in connection.execute(text(filled)).scalars().all():
            connection.execute(text(f"DELETE FROM {name}"))
        connection.execute(text(SEQUENCES))


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """A session factory on an empty database; what a test commits is gone before the next."""
    empty_database(engine)
    return make_sessions(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One session on an empty database; the test decides whether to commit."""
    with sessions() as session:
        yield session
        session.rollback()
