"""Contacts: find one, and see all that is known, from where, and since when."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.web.access import make_blueprint, requires
from app.web.queries.contacts import find_contacts, get_contact_view, list_newest
from app.web.wiring import reading

blueprint = make_blueprint("contacts")
LONGEST_QUERY = 300


@blueprint.get("/contacts")
@requires("viewer")
def index() -> ResponseReturnValue:
    """The newest contacts, or those a search finds."""
    query = request.args.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    found = find_contacts(reading(), query) if query else list_newest(reading())
    return render_template("contacts/index.html", found=found, query=query)


@blueprint.get("/contacts/<id:contact_id>")
@requires("viewer")
def show(contact_id: int) -> ResponseReturnValue:
    """One person."""
    return render_template("contacts/show.html", contact=get_contact_view(reading(), contact_id))
