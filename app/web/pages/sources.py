"""Sources: each inbound connection, its address, its health."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.inbox.watch import list_source_troubles
from app.sources.configure import find_secret, set_enabled
from app.sources.settings import URL_KEY, hook_path
from app.web.access import make_blueprint, may, requires
from app.web.pages.forms import Refusal
from app.web.queries.overview import read_source_lines
from app.web.queries.sources import SourceView, get_source_view
from app.web.wiring import reading, wiring, writing
from integrations.kit.registry import get_source, list_integrations

blueprint = make_blueprint("sources")
CONNECTED_PATH = "/source-connected"  # where platforms that are signed in to send the browser back to
HIDDEN = "\u2022" * 8


@blueprint.get("/sources")
@requires("viewer")
def index() -> ResponseReturnValue:
    """Every source with today's counts."""
    return render_template("sources/index.html", lines=read_source_lines(reading()))


@blueprint.get("/sources/<slug:slug>")
@requires("viewer")
def show(slug: str) -> ResponseReturnValue:
    """One source: address, settings without secrets, rejections, mapping."""
    return source_page(slug)


def source_page(slug: str, refusal: Refusal | None = None) -> str:
    """The page of a source, with the refusal of one of its forms."""
    source = get_source_view(reading(), slug)
    integration = get_source(source.integration) if source.integration in list_integrations() else None
    troubles = [one for one in list_source_troubles(reading()) if one.slug == slug and one.code != "paused"]
    return render_template(
        "sources/show.html",
        source=source,
        hook_url=_hook_url(source),
        refusal=refusal,
        typed=refusal.typed if refusal else {},
        integration=integration,
        troubles=troubles,
        connected_address=wiring().runtime.settings.public_url + CONNECTED_PATH,
    )


def _hook_url(source: SourceView) -> str:
    """Where the platform posts to. A key in it is shown to who could use it anyway: editors."""
    live = wiring().runtime
    key = find_secret(reading(), live.box, source.id, URL_KEY) or ""
    return live.settings.public_url + hook_path(source.slug, key if may("editor") or not key else HIDDEN)


@blueprint.post("/sources/<slug:slug>/enable")
@requires("editor")
def enable(slug: str) -> ResponseReturnValue:
    """Open the source."""
    return _switch(slug, "The source is on.", is_enabled=True)


@blueprint.post("/sources/<slug:slug>/disable")
@requires("editor")
def disable(slug: str) -> ResponseReturnValue:
    """Close the source; platforms are told to send again later."""
    said = "The source is off. Deliveries are answered 503, so that the platform sends them again later."
    return _switch(slug, said, is_enabled=False)


def _switch(slug: str, said: str, *, is_enabled: bool) -> ResponseReturnValue:
    with writing() as db:
        set_enabled(db, slug, is_enabled=is_enabled, actor=current_user.email)
    flash(said)
    return redirect(url_for("sources.show", slug=slug))
