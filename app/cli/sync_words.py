"""How runs are said on a terminal: progress, tables, findings. People by contact id; values where a run waits."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from app.audiences.connect import Connections
from app.audiences.run_views import RunView, eta_seconds
from app.audiences.runs import Progress
from app.audiences.value_changes import ValueChange
from app.cli.kit import counted, named_contacts
from app.core.runtime import Runtime

HEADINGS = {
    "first_sync": (
        "added",
        "changed",
        "removed",
        "opted_out",
        "unchanged",
        "refused",
        "out",
        "strangers",
        "members",
    ),
    "reconcile": (
        "missing",
        "differing",
        "leaving",
        "in_step",
        "refused",
        "out",
        "gone",
        "strangers",
        "queued",
    ),
    "guard": ("leaving", "members", "limit"),
}
STEPS = {
    "waiting": "Waits for approval: muster sync approve {name}  (or reject)",
    "paused": "Paused: muster sync resume {audience}",
}


@contextmanager
def opened_connections(runtime: Runtime) -> Iterator[Connections]:
    """Connections to Mailchimp for one command."""
    connections = Connections(runtime.box, runtime.settings.valkey_url)
    try:
        yield connections
    finally:
        connections.close()


@contextmanager
def shown_progress(what: str, *, is_quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """How far it is and how long it may take, on a terminal; silence for programs."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    started_at = time.monotonic()
    with Console(stderr=True, markup=False).status(f"{what} ...") as status:
        yield lambda progress: status.update(
            f"{what}: {progress_words(progress, time.monotonic() - started_at)}"
        )


def progress_words(progress: Progress, elapsed_seconds: float) -> str:
    """`12,000 of 100,000, 24 calls, about 40 s left`."""
    total = "" if progress.total_count is None else f" of {progress.total_count:,}"
    left = eta_seconds(progress.done_count, progress.total_count, elapsed_seconds)
    eta = "" if left is None else f", about {duration_words(left)} left"
    return f"{progress.done_count:,}{total}, {counted(progress.call_count, 'call')}{eta}"


def duration_words(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def run_row(run: RunView) -> tuple[object, ...]:
    """A run as a line of a table."""
    total = "" if run.total_count is None else f" of {run.total_count:,}"
    left = "" if run.eta_seconds is None else duration_words(run.eta_seconds)
    errors = sum(int(one["count"]) for one in run.errors)
    state = f"{run.state} ({run.wish} asked)" if run.state == "running" and run.wish else run.state
    return (
        run.run_id,
        run.audience,
        run.kind,
        state,
        f"{run.done_count:,}{total}",
        run.call_count,
        left,
        errors or "",
        run.started_at,
    )


def print_run(run: RunView, values: Mapping[int, Sequence[ValueChange]]) -> None:
    """One run: how it stands, what it counted, what it found, whom, what would be written over, and the next step."""
    _, _, _, state, done, _, left, _, _ = run_row(run)
    click.echo(f"Run {run.run_id}: {run.kind} of {run.audience}, {state}, by {run.actor}")
    whole = run.done_count if run.total_count is None else run.total_count
    click.echo(
        f"{done} {run.done_words[whole != 1]} done, {counted(run.call_count, 'call')}{f', about {left} left' if left else ''}"
    )
    if run.counts:
        click.echo(", ".join(f"{name} {count}" for name, count in run.counts.items()))
    _print_findings(run.kind, run.findings)
    _print_samples(run.findings.get("samples", {}), values)
    for line in run.error_lines:
        click.echo(f"  {line}")
    if run.error:
        click.echo(f"Broken off: {run.error.get('reason', '')}")
        click.echo(f"Next: {run.error.get('hint', '')}")
    elif run.state in STEPS:
        click.echo(STEPS[run.state].format(name=run.run_id, audience=run.audience))


def _print_findings(kind: str, findings: Mapping[str, Any]) -> None:
    if not findings:
        return
    counted = [(name, findings[name]) for name in HEADINGS.get(kind, ()) if name in findings]
    click.echo(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counted))
    _print_statuses(findings.get("statuses", {}))
    for tag, found in findings.get("fields", {}).items():
        more = f"{found['count']} ({found['direction']})" if isinstance(found, dict) else found
        click.echo(f"  field {tag}: {more}")
    for one in (*findings.get("cannot_sync", ()), *findings.get("refusals", ())):
        people = named_contacts(one["contact_ids"])
        click.echo(f"  cannot sync: {one['reason']} (x{one['count']}; {people}) {one['hint']}".rstrip())


def _print_samples(
    samples: Mapping[str, Sequence[Mapping[str, Any]]], values: Mapping[int, Sequence[ValueChange]]
) -> None:
    for name, sample in samples.items():
        for one in sample:
            click.echo(f"  {name.replace('_', ' ')}: contact {one['contact_id']} {one['change']}")
            for change in values.get(one["contact_id"], ()):
                click.echo(f"    {change}")


def _print_statuses(statuses: Mapping[str, Any]) -> None:
    for status, found in statuses.items():
        both = (
            f"{found['there']:,} there, {found['here']:,} here" if isinstance(found, dict) else f"{found:,}"
        )
        click.echo(f"  {status}: {both}")
