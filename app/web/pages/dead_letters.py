"""Dead letters: what was given up, why, and asking again."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.core.audit import audit
from app.inbox.deadletters import get_dead_letter, list_dead_letters
from app.inbox.replay import Choice, replay
from app.web.access import make_blueprint, requires
from app.web.queries.contacts import list_refused
from app.web.queries.sources import list_source_names
from app.web.wiring import reading, writing

blueprint = make_blueprint("dead_letters")


@blueprint.get("/dead-letters")
@requires("viewer")
def index() -> ResponseReturnValue:
    """Dead letters, the newest first, of all sources or one."""
    source = request.args.get("source", "").replace("\0", "")
    page = list_dead_letters(reading(), source or None, cursor=request.args.get("after", ""))
    return render_template(
        "dead_letters/index.html",
        page=page,
        source=source,
        sources=list_source_names(reading()),
        refused=() if source else list_refused(reading()),
    )


@blueprint.post("/dead-letters/<any(event, delivery):kind>/<id:letter_id>/replay")
@requires("editor")
def replay_one(kind: str, letter_id: int) -> ResponseReturnValue:
    """Ask again for one."""
    with writing() as db:
        letter = get_dead_letter(db, f"{kind}:{letter_id}")
        is_event = letter.kind == "event"
        done = replay(db, Choice(event_ids=(letter.id,)) if is_event else Choice(delivery_ids=(letter.id,)))
        audit(db, current_user.email, f"{letter.kind}.replay", letter.name, None, {"count": done.count})
    flash("Replayed. A worker takes it next; what still cannot be done comes back here.")
    return redirect(url_for("dead_letters.index"))


@blueprint.post("/dead-letters/replay")
@requires("editor")
def replay_all() -> ResponseReturnValue:
    """Ask again for all, or all of one source."""
    source = request.args.get("source", "").replace("\0", "")
    with writing() as db:
        done = replay(db, Choice(source=source, is_dead=True))
        audit(
            db,
            current_user.email,
            "deadletters.replay",
            f"source:{source or '*'}",
            None,
            {"count": done.count},
        )
    flash(
        f"{done.count} replayed. What still cannot be done comes back here."
        if done.count
        else "There was nothing to replay."
    )
    return redirect(url_for("dead_letters.index", source=source or None))
