"""The words of `muster sync` that steer runs: approve, reject, pause, resume, cancel, show."""

from collections.abc import Callable
from dataclasses import asdict

import click
from sqlalchemy.orm import Session

from app.audiences.configure import get_audience_row
from app.audiences.run_views import RunView, get_run, list_runs
from app.audiences.steer import approve as approve_run
from app.audiences.steer import cancel as cancel_work
from app.audiences.steer import get_waiting_run
from app.audiences.steer import pause as pause_work
from app.audiences.steer import reject as reject_run
from app.audiences.steer import resume as resume_work
from app.audiences.value_changes import find_run_values
from app.cli.kit import emit, json_option, open_runtime
from app.cli.slugs import complete_audience
from app.cli.sync_words import print_run
from app.core.errors import NotFoundError

ACTOR = "command line"


def _find_run_id(session: Session, name: str) -> int:
    """A run by its number; by an audience's slug the one that waits."""
    if name.isdecimal() and len(name) < 19:  # noqa: PLR2004 - a bigint
        return int(name)
    return get_waiting_run(session, get_audience_row(session, name).id).id


def _decide(name: str, decide: Callable[[Session, int], None], done: str, *, as_json: bool) -> None:
    runtime = open_runtime()
    with runtime.transaction() as session:
        run_id = _find_run_id(session, name)
        decide(session, run_id)
        session.flush()
        session.expire_all()
        run = get_run(session, run_id)
    emit(asdict(run), as_json=as_json, text=f"Run {run.run_id} ({run.kind} of {run.audience}): {done}")


@click.command()
@click.argument("audience_or_run", shell_complete=complete_audience)
@click.option(
    "--anyway", is_flag=True, help="Also a first sync that was broken off because much is at stake."
)
@json_option
def approve(audience_or_run: str, *, anyway: bool, as_json: bool) -> None:
    """Let what waits happen: a first sync, leaves that the guard holds back, a large repair."""

    def decide(session: Session, run_id: int) -> None:
        approve_run(session, run_id, ACTOR, is_anyway=anyway)

    _decide(audience_or_run, decide, "approved; the workers begin by themselves.", as_json=as_json)


@click.command()
@click.argument("audience_or_run", shell_complete=complete_audience)
@json_option
def reject(audience_or_run: str, *, as_json: bool) -> None:
    """Say no to what waits for approval; nothing of it is sent."""

    def decide(session: Session, run_id: int) -> None:
        reject_run(session, run_id, ACTOR)

    _decide(audience_or_run, decide, "rejected; nothing of it is sent.", as_json=as_json)


def _steer(slug: str, steer: Callable[[Session, int], str], *, as_json: bool) -> None:
    with open_runtime().transaction() as session:
        sentence = steer(session, get_audience_row(session, slug).id)
    emit({"audience": slug, "result": sentence}, as_json=as_json, text=f"{slug}: {sentence}")


@click.command()
@click.argument("audience", shell_complete=complete_audience)
@click.option("--reason", default="", help="For those who find it paused.")
@json_option
def pause(audience: str, *, reason: str, as_json: bool) -> None:
    """Send nothing to AUDIENCE until `resume`, but opt-outs and erasures."""

    def steer(session: Session, audience_id: int) -> str:
        is_first = pause_work(session, audience_id, ACTOR, reason)
        return "paused; only opt-outs and erasures are sent." if is_first else "it was paused already."

    _steer(audience, steer, as_json=as_json)


@click.command()
@click.argument("audience", shell_complete=complete_audience)
@json_option
def resume(audience: str, *, as_json: bool) -> None:
    """Let a paused AUDIENCE go on where it stopped."""

    def steer(session: Session, audience_id: int) -> str:
        return "it goes on." if resume_work(session, audience_id, ACTOR) else "it was not paused."

    _steer(audience, steer, as_json=as_json)


@click.command()
@click.argument("audience", shell_complete=complete_audience)
@json_option
def cancel(audience: str, *, as_json: bool) -> None:
    """End what runs for AUDIENCE and forget what its bulk work had queued; opt-outs and live changes stay."""

    def steer(session: Session, audience_id: int) -> str:
        return f"cancelled; {cancel_work(session, audience_id, ACTOR)} queued changes were forgotten."

    _steer(audience, steer, as_json=as_json)


@click.command()
@click.argument("audience_or_run", shell_complete=complete_audience)
@json_option
def show(audience_or_run: str, *, as_json: bool) -> None:
    """One run with what it found: the one that waits, or the latest, of an audience."""
    with open_runtime().transaction() as session:
        run = _shown_run(session, audience_or_run)
        values = find_run_values(session, run)
    emit(asdict(run), as_json=as_json, text=lambda: print_run(run, values))


def _shown_run(session: Session, name: str) -> RunView:
    try:
        return get_run(session, _find_run_id(session, name))
    except NotFoundError:
        if name.isdecimal():
            raise
    latest = list_runs(session, get_audience_row(session, name).id, 1)
    if not latest:
        raise NotFoundError(f"Nothing ran for {name} yet.", f"`muster sync dry-run {name}` shows what would.")
    return latest[0]


STEERING = (approve, reject, pause, resume, cancel, show)
