"""The page for people, /: audiences and members, with buttons to act as the contact or as staff."""

import heapq
from itertools import islice

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from integrations.mailchimp.simulator.acts import confirm_member
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.control import advance_clock, audience_named, refuse_other_sites, world
from integrations.mailchimp.simulator.control_acts import act
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.refusals import Refusal, not_found

page = Blueprint("page", __name__, template_folder="templates")
page.before_request(refuse_other_sites)
SHOWN = 50
SHOWN_MESSAGES = 5
# One page, nothing from elsewhere: its own style, no script at all.
CSP = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@page.after_request
def protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _row(audience: Audience, member: Member) -> dict[str, str]:
    named = member.merge_fields
    return {
        "email": member.email,
        "name": " ".join(str(named.get(tag, "")) for tag in ("FNAME", "LNAME")).strip(),
        "status": member.status,
        "cause": member.cause,
        "tags": ", ".join(audience.tags[tag_id].name for tag_id in member.tag_ids),
        "changed_at": iso(member.changed_at)[:19].replace("T", " "),
    }


@page.get("/")
def show() -> str:
    audience = audience_named(request.args.get("list_id"))
    wanted = request.args.get("q", "").casefold()
    with world().lock:
        found = [one for one in audience.members() if wanted in one.email.casefold()]
        newest = heapq.nlargest(SHOWN, found, key=lambda one: one.changed_at)
        rows = [_row(audience, one) for one in newest]
        outbox = list(islice((one for one in reversed(world().outbox)), SHOWN_MESSAGES))
    return render_template(
        "simulator.html",
        audiences=list(world().audiences.values()),
        audience=audience,
        rows=rows,
        total=len(found),
        counts=world().journal.counts(),
        webhooks=world().sender.counts(),
        outbox=outbox,
        now=iso(world().clock.now()),
        problem=request.args.get("problem", ""),
        q=request.args.get("q", ""),
    )


@page.post("/clock")
def let_pass() -> Response:
    """A button: some hours of the simulator's clock."""
    advance_clock(current_app, request.form.get("hours", 1, type=int) * 3600)
    return redirect(url_for("page.show", list_id=request.form.get("list_id")), 303)


@page.post("/act/<any(contact, staff):kind>/<name>")
def do(kind: str, name: str) -> Response:
    """A button: the act with the form's fields, then back to the page."""
    wants: dict[str, object] = {
        key: value for key, value in request.form.items() if key not in {"FNAME", "tag"}
    }
    if request.form.get("FNAME"):
        wants["merge_fields"] = {"FNAME": request.form["FNAME"]}
    if "tag" in request.form:
        wants["add"] = [request.form["tag"]]
    problem = None
    try:
        act(kind, name, wants)
    except Refusal as refusal:
        problem = refusal.detail
    return redirect(url_for("page.show", list_id=wants.get("list_id"), problem=problem), 303)


@page.get("/subscribe")
def show_form() -> str:
    """The hosted sign-up form: the way back for people whom the API may not subscribe."""
    return _form(email=request.args.get("EMAIL", ""))


@page.post("/subscribe")
def sign_up() -> str:
    list_id, email = request.args.get("id"), request.form.get("EMAIL", "")
    values = {tag: request.form[tag] for tag in ("FNAME", "LNAME") if request.form.get(tag)}
    try:
        member = act("contact", "signup", {"list_id": list_id, "email": email, "merge_fields": values})
    except Refusal as refusal:
        return _form(email=email, problem=refusal.detail)
    return _form(status=str(member["status"]))


def _form(*, email: str = "", problem: str = "", status: str = "") -> str:
    audience = audience_named(request.args.get("id"))
    return render_template("hosted_form.html", audience=audience, email=email, problem=problem, status=status)


@page.get("/confirm/<list_id>/<contact_id>")
def ask_confirmation(list_id: str, contact_id: str) -> str:
    """The link of the confirmation mail: a page with a button, so that no mail scanner subscribes anybody."""
    audience = audience_named(list_id)
    if contact_id not in audience.by_contact:
        raise not_found()
    return render_template("hosted_form.html", audience=audience, confirming=True)


@page.post("/confirm/<list_id>/<contact_id>")
def follow_confirmation(list_id: str, contact_id: str) -> str:
    audience = audience_named(list_id)
    with world().change():
        member = audience.by_contact.get(contact_id)
        if member is None:
            raise not_found()
        status = confirm_member(world(), audience, member).status
    return render_template("hosted_form.html", audience=audience, status=status)
