"""`muster audiences` and `muster sync`: Mailchimp audiences, and pushing and pulling them now."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from sqlalchemy.orm import Session

from app.audiences.configure import (
    ON_LEAVE,
    AudienceWish,
    connect_audience,
    ensure_destination,
    find_destination,
    get_audience_row,
    list_audiences,
)
from app.audiences.connect import Connections
from app.audiences.hooks import ensure_webhook
from app.audiences.models import Audience, Destination
from app.audiences.outbox import queue_audience
from app.audiences.pull import pull_audience
from app.audiences.push import push_audience
from app.audiences.run_views import list_runs
from app.audiences.runs import run_counted
from app.audiences.show import describe_audience, summarise_audience
from app.cli.kit import LIMIT, emit, json_option, open_runtime, parse_pairs, print_table, shown_status
from app.cli.slugs import complete_audience
from app.core.errors import BusyError, InvalidError, NotFoundError
from app.core.runtime import Runtime
from integrations.mailchimp.problems import MailchimpProblem


@contextmanager
def _connections(runtime: Runtime) -> Iterator[Connections]:
    connections = Connections(runtime.box, runtime.settings.valkey_url)
    try:
        yield connections
    finally:
        connections.close()


@click.group()
def audiences() -> None:
    """Mailchimp audiences that Muster keeps in step."""


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
@json_option
def add(slug: str, list_id: str, *, as_json: bool, **options: Any) -> None:
    """Add the audience LIST_ID under the name SLUG, and queue everybody with consent for it."""
    runtime = open_runtime()
    wish = AudienceWish(
        slug,
        list_id,
        options["label"],
        options["purpose"],
        dict(parse_pairs(options["merges"], "--merge")) if options["merges"] else None,
        options["tags"],
        _rule(options["rule"]),
        options["double_opt_in"],
        options["on_leave"],
    )
    with runtime.transaction() as session:
        destination = _destination(session, runtime, options["destination"])
    with _connections(runtime) as connections:
        audience = connect_audience(runtime.sessions, connections, destination, wish)
        ensure_webhook(runtime.sessions, runtime.settings, runtime.box, connections)
    with runtime.transaction() as session:
        found = describe_audience(session, audience.id)
    emit(
        found,
        as_json=as_json,
        text=f"Added {slug}: {found['label']}. `muster sync push {slug}` fills it now.",
    )


def _rule(text: str) -> Mapping[str, Any]:
    try:
        rule = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidError(
            "The entry rule is not JSON.", 'Write it like {"tags_any": ["alumni"]}.'
        ) from error
    if not isinstance(rule, dict):
        raise InvalidError("The entry rule is not a JSON object.", 'Write it like {"tags_any": ["alumni"]}.')
    return rule


def _destination(session: Session, runtime: Runtime, slug: str) -> Destination:
    if not slug:
        return ensure_destination(session, runtime.box, runtime.settings)
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
    for name, value in found.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else []
        click.echo(f"{name}: {'' if rows else _shown(value)}".rstrip())
        for row in rows:
            click.echo(
                "  " + "  ".join(_shown(part) for part in row.values() if part is not None and part != "")
            )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)


Work = Callable[[Runtime, Connections, int], Any]


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
        "pull": _run(runtime, "pull", None, _pull_changed, is_quiet=as_json),
    }
    emit(results, as_json=as_json, text=lambda: _say_both(results))
    _refuse_blocked([*results["push"], *results["pull"]])


def _chosen(session: Session, slug: str | None) -> list[Audience]:
    if slug:
        return [get_audience_row(session, slug)]
    return [audience for audience, _ in list_audiences(session) if audience.is_enabled]


def _run(
    runtime: Runtime, kind: str, slug: str | None, work: Work, *, is_quiet: bool
) -> list[dict[str, Any]]:
    """Do `work` for one audience or all; a row of counts each."""
    with runtime.transaction() as session:
        chosen = _chosen(session, slug)
    results = []
    with _connections(runtime) as connections:
        for audience in chosen:
            doing = partial(work, runtime, connections, audience.id)
            try:
                with shown_status(f"{kind} {audience.slug} ...", is_quiet=is_quiet):
                    counts = run_counted(runtime.sessions, audience.id, kind, doing)
            except MailchimpProblem as problem:
                raise BusyError(f"{audience.slug}: {problem}", problem.sentence) from problem
            results.append({"audience": audience.slug, **counts.as_dict()})
    return results


def _refuse_blocked(results: Iterable[Mapping[str, Any]]) -> None:
    if any(one["is_blocked"] for one in results):
        raise BusyError(
            "Mailchimp is not being called for now.",
            "`muster audiences list` says why; Muster tries again by itself.",
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


def _push_waiting(runtime: Runtime, connections: Connections, audience_id: int) -> Any:
    return push_audience(runtime.sessions, connections, audience_id)


def _push_all(runtime: Runtime, connections: Connections, audience_id: int) -> Any:
    with runtime.transaction() as session:
        queue_audience(session, audience_id)
    return _push_waiting(runtime, connections, audience_id)


def _pull_changed(runtime: Runtime, connections: Connections, audience_id: int) -> Any:
    return pull_audience(runtime.sessions, connections, audience_id)


def _pull_all(runtime: Runtime, connections: Connections, audience_id: int) -> Any:
    return pull_audience(runtime.sessions, connections, audience_id, is_full=True)


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
    _run_one("pull", audience, _pull_all if full else _pull_changed, as_json=as_json)


@sync.command()
@click.argument("audience", required=False, shell_complete=complete_audience)
@click.option("--limit", type=LIMIT, default=20, show_default=True)
@json_option
def runs(audience: str | None, *, limit: int, as_json: bool) -> None:
    """The latest runs."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        audience_id = get_audience_row(session, audience).id if audience else None
        rows = [asdict(run) for run in list_runs(session, audience_id, limit)]
    columns = ("run_id", "audience", "kind", "state", "counts", "started_at")
    emit(
        rows,
        as_json=as_json,
        text=lambda: print_table(columns, ([row[name] for name in columns] for row in rows)),
    )
