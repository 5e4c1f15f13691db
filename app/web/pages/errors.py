"""Error pages: calm, with a way on, without internals."""

import json

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from app.core.errors import (
    BusyError,
    ConflictError,
    InvalidError,
    MusterError,
    NotFoundError,
    NotRunningError,
)
from app.core.log import get_log

log = get_log(__name__)

# status -> title, what it means, the way on
TEXTS: dict[int, tuple[str, str, str]] = {
    400: (
        "That request was not readable",
        "Something was missing or misspelt in what the browser sent.",
        "Go back and try again.",
    ),
    401: ("You are signed out", "The session ended. Nothing was changed.", "Sign in and do it again."),
    403: (
        "Not allowed",
        "Your role does not include this, or the form was too old.",
        "Go back and reload the page, or ask an admin for another role.",
    ),
    404: (
        "Nothing here",
        "There is no such page, or it has gone.",
        "Check the address, or start from the overview.",
    ),
    405: (
        "Not that way",
        "This address does not answer to that kind of request.",
        "Start from the overview.",
    ),
    409: ("Somebody was faster", "It was changed meanwhile.", "Reload the page and look at it again."),
    413: ("Too large", "What was sent is larger than this page accepts.", "Send less."),
    422: ("That does not fit", "A value breaks a rule.", "Go back and correct it."),
    429: ("One moment, please", "There were several wrong tries.", "Wait a little, then try again."),
    500: (
        "Something went wrong here",
        "It is our fault and has been logged. What was received is safe.",
        "Try again in a moment.",
    ),
    503: (
        "The database does not answer",
        "Muster cannot reach it at the moment. Platforms are told to send again, so nothing is lost.",
        "Try again in a moment; `muster doctor` says what is wrong.",
    ),
}
STATUS_OF: dict[type[MusterError], int] = {
    NotFoundError: 404,
    ConflictError: 409,
    InvalidError: 422,
    BusyError: 503,
    NotRunningError: 503,
}


def add_error_pages(app: Flask, foreign_blueprints: frozenset[str]) -> None:
    """Show these pages for every error of the console; the hooks answer platforms in their own way."""

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> ResponseReturnValue:
        if request.blueprint in foreign_blueprints or error.code is None or error.code < 400:  # noqa: PLR2004
            return error.get_response()
        response = error_page(403 if isinstance(error, CSRFError) else error.code)
        wait = getattr(error, "retry_after", None)
        if isinstance(wait, int):
            response.headers["Retry-After"] = str(wait)
        return response

    @app.errorhandler(MusterError)
    def _muster(error: MusterError) -> ResponseReturnValue:
        status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)
        if status >= 500:  # noqa: PLR2004
            log.error("request failed", endpoint=request.endpoint, error=type(error).__name__)
            return error_page(status)
        return error_page(status, error.message, error.hint)

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeoutError)
    def _database(error: Exception) -> ResponseReturnValue:
        log.error("database unreachable", endpoint=request.endpoint, error=type(error).__name__)
        return error_page(503)

    @app.errorhandler(Exception)
    def _any(error: Exception) -> ResponseReturnValue:
        log.error("request failed", endpoint=request.endpoint, error=type(error).__name__, exc_info=error)
        return error_page(500)


def error_page(status: int, meaning: str = "", way_on: str = "") -> Response:
    """The page for a status; JSON for scripts. It asks neither the database nor the session."""
    title, usual_meaning, usual_way_on = TEXTS.get(status, TEXTS[500 if status >= 500 else 400])  # noqa: PLR2004
    shown = {
        "status": status,
        "title": title,
        "meaning": meaning or usual_meaning,
        "way_on": way_on or usual_way_on,
    }
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    if best == "application/json":
        return Response(json.dumps(shown), status, mimetype="application/json")
    page = current_app.jinja_env.get_template("errors/error.html").render(
        **shown
    )  # asks nobody who is signed in
    return Response(page, status, mimetype="text/html")
