"""`muster audiences preflight | count | add-field | set | reviews | decide | refresh`: looking after audiences."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import click

from app.audiences.call_errors import tell_failed
from app.audiences.configure import get_audience_row
from app.audiences.counting import EntitledCount, count_entitled
from app.audiences.decide_review import decide_review
from app.audiences.load import view_audience
from app.audiences.permissions import list_unseen
from app.audiences.preflight import PreflightRow, preflight
from app.audiences.reviews import list_reviews
from app.audiences.schema import create_merge_field, guess_field, refresh_schema
from app.audiences.settings import change_settings
from app.cli.audience_settings import read_wishes
from app.cli.kit import (
    LIMIT,
    RowId,
    counted,
    emit,
    json_option,
    named_contacts,
    open_runtime,
    parse_pairs,
    print_table,
    show_cell,
)
from app.cli.slugs import complete_audience
from app.cli.sync_words import opened_connections
from app.core.errors import InvalidError
from app.core.runtime import Runtime
from integrations.mailchimp.problems import MailchimpProblem
from mappings.language.fields import default_fields

ACTOR = "command line"
# What Mailchimp lets an API make without a list of choices; a field with choices is made in its own screens.
FIELD_TYPES = ("text", "number", "address", "phone", "date", "url", "imageurl", "birthday", "zip")
REVIEW_ID = RowId("a review", "`muster audiences reviews` lists them.")
UNSEEN_PERMISSION = (
    "Muster has not seen the permission {permission} at any member yet. If the audience does not have it, Mailchimp refuses"
    " the first write that names it; then everything else is written without it, and one alert says so."
)
REVIEW_COLUMNS = ("review", "audience", "contact", "field", "ours", "theirs", "seen")


def read_rule(text: str) -> dict[str, Any]:
    """An entry rule as written on the command line. InvalidError."""
    hint = 'Write it like {"tags_any": ["alumni"]}.'
    try:
        rule = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidError("The entry rule is not JSON.", hint) from error
    if not isinstance(rule, dict):
        raise InvalidError("The entry rule is not a JSON object.", hint)
    return rule


@click.command("preflight")
@click.argument("slug", shell_complete=complete_audience)
@json_option
def preflight_command(slug: str, *, as_json: bool) -> None:
    """What a push would leave out, or Mailchimp would refuse: the mapping and every contact against its merge fields.

    Nothing is sent; the merge fields are those that were read last.
    """
    with open_runtime().transaction() as session:
        found = preflight(session, view_audience(get_audience_row(session, slug)))
    emit(asdict(found), as_json=as_json, text=lambda: _say_preflight(slug, found.rows, found.checked_count))


def _say_preflight(slug: str, rows: Iterable[PreflightRow], checked_count: int) -> None:
    for row in rows:
        who = f" ({row.count:,} of {checked_count:,}; {named_contacts(row.contact_ids)})" if row.count else ""
        click.echo(f"{row.sentence}{who} {row.hint}".rstrip())
    if not rows:
        looked_at = counted(checked_count, "person was", "people were")
        click.echo(f"{slug}: {looked_at} looked at, and everything fits.")


@click.command()
@click.argument("slug", shell_complete=complete_audience)
@click.option("--rule", default=None, help='Another entry rule, as JSON, such as {"tags_any": ["alumni"]}.')
@json_option
def count(slug: str, rule: str | None, *, as_json: bool) -> None:
    """How many people the entry rule of SLUG lets in, or another rule would. Nothing is changed."""
    with open_runtime().transaction() as session:
        view = view_audience(get_audience_row(session, slug))
        found = count_entitled(session, view, None if rule is None else read_rule(rule))
    sample = f" Such as {named_contacts(found.sample)}." if found.sample else ""
    text = f"{_fit_words(found)}.{sample}{_unfit_words(found.unfit, view.on_leave)}"
    emit({"audience": slug, **asdict(found)}, as_json=as_json, text=text)


def _fit_words(found: EntitledCount) -> str:
    return f"{found.entitled:,} of {counted(found.willing, 'person', 'people')} with consent and an address"


def _unfit_words(count: int, on_leave: str) -> str:
    """What becomes of the members whom a rule leaves out."""
    if not count:
        return ""
    fate = "stay" if on_leave == "keep" else "leave"
    return f" {counted(count, 'member does', 'members do')} not fit the rule and would {fate} (on_leave: {on_leave})."


@click.command("add-field")
@click.argument("slug", shell_complete=complete_audience)
@click.argument("tag")
@click.option("--name", default="", help="Its name at Mailchimp; without it that of the contact field.")
@click.option(
    "--type", "type_", type=click.Choice(FIELD_TYPES), help="Without it what fits the contact field."
)
@click.option("--field", "source", default="", help="The contact field that goes into it from now on.")
@json_option
def add_field(slug: str, tag: str, *, as_json: bool, **options: Any) -> None:
    """Make the merge field TAG in the audience SLUG at Mailchimp, and map a contact field to it where one is named."""
    runtime, source = open_runtime(), options["source"]
    if source and source != "address" and default_fields().find(source) is None:
        raise InvalidError(
            f"There is no contact field {source[:40]!r}.", "mappings/fields.yaml has them all."
        )
    with runtime.transaction() as session:
        row = get_audience_row(session, slug)
        audience_id, mapped = row.id, row.merge_fields.get(tag)
    name, kind = guess_field(source or mapped, tag)
    chosen = {"name": options["name"] or name, "type_": options["type_"] or kind}
    with opened_connections(runtime) as connections:
        create_merge_field(runtime.sessions, connections, audience_id, tag, **chosen, actor=ACTOR)
    if source:
        with runtime.transaction() as session:
            row = get_audience_row(session, slug)
            change_settings(session, row, {"merge_fields": {**row.merge_fields, tag: source}}, ACTOR)
    shown = {"audience": slug, "tag": tag, "name": chosen["name"], "type": chosen["type_"], "field": source}
    ending = f", and {source} goes into it." if source else "."
    emit(shown, as_json=as_json, text=f"{slug}: {tag} is made at Mailchimp ({chosen['type_']}){ending}")


@click.command("set")
@click.argument("slug", shell_complete=complete_audience)
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
@json_option
def set_command(slug: str, pairs: tuple[str, ...], *, as_json: bool) -> None:
    """Change settings of SLUG; everybody is planned anew where it matters.

    Tables (merge_fields, entry_rule, interests, marketing_permissions) are given whole as JSON, or one entry at a
    time: `merge_fields.PHONE=phone`; nothing after the = takes the entry out. tags are words between commas.
    """
    runtime = open_runtime()
    with runtime.transaction() as session:
        row = get_audience_row(session, slug)
        before = change_settings(session, row, read_wishes(row, parse_pairs(pairs, "set")), ACTOR)
        changed = {name: {"was": was, "is": getattr(row, name)} for name, was in before.items()}
    names = [name for name, one in changed.items() if one["was"] != one["is"]]
    notes = _consequences(runtime, slug, {name: changed[name] for name in names})
    text = f"{slug}: {', '.join(names)} set." if names else f"{slug}: nothing was changed."
    emit(
        {"audience": slug, "changed": changed, "notes": notes},
        as_json=as_json,
        text="\n".join([text, *notes]),
    )


def _consequences(runtime: Runtime, slug: str, changed: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What follows from settings that were changed, where that is not plain from their names."""
    notes = []
    with runtime.transaction() as session:
        row = get_audience_row(session, slug)
        if "entry_rule" in changed:
            found = count_entitled(session, view_audience(row))
            notes.append(f"{_fit_words(found)} fit the rule.{_unfit_words(found.unfit, row.on_leave)}")
        if permissions := changed.get("marketing_permissions"):
            unseen = list_unseen(session, row.id, set(permissions["is"]) - set(permissions["was"]))
            notes += [UNSEEN_PERMISSION.format(permission=one) for one in unseen]
    return notes


@click.command()
@click.argument("slug", required=False, shell_complete=complete_audience)
@click.option("--limit", type=LIMIT, default=100, show_default=True)
@json_option
def reviews(slug: str | None, limit: int, *, as_json: bool) -> None:
    """Merge fields with the direction `review` whose two sides differ: which value stands?"""
    with open_runtime().transaction() as session:
        audience_id = get_audience_row(session, slug).id if slug else None
        found = list_reviews(session, audience_id, limit)
    rows = [
        (
            one.review_id,
            one.audience,
            one.person_id,
            one.tag,
            _value(one.ours),
            _value(one.theirs),
            one.seen_at,
        )
        for one in found
    ]
    emit(
        [asdict(one) for one in found],
        as_json=as_json,
        text=lambda: print_table(REVIEW_COLUMNS, rows, empty="Nothing waits for a decision."),
    )


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else show_cell(value)


@click.command()
@click.argument("review", type=REVIEW_ID)
@click.argument("verdict", type=click.Choice(("ours", "theirs")))
@json_option
def decide(review: int, verdict: Literal["ours", "theirs"], *, as_json: bool) -> None:
    """Let one side of REVIEW stand: `ours` is written to Mailchimp, `theirs` becomes the contact's value."""
    with open_runtime().transaction() as session:
        decided = decide_review(session, review, verdict, ACTOR)
        shown = {"review": review, "verdict": verdict, "contact_id": decided.contact_id, "tag": decided.tag}
    done = "is written to Mailchimp" if verdict == "ours" else "is the contact's value now"
    emit(shown, as_json=as_json, text=f"Review {review}: {shown['tag']} of {verdict} {done}.")


@click.command()
@click.argument("slug", shell_complete=complete_audience)
@json_option
def refresh(slug: str, *, as_json: bool) -> None:
    """Read the merge fields and interests of SLUG at Mailchimp again; Muster does so daily by itself."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        audience_id = get_audience_row(session, slug).id
    with opened_connections(runtime) as connections:
        try:
            news = refresh_schema(runtime.sessions, connections, audience_id)
        except MailchimpProblem as problem:
            left = "nothing was read, and what was read last still counts"
            raise tell_failed(problem, slug, left) from problem
    told = [f"{name}: {', '.join(tags)}" for name, tags in asdict(news).items() if tags]
    text = f"{slug}: read again. {'; '.join(told) or 'Nothing that is mapped has changed'}."
    emit({"audience": slug, **asdict(news)}, as_json=as_json, text=text)


CARE = (preflight_command, count, add_field, set_command, reviews, decide, refresh)
