"""`muster sources try | backfill | health`: looking after sources."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from app.cli.captured import headers_option, read_headers, say_head, say_ignored
from app.cli.kit import emit, json_option, open_runtime, print_table
from app.cli.slugs import complete_source
from app.core.errors import BusyError, InvalidError
from app.inbox.backfill import backfill_source
from app.inbox.sample import sample_request
from app.inbox.watch import check_source, list_source_troubles
from app.sources.loaded import load_sources
from app.trial import trial_as_json, try_delivery
from integrations.kit.times import find_time

KIND_WORDS = {"erase": "delete"}  # a member there is deleted; only a person here is erased


@click.command("try")
@click.argument("slug", shell_complete=complete_source)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@headers_option
@click.option("--url-key", default="", help="What follows the source's name in its address.")
@click.option("--fetch", is_flag=True, help="Ask the platform's API for events that came as an id.")
@json_option
def try_command(
    slug: str, file: Path, headers: Path | None, url_key: str, *, fetch: bool, as_json: bool
) -> None:
    """Take the body in FILE through the source SLUG: verdict, events, patches, match, planned operations.

    Nothing is written.
    """
    runtime = open_runtime()
    head = read_headers(headers)
    request = sample_request(file.read_bytes(), head, datetime.now(UTC), suffix=file.suffix, url_key=url_key)
    found = trial_as_json(try_delivery(runtime, slug, request, is_fetching=fetch))
    emit(found, as_json=as_json, text=lambda: _say(found))


def _say(found: Mapping[str, Any]) -> None:
    say_head(found, " (read all the same)")
    for step in found["steps"]:
        click.echo(f"event     {step['event']['kind']}  {step['event']['key']}: {step['outcome']}")
        if step["problem"]:
            click.echo(f"  problem   {step['problem']['reason']} {step['problem']['hint']}")
        for patch in step["patches"]:
            click.echo(
                f"  patch     {', '.join(f'{name} {value}' for name, value in patch.get('fields', {}).items())}"
            )
        if step["is_new_contact"] or step["contact_id"]:
            click.echo(f"  match     {'a new contact' if step['is_new_contact'] else step['contact_id']}")
        for operation in step["operations"]:
            click.echo(f"  {operation['audience']}: " + ", ".join(_words(operation)))
    say_ignored(found)
    click.echo("Nothing was written.")


def _words(operation: Mapping[str, Any]) -> list[str]:
    trouble = operation.get("trouble")
    return [
        f"{name} {value}" if name != "kind" else KIND_WORDS.get(value, value)
        for name, value in operation.items()
        if name not in ("audience", "trouble")
    ] + ([trouble["reason"]] if trouble else [])


@click.command()
@click.argument("slug", shell_complete=complete_source)
@click.option("--since", default="", help="How far back: 2026-11-01, or 30d. Without it a week.")
@json_option
def backfill(slug: str, since: str, *, as_json: bool) -> None:
    """Ask the platform for what it kept; whatever came already has no effect."""
    runtime = open_runtime()
    counts = backfill_source(runtime, slug, read_since(since or "7d"))
    emit(
        {"source": slug, **counts.as_dict()},
        as_json=as_json,
        text=f"{slug}: {counts.body_count} kept by the platform, {counts.new_count} of them new.",
    )
    if counts.failure:
        raise BusyError(f"It ended early: {counts.failure}.", counts.hint)


def read_since(text: str) -> datetime:
    """A moment from a date, a time, or a number of days or hours before now."""
    unit = {"d": timedelta(days=1), "h": timedelta(hours=1)}.get(text[-1:])
    if unit and text[:-1].isdecimal() and len(text) <= 6:  # noqa: PLR2004 - some centuries
        return datetime.now(UTC) - int(text[:-1]) * unit
    found = find_time(text)
    if found is None:
        raise InvalidError(
            f"{text!r} is no time.", "Write it like 2026-11-01, 2026-11-01T08:00Z, 30d or 12h."
        )
    return found


@click.command()
@click.argument("slug", required=False, shell_complete=complete_source)
@json_option
def health(slug: str | None, *, as_json: bool) -> None:
    """Ask the platforms whether they still send, look at each source's rhythm, and say what is wrong."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        sources = [
            one for one in load_sources(session, runtime.box) if one.is_enabled and slug in (None, one.slug)
        ]
    if slug and not sources:
        raise InvalidError(
            f"There is no source {slug[:80]!r} that is on.", "`muster sources list` shows them."
        )
    rows = [{"source": one.slug, **_health(check_source(runtime, one))} for one in sources]
    with runtime.transaction() as session:
        troubles = [one for one in list_source_troubles(session) if slug in (None, one.slug)]
    found = {
        "sources": rows,
        "troubles": [
            {"source": one.slug, "code": one.code, "reason": one.reason, "hint": one.hint, "since": one.since}
            for one in troubles
        ],
    }
    emit(found, as_json=as_json, text=lambda: _say_health(found))
    if troubles:
        raise click.exceptions.Exit(1)


def _health(found: Any) -> dict[str, str]:
    return {"state": found.state, "reason": found.reason, "hint": found.hint}


def _say_health(found: Mapping[str, Any]) -> None:
    print_table(
        ("source", "state", "reason"),
        ((row["source"], row["state"], row["reason"]) for row in found["sources"]),
    )
    for trouble in found["troubles"]:
        click.echo(f"{trouble['source']}: {trouble['reason']}. {trouble['hint']}")
