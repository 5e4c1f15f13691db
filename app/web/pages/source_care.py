"""Looking after a source: asking whether it still sends, back-filling, signing in at its platform, trying a sample."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.core.audit import audit
from app.core.errors import BusyError, InvalidError, MusterError
from app.inbox.sample import SampleHead, read_head, sample_request
from app.inbox.watch import check_source
from app.sources.loaded import LoadedSource, load_sources
from app.sources.tokens import begin_connect, finish_connect
from app.trial import trial_as_json, try_delivery
from app.web.access import make_blueprint, requires
from app.web.pages.fetching import fetch_missed
from app.web.pages.forms import Refusal, do, refuse
from app.web.pages.sources import CONNECTED_PATH, source_page
from app.web.queries.sources import get_source_view
from app.web.wiring import reading, wiring, writing
from integrations.kit.times import find_time

blueprint = make_blueprint("source_care")
LONGEST_SAMPLE = 512 * 1024
LONGEST_HEADERS = 20_000
LONGEST_KEY = 200


def _do(slug: str, place: str, work: Any) -> ResponseReturnValue:
    back = url_for("sources.show", slug=slug)
    return do(place, work, partial(source_page, slug), back, request.form.to_dict())


def _loaded(slug: str) -> LoadedSource:
    with wiring().runtime.transaction() as db:
        get_source_view(db, slug)
        found = next((one for one in load_sources(db, wiring().runtime.box) if one.slug == slug), None)
    if found is None:
        raise InvalidError(
            "This source has no hook, so there is nobody to ask.", "Lists are run by `muster lists run`."
        )
    return found


def _audit(action: str, slug: str, after: dict[str, Any] | None = None) -> None:
    with writing() as db:
        audit(db, current_user.email, action, f"source:{slug}", None, after)


@blueprint.post("/sources/<slug:slug>/health")
@requires("editor")
def check_health(slug: str) -> ResponseReturnValue:
    """Ask the platform now, and look at the source's rhythm."""

    def work() -> str:
        loaded = _loaded(slug)
        _audit("source.check", slug)
        found = check_source(wiring().runtime, loaded)
        says = {"alive": "It sends.", "dead": "It does not send.", "unknown": "The platform does not say."}[
            found.state
        ]
        return f"{says} {found.reason}".strip()

    return _do(slug, "health", work)


@blueprint.post("/sources/<slug:slug>/backfill")
@requires("editor")
def backfill(slug: str) -> ResponseReturnValue:
    """Ask the platform for what it kept; whatever came already has no effect."""

    def work() -> str:
        get_source_view(reading(), slug)
        since = read_since(request.form.get("since", ""))
        _audit("source.backfill", slug, {"since": since})
        return fetch_missed(wiring().runtime, slug, since)

    return _do(slug, "backfill", work)


def read_since(text: str) -> datetime:
    """A day or a moment; a week ago where nothing was given. InvalidError for what is no time, or ahead."""
    found = find_time(text.strip()) if text.strip() else datetime.now(UTC) - timedelta(days=7)
    if found is None:
        raise InvalidError(f"{text[:40]!r} is no time.", "Write it like 2026-11-01.")
    if found > datetime.now(UTC):
        raise InvalidError("That is ahead of us.", "Give a day that has begun.")
    return found


@blueprint.post("/sources/<slug:slug>/connect")
@requires("editor")
def connect(slug: str) -> ResponseReturnValue:
    """Begin to sign in at the platform. A page leads on: forms of this console may go nowhere else."""
    live = wiring().runtime
    try:
        with writing() as db:
            label = _loaded(slug).source.label
            url = begin_connect(db, live.box, slug, callback(), current_user.email)
    except (BusyError, InvalidError) as error:
        refused = refuse("connect", error, {})
        return source_page(slug, refused), refused.status
    return render_template("destinations/leave.html", url=url, platform=label)


def callback() -> str:
    """The address to register at platforms."""
    return wiring().runtime.settings.public_url + CONNECTED_PATH


@blueprint.get(CONNECTED_PATH)
@requires("editor")
def connected() -> ResponseReturnValue:
    """Where a platform sends the browser back to. The state in the address works once, for who began."""
    try:
        slug = finish_connect(wiring().runtime, request.args.to_dict(), callback(), current_user.email)
    except MusterError as error:
        refused = refuse("connect", error, {})
        return render_template("sources/not_connected.html", refusal=refused), refused.status
    return _do(slug, "connect", lambda: "Connected. The source fetches by itself from now on.")


@blueprint.route("/sources/<slug:slug>/try", methods=["GET"])
@requires("viewer")
def try_form(slug: str) -> ResponseReturnValue:
    """Where a sample is pasted."""
    return _try_page(slug)


def _try_page(slug: str, refusal: Refusal | None = None, found: dict[str, Any] | None = None) -> str:
    typed = request.form.to_dict() if request.method == "POST" else {}
    source = get_source_view(reading(), slug)
    return render_template("sources/try.html", source=source, refusal=refusal, typed=typed, found=found)


@blueprint.post("/sources/<slug:slug>/try")
@requires("editor")
def try_sample(slug: str) -> ResponseReturnValue:
    """Take the sample through every stage; nothing is written."""
    get_source_view(reading(), slug)
    try:
        body, head = _sample()
        url_key = request.form.get("url_key", "").strip()[:LONGEST_KEY]
        sample = sample_request(body, head, datetime.now(UTC), suffix=_suffix(), url_key=url_key)
        is_fetching = request.form.get("is_fetching") == "1"
        found = trial_as_json(try_delivery(wiring().runtime, slug, sample, is_fetching=is_fetching))
    except MusterError as error:
        refused = refuse("sample", error, {})
        return _try_page(slug, refused), refused.status
    return _try_page(slug, found=found)


def _sample() -> tuple[bytes, SampleHead]:
    """The bytes of the file where there is one, else the text; and what stands above them."""
    file = request.files.get("file")
    body = file.read(LONGEST_SAMPLE + 1) if file and file.filename else b""
    body = body or request.form.get("body", "").replace("\r\n", "\n").encode()
    if len(body) > LONGEST_SAMPLE:
        raise InvalidError("The sample is too large.", "At most 512 KiB.")
    head = read_head(request.form.get("headers", "")[:LONGEST_HEADERS])
    if not body and head.method == "POST":
        raise InvalidError(
            "There is no sample.", "Paste the body of a delivery, or choose a file that holds one."
        )
    return body, head


def _suffix() -> str:
    file = request.files.get("file")
    return f".{file.filename.rpartition('.')[2]}" if file and file.filename and "." in file.filename else ""
