"""`muster map`: lint, test, preview and publish mappings."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from sqlalchemy import text

from app.cli.kit import ROW_ID, counted, emit, json_option, open_runtime, print_table
from app.cli.slugs import complete_source
from app.core.errors import InvalidError, NotFoundError
from app.inbox.mapped import plain_problem
from app.sources.configure import get_source_row
from app.sources.mappings import VersionView, list_versions, mapping_in_force, publish_mapping, roll_back
from integrations.kit.contract import Unreadable
from integrations.kit.strict_json import load_json
from mappings.language.checks import ADVICE_CODES, lint, run_tests
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.explain import explain, trace_line
from mappings.language.patch import MappingResult, Problem
from mappings.language.presets import find_preset, list_presets

MAX_SAMPLE_BYTES = 1 << 20

_EVENT = text("""
    SELECT e.key, e.kind, e.account, e.occurred_at, e.received_at, coalesce(e.enriched, e.content) AS content, s.slug
    FROM events e JOIN sources s ON s.id = e.source_id WHERE e.id = :id
""")


@click.group(name="map")
def map_group() -> None:
    """Mappings: what the platforms' words mean."""


def read_mapping(name: str) -> str:
    """The text of a file, or of the preset of that name."""
    path = Path(name)
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    preset = find_preset(name)
    if preset is None:
        known = ", ".join(one.name for one in list_presets())
        raise NotFoundError(f"{name} is neither a file nor a preset.", f"Presets: {known}.")
    return preset.text


def compiled_or_problems(document: str) -> CompiledMapping:
    """The mapping, or InvalidError with every problem."""
    problems = [problem for problem in lint(document) if problem.code not in ADVICE_CODES]
    if problems:
        raise InvalidError(f"The mapping has {counted(len(problems), 'problem')}.", "", problems)
    return compile_mapping(load_document(document))


@map_group.command(name="lint")
@click.argument("mapping")
@json_option
def lint_command(mapping: str, *, as_json: bool) -> None:
    """Check MAPPING (a file, or a preset's name): form, names, types, and its own tests."""
    problems = lint(read_mapping(mapping))
    faults = [problem for problem in problems if problem.code not in ADVICE_CODES]
    if faults and not as_json:
        raise InvalidError(f"{mapping} has {counted(len(faults), 'problem')}.", "", problems)
    emit(
        [asdict(problem) for problem in problems], as_json=as_json, text=lambda: say_advice(mapping, problems)
    )
    if faults:
        raise click.exceptions.Exit(InvalidError.exit_code)


def say_advice(mapping: str, problems: Sequence[Problem]) -> None:
    """What could be better, after what is right."""
    click.echo(f"{mapping} is a sound mapping.")
    for problem in problems:
        click.echo(f"  line {problem.line or '?'}, {problem.path}: {problem.reason} {problem.hint}".rstrip())


@map_group.command(name="test")
@click.argument("mapping")
@json_option
def test_command(mapping: str, *, as_json: bool) -> None:
    """Run the tests inside MAPPING."""
    outcomes = run_tests(compile_mapping(load_document(read_mapping(mapping))))
    shown: list[dict[str, Any]] = [
        {"name": one.name, "is_passed": one.is_passed, "differences": list(one.differences)}
        for one in outcomes
    ]
    rows = [
        ("passed" if one["is_passed"] else "FAILED", one["name"], "; ".join(one["differences"]))
        for one in shown
    ]
    emit(
        shown,
        as_json=as_json,
        text=lambda: print_table(("", "test", "what differs"), rows, empty="It has no tests."),
    )
    if not all(one.is_passed for one in outcomes):
        raise click.exceptions.Exit(InvalidError.exit_code)


@map_group.command()
@click.argument("mapping")
@click.option("--event", "event_id", type=ROW_ID, help="A stored event, by its number.")
@click.option(
    "--file", "sample", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A JSON file."
)
@json_option
def preview(mapping: str, event_id: int | None, sample: Path | None, *, as_json: bool) -> None:
    """Show what MAPPING makes of a stored event or of a JSON file, rule by rule, writing nothing."""
    compiled = compiled_or_problems(read_mapping(mapping))
    if (event_id is None) == (sample is None):
        raise click.UsageError("Say either --event NUMBER or --file SAMPLE.json.")
    content, info = find_event(event_id) if event_id is not None else read_sample(sample)
    result = compiled.apply(content, info)
    traces = explain(compiled, content, info)
    emit(
        plain_result(result),
        as_json=as_json,
        text=lambda: say_preview(result, [trace_line(one) for one in traces]),
    )


def find_event(event_id: int) -> tuple[dict[str, Any], EventInfo]:
    """A stored event, as its mapping sees it."""
    with open_runtime().transaction() as session:
        row = session.execute(_EVENT, {"id": event_id}).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no event {event_id}.", "`muster deadletters`, or the console, shows their numbers."
        )
    return row.content, EventInfo(row.key, row.kind, row.occurred_at, row.received_at, row.account, row.slug)


def read_sample(path: Path | None) -> tuple[Any, EventInfo]:
    """The JSON of a file; InvalidError says where it is broken."""
    if path is None or path.stat().st_size > MAX_SAMPLE_BYTES:
        raise InvalidError("The sample is larger than 1 MiB.", "Cut it down to one event.")
    try:
        return load_json(path.read_bytes()), EventInfo(kind="sample")
    except Unreadable as error:
        raise InvalidError(f"{path.name}: {error.reason}", error.hint) from error


def plain_result(result: MappingResult) -> dict[str, Any]:
    """A mapping's result as JSON."""
    return {
        "patches": [asdict(patch) for patch in result.patches],
        "warnings": [plain_problem(problem) for problem in result.warnings],
        "rejected": plain_problem(result.rejected) if result.rejected else None,
        "ignored": result.ignored,
    }


def say_preview(result: MappingResult, lines: Sequence[str]) -> None:
    """The rules with their values, then the outcome."""
    for line in lines:
        click.echo(f"  {line}")
    if result.rejected:
        click.echo(f"Rejected: {result.rejected.reason} {result.rejected.hint}".rstrip())
    elif result.ignored:
        click.echo(f"Ignored: {result.ignored}")
    else:
        click.echo(json.dumps(plain_result(result)["patches"], ensure_ascii=False, indent=2, default=str))


@map_group.command()
@click.argument("source", shell_complete=complete_source)
@click.argument("mapping")
@click.option("--note", default="", help="What changed and why.")
@click.option(
    "--based-on",
    type=click.IntRange(0, 2**31 - 1),
    help="Refuse when this version is no longer the one in force.",
)
@json_option
def publish(source: str, mapping: str, note: str, based_on: int | None, *, as_json: bool) -> None:
    """Make MAPPING the mapping of SOURCE from now on."""
    document = read_mapping(mapping)
    with open_runtime().transaction() as session:
        row = get_source_row(session, source)
        version = publish_mapping(session, row.id, document, note, "command line", based_on)
    _tell_version(source, version, " from now on", as_json=as_json)


def _tell_version(source: str, version: VersionView, then: str, *, as_json: bool) -> None:
    emit(
        {"source": source, "version": version.number, "note": version.note},
        as_json=as_json,
        text=f"{source} is mapped by version {version.number}{then}.",
    )


@map_group.command()
@click.argument("source", shell_complete=complete_source)
@json_option
def versions(source: str, *, as_json: bool) -> None:
    """The published versions of SOURCE's mapping."""
    with open_runtime().transaction() as session:
        found = list_versions(session, get_source_row(session, source).id)
    shown = [asdict(one) for one in found]
    rows = [
        (
            one.number,
            "in force" if one.is_in_force else "",
            one.author,
            f"{one.created_at:%Y-%m-%d %H:%M}",
            one.note,
        )
        for one in found
    ]
    emit(shown, as_json=as_json, text=lambda: print_table(("version", "", "by", "at (UTC)", "note"), rows))


@map_group.command()
@click.argument("source", shell_complete=complete_source)
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@json_option
def rollback(source: str, number: int, *, as_json: bool) -> None:
    """Publish version NUMBER of SOURCE's mapping again, as a new version."""
    with open_runtime().transaction() as session:
        version = roll_back(session, get_source_row(session, source).id, number, "command line")
    _tell_version(source, version, f", which is version {number} again", as_json=as_json)


@map_group.command()
@click.argument("source", shell_complete=complete_source)
def show(source: str) -> None:
    """Print the mapping of SOURCE that is in force."""
    with open_runtime().transaction() as session:
        in_force = mapping_in_force(session, get_source_row(session, source).id)
        document = next(
            one.document
            for one in list_versions(session, get_source_row(session, source).id)
            if one.number == in_force.number
        )
    click.echo(document, nl=False)
