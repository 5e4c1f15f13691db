"""Embedded servers together: where they live, as whom, and how they run for a while without a supervisor."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.core import postgres, valkey
from app.core.binaries import SHARED_PLACE, Binaries, reachable_binaries, shared_folder
from app.core.config import Settings, load_settings, runtime_dir
from app.core.errors import NotRunningError
from app.core.home import exclusive_home, make_home
from app.core.privileges import Account, can_enter, private_directory, service_account
from app.core.process import Child, ProcessSpec, kill_group, spawn

POINTER_NAME = "embedded-servers-live-in"
START_SECONDS = 60.0  # crash recovery of a large database takes its time
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """All that starting the embedded servers takes."""

    binaries: Binaries
    account: Account
    data: Path  # holds postgres/ and valkey/
    run_dir: Path  # holds the sockets
    notices: tuple[str, ...]  # sentences for the person who started Muster

    @property
    def postgres_data(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey_data(self) -> Path:
        return self.data / "valkey"


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where the two servers answer: a libpq URL and a redis-py URL."""

    postgres: str
    valkey: str


def prepare_place(settings: Settings) -> Place:
    """Decide where and as whom the servers run, and make every folder and file they need. Safe to repeat."""
    home = make_home(settings.home)
    data = _existing_data(home)
    account = service_account(_owner_of(data) if data else None)
    notices = []
    binaries, is_copied = reachable_binaries(account)
    if is_copied:
        notices.append(
            f"The account {account.name} cannot reach {Path(__file__).parents[2]}: servers run from {binaries.postgres.parent}."
        )
    if data is None:
        data = home if account.is_ours or can_enter(account, home) else _data_elsewhere(home)
    if data != home:
        notices.append(f"The account {account.name} cannot reach {home}: the databases live in {data}.")
    place = Place(binaries, account, data, private_directory(settings.run_dir, account), tuple(notices))
    if settings.is_embedded_database:
        postgres.make_cluster(binaries, place.postgres_data, account)
    if settings.is_embedded_redis:
        private_directory(place.valkey_data, account)
    return place


def _existing_data(home: Path) -> Path | None:
    elsewhere = SHARED_PLACE / _mark(home)
    return next((path for path in (home, elsewhere) if (path / "postgres").exists()), None)


def _mark(home: Path) -> str:
    return hashlib.sha256(str(home).encode()).hexdigest()[:12]


def _owner_of(data: Path) -> int:
    return (data / "postgres").lstat().st_uid


def _data_elsewhere(home: Path) -> Path:
    data = shared_folder(SHARED_PLACE / _mark(home))
    (home / POINTER_NAME).write_text(f"{data}\n", encoding="utf-8")
    return data


def embedded_servers(
    settings: Settings, place: Place, postgres_options: Mapping[str, str] | None = None
) -> tuple[ProcessSpec, ...]:
    """The servers that these settings leave to Muster, in starting order."""
    database = ProcessSpec(
        name="postgres",
        argv=postgres.command(place.binaries, place.postgres_data, place.run_dir, postgres_options or {}),
        account=place.account,
        clear_the_way=lambda: postgres.clear_the_way(place.postgres_data, place.run_dir),
        is_ready=lambda: postgres.is_ready(place.run_dir),
        ready_seconds=START_SECONDS,
        stop_signals=postgres.STOP_SIGNALS,
        stage=0,
    )
    queue = ProcessSpec(
        name="valkey",
        argv=valkey.command(place.binaries, place.valkey_data, place.run_dir),
        account=place.account,
        clear_the_way=lambda: valkey.clear_the_way(place.binaries, place.valkey_data, place.run_dir),
        is_ready=lambda: valkey.is_ready(settings.valkey_url),
        ready_seconds=START_SECONDS,
        stop_signals=valkey.STOP_SIGNALS,
        stage=0,
    )
    wanted = ((settings.is_embedded_database, database), (settings.is_embedded_redis, queue))
    return tuple(server for is_wanted, server in wanted if is_wanted)


@contextmanager
def running_servers(
    settings: Settings, postgres_options: Mapping[str, str] | None = None
) -> Iterator[ServerUrls]:
    """Run the embedded servers while the block runs, and stop them at its end. Configured servers stay as they are.

    Tests, benches and one-off commands use it; `muster up` supervises the same servers instead.
    BusyError when a Muster already runs on this home.
    """
    with ExitStack() as stack:
        stack.enter_context(exclusive_home(settings.home))
        place = prepare_place(settings)
        for server in embedded_servers(settings, place, postgres_options):
            stack.enter_context(_running(server, settings.home / "logs"))
        yield ServerUrls(settings.postgres_url, settings.valkey_url)
    leave_place(settings)


def leave_place(settings: Settings) -> None:
    """Take the folder of the sockets away where it is empty, as after a clean stop; the next start makes it again."""
    with suppress(OSError):  # a socket is in it still, it is a host's to keep, or it never was
        settings.run_dir.rmdir()


@contextmanager
def _running(server: ProcessSpec, logs: Path) -> Iterator[None]:
    logs.mkdir(mode=0o700, exist_ok=True)
    server.clear_the_way()
    with (logs / f"{server.name}.log").open("ab") as log:
        child = spawn(server, log)
    try:
        _wait_ready(server, child, logs / f"{server.name}.log")
        yield
    finally:
        _stop(server, child)


def _wait_ready(server: ProcessSpec, child: Child, log: Path) -> None:
    deadline = time.monotonic() + server.ready_seconds
    while not server.is_ready():
        if child.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            raise NotRunningError(f"{server.name} did not start: {' | '.join(lines)}", f"Read {log}.")
        time.sleep(0.02)


def _stop(server: ProcessSpec, child: Child) -> None:
    for number in server.stop_signals:
        child.send_signal(number)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    kill_group(child.pid)
    child.wait(STOP_SECONDS)


@contextmanager
def scratch_servers(postgres_options: Mapping[str, str] | None = None) -> Iterator[Settings]:
    """Servers in a new temporary home that vanishes afterwards; the settings to use them with.

    The home is outside the test runner's own folders, which an unprivileged account cannot enter.
    """
    home = Path(tempfile.mkdtemp(prefix="muster-home-"))
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    settings = replace(load_settings(), home=home, run_dir=runtime_dir(home), database_url="", redis_url="")
    try:
        with running_servers(settings, postgres_options):
            yield settings
    finally:
        shutil.rmtree(settings.run_dir, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
