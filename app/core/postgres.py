"""The embedded PostgreSQL: made once, started in the foreground on a private socket, checked before use."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.core.binaries import Binaries
from app.core.errors import ConfigError, NotRunningError
from app.core.privileges import Account
from app.core.survivors import stop_serving

ROLE = "muster"
DATABASE = "muster"
OLDEST_VERSION = 15
# One syncfs call instead of an fsync for each of a thousand files, at initdb and after a crash; only Linux has it.
IS_SYNCFS_KNOWN = sys.platform == "linux"
SYNC_FLAGS = ("--sync-method=syncfs",) if IS_SYNCFS_KNOWN else ()
# Text sorts by code point and folds case by Unicode without ICU, which the wheel does not carry.
INITDB_FLAGS = (
    f"--username={ROLE}",
    "--auth-local=trust",  # the socket's folder is 0700: who reaches it is the owner or root
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--data-checksums",
    "--no-instructions",
    *SYNC_FLAGS,
)
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # DETAIL and CONTEXT lines, and the statement of an error, hold a person's data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    # A batch of 500 arrivals holds an advisory lock for each of its identities until it commits.
    "max_locks_per_transaction": "256",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "min_wal_size": "160MB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",  # short statements only: compiling them costs more than it saves
    "idle_session_timeout": "0",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    **({"recovery_init_sync_method": "syncfs"} if IS_SYNCFS_KNOWN else {}),
}
STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGQUIT,
)  # fast shutdown, then immediate shutdown (recovers at next start)
DURABLE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


def command(binaries: Binaries, data: Path, run_dir: Path, options: Mapping[str, str]) -> tuple[str, ...]:
    """The foreground server; `options` outrank OPTIONS (tests and benches use that)."""
    flags = [f"{name}={value}" for name, value in {**OPTIONS, **options}.items()]
    pairs = [part for flag in flags for part in ("-c", flag)]
    return (str(binaries.postgres_program("postgres")), "-D", str(data), "-k", str(run_dir), *pairs)


def make_cluster(binaries: Binaries, data: Path, account: Account) -> bool:
    """Run initdb unless the data folder is complete; True when it was made. A half-made one is made anew."""
    if (data / "PG_VERSION").exists():
        return False
    making = data.with_name(data.name + ".making")
    if making.exists():
        shutil.rmtree(making)
    making.mkdir(mode=0o700)
    if not account.is_ours:
        making_owner = (account.uid, account.gid)
        shutil.chown(making, *making_owner)
    finished = subprocess.run(  # noqa: S603 - our own binary, no shell
        [binaries.postgres_program("initdb"), *INITDB_FLAGS, "-D", making],
        **account.popen_arguments(),
        env=account.environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if finished.returncode != 0:
        raise ConfigError(
            f"PostgreSQL could not make its files in {data}: {finished.stderr.strip()[-500:]}",
            "Check free space and the owner of the folder, or set MUSTER_HOME.",
        )
    making.rename(data)
    return True


def clear_the_way(data: Path, run_dir: Path) -> None:
    """Before a start: stop servers an earlier run left on these files, then remove their lock and socket files.

    PostgreSQL refuses to start while postmaster.pid names any living process, a zombie or a stranger that got the
    number included. Removing the file is safe only because nothing works in the folder any more.
    """
    stop_serving("postgres", data, STOP_SIGNALS)
    for stale in (data / "postmaster.pid", run_dir / ".s.PGSQL.5432", run_dir / ".s.PGSQL.5432.lock"):
        stale.unlink(missing_ok=True)


def is_ready(run_dir: Path) -> bool:
    """True when it accepts a connection; makes Muster's database the first time it does."""
    try:
        with psycopg.connect(_dsn(run_dir, "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
    except psycopg.OperationalError:
        return False
    return True


def _dsn(run_dir: Path, database: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host=str(run_dir),
        port=5432,
        user=ROLE,
        dbname=database,
        connect_timeout=2,
        application_name="muster start",
    )


def check_database(engine: Engine) -> str:
    """The server's version, after making sure that it is new enough and keeps what it has confirmed.

    Asked in a fresh session, where settings of the role and of the database have taken effect.
    ConfigError names what is wrong; NotRunningError when there is no answer.
    """
    try:
        with engine.connect() as connection:
            number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            version = str(connection.execute(text("SHOW server_version")).scalar_one())
            values = {
                name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in DURABLE_SETTINGS
            }
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        raise NotRunningError(
            f"The database does not answer: {said[0]}", "Start Muster (`make up`), or check DATABASE_URL."
        ) from error
    refuse_old(number, version)
    refuse_forgetful(values)
    return version


def refuse_old(version_number: int, version: str) -> None:
    """`version_number` as in server_version_num: 150004 is 15.4."""
    if version_number // 10_000 < OLDEST_VERSION:
        raise ConfigError(
            f"The database is PostgreSQL {version}; Muster needs {OLDEST_VERSION} or newer.",
            "Upgrade it, or let Muster start its own by leaving DATABASE_URL empty.",
        )


def refuse_forgetful(values: Mapping[str, str]) -> None:
    """`values` by setting name. A server that may forget a confirmed commit is refused."""
    for name in DURABLE_SETTINGS:
        if values[name] == "off":
            raise ConfigError(
                f"The database runs with {name} = off, so a crash could lose what Muster has confirmed.",
                f"Set {name} = on in the server's configuration, for the role and for the database"
                f" (ALTER ROLE ... RESET {name}; ALTER DATABASE ... RESET {name}).",
            )
