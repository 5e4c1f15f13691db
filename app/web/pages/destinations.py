"""Mailchimp accounts: whether they answer, signing in by OAuth, another key."""

import re

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.audiences.account import CALLBACK_PATH, begin_connect, finish_connect, get_destination
from app.audiences.account import rotate_key as store_key
from app.audiences.whose import keep_account
from app.core.audit import audit
from app.core.errors import InvalidError, MusterError
from app.web.access import make_blueprint, requires
from app.web.pages.forms import Refusal, calling, do, refuse
from app.web.queries.destinations import list_account_lines
from app.web.wiring import reading, wiring, writing

blueprint = make_blueprint("destinations")
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_KEY = 200


@blueprint.get("/destinations")
@requires("viewer")
def index() -> ResponseReturnValue:
    """Every account, and how it stands."""
    return _page()


def _page(refusal: Refusal | None = None) -> str:
    settings = wiring().runtime.settings
    return render_template(
        "destinations/index.html",
        accounts=list_account_lines(reading(), settings),
        refusal=refusal,
        typed=refusal.typed if refusal else {},
        has_app=bool(settings.mailchimp_client_id and settings.mailchimp_client_secret),
        callback=_callback(),
    )


def _callback() -> str:
    """Where Mailchimp sends the browser back to; registered there with the app."""
    return wiring().runtime.settings.public_url + CALLBACK_PATH


def _slug() -> str:
    slug = request.form.get("slug", "").strip()
    if not SLUG.fullmatch(slug):
        raise InvalidError(
            f"{slug[:80]!r} is no name for an account.", "Use small letters, digits, - and _; at most 63."
        )
    return slug


@blueprint.post("/destinations/connect")
@requires("editor")
def connect() -> ResponseReturnValue:
    """Begin to sign in at Mailchimp. A page leads on: forms of this console may go nowhere else."""
    try:
        with writing() as db:
            settings = wiring().runtime.settings
            url = begin_connect(db, settings, _slug(), _callback(), current_user.email)
    except MusterError as error:
        refused = refuse("connect", error, request.form.to_dict())
        return _page(refused), refused.status
    return render_template("destinations/leave.html", url=url, platform="Mailchimp")


@blueprint.get(CALLBACK_PATH)
@requires("editor")
def connected() -> ResponseReturnValue:
    """Where Mailchimp sends the browser back to. The state in the address works once, for who began."""
    live = wiring().runtime

    def work() -> str:
        slug = finish_connect(
            live.sessions,
            live.box,
            live.settings,
            answer=request.args.to_dict(),
            redirect_uri=_callback(),
            actor=current_user.email,
        )
        return f"{slug} is connected. What waited goes on by itself."

    return do("connect", work, _page, url_for("destinations.index"))


@blueprint.post("/destinations/<slug:account>/key")
@requires("editor")
def rotate_key(account: str) -> ResponseReturnValue:
    """Put another API key in the place of the one before, once Mailchimp takes it."""
    live = wiring().runtime

    def work() -> str:
        with writing() as db:
            get_destination(db, account)
        key = request.form.get("api_key", "").strip()[:LONGEST_KEY]
        parts = (live.sessions, live.box, live.settings)
        base_url = live.settings.mailchimp_base_url
        store_key(*parts, slug=account, api_key=key, actor=current_user.email, base_url=base_url)
        return "Mailchimp takes the key. What waited goes on by itself."

    return do(f"key-{account}", work, _page, url_for("destinations.index"))


@blueprint.post("/destinations/add")
@requires("editor")
def add_by_key() -> ResponseReturnValue:
    """Connect an account by its API key."""
    live, typed = wiring().runtime, {"slug": request.form.get("slug", "")}

    def work() -> str:
        key = request.form.get("api_key", "").strip()[:LONGEST_KEY]
        parts = (live.sessions, live.box, live.settings)
        slug, base_url = _slug(), live.settings.mailchimp_base_url
        store_key(*parts, slug=slug, api_key=key, actor=current_user.email, base_url=base_url)
        return f"{slug} is connected."

    return do("add", work, _page, url_for("destinations.index"), typed)


@blueprint.post("/destinations/<slug:account>/check")
@requires("editor")
def check(account: str) -> ResponseReturnValue:
    """Ask Mailchimp whose account it is."""

    def work() -> str:
        with writing() as db:
            destination = get_destination(db, account)
            audit(db, current_user.email, "destination.check", f"destination:{account}")
            db.flush()
            db.expunge(destination)
        with calling() as connections:
            info = connections.gateway(destination).get_root()
        keep_account(wiring().runtime.sessions, destination, info)
        return f"{info.account_name} answers."

    return do(f"key-{account}", work, _page, url_for("destinations.index"))
