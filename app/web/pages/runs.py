"""Runs: every push, pull, reconcile and dry run, with progress, errors and findings; approving and steering them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy.orm import Session

from app.audiences import steer
from app.audiences.configure import get_audience_row, list_audiences
from app.audiences.run_views import RunView, get_run, list_runs
from app.audiences.value_changes import find_run_values
from app.web.access import make_blueprint, requires
from app.web.pages import steering
from app.web.pages.forms import Refusal, do, ring
from app.web.queries.audiences import find_names, run_people
from app.web.states import RUN_KINDS
from app.web.wiring import reading, writing

blueprint = make_blueprint("runs")
MOST_RUNS = 60


@blueprint.get("/runs")
@requires("viewer")
def index() -> ResponseReturnValue:
    """The latest runs, of all audiences or one, of all kinds or one."""
    return render_template("runs/index.html", **_latest())


@blueprint.get("/runs/now")
@requires("viewer")
def index_now() -> ResponseReturnValue:
    """The part of the list that changes."""
    return render_template("runs/_list.html", **_latest())


def _latest() -> dict[str, Any]:
    slug, kind = request.args.get("audience", ""), request.args.get("kind", "")
    rows = list_audiences(reading())
    audiences = [(audience.slug, audience.label or audience.slug) for audience, _ in rows]
    audience_id = next((audience.id for audience, _ in rows if audience.slug == slug), None)
    kinds = (kind,) if kind in RUN_KINDS else ()
    found = list_runs(reading(), audience_id, MOST_RUNS, kinds) if audience_id or not slug else []
    wanted = {"audience": slug if audience_id else "", "kind": kind if kinds else ""}
    return {"runs": found, "audiences": audiences, "wanted": wanted}


@blueprint.get("/runs/<id:run_id>")
@requires("viewer")
def show(run_id: int) -> ResponseReturnValue:
    """One run. It refreshes itself while it runs."""
    return _page(run_id)


@blueprint.get("/runs/<id:run_id>/now")
@requires("viewer")
def now(run_id: int) -> ResponseReturnValue:
    """The part of a run's page that changes."""
    return render_template("runs/_run.html", **_shown(get_run(reading(), run_id)), refusal=None)


def _page(run_id: int, refusal: Refusal | None = None) -> str:
    return render_template("runs/show.html", **_shown(get_run(reading(), run_id)), refusal=refusal)


def _shown(run: RunView) -> dict[str, Any]:
    audience = get_audience_row(reading(), run.audience)
    is_paused = audience.paused_at is not None
    return {
        "run": run,
        "is_audience_paused": is_paused,
        "names": find_names(reading(), set(run_people(run))),
        "values": find_run_values(reading(), run),
    }


def _decide(run_id: int, work: Callable[[Session, RunView], str]) -> ResponseReturnValue:
    def run() -> str:
        with writing() as db:
            return work(db, get_run(db, run_id))

    place = request.args.get("from", "")
    is_audience = place == "audience"
    back = (
        url_for("audiences.show", audience=get_run(reading(), run_id).audience)
        if is_audience
        else url_for("runs.show", run_id=run_id)
    )
    return do("run", run, partial(_page, run_id), back)


@blueprint.post("/runs/<id:run_id>/approve")
@requires("editor")
def approve(run_id: int) -> ResponseReturnValue:
    """Let what waits happen. With `anyway` also a first sync that was broken off because much is at stake."""
    is_anyway = request.form.get("anyway") == "1"
    audience_ids: list[int] = []

    def work(db: Session, run: RunView) -> str:
        audience_ids.append(get_audience_row(db, run.audience).id)
        steer.approve(db, run_id, current_user.email, is_anyway=is_anyway)
        return "Approved. The workers begin by themselves."

    answer = _decide(run_id, work)
    for audience_id in audience_ids:
        ring("bulk", audience_id)
    return answer


@blueprint.post("/runs/<id:run_id>/reject")
@requires("editor")
def reject(run_id: int) -> ResponseReturnValue:
    """Say no to what waits."""

    def work(db: Session, _run: RunView) -> str:
        steer.reject(db, run_id, current_user.email)
        return "Rejected. Nothing of it is written."

    return _decide(run_id, work)


def _steer(run_id: int, work: Callable[[Session, int], str]) -> ResponseReturnValue:
    return _decide(run_id, lambda db, run: work(db, get_audience_row(db, run.audience).id))


@blueprint.post("/runs/<id:run_id>/pause")
@requires("editor")
def pause(run_id: int) -> ResponseReturnValue:
    """Pause the run's audience; what runs takes no new work."""
    return _steer(run_id, steering.pause)


@blueprint.post("/runs/<id:run_id>/resume")
@requires("editor")
def resume(run_id: int) -> ResponseReturnValue:
    """Let the run's audience go on; the next push continues."""
    return _steer(run_id, steering.resume)


@blueprint.post("/runs/<id:run_id>/cancel")
@requires("editor")
def cancel(run_id: int) -> ResponseReturnValue:
    """End what runs for the run's audience; opt-outs and live changes stay queued."""
    return _steer(run_id, steering.cancel)
