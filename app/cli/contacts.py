"""`muster contacts`: find, show, export, erase, merge, unmerge, speak."""

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from app.audiences.come_back import WayBack, list_ways_back
from app.audiences.outbox import queue_changes
from app.cli.kit import (
    CONTACT_ID,
    LIMIT,
    RowId,
    counted,
    emit,
    json_option,
    open_runtime,
    print_table,
    show_cell,
)
from app.contacts.consent import say_purpose
from app.contacts.erase import Erased, erase_contact
from app.contacts.export import export_contact, list_memberships, plain
from app.contacts.merge import Merged, merge, unmerge
from app.contacts.read import find_contacts, get_contact_view
from app.contacts.speak import choose_speaker
from app.contacts.views import ContactLine, ContactView, FieldView, TimelineView
from app.core.audit import audit
from mappings.language.fields import default_fields

NAME_FIELDS = ("first_name", "last_name")
MERGE_ID = RowId("a merge", "`muster contacts merge` printed it.")


@click.group()
def contacts() -> None:
    """People: find, show, export, erase, merge, choose who stands for an address."""


@contacts.command()
@click.argument("query", default="")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="How many at most.")
@click.option("--after", "cursor", type=CONTACT_ID, help="Go on after the contact with this id.")
@json_option
def find(query: str, limit: int, cursor: int | None, as_json: bool) -> None:
    """Find people by address, phone, platform id, contact id, or words of their name."""
    with open_runtime().transaction() as session:
        page = find_contacts(session, query, limit, cursor)
    rows = [plain(asdict(line)) for line in page.contacts]
    emit(rows, as_json=as_json, text=lambda: _print_found(page.contacts, page.cursor))


def _print_found(found: tuple[ContactLine, ...], cursor: int | None) -> None:
    print_table(
        ("id", "name", "email", "phone", "tags"),
        [
            (
                line.id,
                _name(line.fields),
                line.fields.get("email"),
                line.fields.get("phone"),
                ", ".join(line.tags),
            )
            for line in found
        ],
        empty="Nobody found.",
    )
    if cursor:
        click.echo(f"More: --after {cursor}")


def _name(fields: Any) -> str:
    parts = " ".join(str(fields[name]) for name in NAME_FIELDS if fields.get(name))
    return parts or str(fields.get("full_name", ""))


@contacts.command()
@click.argument("contact_id", type=CONTACT_ID)
@json_option
def show(contact_id: int, as_json: bool) -> None:
    """Show a person: fields and where they come from, identities, consents, history, memberships."""
    with open_runtime().transaction() as session:
        view = get_contact_view(session, contact_id)
        memberships = list_memberships(session, view.id)
        ways_back = list_ways_back(session, view.id)
    shown = {
        **plain(asdict(view)),
        "memberships": memberships,
        "ways_back": [asdict(one) for one in ways_back],
    }
    emit(shown, as_json=as_json, text=lambda: _print_view(view, memberships, ways_back))


def _print_view(view: ContactView, memberships: list[dict[str, Any]], ways_back: tuple[WayBack, ...]) -> None:
    click.echo(f"Contact {view.id} ({view.state}), tags: {', '.join(view.tags) or 'none'}\n")
    print_table(("field", "value", "from", "event", "when", "said again by"), map(_field_row, view.fields))
    click.echo()
    print_table(
        ("identity", "value", "scope", "finds"),
        [(one.kind, one.value, one.scope, "yes" if one.is_matching else "no") for one in view.identities],
    )
    click.echo()
    print_table(
        ("consent", "purpose", "status", "proof", "since"),
        [
            (one.channel, say_purpose(one.purpose), one.status, one.proof, one.decided_at)
            for one in view.consents
        ],
        empty="No consent is known.",
    )
    click.echo()
    print_table(
        ("audience", "status", "address", "sync"),
        [(one["audience"], one["status"], one["email_address"], one["sync_state"]) for one in memberships],
        empty="Member of no audience.",
    )
    for way in ways_back:
        click.echo(f"{way.audience}: {way.sentence}")
    click.echo()
    print_table(
        ("when", "what", "from"), [(one.occurred_at, _told(one), one.source) for one in view.timeline]
    )


def _field_row(one: FieldView) -> tuple[Any, ...]:
    again = f"{one.source or 'an admin'}, {show_cell(one.occurred_at)}" if one.is_said_again else ""
    return (one.name, one.value, one.first_source or "an admin", one.first_event_id, one.first_at, again)


def _told(line: TimelineView) -> str:
    return f"{line.summary}; {line.aside}" if line.aside else line.summary


@contacts.command()
@click.argument("contact_id", type=CONTACT_ID)
@json_option
def export(contact_id: int, as_json: bool) -> None:  # noqa: ARG001 - an export is JSON either way
    """Print everything that is known of a person, as JSON."""
    with open_runtime().transaction() as session:
        everything = export_contact(session, contact_id)
    emit(everything, as_json=True)


@contacts.command()
@click.argument("contact_id", type=CONTACT_ID)
@click.option("--reason", default="asked by the person", show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(contact_id: int, reason: str, yes: bool, as_json: bool) -> None:
    """Erase a person for good; only a keyed hash stays, which stops every import."""
    runtime = open_runtime()
    if not yes:
        click.confirm(f"Erase contact {contact_id} for good? This cannot be undone.", abort=True, err=True)
    with runtime.transaction() as session:
        erased = erase_contact(session, contact_id, runtime.box, reason)
        queue_changes(session, erased.contact_ids)  # the members are deleted at Mailchimp next
        _audit(session, "contact.erase", contact_id, {"contact_ids": list(erased.contact_ids)})
    emit(_erased(erased), as_json=as_json, text=_erased_text(contact_id, erased))


def _audit(session: Session, action: str, contact_id: int, ids: Mapping[str, Any]) -> None:
    """Ids only: a reason may hold what people wrote."""
    audit(session, "command line", action, f"contact:{contact_id}", None, ids)


def _erased(erased: Erased) -> dict[str, Any]:
    return {
        "contact_ids": erased.contact_ids,
        "suppressed_count": erased.suppressed_count,
        "members_to_delete": [
            {"audience_id": one.audience_id, "subscriber_hash": one.subscriber_hash} for one in erased.members
        ],
    }


def _erased_text(contact_id: int, erased: Erased) -> str:
    if not erased.members:
        return f"Contact {contact_id} is erased."
    gone = counted(len(erased.members), "membership is", "memberships are")
    return f"Contact {contact_id} is erased here; {gone} deleted at Mailchimp next."


@contacts.command()
@click.argument("contact_id", type=CONTACT_ID)
@json_option
def speak(contact_id: int, as_json: bool) -> None:
    """Let CONTACT_ID stand for the address that it shares: in each audience where it may be written."""
    with open_runtime().transaction() as session:
        ids = choose_speaker(session, contact_id)
        queue_changes(session, ids)
        _audit(session, "contact.speak", contact_id, {"contact_ids": list(ids)})
    emit(
        {"contact_id": contact_id, "contact_ids": list(ids)},
        as_json=as_json,
        text=f"Contact {contact_id} stands for the address of {counted(len(ids), 'person', 'people')} now.",
    )


@contacts.command("merge")
@click.argument("winner_id", type=CONTACT_ID)
@click.argument("loser_id", type=CONTACT_ID)
@click.option("--reason", default="judged the same person", show_default=True)
@json_option
def merge_command(winner_id: int, loser_id: int, reason: str, as_json: bool) -> None:
    """Join LOSER_ID into WINNER_ID; `unmerge` takes it back."""
    with open_runtime().transaction() as session:
        merged = merge(session, winner_id, loser_id, reason, getpass.getuser(), dictionary=default_fields())
        queue_changes(session, merged.changed_contact_ids)
        _audit(session, "contact.merge", winner_id, {"loser_id": loser_id, "merge_id": merged.merge_id})
    emit(
        asdict(merged),
        as_json=as_json,
        text=f"Contact {loser_id} is now part of {winner_id}. Take it back: muster contacts unmerge {merged.merge_id}",
    )


@contacts.command("unmerge")
@click.argument("merge_id", type=MERGE_ID)
@json_option
def unmerge_command(merge_id: int, as_json: bool) -> None:
    """Take a merge back: both contacts are as they were, opt-outs learned since stay with both."""
    with open_runtime().transaction() as session:
        undone: Merged = unmerge(session, merge_id, getpass.getuser(), dictionary=default_fields())
        queue_changes(session, undone.changed_contact_ids)
        _audit(
            session, "contact.unmerge", undone.winner_id, {"loser_id": undone.loser_id, "merge_id": merge_id}
        )
    emit(
        asdict(undone),
        as_json=as_json,
        text=f"Contacts {undone.winner_id} and {undone.loser_id} are two again.",
    )
