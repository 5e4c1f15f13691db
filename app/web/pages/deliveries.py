"""Deliveries: what was received, and what became of it."""

from io import BytesIO

from flask import abort, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.core.audit import audit
from app.inbox.replay import Choice
from app.inbox.replay import replay as ask_again
from app.web.access import make_blueprint, requires
from app.web.body_view import view_body
from app.web.queries.deliveries import get_delivery_view, list_deliveries, list_event_ids
from app.web.queries.sources import list_source_names
from app.web.wiring import reading, writing

blueprint = make_blueprint("deliveries")


@blueprint.get("/deliveries")
@requires("viewer")
def index() -> ResponseReturnValue:
    """The newest deliveries, by source and state, or one by id or key."""
    wanted = {name: request.args.get(name, "").strip() for name in ("source", "state", "q")}
    before = request.args.get("before", type=int)
    page = list_deliveries(reading(), wanted["source"], wanted["state"], wanted["q"], before)
    return render_template(
        "deliveries/index.html", page=page, wanted=wanted, before=before, sources=list_source_names(reading())
    )


@blueprint.get("/deliveries/<id:delivery_id>")
@requires("viewer")
def show(delivery_id: int) -> ResponseReturnValue:
    """One delivery: headers, bytes, events, failed tries."""
    delivery = get_delivery_view(reading(), delivery_id)
    body = view_body(delivery.body, delivery.content_type)
    return render_template("deliveries/show.html", delivery=delivery, body=body)


@blueprint.get("/deliveries/<id:delivery_id>/body")
@requires("viewer")
def body(delivery_id: int) -> ResponseReturnValue:
    """The bytes as received, to keep; never to run."""
    delivery = get_delivery_view(reading(), delivery_id)
    return send_file(
        BytesIO(delivery.body),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=f"delivery-{delivery_id}.bin",
    )


@blueprint.post("/deliveries/<id:delivery_id>/replay")
@requires("editor")
def replay(delivery_id: int) -> ResponseReturnValue:
    """Ask again for the whole delivery: read it and do its events once more."""
    with writing() as db:
        chosen = Choice(delivery_ids=(get_delivery_view(db, delivery_id).id,))
        count = ask_again(db, chosen).count
        audit(db, current_user.email, "delivery.replay", f"delivery:{delivery_id}", None, {"count": count})
    flash("Replayed. A worker takes it next." if count else "There was nothing to replay.")
    return redirect(url_for("deliveries.show", delivery_id=delivery_id))


@blueprint.post("/deliveries/<id:delivery_id>/events/<id:event_id>/replay")
@requires("editor")
def replay_event(delivery_id: int, event_id: int) -> ResponseReturnValue:
    """Ask again for one event of the delivery."""
    with writing() as db:
        if event_id not in list_event_ids(db, delivery_id):
            abort(404)
        count = ask_again(db, Choice(event_ids=(event_id,))).count
        audit(db, current_user.email, "event.replay", f"event:{event_id}", None, {"count": count})
    flash("Replayed. A worker takes it next." if count else "There was nothing to replay.")
    return redirect(url_for("deliveries.show", delivery_id=delivery_id))
