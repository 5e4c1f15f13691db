"""The embedded servers after kill -9, with stale files, as root and as a normal user."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from app.core import binaries, servers
from app.core.config import Settings, load_settings
from app.core.errors import BusyError
from app.core.privileges import Account, can_run
from app.core.servers import prepare_place, running_servers

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
# A supervisor with nothing but the servers: what `muster up` does before its own programs.
DRIVER = """
import signal
from app.core.config import load_settings
from app.core.home import exclusive_home
from app.core.servers import embedded_servers, prepare_place
from app.core.supervisor import Supervisor

settings = load_settings()
with exclusive_home(settings.home):
    supervisor = Supervisor(settings.home / "logs", settings.home / "children.json", lambda line: print(line, flush=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.request_stop())
    try:
        supervisor.start(embedded_servers(settings, prepare_place(settings)))
        print("ready", flush=True)
        supervisor.run()
    finally:
        supervisor.stop()
"""

AS_NOBODY = """
import json, os, secrets, sys
import psycopg
from app.core import valkey
from app.core.config import load_settings
from app.core.servers import running_servers

valkey.is_ready("unix:///nowhere/valkey.sock")  # loads what is loaded on first use
uid, gid = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setresgid(gid, gid, gid)
os.setresuid(uid, uid, uid)
settings = load_settings()
with running_servers(settings) as urls, psycopg.connect(urls.postgres) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 'first' AS name")
with running_servers(settings) as urls, psycopg.connect(urls.postgres) as connection:
    version, name = connection.execute("SELECT version(), name FROM kept").fetchone()
print(json.dumps([version, [name], os.geteuid(), (settings.home / "postgres").stat().st_uid]))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the servers' account can reach, outside pytest's own closed folders."""
    path = Path(tempfile.mkdtemp(prefix="muster-fault-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def settings(home, monkeypatch) -> Iterator[Settings]:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUSTER_HOME", str(home / "var"))
    yield load_settings()
    shutil.rmtree(load_settings().run_dir, ignore_errors=True)


@contextmanager
def driver(settings: Settings, **more) -> Iterator[subprocess.Popen[str]]:
    """The supervisor of both servers in a process of its own, ready."""
    environment = {**os.environ, "MUSTER_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    arguments = {"args": [sys.executable, "-c", DRIVER], "env": environment, **more}
    with subprocess.Popen(
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **arguments
    ) as running:
        try:
            lines = []
            for line in running.stdout:
                lines.append(line)
                if line == "ready\n":
                    break
            else:
                pytest.fail("the servers did not start: " + "".join(lines))
            yield running
        finally:
            running.terminate()
            running.wait(15)


def server_pids(settings: Settings) -> list[int]:
    """Every process that works in the home: servers and their children."""
    found = []
    for process in psutil.process_iter():
        try:
            text = [*process.cmdline(), process.cwd()]
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if not is_dead and any(str(settings.home) in part for part in text) and process.name() != "python3":
            found.append(process.pid)
    return found


def postmaster_pid(settings: Settings) -> int:
    return int((settings.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def valkey_pid(settings: Settings) -> int:
    with redis.Redis.from_url(settings.valkey_url) as client:
        return int(client.info("server")["process_id"])


def write_row(settings: Settings, name: str) -> None:
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (name text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [name])
    with redis.Redis.from_url(settings.valkey_url) as client:
        client.rpush("kept", name)


def rows(settings: Settings, seconds: float = 15.0) -> tuple[list[str], list[str]]:
    """What both servers hold, as soon as both answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with psycopg.connect(settings.postgres_url) as connection:
                kept = [name for (name,) in connection.execute("SELECT name FROM kept ORDER BY name")]
            with redis.Redis.from_url(settings.valkey_url) as client:
                return kept, sorted(name.decode() for name in client.lrange("kept", 0, -1))
        except (psycopg.OperationalError, redis.RedisError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wait_until_gone(settings: Settings, seconds: float = 10.0) -> list[int]:
    deadline = time.monotonic() + seconds
    while (left := server_pids(settings)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_a_fresh_start_takes_less_than_ten_seconds(settings):
    began = time.monotonic()

    with running_servers(settings) as urls:
        took = time.monotonic() - began
        write_row(settings, "first")

    assert took < 10
    assert (urls.postgres, urls.valkey) == (settings.postgres_url, settings.valkey_url)
    assert server_pids(settings) == []
    assert not settings.run_dir.exists()


def test_rows_survive_a_clean_stop_and_start(settings):
    with running_servers(settings):
        write_row(settings, "first")

    with running_servers(settings):
        assert rows(settings) == (["first"], ["first"])


def test_a_killed_database_comes_back_by_itself_with_its_rows(settings):
    with driver(settings):
        for number in range(3):
            write_row(settings, f"row {number}")
            os.kill(postmaster_pid(settings), signal.SIGKILL)
            rows(settings)

        assert rows(settings)[0] == ["row 0", "row 1", "row 2"]


def test_a_killed_queue_server_comes_back_by_itself_with_its_keys(settings):
    with driver(settings):
        write_row(settings, "first")
        time.sleep(1.2)  # appendfsync everysec
        killed = valkey_pid(settings)
        os.kill(killed, signal.SIGKILL)

        assert rows(settings)[1] == ["first"]
        assert valkey_pid(settings) != killed


def test_killing_everything_at_once_loses_no_row(settings):
    with driver(settings) as running:
        write_row(settings, "first")
        time.sleep(1.2)  # appendfsync everysec
        for pid in (running.pid, *server_pids(settings)):
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)

    with driver(settings):
        assert rows(settings) == (["first"], ["first"])


def test_a_killed_supervisor_takes_the_servers_with_it_and_the_next_start_finds_the_rows(settings):
    with driver(settings) as running:
        write_row(settings, "first")
        running.kill()
        running.wait()

    with driver(settings):
        assert rows(settings) == (["first"], ["first"])


def test_servers_left_by_a_killed_supervisor_are_stopped_before_the_next_start(settings):
    """Where the kernel has no leash, or the signal found a server busy."""
    place = prepare_place(settings)
    orphans = []
    for server in servers.embedded_servers(settings, place):
        arguments = server.account.popen_arguments()
        orphans.append(
            subprocess.Popen(
                server.argv, cwd="/", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **arguments
            )
        )
    with psycopg.connect(**wait_for_postgres(settings)) as held:  # a client keeps a backend busy
        held.execute("SELECT 1")
        with running_servers(settings):
            write_row(settings, "first")
            assert rows(settings) == (["first"], ["first"])
        assert [orphan.wait(10) is not None for orphan in orphans] == [True, True]
        held.close()


def wait_for_postgres(settings: Settings) -> dict[str, str]:
    dsn = {"host": str(settings.run_dir), "user": "muster", "dbname": "postgres"}
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(**dsn).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return dsn


@pytest.mark.parametrize("stranger", ["ourselves", "process 1", "a dead process"])
def test_a_stale_lock_file_does_not_stop_the_start(settings, stranger):
    """After a crash the number may belong to anything: in a container often to something alive."""
    with running_servers(settings):
        write_row(settings, "first")
        content = (settings.home / "postgres" / "postmaster.pid").read_text().splitlines()
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    pid = {"ourselves": os.getpid(), "process 1": 1, "a dead process": finished.pid}[stranger]
    stale = settings.home / "postgres" / "postmaster.pid"
    stale.write_text("\n".join([str(pid), *content[1:]]) + "\n")

    with running_servers(settings):
        assert rows(settings) == (["first"], ["first"])


def test_stale_socket_files_do_not_stop_the_start(settings):
    with running_servers(settings):
        write_row(settings, "first")
    settings.run_dir.mkdir(mode=0o700)
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock", "valkey.sock"):
        (settings.run_dir / name).write_text(f"{os.getpid()}\n")

    with running_servers(settings):
        assert rows(settings) == (["first"], ["first"])


def test_a_first_start_that_was_cut_short_is_made_anew(settings):
    half_made = settings.home / "postgres.making"
    half_made.mkdir(parents=True)
    settings.home.chmod(0o755)
    (half_made / "PG_VERSION").write_text("18\n")

    with running_servers(settings):
        write_row(settings, "first")

    assert not half_made.exists()


def test_a_home_in_use_is_refused_with_one_sentence(settings):
    with driver(settings) as running, pytest.raises(BusyError) as caught, running_servers(settings):
        pass

    assert str(caught.value) == f"Muster is already running on {settings.home} (process {running.pid})."
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_everything_within_ten_seconds(settings, number):
    with driver(settings) as running:
        before = server_pids(settings)
        client = psycopg.connect(settings.postgres_url)
        began = time.monotonic()
        running.send_signal(number)
        exit_code = running.wait(15)
        took = time.monotonic() - began
        client.close()

    assert len(before) >= 2
    assert (exit_code, server_pids(settings)) == (0, [])
    assert took < 10


def test_the_sockets_are_private(settings):
    with running_servers(settings):
        sockets = [settings.run_dir / name for name in (".s.PGSQL.5432", "valkey.sock")]
        modes = [oct(path.stat().st_mode & 0o777) for path in (settings.run_dir, *sockets)]
        data_mode = oct((settings.home / "postgres").stat().st_mode & 0o777)

    assert modes == ["0o700", "0o700", "0o700"]
    assert data_mode == "0o700"


def test_the_servers_listen_on_no_port(settings):
    with running_servers(settings):
        listening = [
            connection
            for pid in server_pids(settings)
            for connection in psutil.Process(pid).net_connections(kind="inet")
        ]

    assert listening == []


@pytest.mark.skipif(not IS_ROOT, reason="needs root: as a normal user every server is ours anyway")
class TestAsRoot:
    def test_no_server_process_is_roots(self, settings):
        with running_servers(settings):
            owners = {psutil.Process(pid).uids().real for pid in server_pids(settings)}

        assert len(owners) == 1
        assert 0 not in owners

    def test_data_of_a_normal_user_stays_that_users(self, settings, home):
        """Somebody ran it as `daemon` before, now root does: same owner, same sockets, same rows."""
        daemon = pwd.getpwnam("daemon")
        with running_servers(settings):
            write_row(settings, "first")
        for path in (settings.home, *settings.home.rglob("*")):
            os.chown(path, daemon.pw_uid, daemon.pw_gid, follow_symlinks=False)
        as_root = load_settings()

        with running_servers(as_root):
            owners = {psutil.Process(pid).uids().real for pid in server_pids(as_root)}
            kept = rows(as_root)

        assert as_root.run_dir.name.startswith(f"muster-{daemon.pw_uid}-")
        assert (owners, kept) == ({daemon.pw_uid}, (["first"], ["first"]))

    def test_a_home_the_account_cannot_reach_moves_the_data_with_a_notice(self, home, monkeypatch):
        monkeypatch.setattr(binaries, "SHARED_PLACE", home / "lib")
        monkeypatch.setattr(servers, "SHARED_PLACE", home / "lib")
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        settings = replace(
            load_settings(), home=closed / "var", run_dir=home / "run", database_url="", redis_url=""
        )

        with running_servers(settings):
            write_row(settings, "first")
        place = prepare_place(settings)

        assert place.data.parent == home / "lib"
        assert place.notices == (
            f"The account {place.account.name} cannot reach {settings.home}: the databases live in {place.data}.",
        )
        assert (settings.home / "embedded-servers-live-in").read_text().strip() == str(place.data)
        assert oct(closed.stat().st_mode & 0o777) == "0o700"
        with running_servers(settings):
            assert rows(settings) == (["first"], ["first"])

    def test_programs_the_account_cannot_reach_are_copied_once(self, home, monkeypatch):
        nobody = pwd.getpwnam("nobody")
        account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
        installed = binaries.installed_binaries()
        closed = home / "closed"
        package = closed / installed.postgres.parent.name
        for folder in (installed.postgres, installed.postgres.parents[1] / f"{package.name}.libs"):
            shutil.copytree(folder, closed / folder.relative_to(installed.postgres.parents[1]), symlinks=True)
        shutil.copy2(installed.valkey, closed / "valkey-server")
        for folder in (closed, package, package / installed.postgres.name / "bin"):
            folder.chmod(0o700)  # as an installation under umask 077 leaves it
        hidden = binaries.Binaries(package / installed.postgres.name, closed / "valkey-server")
        monkeypatch.setattr(binaries, "SHARED_PLACE", home / "lib")
        monkeypatch.setattr(binaries, "installed_binaries", lambda: hidden)

        copied, is_copied = binaries.reachable_binaries(account)
        again, _ = binaries.reachable_binaries(account)

        assert is_copied
        assert copied == again
        assert can_run(account, copied.postgres_program("initdb"))
        assert copied.postgres.stat().st_uid == 0
        assert oct(copied.postgres.stat().st_mode & 0o777) == "0o755"

    def test_a_normal_user_runs_the_same(self, home):
        nobody = pwd.getpwnam("nobody")
        if not can_run(Account("nobody", nobody.pw_uid, nobody.pw_gid), binaries.installed_binaries().valkey):
            pytest.skip("nobody cannot reach this project's folder")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)

        # The interpreter may lie where nobody cannot go, so it is loaded first and the account changed then.
        finished = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(nobody.pw_uid), str(nobody.pw_gid)],
            env={
                "PATH": os.defpath,
                "MUSTER_HOME": str(home / "var"),
                "PYTHONPATH": str(ROOT),
                "HOME": str(home),
            },
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert finished.returncode == 0, finished.stderr
        version, kept, uid, owner = json.loads(finished.stdout)
        assert version.startswith("PostgreSQL 18")
        assert (kept, uid, owner) == (["first"], nobody.pw_uid, nobody.pw_uid)
