"""`muster lists`: run a CSV export as a list sync job, and see past runs."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.kit import emit, json_option, open_runtime, print_table
from app.cli.slugs import complete_source
from app.core.audit import audit
from app.lists.run import ListPlan, ListWish, apply_run, list_runs, plan_run
from app.lists.run import Progress as Report
from app.sources.configure import check_slug

SAID = ("read", "joiners", "changed", "unchanged", "invalid")


@click.group()
def lists() -> None:
    """List sync jobs."""


@lists.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--preset", default="plain_sheet", show_default=True, help="The mapping a new list starts from."
)
@click.option(
    "--list",
    "slug",
    default="",
    help="The list's name; the next run is compared with the last of this name.",
    shell_complete=complete_source,
)
@click.option("--dry-run", is_flag=True, help="Say what would happen and write nothing.")
@click.option("--encoding", default="", help="Where the file is not UTF-8: cp1252, utf-16, ...")
@click.option(
    "--as-of", type=click.DateTime(), default=None, help="When the export was made (UTC); default now."
)
@click.option(
    "--report", type=click.Path(path_type=Path), default=None, help="Where to write rows that cannot be used."
)
@json_option
def run(
    file: Path,
    preset: str,
    slug: str,
    *,
    dry_run: bool,
    encoding: str,
    as_of: datetime | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare FILE with the last run, say who joins and changes, then write exactly that."""
    if slug:
        check_slug(slug)
    if report and report.resolve() == file.resolve():
        raise click.UsageError("--report names the list itself, which would be written over.")
    runtime = open_runtime()
    wish = ListWish(
        path=file,
        preset=preset,
        slug=slug or preset.replace("_", "-"),
        report_path=report or file.with_suffix(".invalid.csv"),
        is_dry_run=dry_run,
        encoding=encoding,
        as_of=as_of.replace(tzinfo=UTC) if as_of else None,
    )
    with shown_progress(is_quiet=as_json) as progress:
        plan = plan_run(runtime, wish, progress)
        if not as_json:
            say_plan(plan, is_dry_run=dry_run)
        counts: dict[str, Any] = dict(plan.counts)
        if not dry_run:
            counts = dict(apply_run(runtime, plan, wish, progress))
            with runtime.transaction() as session:
                audit(
                    session,
                    "command line",
                    "list.run",
                    f"source:{plan.source.slug}",
                    None,
                    {"run": plan.run_id, **counts},
                )
    answer = {
        "run": plan.run_id,
        "list": plan.source.slug,
        "is_dry_run": dry_run,
        "counts": counts,
        "report": str(plan.report_path) if plan.report_path else None,
    }
    emit(answer, as_json=as_json, text=written_words(counts, is_dry_run=dry_run))


def written_words(counts: Mapping[str, int], *, is_dry_run: bool) -> str:
    """What became of the customer database. Pure."""
    if is_dry_run:
        return "No contact was written (dry run)."
    if not counts["joiners"] + counts["changed"]:
        return "Nothing to write: no row joined or changed."
    return f"Written. Contacts changed: {counts['contacts_changed']}."


def say_plan(plan: ListPlan, *, is_dry_run: bool) -> None:
    """What the run is about to do."""
    words = ", ".join(f"{plan.counts[name]} {name}" for name in SAID)
    click.echo(f"{plan.sheet.path.name} against list {plan.source.slug}: {words}.")
    if plan.report_path:
        click.echo(
            f"Rows and cells that cannot be used are in {plan.report_path} (line, column, value, reason)."
        )
    if is_dry_run and not plan.counts["joiners"] + plan.counts["changed"]:
        click.echo("A run would write nothing.")


@contextmanager
def shown_progress(*, is_quiet: bool) -> Iterator[Report]:
    """A progress bar on a terminal; silence for programs."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda _stage, _count: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, count: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=None)
            bar.update(tasks[stage], completed=count)

        yield report


@lists.command()
@json_option
def runs(*, as_json: bool) -> None:
    """Past runs, newest first."""
    with open_runtime().transaction() as session:
        found: list[dict[str, Any]] = [
            {
                "run": one.id,
                "file": one.file_name,
                "state": one.state,
                "is_dry_run": one.is_dry_run,
                "counts": one.counts,
                "error": one.error,
                "started_at": one.started_at,
                "finished_at": one.finished_at,
            }
            for one in list_runs(session)
        ]
    columns = ("run", "file", "state", *SAID, "started (UTC)")
    table = [
        (
            one["run"],
            one["file"],
            one["state"],
            *(one["counts"].get(name, "") for name in SAID),
            f"{one['started_at']:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    emit(
        found,
        as_json=as_json,
        text=lambda: print_table(columns, table, empty="No list has run yet: muster lists run FILE.csv"),
    )
