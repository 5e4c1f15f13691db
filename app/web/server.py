"""The production server: granian with the door in its event loop and the console in a few threads behind it.

WSGI gives every body a thread, so a few slow bodies stop everybody; RSGI reads them in the event loop and was as fast
as ASGI or faster (granian 2.8.7, measured 2026-11-22). It hides headers whose value is not ASCII: to the door they are
missing. Each worker process makes its own application after the fork, so that no connection is shared.
"""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from app.core.config import Settings
from app.core.errors import BusyError, ConfigError
from app.core.leash import die_with_parent
from app.core.log import get_log
from app.inbox.receive import Inbox
from app.inbox.received import NewDelivery, Outcome
from app.sources.catalogue import Catalogue
from app.web.answers import UNAVAILABLE, Answer
from app.web.bridge import WsgiApp, WsgiBridge
from app.web.door import PREFIX, BodyTooLarge, BodyTooSlow, Door, RequestHead
from app.web.reading import BodyReader, ReadFailed

BODY_SECONDS = 10.0
ASK_SECONDS = 2.0
STOP_SECONDS = 4
PORT_SECONDS = 2.0
HEADER_MILLISECONDS = 10_000
HEADER_BYTES = 64 * 1024
BACKLOG = 1_024
CONCURRENT_REQUESTS = 1_024  # a process; more wait in the backlog
# The writer thread and the event loop take turns at Python's lock; shorter turns, shorter answers.
SWITCH_SECONDS = 0.001

# Warnings of granian's own go the way of all logs.
GRANIAN_LOG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"level": "WARNING", "propagate": True}},
}

log = get_log(__name__)


class Application:
    """What granian calls for every request of one worker process."""

    def __init__(
        self,
        door: Door,
        wsgi: WsgiApp,
        body_seconds: float = BODY_SECONDS,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._door, self._on_close = door, on_close
        self._bridge = WsgiBridge(wsgi)
        self._reader = BodyReader(body_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        sys.setswitchinterval(SWITCH_SECONDS)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        self._door.close()
        self._bridge.close()
        if self._on_close:
            self._on_close()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        try:
            if scope.proto != "http":
                proto.close(403)
            elif scope.path.startswith(PREFIX):
                await self._hook(scope, proto)
            else:
                await self._bridge(scope, proto)
        except ProtocolClosed:  # the client went away; there is nobody to answer
            log.debug("web.client_gone")

    async def _hook(self, scope: Any, proto: Any) -> None:
        headers = tuple(scope.headers.items())
        head = RequestHead(scope.method, scope.path, scope.query_string, headers, scope.client or "")
        assert self._loop is not None
        answer: Answer = await self._door.attend(head, _LoopPort(proto, self._reader, self._loop))
        proto.response_bytes(answer.status, list(answer.headers), answer.body)


class _LoopPort:
    """The door's port in the event loop; one for each request."""

    __slots__ = ("_loop", "_proto", "_reader")

    def __init__(self, proto: Any, reader: BodyReader, loop: asyncio.AbstractEventLoop) -> None:
        self._proto, self._reader, self._loop = proto, reader, loop

    async def read_body(self, head: RequestHead, limit: int) -> bytes:
        try:
            return await self._reader.read(self._proto, head.headers, limit)
        except ReadFailed as failed:
            if failed.status == UNAVAILABLE.status:
                raise BusyError(
                    "Too many large bodies at one time.", "Send it again in a few seconds."
                ) from failed
            raise (BodyTooLarge if failed.status == 413 else BodyTooSlow) from failed  # noqa: PLR2004 - its status

    async def store(self, inbox: Inbox, delivery: NewDelivery) -> Outcome:
        return await inbox.put_from_loop(delivery, self._loop)

    async def ask_again(self, catalogue: Catalogue) -> bool:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(catalogue.ask_again()), ASK_SECONDS)
        except TimeoutError:
            return False


def serve(settings: Settings, target: str) -> None:
    """Serve until SIGTERM or SIGINT. `target` names the application's factory, "package.module:function".

    Worker processes that die are started again; they die with this process, however it ends.
    """
    refuse_taken_port(settings.host, settings.port)
    _Leash.put_on = die_with_parent(signal.SIGKILL)
    Granian(
        target,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        factory=True,
        workers=settings.web_processes,
        loop=Loops.auto,  # uvloop: less processor time a request than asyncio's own loop
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONCURRENT_REQUESTS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=HEADER_BYTES),
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig=GRANIAN_LOG,
    ).serve()


def refuse_taken_port(host: str, port: int) -> None:
    """ConfigError when something listens there: granian would quietly share the port with it.

    Workers of a main process that was killed are given a moment to be gone.
    """
    end = time.monotonic() + PORT_SECONDS
    while (trouble := _find_port_trouble(host, port)) is not None:
        if time.monotonic() > end:
            raise ConfigError(
                f"Muster cannot listen on {host}:{port}: {trouble}.", "Stop what listens there, or set PORT."
            )
        time.sleep(0.05)


def _find_port_trouble(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or type(error).__name__
    return None


class _Leash:
    """Made before the fork, put on after it."""

    put_on: Callable[[], None] | None = None


def keep_to_parent() -> None:
    """For a worker process: die with granian's main process, however that ends, and leave no orphan on the port."""
    if _Leash.put_on is not None:
        _Leash.put_on()
