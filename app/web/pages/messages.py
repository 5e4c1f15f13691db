"""Messages: what people say on platforms - comments, mentions, reviews - and who said it."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.web.access import make_blueprint, requires
from app.web.queries.messages import list_messages, list_talking_sources
from app.web.states import MESSAGE_KINDS
from app.web.wiring import reading

blueprint = make_blueprint("messages")


@blueprint.get("/messages")
@requires("viewer")
def index() -> ResponseReturnValue:
    """The newest messages, of all sources or one, of all kinds or one."""
    source = request.args.get("source", "").replace("\0", "")
    kind = request.args.get("kind", "")
    wanted = {"source": source, "kind": kind if kind in MESSAGE_KINDS else ""}
    before = request.args.get("before", type=int)
    page = list_messages(reading(), wanted["source"], wanted["kind"], before)
    return render_template(
        "messages/index.html",
        page=page,
        wanted=wanted,
        before=before,
        sources=list_talking_sources(reading()),
    )
