"""Contacts: find one, and see all that is known, from where, and since when."""

from collections.abc import Mapping

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.audiences.come_back import ADVICE, list_ways_back
from app.contacts.read import find_contacts, get_contact_view
from app.contacts.views import ContactView, FieldView
from app.web.access import make_blueprint, requires
from app.web.queries.contacts import find_delivery_ids, list_memberships
from app.web.queries.sources import list_source_names
from app.web.wiring import reading
from mappings.language.fields import default_fields

blueprint = make_blueprint("contacts")
LONGEST_QUERY = 300
LARGEST_ID = 2**62
TIMELINE_LENGTH = 100


@blueprint.get("/contacts")
@requires("viewer")
def index() -> ResponseReturnValue:
    """The newest contacts, or those a search finds."""
    query = request.args.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    before = request.args.get("before", type=int)
    page = find_contacts(reading(), query, cursor=before and max(1, min(before, LARGEST_ID)))
    return render_template("contacts/index.html", page=page, query=query, before=before)


@blueprint.get("/contacts/<id:contact_id>")
@requires("viewer")
def show(contact_id: int) -> ResponseReturnValue:
    """One person; a merged contact leads to the one it lives on in."""
    contact = get_contact_view(reading(), contact_id, timeline_limit=TIMELINE_LENGTH)
    if contact.id != contact_id:
        return redirect(url_for("contacts.show", contact_id=contact.id))
    return render_template(
        "contacts/show.html",
        contact=contact,
        values={field.name: field.value for field in contact.fields},
        fields=in_order(contact),
        sources=dict(list_source_names(reading())),
        deliveries=_deliveries(contact),
        memberships=list_memberships(reading(), contact.id),
        advice=ADVICE,
        ways_back={way.audience: way for way in list_ways_back(reading(), contact.id)},
    )


def in_order(contact: ContactView) -> list[tuple[str, FieldView]]:
    """(label, field) in the order of the field dictionary; fields it does not know stand last."""
    dictionary = default_fields()
    order = {name: number for number, name in enumerate(dictionary.names())}
    ranked = sorted(contact.fields, key=lambda field: (order.get(field.name, len(order)), field.name))
    entries = ((dictionary.find(field.name), field) for field in ranked)
    return [(entry.label if entry else field.name, field) for entry, field in entries]


def _deliveries(contact: ContactView) -> Mapping[int, int]:
    ids = {field.event_id for field in contact.fields} | {
        identity.event_id for identity in contact.identities
    }
    ids |= {evidence.event_id for evidence in contact.evidence} | {line.event_id for line in contact.timeline}
    return find_delivery_ids(reading(), ids)
