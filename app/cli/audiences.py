"""`muster audiences`: Mailchimp audiences, added, shown, and their webhooks repaired."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from app.audiences.configure import (
    AudienceWish,
    connect_audience,
    default_destination,
    find_destination,
    get_audience_row,
    list_audiences,
)
from app.audiences.hooks import HookState, ensure_webhook, repair_webhook
from app.audiences.models import Destination
from app.audiences.settings import ON_LEAVE
from app.audiences.show import describe_audience, summarise_audience
from app.audiences.steer import admit_audience
from app.cli.audience_care import CARE, read_rule
from app.cli.kit import emit, json_option, open_runtime, parse_pairs, print_table, show_cell
from app.cli.slugs import complete_audience
from app.cli.sync_words import opened_connections
from app.core.errors import BusyError, NotFoundError
from app.core.runtime import Runtime

ACTOR = "command line"
DOOR_SECONDS = 10.0  # a web server learns of a new key within a second or two; Mailchimp asks it at once


@click.group()
def audiences() -> None:
    """Mailchimp audiences that Muster keeps in step."""


for care in CARE:
    audiences.add_command(care)


@audiences.command()
@click.argument("slug")
@click.argument("list_id")
@click.option(
    "--destination", default="", help="Slug of the account; without it the one that the settings name."
)
@click.option("--label", default="", help="Name for people; without it Mailchimp's.")
@click.option(
    "--purpose", default="newsletter", show_default=True, help="The consent that somebody must have given."
)
@click.option(
    "--merge", "merges", multiple=True, metavar="TAG=FIELD", help="A merge field and the contact field in it."
)
@click.option(
    "--tag", "tags", multiple=True, help="A contact tag that Muster manages there. Others are left alone."
)
@click.option("--rule", default="", help='Entry rule as JSON, such as {"tags_any": ["alumni"]}.')
@click.option(
    "--double-opt-in/--single-opt-in", default=None, help="Without it as the audience is set at Mailchimp."
)
@click.option("--on-leave", type=click.Choice(ON_LEAVE), default="archive", show_default=True)
@click.option("--approve", is_flag=True, help="Begin at once, without looking at a dry run first.")
@json_option
def add(slug: str, list_id: str, *, as_json: bool, **options: Any) -> None:
    """Add the audience LIST_ID under the name SLUG. Its first sync is rehearsed, and waits for `muster sync approve`."""
    runtime = open_runtime()
    wish = AudienceWish(
        slug,
        list_id,
        options["label"],
        options["purpose"],
        dict(parse_pairs(options["merges"], "--merge")) if options["merges"] else None,
        options["tags"],
        read_rule(options["rule"]),
        options["double_opt_in"],
        options["on_leave"],
    )
    with runtime.transaction() as session:
        destination = _destination(session, runtime, options["destination"])
    with opened_connections(runtime) as connections:
        audience = connect_audience(runtime.sessions, connections, destination, wish)
        ensure_webhook(runtime.sessions, runtime.settings, runtime.box, connections)
    with runtime.transaction() as session:
        if options["approve"]:
            admit_audience(session, audience.id, ACTOR)
        found = describe_audience(session, audience.id)
    step = (
        f"`muster sync push {slug}` fills it now."
        if options["approve"]
        else f"Nothing is sent yet: `muster sync dry-run {slug}`, then `muster sync approve {slug}`."
    )
    emit(found, as_json=as_json, text=f"Added {slug}: {found['label']}. {step}")


def _destination(session: Session, runtime: Runtime, slug: str) -> Destination:
    if not slug:
        return default_destination(session, runtime.box, runtime.settings)
    found = find_destination(session, slug)
    if found is None:
        raise NotFoundError(
            f"There is no destination {slug!r}.", "Leave --destination out to use the settings' account."
        )
    return found


@audiences.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """Every audience with its members and what waits."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        rows = [summarise_audience(session, audience, there) for audience, there in list_audiences(session)]
    columns = ("slug", "label", "destination", "members", "waiting", "cannot_sync", "state")
    emit(
        rows,
        as_json=as_json,
        text=lambda: print_table(columns, ([row[name] for name in columns] for row in rows)),
    )


@audiences.command()
@click.argument("slug", shell_complete=complete_audience)
@json_option
def show(slug: str, *, as_json: bool) -> None:
    """One audience: members by status, webhook, what waits, who cannot be synced and why, last errors."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        found = describe_audience(session, get_audience_row(session, slug).id)
    emit(found, as_json=as_json, text=lambda: _print(found))


def _print(found: Mapping[str, Any]) -> None:
    for name, value in _filled(found).items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else []
        click.echo(f"{name}: {'' if rows else _shown(value)}".rstrip())
        for row in rows:
            click.echo("  " + "  ".join(map(_shown, _filled(row).values())))


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    return {name: value for name, value in row.items() if value is not None and value != ""}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(part)}" for key, part in _filled(value).items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return show_cell(value)


@audiences.command("repair-webhook")
@click.argument("slug", shell_complete=complete_audience)
@click.option(
    "--rotate", is_flag=True, help="Under a new address and secret; the old ones stay valid for a day."
)
@json_option
def repair_webhook_command(slug: str, *, rotate: bool, as_json: bool) -> None:
    """Look at the webhook of SLUG at Mailchimp now, and mend what is wrong with it."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        audience_id = get_audience_row(session, slug).id
    state = _repair(runtime, audience_id, rotates=rotate)
    emit(asdict(state), as_json=as_json, text=f"{slug}: webhook {_hook_words(state)}")
    if state.trouble:
        raise BusyError(
            f"The webhook of {slug} could not be repaired: {state.trouble}",
            "See that the public URL reaches this Muster; Muster tries again by itself.",
        )


def _repair(runtime: Runtime, audience_id: int, *, rotates: bool) -> HookState:
    """Until the web server knows the key and answers Mailchimp."""
    until = time.monotonic() + DOOR_SECONDS
    parts = (runtime.sessions, runtime.settings, runtime.box)
    with opened_connections(runtime) as connections:
        state = repair_webhook(*parts, connections, audience_id, rotates=rotates)
        while state.trouble and time.monotonic() < until:
            time.sleep(1.0)
            state = repair_webhook(*parts, connections, audience_id)
    return state


def _hook_words(state: HookState) -> str:
    words = {"unreachable": "not possible: Mailchimp cannot reach MUSTER_PUBLIC_URL; pulls bring the news."}
    return words.get(state.state, f"{state.state}. Last mended: {state.repaired or 'nothing was wrong'}.")
