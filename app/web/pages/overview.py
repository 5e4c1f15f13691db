"""The first page: what arrived today, what waits, what failed."""

import threading
import time
from collections.abc import Callable

from flask import current_app, render_template
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from app.web.access import make_blueprint, requires
from app.web.queries.overview import Overview, read_overview
from app.web.wiring import reading

blueprint = make_blueprint("overview")
SHORTEST_SECONDS = 1.0
SHARE_OF_TIME = 0.05  # of one process that may go into counting, however many people watch


class Snapshot:
    """The last counts of this process, and when to count again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._overview: Overview | None = None
        self._good_until = 0.0

    def get(self, count: Callable[[], Overview]) -> Overview:
        """The last counts, or new ones where they are too old; one request counts, the others wait for it."""
        with self._lock:
            started = time.monotonic()
            if self._overview is None or started >= self._good_until:
                self._overview = count()
                took = time.monotonic() - started
                self._good_until = time.monotonic() + max(SHORTEST_SECONDS, took / SHARE_OF_TIME)
            return self._overview


@blueprint.record_once
def _add_snapshot(state: BlueprintSetupState) -> None:
    state.app.extensions["muster_overview"] = Snapshot()


def _overview() -> Overview:
    snapshot: Snapshot = current_app.extensions["muster_overview"]
    return snapshot.get(lambda: read_overview(reading()))


@blueprint.get("/")
@requires("viewer")
def show() -> ResponseReturnValue:
    """The overview."""
    return render_template("overview/show.html", view=_overview())


@blueprint.get("/overview/now")
@requires("viewer")
def now() -> ResponseReturnValue:
    """The part of the overview that changes, for the page that refreshes itself."""
    return render_template("overview/_now.html", view=_overview())
