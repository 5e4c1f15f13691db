"""Audiences: how each one stands, what waits for an admin, who cannot be synced; adding, pushing, pausing, repairing."""

import time
from collections.abc import Callable
from functools import partial

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy.orm import Session

from app.audiences.account import get_destination
from app.audiences.configure import AudienceWish, connect_audience, get_audience_row
from app.audiences.decide_review import decide_review
from app.audiences.hooks import HookState
from app.audiences.hooks import repair_webhook as repair
from app.audiences.models import Audience
from app.audiences.outbox import queue_audience
from app.audiences.settings import change_settings
from app.core.audit import audit
from app.core.db import transaction
from app.core.errors import InvalidError
from app.web.access import make_blueprint, requires
from app.web.pages import steering
from app.web.pages.forms import Refusal, ask_worker, calling, do, ring
from app.web.queries.alerts import list_alert_lines
from app.web.queries.audiences import get_audience_page, list_audience_lines, list_cannot
from app.web.queries.destinations import list_account_lines
from app.web.wiring import reading, wiring, writing

blueprint = make_blueprint("audiences")
DOOR_SECONDS = 6.0  # a web process learns of a new address within a second or two; Mailchimp calls it at once
REASON_LENGTH = 200
LONGEST_WORD = 100
ADDED = ("slug", "list_id", "purpose", "destination")


@blueprint.get("/audiences")
@requires("viewer")
def index() -> ResponseReturnValue:
    """Every audience, and what wants somebody."""
    return _list()


def _list(refusal: Refusal | None = None) -> str:
    alerts = [one for one in list_alert_lines(reading()) if one.kind in {"audience", "destination"}]
    return render_template(
        "audiences/index.html",
        lines=list_audience_lines(reading()),
        alerts=alerts,
        accounts=list_account_lines(reading(), wiring().runtime.settings),
        refusal=refusal,
        typed=refusal.typed if refusal else {},
    )


@blueprint.post("/audiences/add")
@requires("editor")
def add() -> ResponseReturnValue:
    """Keep another Mailchimp audience in step, once a dry run of its first sync is approved."""
    typed = {name: request.form.get(name, "").strip()[:LONGEST_WORD] for name in ADDED}

    def work() -> str:
        sessions = wiring().runtime.sessions
        with transaction(sessions) as session:
            destination = get_destination(session, typed["destination"])
        wish = AudienceWish(typed["slug"], typed["list_id"], purpose=typed["purpose"] or "newsletter")
        with calling() as connections:
            added = connect_audience(sessions, connections, destination, wish, current_user.email)
        ring("first_sync", added.id)
        return "It is added. Nothing is sent yet: its dry run begins, and what it finds is shown here."

    return do("add", work, _list, url_for("audiences.show", audience=typed["slug"] or "-"), typed)


@blueprint.get("/audiences/<slug:audience>")
@requires("viewer")
def show(audience: str) -> ResponseReturnValue:
    """One audience."""
    return _page(audience)


def _page(slug: str, refusal: Refusal | None = None) -> str:
    return render_template("audiences/show.html", page=get_audience_page(reading(), slug), refusal=refusal)


@blueprint.get("/audiences/<slug:audience>/cannot/<code>")
@requires("viewer")
def cannot(audience: str, code: str) -> ResponseReturnValue:
    """Everybody who cannot be synced for one reason."""
    page = get_audience_page(reading(), audience)
    group = next((one for one in page.told["cannot_sync"] if one["code"] == code), None)
    people = list_cannot(reading(), page.id, code) if group else ()
    return render_template("audiences/cannot.html", page=page, group=group, people=people)


def _change(place: str, slug: str, work: Callable[[Session, Audience], str]) -> ResponseReturnValue:
    """Do `work` as one unit; then back to the page with what it says."""

    def run() -> str:
        with writing() as db:
            return work(db, get_audience_row(db, slug))

    return do(place, run, partial(_page, slug), url_for("audiences.show", audience=slug))


@blueprint.post("/audiences/<slug:audience>/pause")
@requires("editor")
def pause(audience: str) -> ResponseReturnValue:
    """Write nothing but opt-outs and erasures until somebody resumes it."""
    reason = request.form.get("reason", "").strip()[:REASON_LENGTH]
    return _change("steer", audience, lambda db, row: steering.pause(db, row.id, reason))


@blueprint.post("/audiences/<slug:audience>/resume")
@requires("editor")
def resume(audience: str) -> ResponseReturnValue:
    """Let a paused audience go on."""
    return _change("steer", audience, lambda db, row: steering.resume(db, row.id))


@blueprint.post("/audiences/<slug:audience>/cancel")
@requires("editor")
def cancel(audience: str) -> ResponseReturnValue:
    """End what runs; opt-outs and live changes stay queued."""
    return _change("steer", audience, lambda db, row: steering.cancel(db, row.id))


@blueprint.post("/audiences/<slug:audience>/dry-run")
@requires("editor")
def dry_run(audience: str) -> ResponseReturnValue:
    """Ask a worker to find out what a first sync would do."""
    return _begin(
        audience, "first_sync", "audience.dry_run", "The dry run begins. What it finds is shown here."
    )


@blueprint.post("/audiences/<slug:audience>/reconcile")
@requires("editor")
def reconcile(audience: str) -> ResponseReturnValue:
    """Ask a worker to compare both sides whole."""
    return _begin(
        audience, "reconcile", "audience.reconcile", "The reconcile begins. What differs is shown here."
    )


def _begin(slug: str, bell: str, action: str, said: str) -> ResponseReturnValue:
    def work(db: Session, row: Audience) -> str:
        if bell != "first_sync":
            _refuse_idle(row)
        audit(db, current_user.email, action, f"audience:{slug}")
        ask_worker(bell, row.id)
        return said

    return _change("steer", slug, work)


@blueprint.post("/audiences/<slug:audience>/pull")
@requires("editor")
def pull(audience: str) -> ResponseReturnValue:
    """Ask a worker to read every member once more."""
    return _begin(audience, "whole_pull", "audience.pull", "The pull begins. It reads everybody.")


@blueprint.post("/audiences/<slug:audience>/push")
@requires("editor")
def push(audience: str) -> ResponseReturnValue:
    """Plan everybody anew, and let a worker write what differs."""
    audience_ids: list[int] = []

    def work(db: Session, row: Audience) -> str:
        _refuse_idle(row)
        if row.paused_at is not None:
            raise InvalidError("It is paused: only opt-outs and erasures are pushed.", "Resume it first.")
        audit(db, current_user.email, "audience.push", f"audience:{audience}")
        queue_audience(db, row.id)
        audience_ids.append(row.id)
        return "The push begins. Everybody is planned anew; whoever is in step needs no call."

    answer = _change("steer", audience, work)
    for audience_id in audience_ids:
        ring("bulk", audience_id)
    return answer


def _refuse_idle(row: Audience) -> None:
    """InvalidError for an audience that is neither pushed nor pulled."""
    if not row.is_enabled:
        raise InvalidError("It is switched off.", "Switch it on first.")
    if row.approved_at is None:
        raise InvalidError("It waits for approval of its first sync.", "Look at its dry run, and approve it.")


@blueprint.post("/audiences/<slug:audience>/<any(on, off):state>")
@requires("editor")
def switch(audience: str, state: str) -> ResponseReturnValue:
    """Push and pull it, or neither."""
    said = {"on": "It is on. Everybody is planned anew.", "off": "It is off: nothing is pushed or pulled."}

    def work(db: Session, row: Audience) -> str:
        is_changed = change_settings(db, row, {"is_enabled": state == "on"}, current_user.email)
        return said[state] if is_changed else f"It was {state} already."

    return _change("steer", audience, work)


@blueprint.post("/audiences/<slug:audience>/webhook/repair")
@requires("editor")
def repair_webhook(audience: str) -> ResponseReturnValue:
    """Look at the webhook now and mend what is wrong with it."""
    return _care_for_hook(audience, rotates=False)


@blueprint.post("/audiences/<slug:audience>/webhook/rotate")
@requires("editor")
def rotate_webhook(audience: str) -> ResponseReturnValue:
    """A new address and secret; the old ones stay valid for a day."""
    return _care_for_hook(audience, rotates=True)


def _care_for_hook(slug: str, *, rotates: bool) -> ResponseReturnValue:
    def work() -> str:
        with writing() as db:
            audience_id = get_audience_row(db, slug).id
            action = "audience.webhook_rotate" if rotates else "audience.webhook_repair"
            audit(db, current_user.email, action, f"audience:{slug}")
        state = _mend_hook(audience_id, rotates=rotates)
        if state.trouble:
            raise InvalidError(
                f"It could not be repaired: {state.trouble}",
                "See that the public URL reaches this Muster; it tries again by itself.",
            )
        if state.state == "unreachable":
            return "Mailchimp cannot reach this Muster's public URL, so pulls bring the news instead."
        made = "It has a new address and secret; the old ones stay valid for a day."
        return (
            made if rotates else f"The webhook works. Last mended: {state.repaired or 'nothing was wrong'}."
        )

    return do("webhook", work, partial(_page, slug), url_for("audiences.show", audience=slug) + "#webhook")


def _mend_hook(audience_id: int, *, rotates: bool) -> HookState:
    """Until the web server knows the key and answers Mailchimp, or time is up."""
    live, until = wiring().runtime, time.monotonic() + DOOR_SECONDS
    parts = (live.sessions, live.settings, live.box)
    with calling() as connections:
        state = repair(*parts, connections, audience_id, rotates=rotates)
        while state.trouble and time.monotonic() < until:
            time.sleep(1.0)
            state = repair(*parts, connections, audience_id)
    return state


@blueprint.post("/audiences/<slug:audience>/reviews/<id:review_id>/<any(ours, theirs):side>")
@requires("editor")
def review(audience: str, review_id: int, side: str) -> ResponseReturnValue:
    """Say which value of a merge field stands."""

    def work(db: Session, _row: Audience) -> str:
        decide_review(db, review_id, side, current_user.email)  # type: ignore[arg-type]  # the route knows no other
        return "Ours stands and is written." if side == "ours" else "Mailchimp's stands and is taken over."

    return _change("reviews", audience, work)
