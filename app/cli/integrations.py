"""`muster integrations`: the platforms there are, what one makes of a captured body, and the start of a new one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.cli.captured import headers_option, read_headers, say_head, say_ignored
from app.cli.kit import emit, json_option, parse_pairs, print_table
from app.cli.scaffold import check_name, write_scaffold
from app.core.errors import InvalidError
from app.inbox.sample import read_sample, reading_as_json, sample_config, sample_request
from app.sources.settings import integration_of
from integrations.kit.registry import get_source, list_integrations
from integrations.kit.times import find_time
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.presets import find_preset

MAX_BODY_BYTES = 20 * 1024 * 1024


@click.group()
def integrations() -> None:
    """Platforms: list them, read a captured body, start a new one."""


@integrations.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """Every integration and what it can do."""
    rows = [_line(name) for name in list_integrations()]
    columns = ("name", "label", "enrich", "backfill", "login")
    emit(
        rows,
        as_json=as_json,
        text=lambda: print_table(columns, ([row[name] for name in columns] for row in rows)),
    )


def _line(name: str) -> dict[str, Any]:
    source = get_source(name)
    return {
        "name": name,
        "label": source.label,
        "enrich": source.api_host,
        "backfill": source.can_backfill,
        "login": "oauth" if source.oauth else "",
        "settings": [setting.name for setting in source.settings],
    }


@integrations.command("read")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@headers_option
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the source; may be repeated."
)
@click.option("--secret", "secrets", multiple=True, metavar="KEY=VALUE", help="A secret; may be repeated.")
@click.option(
    "--url", default="", help="The address as the platform called it, for signatures that cover it."
)
@click.option("--url-key", default="", help="What follows the source's name in that address.")
@click.option("--now", default="", help="The time to check against, ISO 8601 or Unix; without it now.")
@json_option
def read(name: str, file: Path, headers: Path | None, *, as_json: bool, **options: Any) -> None:
    """What the integration NAME makes of the body in FILE, and its preset of the events; nothing is written."""
    source = integration_of(name)
    if file.stat().st_size > MAX_BODY_BYTES:
        raise InvalidError(f"{file.name} is larger than {MAX_BODY_BYTES} bytes.", "A delivery never is.")
    now = _moment(options["now"])
    head = read_headers(headers)
    request = sample_request(
        file.read_bytes(), head, now, suffix=file.suffix, url=options["url"], url_key=options["url_key"]
    )
    config = sample_config(
        name, parse_pairs(options["settings"]), parse_pairs(options["secrets"], "--secret")
    )
    found = reading_as_json(read_sample(source, config, request, _preset(name), now))
    emit({"integration": name, **found}, as_json=as_json, text=lambda: _say(found))


def _moment(text: str) -> datetime:
    found = find_time(text) if text else datetime.now(UTC)
    if found is None:
        raise InvalidError(f"{text!r} is no time.", "Write it like 2026-11-22T10:00:00Z.")
    return found


def _preset(name: str) -> CompiledMapping | None:
    preset = find_preset(name)
    return compile_mapping(load_document(preset.text)) if preset else None


def _say(found: Mapping[str, Any]) -> None:
    say_head(found)
    for event in found["events"]:
        click.echo(f"event     {event['kind']}  {event['key']}  {event['outcome']}")
        for patch in event["patches"]:
            for part, value in patch.items():
                click.echo(f"            {part}  {value}")
    say_ignored(found)


@integrations.command("new")
@click.argument("name")
@click.option("--label", default="", help="What people call the platform.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The project's folder; without it the current one.",
)
@json_option
def new(name: str, label: str, root: Path, *, as_json: bool) -> None:
    """Make the folder integrations/NAME and its preset: a working integration to change, tests green."""
    check_name(name)
    written = write_scaffold(root, name, label or name.replace("_", " ").title())
    emit(
        {"name": name, "files": [str(path) for path in written]},
        as_json=as_json,
        text="\n".join(
            [f"Made {name}:", *(f"  {path}" for path in written), "Next: integrations/README.md, step 1."]
        ),
    )
