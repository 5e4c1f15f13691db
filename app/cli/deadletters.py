"""`muster deadletters` and `muster replay`: what was given up, why, and asking again."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from redis import RedisError

from app.cli.kit import LIMIT, RowId, counted, emit, json_option, open_runtime, print_table
from app.cli.slugs import complete_source
from app.core.audit import audit
from app.core.bell import ring_now
from app.core.runtime import Runtime
from app.inbox.deadletters import DeadLetter, DeadLetterPage, get_dead_letter, list_dead_letters
from app.inbox.replay import Choice, Replayed, check_choice, count_replayable
from app.inbox.replay import replay as put_back

EVENT_ID = RowId("an event", "`muster deadletters list` names those that were given up.")
DELIVERY_ID = RowId("a delivery", "`muster deadletters list` names those that were given up.")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def deadletters(context: click.Context, as_json: bool) -> None:
    """What was given up, and why."""
    if context.invoked_subcommand is None:
        context.invoke(list_letters, as_json=as_json)


@deadletters.command("list")
@click.option("--source", help="Only of this source.", shell_complete=complete_source)
@click.option("--limit", default=50, show_default=True, type=LIMIT)
@click.option("--cursor", default="", help="Go on after an earlier page.")
@json_option
def list_letters(source: str | None = None, limit: int = 50, cursor: str = "", as_json: bool = False) -> None:
    """Newest first."""
    with open_runtime().transaction() as session:
        page = list_dead_letters(session, source, limit, cursor)
    shown = {"letters": [_plain(letter) for letter in page.letters], "cursor": page.cursor}
    emit(shown, as_json=as_json, text=lambda: _say_page(page))


def _say_page(page: DeadLetterPage) -> None:
    print_table(
        ("id", "source", "kind", "given up", "why", "next step"),
        (
            (
                letter.name,
                letter.source,
                letter.event_kind,
                f"{letter.settled_at:%Y-%m-%d %H:%M}",
                letter.error.reason,
                letter.error.hint,
            )
            for letter in page.letters
        ),
        empty="No dead letters.",
    )
    if page.cursor:
        click.echo(f"More: muster deadletters list --cursor {page.cursor}")


@deadletters.command()
@click.argument("name", metavar="ID")
@json_option
def show(name: str, as_json: bool) -> None:
    """One of them, such as event:12 or delivery:3."""
    with open_runtime().transaction() as session:
        letter = get_dead_letter(session, name)
    emit(_plain(letter), as_json=as_json, text=lambda: _say_letter(letter))


def _say_letter(letter: DeadLetter) -> None:
    lines: dict[str, Any] = {
        "id": letter.name,
        "source": letter.source,
        "kind": letter.event_kind,
        "delivery": letter.delivery_id,
    }
    lines |= {"received": letter.received_at, "given up": letter.settled_at, "tries": letter.attempt_count}
    for name, value in {**lines, **letter.error.as_plain()}.items():
        if value not in ("", None):
            click.echo(f"{name:10} {value}")
    option = f"--event {letter.id}" if letter.kind == "event" else f"--delivery {letter.id}"
    click.echo(f"Next: mend the cause, then muster replay {option}")


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "name": letter.name, "error": letter.error.as_plain()}


@click.command()
@click.option("--source", default="", help="Events of this source.", shell_complete=complete_source)
@click.option("--dead", "is_dead", is_flag=True, help="Only what was given up.")
@click.option("--event", "events", multiple=True, type=EVENT_ID, help="This event; may be repeated.")
@click.option(
    "--delivery", "deliveries", multiple=True, type=DELIVERY_ID, help="This delivery; may be repeated."
)
@click.option("--since", type=click.DateTime(), help="Received since then (UTC).")
@click.option("--dry-run", is_flag=True, help="Only say how many.")
@json_option
def replay(  # noqa: PLR0917 - one parameter an option
    source: str,
    is_dead: bool,
    events: Sequence[int],
    deliveries: Sequence[int],
    since: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask again for dead letters or old events."""
    choice = Choice(
        tuple(events), tuple(deliveries), source, since.replace(tzinfo=UTC) if since else None, is_dead
    )
    if choice.is_empty:
        raise click.UsageError("Say what to replay: --dead, --source, --event, --delivery or --since.")
    runtime = open_runtime()
    with runtime.transaction() as session:
        check_choice(session, choice)
        found = count_replayable(session, choice) if dry_run else put_back(session, choice)
        if found.count and not dry_run:
            audit(session, "command line", "replay", f"source:{source or '*'}", None, asdict(found))
    if found.count and not dry_run:
        _ring(runtime)
    shown = {"event_count": found.event_count, "delivery_count": found.delivery_count, "is_dry_run": dry_run}
    emit(shown, as_json=as_json, text=_sentence(found, is_dry_run=dry_run))


def _sentence(found: Replayed, *, is_dry_run: bool) -> str:
    verb = "Would be put back" if is_dry_run else "Put back"
    deliveries = counted(found.delivery_count, "delivery", "deliveries")
    return f"{verb}: {counted(found.event_count, 'event')} and {deliveries}."


def _ring(runtime: Runtime) -> None:
    try:
        ring_now(runtime.redis, "inbox")
    except (RedisError, OSError):
        click.echo("Redis does not answer; the sweep starts the work.", err=True)
