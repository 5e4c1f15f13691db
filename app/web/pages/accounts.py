"""Sign in, sign out, and the one-time link that makes an account."""

import time
from typing import Any, cast

from flask import current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_security import LoginForm, current_user, hash_password, login_user, logout_user
from werkzeug.exceptions import TooManyRequests

from app.core.clock import utc_now
from app.core.errors import InvalidError, MusterError
from app.web.access import make_blueprint, requires
from app.web.accounts import (
    SHORTEST_PASSWORD,
    accept_link,
    clean_email,
    end_all_sessions,
    find_link,
    is_known_address,
    password_problem,
)
from app.web.models import User
from app.web.throttle import Throttle, limits_for
from app.web.wiring import reading, writing

blueprint = make_blueprint("accounts")
THROTTLE = "muster_throttle"
CUT = 200  # characters of an address that are looked at


class SignInForm(LoginForm):
    """Flask-Security's own, which compares in constant time; a session never outlives its time, so no "remember"."""

    remember = None


@blueprint.route("/sign-in", methods=["GET", "POST"])
@requires("public")
def sign_in() -> ResponseReturnValue:
    """Ask for e-mail and password."""
    if current_user.is_authenticated:
        return redirect(url_for("overview.show"))
    form = SignInForm()
    is_wrong = False
    if request.method == "POST":
        user = _checked_user(form)
        if user is not None:
            start_session(user)
            return redirect(local_path(request.args.get("next", "")))
        is_wrong = True
    status = 401 if is_wrong else 200
    return render_template("accounts/sign_in.html", form=form, is_wrong=is_wrong), status


def _checked_user(form: SignInForm) -> User | None:
    throttle: Throttle = current_app.extensions[THROTTLE]
    email, address = str(form.email.data or "").strip().lower()[:CUT], request.remote_addr or ""
    limits = limits_for(address, email, is_known_address=is_known_address(reading(), email, address))
    wait = throttle.admit(limits, time.monotonic())
    if wait:
        raise TooManyRequests(retry_after=wait)
    if not form.validate_on_submit():
        return None
    throttle.succeeded(limits)
    return cast("User | None", form.user)


def start_session(user: User) -> None:
    """Begin a session that holds nothing of the one before it, its CSRF token included."""
    session.clear()
    with writing() as db:
        login_user(db.merge(user), authn_via=["password"])
    session["signed_in_at"] = utc_now().timestamp()
    session.permanent = True


def local_path(wanted: str) -> str:
    """Where to go after signing in: a path of this console, else the overview."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path and "\\" not in wanted else url_for("overview.show")


@blueprint.post("/sign-out")
@requires("viewer")
def sign_out() -> ResponseReturnValue:
    """End the session, here and on every other device."""
    with writing() as db:
        end_all_sessions(db.get_one(User, current_user.id))
    logout_user()
    session.clear()
    return redirect(url_for("accounts.sign_in"))


@blueprint.route("/first-admin/<token>", methods=["GET", "POST"])
@requires("public")
def first_admin(token: str) -> ResponseReturnValue:
    """The page behind a one-time link."""
    link = find_link(reading(), token)
    if link is None:
        return render_template("accounts/link_gone.html"), 410
    shown: dict[str, Any] = {"link": link, "email": "", "problem": "", "shortest": SHORTEST_PASSWORD}
    if request.method == "GET":
        return render_template("accounts/first_admin.html", **shown)
    shown["email"] = request.form.get("email", "")
    try:
        user = _accept(token, request.form.get("email", ""), request.form.get("password", ""))
    except MusterError as error:
        shown["problem"] = f"{error.message} {error.hint}".strip()
        return render_template("accounts/first_admin.html", **shown), 422
    start_session(user)
    flash("Welcome to Muster. Your account is ready.")
    return redirect(url_for("overview.show"))


def _accept(token: str, typed_email: str, password: str) -> User:
    email = clean_email(typed_email)
    problem = password_problem(password, email)
    if problem:
        raise InvalidError(problem)
    hashed = hash_password(password)  # before the lock: it takes a fifth of a second
    with writing() as db:
        return accept_link(db, token, email, hashed)


@blueprint.route("/account", methods=["GET", "POST"])
@requires("viewer")
def account() -> ResponseReturnValue:
    """One's own account: role, last sign-in, another password."""
    if request.method == "GET":
        return render_template("accounts/account.html", problem="", shortest=SHORTEST_PASSWORD)
    problem = _change_password(request.form.get("password", ""), request.form.get("new_password", ""))
    if problem:
        return render_template("accounts/account.html", problem=problem, shortest=SHORTEST_PASSWORD), 422
    flash("Your password is changed. Other devices are signed out.")
    return redirect(url_for("accounts.account"))


def _change_password(old: str, new: str) -> str:
    throttle: Throttle = current_app.extensions[THROTTLE]
    limits = limits_for(request.remote_addr or "", current_user.email, is_known_address=True)
    wait = throttle.admit(limits, time.monotonic())
    if wait:
        raise TooManyRequests(retry_after=wait)
    if not current_user.verify_and_update_password(old):
        return "That is not your password now."
    throttle.succeeded(limits)
    problem = password_problem(new, current_user.email)
    if problem:
        return problem
    with writing() as db:
        user = db.get_one(User, current_user.id)
        user.password = hash_password(new)
        end_all_sessions(user)
    start_session(user)
    return ""
