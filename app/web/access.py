"""Who may do what: every route declares the role it asks for, and what is undeclared is closed."""

from collections.abc import Callable
from typing import Literal, TypeVar

from flask import Blueprint, Flask, abort, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user, logout_user
from werkzeug.routing import BaseConverter, IntegerConverter, Map

from app.core.clock import utc_now

Access = Literal["public", "viewer", "editor", "admin"]
View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

ROLES: dict[str, str] = {
    "viewer": "Sees everything, changes nothing.",
    "editor": "Publishes mappings, replays, looks after sources, audiences and accounts.",
    "admin": "All of that, and invites people.",
}
RANK: dict[str, int] = {"public": 0, "viewer": 1, "editor": 2, "admin": 3}
DECLARED = "access"
ABSOLUTE_SECONDS = 12 * 3600.0

# Routes whose functions are not ours to decorate: endpoint, or "blueprint." for a whole blueprint.
FOREIGN: dict[str, Access] = {
    "static": "public",
    "bootstrap.": "public",  # Bootstrap's style sheet and icons
    "hooks.": "public",  # platforms prove themselves by signature
}


def requires(role: Access) -> Callable[[View], View]:
    """Declare who may call a view: "public", or the least role."""

    def declare(view: View) -> View:
        setattr(view, DECLARED, role)  # the declaration travels with the function
        return view

    return declare


def access_of(app: Flask, endpoint: str) -> Access | None:
    """What the route declares; None when it declares nothing."""
    declared: Access | None = getattr(app.view_functions[endpoint], DECLARED, None)
    if declared is not None:
        return declared
    return FOREIGN.get(endpoint) or FOREIGN.get(endpoint.partition(".")[0] + ".")


def may(role: Access) -> bool:
    """Whether the person who is signed in has this role or a higher one."""
    if role == "public":
        return True
    names = [held.name for held in getattr(current_user, "roles", ())]
    return (
        bool(current_user.is_authenticated) and max((RANK.get(n, 0) for n in names), default=0) >= RANK[role]
    )


def guard(app: Flask) -> None:
    """Check each request against the declaration of its route, before anything else runs."""

    @app.before_request
    def _check() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None  # no such route: 404, or 405
        declared = access_of(current_app, request.endpoint)
        if declared == "public":
            return None
        if declared is None:
            abort(403)
        if is_signed_in():
            return None if may(declared) else abort(403)
        return ask_to_sign_in()


def is_signed_in() -> bool:
    """Whether somebody is, and not for longer than a session may last; an over-long one ends here."""
    if not current_user.is_authenticated:
        return False
    if utc_now().timestamp() - session.get("signed_in_at", 0.0) <= ABSOLUTE_SECONDS:
        return True
    logout_user()
    session.clear()
    return False


def ask_to_sign_in() -> ResponseReturnValue:
    """To the sign-in page for people, 401 for a script's request or a form whose session ended."""
    if request.method != "GET" or request.headers.get("X-Fragment"):
        abort(401)
    wanted = request.full_path.rstrip("?")
    return redirect(url_for("accounts.sign_in", next=wanted if wanted != "/" else None))


class SlugConverter(BaseConverter):
    """The slug of a source; anything else is no such page."""

    regex = "[a-z0-9][a-z0-9_-]{0,62}"


class IdConverter(IntegerConverter):
    """The id of a row."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, min=1, max=2**63 - 1)


CONVERTERS: dict[str, type[BaseConverter]] = {"slug": SlugConverter, "id": IdConverter}


def make_blueprint(name: str) -> Blueprint:
    """A room of the console."""
    return Blueprint(name, __name__)
