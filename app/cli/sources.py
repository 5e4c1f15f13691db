"""`muster sources`: the inbound connections, from the command line."""

import math
from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.kit import LIMIT, emit, json_option, open_runtime, parse_pairs, print_table
from app.cli.slugs import complete_source
from app.cli.source_care import backfill, health, try_command
from app.core.runtime import Runtime
from app.sources.configure import (
    DAY_SECONDS,
    add_source,
    find_secret,
    get_source_row,
    rotate_secret,
    set_enabled,
    update_settings,
)
from app.sources.models import MappingVersion, Source
from app.sources.settings import LIST_INTEGRATION, URL_KEY, hook_path, list_settings
from app.sources.views import find_mapping_number, list_conflicts, list_rejections

LONGEST_GRACE_HOURS = 24 * 365


@click.group()
def sources() -> None:
    """Inbound connections: add, list, show, rotate, disable."""


for care in (try_command, backfill, health):
    sources.add_command(care)


@sources.command()
@click.argument("integration")
@click.argument("slug")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting; may be repeated.")
@click.option("--label", default="", help="What people call it.")
@json_option
def add(integration: str, slug: str, pairs: tuple[str, ...], label: str, as_json: bool) -> None:
    """Add a source; answers with the address and the secret that the platform needs."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        added = add_source(session, runtime.box, integration, slug, parse_pairs(pairs), label=label)
    shown = {
        "slug": added.slug,
        "integration": integration,
        "hook_url": runtime.settings.public_url + added.hook_path,
        "secret": added.secret,
        "generated": added.generated,
    }
    emit(shown, as_json=as_json, text=lambda: _say_added(shown))


def _say_added(shown: Mapping[str, Any]) -> None:
    click.echo(f"Source {shown['slug']} is ready.")
    click.echo(f"  hook_url  {shown['hook_url']}")
    for name, value in shown["generated"].items():
        click.echo(f"  {name}  {value}")
    if shown["generated"].keys() - {URL_KEY}:
        click.echo("Secrets are shown this once. Put them into the platform's settings.")
    if URL_KEY in shown["generated"]:
        click.echo(f"`muster sources show {shown['slug']}` prints the hook_url again.")


@sources.command("list")
@json_option
def list_sources(as_json: bool) -> None:
    """Every source."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        rows = [
            {
                "slug": source.slug,
                "integration": source.integration,
                "label": source.label,
                "is_enabled": source.is_enabled,
                "mapping_version": number,
                "paused_reason": source.paused_reason,
            }
            for source, number in session.execute(
                select(Source, MappingVersion.number)
                .outerjoin(MappingVersion, MappingVersion.id == Source.mapping_version_id)
                .order_by(Source.slug)
            )
        ]
    emit(
        rows,
        as_json=as_json,
        text=lambda: print_table(
            ("slug", "integration", "label", "mapping", "state"),
            (
                (row["slug"], row["integration"], row["label"], row["mapping_version"], _state(row))
                for row in rows
            ),
            empty="No source yet: muster sources add website my-form",
        ),
    )


def _state(row: Mapping[str, Any]) -> str:
    if not row["is_enabled"]:
        return "disabled"
    return f"paused: {row['paused_reason']}" if row["paused_reason"] else "on"


@sources.command()
@click.argument("slug", shell_complete=complete_source)
@json_option
def show(slug: str, as_json: bool) -> None:
    """One source: address, settings, and what was turned away at the door."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        source = get_source_row(session, slug)
        shown = _shown(session, source, _hook_url(runtime, session, source))
    emit(shown, as_json=as_json, text=lambda: _say_source(shown))


def _hook_url(runtime: Runtime, session: Session, source: Source) -> str:
    if source.integration == LIST_INTEGRATION:
        return ""
    key = find_secret(session, runtime.box, source.id, URL_KEY) or ""
    return runtime.settings.public_url + hook_path(source.slug, key)


def _shown(session: Session, source: Source, hook_url: str) -> dict[str, Any]:
    return {
        "slug": source.slug,
        "integration": source.integration,
        "label": source.label,
        "hook_url": hook_url,
        "is_enabled": source.is_enabled,
        "paused_reason": source.paused_reason,
        "mapping_version": find_mapping_number(session, source.id),
        "max_body_bytes": source.max_body_bytes,
        "trust": source.trust,
        "settings": dict(source.settings),
        "secrets": [
            {"name": secret.name, "created_at": secret.created_at, "expires_at": secret.expires_at}
            for secret in source.secrets
        ],
        "known_settings": [
            {"name": setting.name, "label": setting.label, "help": setting.help}
            for setting in list_settings(source.integration)
        ],
        "rejections": [each.as_plain() for each in list_rejections(session, source.id)],
    }


def _say_source(shown: Mapping[str, Any]) -> None:
    for name in (
        "slug",
        "integration",
        "label",
        "hook_url",
        "is_enabled",
        "paused_reason",
        "mapping_version",
        "max_body_bytes",
        "trust",
    ):
        click.echo(f"{name:15} {shown[name] if shown[name] is not None else ''}".rstrip())
    for name, value in shown["settings"].items():
        click.echo(f"  {name} = {value}")
    for secret in shown["secrets"]:
        end = f"until {secret['expires_at']:%Y-%m-%d %H:%M} UTC" if secret["expires_at"] else "in use"
        click.echo(f"  {secret['name']}: {end}")
    for each in shown["rejections"]:
        click.echo(f"  turned away on {each['day']}: {each['count']} x {each['reason']}")


@sources.command("set")
@click.argument("slug", shell_complete=complete_source)
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
@json_option
def set_settings(slug: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Change settings; a secret given here replaces the old one at once."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        given = parse_pairs(pairs, "set")
        update_settings(session, runtime.box, slug, given)
    emit(
        {"slug": slug, "set": sorted(given)}, as_json=as_json, text=f"{slug}: {', '.join(sorted(given))} set."
    )


def _refuse_nan(_context: click.Context, _parameter: click.Parameter, hours: float) -> float:
    if math.isnan(hours):
        raise click.BadParameter("it is no number of hours.")
    return hours


@sources.command()
@click.argument("slug", shell_complete=complete_source)
@click.option("--name", help="Which secret; the main one without this.")
@click.option("--value", help="The new value, where the platform makes it.")
@click.option(
    "--grace-hours",
    default=DAY_SECONDS / 3600,
    show_default=True,
    type=click.FloatRange(0, LONGEST_GRACE_HOURS),
    callback=_refuse_nan,
    help="How long the old one stays valid.",
)
@json_option
def rotate(slug: str, name: str | None, value: str | None, grace_hours: float, as_json: bool) -> None:
    """Make a new secret; the old one stays valid for a day."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        rotated = rotate_secret(
            session, runtime.box, slug, name, value=value, grace_seconds=grace_hours * 3600
        )
    shown = {
        "slug": rotated.slug,
        "name": rotated.name,
        "secret": rotated.secret,
        "hook_url": runtime.settings.public_url + rotated.hook_path,
        "old_until": rotated.old_until,
    }
    text = f"{rotated.name} of {slug}: {rotated.secret}\nhook_url {shown['hook_url']}\nThe old one is valid until {rotated.old_until:%Y-%m-%d %H:%M} UTC."
    emit(shown, as_json=as_json, text=text)


@sources.command()
@click.argument("slug", shell_complete=complete_source)
@json_option
def disable(slug: str, as_json: bool) -> None:
    """Close a source; its platform is told to send again later."""
    _switch(slug, is_enabled=False, as_json=as_json)


@sources.command()
@click.argument("slug", shell_complete=complete_source)
@json_option
def enable(slug: str, as_json: bool) -> None:
    """Open a source again."""
    _switch(slug, is_enabled=True, as_json=as_json)


def _switch(slug: str, *, is_enabled: bool, as_json: bool) -> None:
    with open_runtime().transaction() as session:
        set_enabled(session, slug, is_enabled=is_enabled)
    emit(
        {"slug": slug, "is_enabled": is_enabled},
        as_json=as_json,
        text=f"{slug} is {'on' if is_enabled else 'off'}.",
    )


@sources.command()
@click.argument("slug", required=False, shell_complete=complete_source)
@click.option("--limit", default=50, show_default=True, type=LIMIT)
@json_option
def conflicts(slug: str | None, limit: int, as_json: bool) -> None:
    """Deliveries that came again under the same key with other bytes."""
    with open_runtime().transaction() as session:
        if slug:
            get_source_row(session, slug)
        rows = [each.as_plain() for each in list_conflicts(session, slug, limit)]
    emit(
        rows,
        as_json=as_json,
        text=lambda: print_table(
            ("source", "key", "received", "bytes"),
            ((row["source"], row["key"], row["received_at"], row["byte_count"]) for row in rows),
            empty="No conflicts.",
        ),
    )
