"""What every request under /3.0 passes: journal, key, connection limit, latency, faults, and honest headers."""

import base64
import binascii
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from integrations.mailchimp.simulator import refusals
from integrations.mailchimp.simulator.audience import Account
from integrations.mailchimp.simulator.faults import PROBLEM, SHAPES, Rule
from integrations.mailchimp.simulator.refusals import Refusal
from integrations.mailchimp.simulator.world import World

API_ROOT = "/3.0"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
CUT = "muster.cut"  # environ key: how the server is to spoil the connection
CUT_SECONDS = "muster.cut_seconds"
INSIDE = "muster.inside"  # environ key: the simulator asks itself, for a batch
AT_END = "muster.at_end"  # environ key: what the server calls once the answer is written
OVERRIDE = "HTTP_X_HTTP_METHOD_OVERRIDE"
OVERRIDDEN = "muster.overridden"  # environ key: the method in that header is in force


def _is_api() -> bool:
    return request.path == API_ROOT or request.path.startswith(API_ROOT + "/")


def _offered_key() -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def find_account(world: World, key: str | None) -> Account:
    """The account of a key, or the refusal for it."""
    if key is None:
        raise refusals.key_missing()
    if key in world.connections.revoked:
        raise refusals.key_invalid()
    account = world.accounts.get(world.connections.tokens.get(key, key))
    if account is None:
        digits = key.rpartition("-")[0]
        for one in world.accounts.values():
            if digits and one.api_key.rpartition("-")[0] == digits:
                raise refusals.wrong_datacenter(one.centre)
        raise refusals.key_invalid()
    if account.is_disabled:
        raise refusals.user_disabled()
    if account.is_revoked:
        raise refusals.key_invalid()
    return account


def _take_slot(world: World, account: Account) -> None:
    with world.lock:
        g.entry.in_flight = account.in_flight + 1
        if account.in_flight >= world.switches.connection_limit:
            raise refusals.too_many_connections()
        account.in_flight += 1
        account.max_in_flight = max(account.max_in_flight, account.in_flight)
        g.has_slot = True


def _give_slot(world: World, account: Account) -> None:
    with world.lock:
        account.in_flight -= 1


def fault_answer(rule: Rule) -> Response:
    """The answer of a fault that keeps the request from being done."""
    shape = SHAPES[rule.kind]
    if shape.cut:
        request.environ[CUT] = shape.cut
        return Response(status=500)
    if shape.refusal:
        make_refusal: Callable[[], Refusal] = getattr(refusals, shape.refusal)
        raise make_refusal()
    return Response(shape.body, shape.status, content_type=shape.content_type)


def refused(problem: Refusal) -> Response:
    response = Response(status=problem.status, content_type=PROBLEM)
    response.set_data(problem.text(g.request_id))
    centre = g.account.centre if "account" in g else "us1"
    schema = f"https://{centre}.api.mailchimp.com/schema/3.0/Definitions/ProblemDetailDocument.json"
    response.headers["Link"] = f'<{schema}>; rel="describedBy"'
    if problem.allow:
        response.headers["Allow"] = problem.allow
    return response


def override_method(application: Application) -> Application:
    """X-HTTP-Method-Override on a POST stands for the method it names."""

    def overridden(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        wanted = environ.get(OVERRIDE, "").upper()
        if environ["REQUEST_METHOD"] == "POST" and wanted in METHODS:
            environ["REQUEST_METHOD"], environ[OVERRIDDEN] = wanted, True
        return application(environ, start_response)

    return overridden


def install(app: Flask) -> None:
    """Hang the gate into the application."""
    app.before_request(_enter)
    app.after_request(_leave)
    app.teardown_request(_let_go)
    app.register_error_handler(Refusal, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)


def _world() -> World:
    return cast("World", current_app.extensions["world"])


def _enter() -> Response | None:
    if not _is_api():
        return None
    world = _world()
    g.started, g.request_id, g.has_slot, g.fault, g.notes = (
        time.monotonic(),
        str(uuid.uuid4()),
        False,
        None,
        [],
    )
    query = request.query_string.decode("latin-1")
    g.entry = world.journal.open(world.clock.now(), request.method, request.path, query)
    if INSIDE in request.environ:
        g.account = find_account(world, _offered_key())
        return None
    rule = g.fault = world.faults.pick(request.method, request.path)
    g.account = find_account(world, _offered_key())
    _take_slot(world, g.account)
    if OVERRIDE in request.environ and OVERRIDDEN not in request.environ:
        raise refusals.bad_override()
    seconds = world.switches.latency_ms / 1000 + (rule.seconds if rule else 0)
    if seconds:
        time.sleep(seconds)
    return fault_answer(rule) if rule is not None and not SHAPES[rule.kind].is_applied else None


def _refuse(problem: Refusal) -> Response:
    if "request_id" not in g:
        g.request_id = str(uuid.uuid4())
    return refused(problem)


def _refuse_http(problem: HTTPException) -> Any:
    if not _is_api():
        return problem
    if problem.code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = ", ".join(sorted(getattr(problem, "valid_methods", None) or ()))
        return _refuse(refusals.method_not_allowed(allow))
    return _refuse(refusals.not_found() if problem.code == HTTPStatus.NOT_FOUND else refusals.server_error())


def _leave(response: Response) -> Response:
    if "entry" not in g:
        return response
    response.headers["Server"] = "openresty"
    response.headers["X-Request-Id"] = g.request_id
    _apply_fault(response)
    _settle_entry(response)
    return response


def _let_go(_problem: BaseException | None) -> None:
    if g.get("has_slot"):
        release = partial(_give_slot, _world(), g.account)
        g.has_slot = False
        # A real server holds the connection until the answer is out, however slowly it goes.
        if AT_END in request.environ:
            request.environ[AT_END].append(release)
        else:
            release()
    if "entry" in g:
        _world().journal.close(g.entry)


def _apply_fault(response: Response) -> None:
    """Spoil the answer of a request that was done; name the time to wait where the rule does."""
    rule: Rule | None = g.fault
    if rule is not None and (wait := rule.retry_after(datetime.now(UTC))):
        response.headers["Retry-After"] = wait
    if rule is None or not SHAPES[rule.kind].is_applied:
        return
    cut = SHAPES[rule.kind].cut
    if cut == "short":
        response.set_data(response.get_data()[: max(response.content_length or 0, 2) // 2])
    elif cut:
        request.environ[CUT] = cut
        request.environ[CUT_SECONDS] = rule.seconds


def _settle_entry(response: Response) -> None:
    entry, rule = g.entry, g.fault
    entry.notes = list(g.notes)
    entry.fault = rule.kind if rule else ""
    entry.is_applied = response.status_code < HTTPStatus.MULTIPLE_CHOICES and (
        rule is None or SHAPES[rule.kind].is_applied
    )
    entry.status = 0 if request.environ.get(CUT) == "reset" else response.status_code
    entry.resource = str(request.url_rule) if request.url_rule else ""
    entry.seconds = round(time.monotonic() - g.started, 6)
