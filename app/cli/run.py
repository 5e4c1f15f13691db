"""`muster web|worker|sweep|migrate`: the parts alone, as production runs them."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from app.cli.kit import emit, json_option, open_runtime
from app.core.config import load_settings
from app.core.log import configure_log

if TYPE_CHECKING:
    from app.web.server import Application

TARGET = "app.cli.run:application"
BODY_SECONDS_VARIABLE = "MUSTER_BODY_SECONDS"  # tests make slow bodies end sooner


def application() -> "Application":
    """What granian calls in each worker process: everything that connects is made here, after the fork."""
    from app.core.beats import Beats
    from app.core.runtime import Runtime
    from app.factory import create_app
    from app.web.door import open_door
    from app.web.server import Application, keep_to_parent

    keep_to_parent()
    settings = load_settings()
    configure_log(settings.log_format, "web")
    door = open_door(settings)
    body_seconds = float(os.environ.get(BODY_SECONDS_VARIABLE, "10"))
    beats = Beats(Runtime(settings, pool_size=1), "web")
    beats.start()
    return Application(door, create_app(settings, door).wsgi_app, body_seconds, beats.stop)


@click.command()
@click.option("--processes", type=click.IntRange(1, 64), help="Worker processes (MUSTER_WEB_PROCESSES).")
def web(processes: int | None) -> None:
    """Serve the hooks and the console."""
    from app.web.server import serve

    settings = load_settings()
    configure_log(settings.log_format, "web")
    serve(replace(settings, web_processes=processes) if processes else settings, TARGET)


@click.command()
@click.option(
    "--live",
    is_flag=True,
    help="Only what somebody waits for; leave bulk pushes and readings to other workers.",
)
def worker(*, live: bool) -> None:
    """Work on what arrived."""
    from app.core.queue import LIVE_QUEUES, QUEUES
    from app.worker import run_worker

    settings = load_settings()
    configure_log(settings.log_format, "worker")
    run_worker(settings, LIVE_QUEUES if live else QUEUES)


@click.command()
def sweep() -> None:
    """Find what lost bells left lying, once a second."""
    from app.sweep import run_sweep

    settings = load_settings()
    configure_log(settings.log_format, "sweep")
    run_sweep(settings)


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database to this version."""
    from app.core.migrate import migrate as migrate_schema

    revision = migrate_schema(open_runtime().engine)
    shown: dict[str, Any] = {"revision": revision}
    emit(shown, as_json=as_json, text=f"The database is at revision {revision}.")
