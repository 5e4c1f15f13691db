"""The door as a Flask blueprint: the reference path for any WSGI server, and the two health checks.

A WSGI server gives the door a thread per request, so a slow body holds one; the production server (`app.web.server`)
reads bodies in its event loop instead and cuts slow ones.
"""

from collections.abc import Coroutine, Mapping
from concurrent.futures import TimeoutError as WaitTimeoutError
from typing import Any

import psycopg
from flask import Blueprint, Response, request
from redis import RedisError

from app.core.config import Settings
from app.core.errors import BusyError
from app.core.queue import make_redis
from app.inbox.receive import Inbox
from app.inbox.received import NewDelivery, Outcome
from app.sources.catalogue import Catalogue
from app.web.answers import EVERY_ANSWER, Answer
from app.web.door import PREFIX, BodyCutOff, BodyLengthUnknown, BodyTooLarge, Door, RequestHead

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WAIT_SECONDS = 5.0  # longer than the inbox ever takes to say yes or no
ASK_SECONDS = 2.0
PROBE_SECONDS = 1


def make_hooks_blueprint(door: Door) -> Blueprint:
    """/hooks/<slug>[/<key>], /healthz and /readyz."""
    blueprint = Blueprint("hooks", __name__)

    @blueprint.route(f"{PREFIX}<path:rest>", methods=METHODS, provide_automatic_options=False)
    def hook(rest: str) -> Response:  # noqa: ARG001 - the door reads the path itself
        return _flask_answer(run_now(door.attend(_head(), _ThreadPort())))

    @blueprint.get("/healthz")
    def healthz() -> Response:
        """The process is up."""
        return _flask_answer(_health({"process": True}))

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Database and Redis answer; hooks work without Redis, so only the database decides."""
        return _flask_answer(_health(probe(door.settings)))

    return blueprint


def run_now(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Run the door's coroutine in this thread: its port blocks instead of awaiting, so it never pauses."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer
    coroutine.close()
    raise RuntimeError("A blocking port awaited something.")


def probe(settings: Settings) -> dict[str, bool]:
    """Whether database and Redis answer within about a second each."""
    return {"database": _has_database(settings.postgres_url), "redis": _has_redis(settings.valkey_url)}


def _has_database(url: str) -> bool:
    try:
        with psycopg.connect(
            url, connect_timeout=PROBE_SECONDS, options="-c statement_timeout=1000", autocommit=True
        ) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _has_redis(url: str) -> bool:
    client = make_redis(url, timeout_seconds=PROBE_SECONDS)
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
    finally:
        client.close()


def _health(parts: dict[str, bool]) -> Answer:
    is_ready = parts.get("database", True)
    lines = "".join(f"{name}: {'ok' if is_ok else 'no answer'}\n" for name, is_ok in parts.items())
    headers = (("content-type", "text/plain; charset=utf-8"), *EVERY_ANSWER)
    return Answer(200 if is_ready else 503, headers, lines.encode())


class _ThreadPort:
    """The door's port on a WSGI server; nothing in it awaits."""

    async def read_body(self, head: RequestHead, limit: int) -> bytes:
        length = head.find("content-length")
        if length is not None and (not length.isdecimal() or int(length) > limit):
            raise BodyTooLarge
        stream = request.environ["wsgi.input"]
        is_terminated = request.environ.get("wsgi.input_terminated", False)
        if length is None and head.find("transfer-encoding") is not None and not is_terminated:
            raise BodyLengthUnknown
        body: bytes = stream.read(int(length) if length else limit + 1) if length or is_terminated else b""
        if len(body) > limit:
            raise BodyTooLarge
        if length is not None and len(body) < int(length):
            raise BodyCutOff
        return body

    async def store(self, inbox: Inbox, delivery: NewDelivery) -> Outcome:
        try:
            return inbox.put(delivery).result(WAIT_SECONDS)
        except WaitTimeoutError as error:
            raise BusyError("The database takes too long.", "Send it again in a few seconds.") from error

    async def ask_again(self, catalogue: Catalogue) -> bool:
        try:
            return catalogue.ask_again().result(ASK_SECONDS)
        except WaitTimeoutError:
            return False


def _head() -> RequestHead:
    environ = request.environ
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or request.path
    return RequestHead(
        request.method, raw.partition("?")[0], environ.get("QUERY_STRING", ""), headers, _peer(environ)
    )


def _peer(environ: Mapping[str, Any]) -> str:
    return f"{environ.get('REMOTE_ADDR', '')}:{environ.get('REMOTE_PORT', '0')}"


def _flask_answer(answer: Answer) -> Response:
    return Response(
        answer.body, answer.status, [(name, value) for name, value in answer.headers if name != "connection"]
    )
