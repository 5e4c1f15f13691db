"""`muster up`: everything on one machine, in one terminal."""

import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable
from types import FrameType

import click

from app.audiences.bootstrap import ensure_simulated_audience, is_simulator_needed
from app.cli.kit import counted
from app.core.config import Settings, load_settings
from app.core.db import make_engine, make_sessions, transaction
from app.core.errors import ConfigError
from app.core.home import exclusive_home
from app.core.log import configure_log
from app.core.migrate import migrate
from app.core.postgres import check_database
from app.core.process import ProcessSpec, at_once
from app.core.secretbox import open_box
from app.core.servers import embedded_servers, leave_place, prepare_place
from app.core.supervisor import Supervisor
from app.core.survivors import stop_known
from app.core.valkey import check_redis

LOCAL = "127.0.0.1"
READY_SECONDS = 120.0  # a busy machine takes its time; a program that cannot start ends by itself
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
def up() -> None:
    """Start everything: servers, web, workers, and with no account a local Mailchimp. Ctrl-C stops it."""
    settings = load_settings()
    configure_log("console", "up")
    with exclusive_home(settings.home):
        state_file = settings.home / "children.json"
        if stopped := stop_known(state_file):
            say(f"Stopped {counted(stopped, 'process', 'processes')} that an earlier run left behind.")
        refuse_taken_port("PORT", settings.host, settings.port)
        supervisor = Supervisor(settings.home / "logs", state_file, say)
        _listen_for_stops(supervisor)
        try:
            run_all(settings, supervisor)
        finally:
            say("Stopping ...")
            supervisor.stop()
            leave_place(settings)
    say("Muster has stopped.")


def say(line: str) -> None:
    """A line for the person at the terminal; nobody there is no reason to fail."""
    try:
        click.echo(line)
    except (OSError, ValueError):  # the terminal or the pipe is closed
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the rest of the process


def _listen_for_stops(supervisor: Supervisor) -> None:
    def ask(_number: int, _frame: FrameType | None) -> None:
        supervisor.request_stop()

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs ignore some on purpose
            signal.signal(number, ask)


def run_all(settings: Settings, supervisor: Supervisor) -> None:
    """Bring up one part after the other, say when all is ready, and watch over them."""
    say(f"Muster in {settings.home}")
    open_box(settings)  # makes the key before several processes would
    start_servers(settings, supervisor)
    if not supervisor.is_stopping:
        is_rehearsal = prepare_database(settings)
        start_programs(settings, supervisor, is_rehearsal=is_rehearsal)
    if not supervisor.is_stopping:
        say(f"Muster is ready: {settings.public_url}")
        say_first_admin_link(settings)
        supervisor.run()


def start_servers(settings: Settings, supervisor: Supervisor) -> None:
    """The embedded servers, or a look at the configured ones."""
    if settings.is_embedded_database or settings.is_embedded_redis:
        place = prepare_place(settings)
        for notice in place.notices:
            say(f"  note       {notice}")
        supervisor.start(embedded_servers(settings, place))
    if supervisor.is_stopping:
        return
    engine = make_engine(settings.postgres_url, pool_size=1)
    try:
        version = check_database(engine)
    finally:
        engine.dispose()
    say(f"  database   PostgreSQL {version}, {_where(settings.is_embedded_database)}")
    say(f"  queue      {check_redis(settings.valkey_url)}, {_where(settings.is_embedded_redis)}")


def _where(is_embedded: bool) -> str:
    return "embedded" if is_embedded else "as configured"


def prepare_database(settings: Settings) -> bool:
    """The schema of this version, the destination of these settings, and without a real one the simulator's audience.

    True where the local Mailchimp is all there is.
    """
    engine = make_engine(settings.postgres_url, pool_size=1)
    try:
        revision = migrate(engine)
        with transaction(make_sessions(engine)) as session:
            ensure_simulated_audience(session, settings, open_box(settings))
            is_rehearsal = is_simulator_needed(session, settings)
    finally:
        engine.dispose()
    say(f"  schema     at revision {revision}")
    return is_rehearsal


def start_programs(settings: Settings, supervisor: Supervisor, *, is_rehearsal: bool) -> None:
    """Web, workers, sweep, and the local Mailchimp for a rehearsal: side by side, until each is ready."""
    if is_rehearsal:
        refuse_taken_port("MUSTER_SIM_PORT", LOCAL, settings.sim_port)
    specs = program_specs(settings, is_rehearsal=is_rehearsal)
    supervisor.start(specs)
    for spec in () if supervisor.is_stopping else specs:
        say(f"  {spec.name:<10} process {supervisor.pid_of(spec.name)}{_address_of(spec.name, settings)}")


def program_specs(settings: Settings, *, is_rehearsal: bool) -> list[ProcessSpec]:
    """What runs besides the servers, each a `muster` command of its own."""
    # The first of several keeps away from bulk work, so that a live change never waits for it.
    count = settings.worker_processes
    workers = [
        _program(
            settings, f"worker-{number + 1}", "worker", *(["--live"] if number == 0 and count > 1 else [])
        )
        for number in range(count)
    ]
    specs = [_program(settings, "web", "web"), *workers, _program(settings, "sweep", "sweep")]
    return [_program(settings, "sim", "sim"), *specs] if is_rehearsal else specs


def _program(settings: Settings, name: str, command: str, *words: str) -> ProcessSpec:
    host = LOCAL if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    checks: dict[str, Callable[[], bool]] = {
        "web": lambda: _answers(f"http://{host}:{settings.port}/healthz"),
        "sim": lambda: _is_open(settings.sim_port),
    }
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", "app.cli.main", command, *words),
        env={**os.environ, "MUSTER_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"},
        is_ready=checks.get(command, at_once),
        ready_seconds=READY_SECONDS,
    )


def _address_of(name: str, settings: Settings) -> str:
    addresses = {
        "web": f", port {settings.port}",
        "sim": f", port {settings.sim_port}: a local Mailchimp, no account is connected",
    }
    return addresses.get(name, "")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == 200)  # noqa: PLR2004
    except OSError:  # refused, reset, timed out, or an HTTP error
        return False


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((LOCAL, port), timeout=1).close()
    except OSError:
        return False
    return True


def refuse_taken_port(name: str, host: str, port: int) -> None:
    """ConfigError when another program listens where Muster is to listen; `name` is the setting that says where."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"Muster cannot listen on {host} port {port}: {error.strerror}.",
                f"Stop what uses the port, or choose another one: {name}={port + 10} make up",
            ) from error


def say_first_admin_link(settings: Settings) -> None:
    """The one-time link that makes the first admin, while there is none."""
    from app.web.accounts import first_admin_link  # the console's parts load slowly: not before all else runs

    engine = make_engine(settings.postgres_url, pool_size=1)
    try:
        with transaction(make_sessions(engine)) as session:
            link = first_admin_link(session, settings.public_url)
    finally:
        engine.dispose()
    if link:
        say(f"Make the first admin here, once: {link}")
