"""`muster sync`: pushing, pulling and comparing audiences now; approving, pausing and watching their runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from sqlalchemy.orm import Session

from app.audiences.configure import get_audience_row, list_audiences
from app.audiences.connect import Connections
from app.audiences.models import Audience
from app.audiences.outbox import queue_audience
from app.audiences.pull import pull_audience
from app.audiences.push import push_audience
from app.audiences.reconcile import run_reconcile
from app.audiences.rehearse import run_first_sync
from app.audiences.run_views import RunView, get_run, list_runs
from app.audiences.runs import Progress, RunWatch, run_counted, watched
from app.audiences.silence import pull_after_silence
from app.audiences.value_changes import ValueChange, find_run_values
from app.cli.kit import LIMIT, emit, json_option, open_runtime, print_table
from app.cli.slugs import complete_audience
from app.cli.sync_steer import STEERING
from app.cli.sync_words import opened_connections, print_run, run_row, shown_progress
from app.core.errors import BusyError, InvalidError
from app.core.runtime import Runtime
from integrations.mailchimp.problems import MailchimpProblem

ACTOR = "command line"
RUN_COLUMNS = ("run_id", "audience", "kind", "state", "done", "calls", "left", "errors", "started_at")

Tell = Callable[[Progress], None]
Work = Callable[[Runtime, Connections, int, Tell], Any]


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def sync(context: click.Context, *, as_json: bool) -> None:
    """Push to and pull from audiences now; workers do both by themselves. Without a word: push, then pull, all."""
    if context.invoked_subcommand is not None:
        if as_json:  # `sync --json push` is `sync push --json`
            context.default_map = {name: {"as_json": True} for name in sync.commands}
        return
    runtime = open_runtime()
    results = {
        "push": _run(runtime, "push", None, _push_all, is_quiet=as_json),
        "pull": _run(runtime, "pull", None, partial(_pull, is_full=False), is_quiet=as_json),
    }
    emit(results, as_json=as_json, text=lambda: _say_both(results))
    _refuse_blocked([*results["push"], *results["pull"]])


def _chosen(session: Session, slug: str | None) -> list[Audience]:
    """The named audience; without a name all that are on and approved."""
    if not slug:
        every = (audience for audience, _ in list_audiences(session))
        return [one for one in every if one.is_enabled and one.approved_at is not None]
    audience = get_audience_row(session, slug)
    if audience.approved_at is None:
        raise BusyError(
            f"{slug} waits for approval, so nothing is sent.",
            f"`muster sync dry-run {slug}` shows what would happen; then `muster sync approve {slug}`.",
        )
    return [audience]


def _run(
    runtime: Runtime, kind: str, slug: str | None, work: Work, *, is_quiet: bool
) -> list[dict[str, Any]]:
    """Do `work` for one audience or all; a row of counts each."""
    with runtime.transaction() as session:
        chosen = _chosen(session, slug)
    results = []
    with opened_connections(runtime) as connections:
        for audience in chosen:
            try:
                with shown_progress(f"{kind} {audience.slug}", is_quiet=is_quiet) as tell:
                    counts = work(runtime, connections, audience.id, tell)
            except MailchimpProblem as problem:
                raise BusyError(f"{audience.slug}: {problem}", problem.sentence) from problem
            results.append({"audience": audience.slug, **counts.as_dict()})
    return results


def _refuse_blocked(results: Iterable[Mapping[str, Any]]) -> None:
    blocked = sorted({one["audience"] for one in results if one["is_blocked"]})
    if blocked:
        raise BusyError(
            f"{', '.join(blocked)}: not all was done; paused, or Mailchimp is not being called for now.",
            "`muster status` says why; Muster goes on by itself once that is over.",
        )


def _say(kind: str, results: Iterable[Mapping[str, Any]]) -> None:
    for counts in results:
        parts = [
            f"{name} {count}" for name, count in counts.items() if name not in {"audience", "is_blocked"}
        ]
        click.echo(f"{kind} {counts['audience']}: {', '.join(parts)}")


def _say_both(results: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    for kind, found in results.items():
        _say(kind, found)


def _push_waiting(runtime: Runtime, connections: Connections, audience_id: int, tell: Tell) -> Any:
    pull_after_silence(runtime.sessions, connections, audience_id)
    watch = RunWatch(runtime.sessions, audience_id, "push", actor=ACTOR, on_progress=tell)
    watch.open()
    with watched(watch):
        return push_audience(runtime.sessions, connections, audience_id, None, watch)


def _push_all(runtime: Runtime, connections: Connections, audience_id: int, tell: Tell) -> Any:
    with runtime.transaction() as session:
        queue_audience(session, audience_id)
    return _push_waiting(runtime, connections, audience_id, tell)


def _pull(runtime: Runtime, connections: Connections, audience_id: int, tell: Tell, *, is_full: bool) -> Any:
    watch = RunWatch(runtime.sessions, audience_id, "pull", actor=ACTOR, on_progress=tell)
    work = partial(pull_audience, runtime.sessions, connections, audience_id, is_full=is_full)
    return run_counted(watch, work)


def _run_one(kind: str, slug: str | None, work: Work, *, as_json: bool) -> None:
    results = _run(open_runtime(), kind, slug, work, is_quiet=as_json)
    emit(results, as_json=as_json, text=lambda: _say(kind, results))
    _refuse_blocked(results)


@sync.command()
@click.argument("audience", required=False, shell_complete=complete_audience)
@click.option(
    "--changed",
    is_flag=True,
    help="Only what waits; without it everybody is compared (nothing changed = no call).",
)
@json_option
def push(audience: str | None, *, changed: bool, as_json: bool) -> None:
    """Bring AUDIENCE (or all) to what the customer database says."""
    _run_one("push", audience, _push_waiting if changed else _push_all, as_json=as_json)


@sync.command()
@click.argument("audience", required=False, shell_complete=complete_audience)
@click.option("--full", is_flag=True, help="Read everybody, not only who changed since the last pull.")
@json_option
def pull(audience: str | None, *, full: bool, as_json: bool) -> None:
    """Read from AUDIENCE (or all) what Mailchimp knows: statuses, opt-outs, tags."""
    _run_one("pull", audience, partial(_pull, is_full=full), as_json=as_json)


def _read_whole(kind: str, audiences: list[Audience], *, as_json: bool) -> list[RunView]:
    """A reconcile or a dry run of each; what it found."""
    runtime, read = open_runtime(), {"reconcile": run_reconcile, "dry run": run_first_sync}[kind]
    found = []
    with opened_connections(runtime) as connections:
        for audience in audiences:
            try:
                with shown_progress(f"{kind} {audience.slug}", is_quiet=as_json) as tell:
                    run_id = read(runtime.sessions, connections, audience.id, ACTOR, tell)
            except MailchimpProblem as problem:
                raise BusyError(f"{audience.slug}: {problem}", problem.sentence) from problem
            with runtime.transaction() as session:
                run = get_run(session, run_id)
                found.append((run, find_run_values(session, run)))
    emit([asdict(run) for run, _ in found], as_json=as_json, text=lambda: _print_all(found))
    return [run for run, _ in found]


def _print_all(found: Iterable[tuple[RunView, Mapping[int, Sequence[ValueChange]]]]) -> None:
    for run, values in found:
        print_run(run, values)


@sync.command()
@click.argument("audience", required=False, shell_complete=complete_audience)
@json_option
def reconcile(audience: str | None, *, as_json: bool) -> None:
    """Compare AUDIENCE (or all) whole with Mailchimp; a little drift is mended, much of it waits for `approve`."""
    with open_runtime().transaction() as session:
        chosen = _chosen(session, audience)
    _read_whole("reconcile", chosen, as_json=as_json)


@sync.command("dry-run")
@click.argument("audience", shell_complete=complete_audience)
@json_option
def dry_run(audience: str, *, as_json: bool) -> None:
    """What a first sync of AUDIENCE would do: everything but the writing. Ends with 65 when too much is at stake."""
    with open_runtime().transaction() as session:
        chosen = [get_audience_row(session, audience)]
    (found,) = _read_whole("dry run", chosen, as_json=as_json)
    if found.state == "failed":
        raise InvalidError(
            f"{audience}: {(found.error or {}).get('reason')}", (found.error or {}).get("hint", "")
        )


@sync.command()
@click.argument("audience", required=False, shell_complete=complete_audience)
@click.option("--limit", type=LIMIT, default=20, show_default=True)
@json_option
def runs(audience: str | None, *, limit: int, as_json: bool) -> None:
    """The latest runs."""
    with open_runtime().transaction() as session:
        audience_id = get_audience_row(session, audience).id if audience else None
        found = list_runs(session, audience_id, limit)
    emit(
        [asdict(run) for run in found],
        as_json=as_json,
        text=lambda: print_table(RUN_COLUMNS, map(run_row, found)),
    )


for command in STEERING:
    sync.add_command(command)
