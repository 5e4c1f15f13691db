"""The bridge from the event loop to Flask: the console runs in a few threads, with a bounded body."""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from app.web.reading import BodyReader, ReadFailed

THREADS = 8
MOST_BODY_BYTES = 24 * 1024 * 1024  # an uploaded list, and what a form adds to it
BODY_SECONDS = 60.0
WAITING_LIMIT = 64  # requests in threads or waiting for one
# More than this is sent piece by piece.
WHOLE_BYTES = 1024 * 1024

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiBridge:
    """Answers RSGI requests with a WSGI application."""

    def __init__(self, wsgi: WsgiApp) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="console")
        self._reader = BodyReader(BODY_SECONDS)
        self._running_count = 0

    async def __call__(self, scope: Any, proto: Any) -> None:
        """One request."""
        if self._running_count >= WAITING_LIMIT:
            proto.response_str(503, [("content-type", "text/plain"), ("retry-after", "5")], "Too busy.\n")
            return
        self._running_count += 1
        try:
            await self._answer(scope, proto)
        finally:
            self._running_count -= 1

    def close(self) -> None:
        """Let running requests end."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, scope: Any, proto: Any) -> None:
        try:
            body = await self._reader.read(proto, scope.headers.items(), MOST_BODY_BYTES)
        except ReadFailed as failed:
            proto.response_str(failed.status, [("content-type", "text/plain"), ("connection", "close")], "")
            return
        loop = asyncio.get_running_loop()
        called = await loop.run_in_executor(self._threads, _Call.make, self._wsgi, make_environ(scope, body))
        try:
            await called.send(proto, loop, self._threads)
        finally:
            await loop.run_in_executor(self._threads, called.close)


class _Call:
    """One call of the application: its status, headers, and what it yields."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []
        self.pieces: Iterator[bytes] = iter(())
        self._returned: Iterable[bytes] = ()
        self._first = b""
        self._is_whole = False

    @classmethod
    def make(cls, wsgi: WsgiApp, environ: dict[str, Any]) -> "_Call":
        """Call the application and take its first pieces; runs in a thread."""
        call = cls()
        call._returned = wsgi(environ, call.start_response)
        call.pieces = iter(call._returned)
        call._gather()
        return call

    def start_response(
        self, status: str, headers: list[tuple[str, str]], _error: Any = None
    ) -> Callable[[bytes], None]:
        """WSGI's own (PEP 3333); nobody here uses the old `write`."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower(), value) for name, value in headers]
        return self._refuse_write

    def _refuse_write(self, _data: bytes) -> None:
        raise RuntimeError("This server has no write(); yield the body.")

    def _gather(self) -> None:
        gathered = io.BytesIO()
        for piece in self.pieces:
            gathered.write(piece)
            if gathered.tell() > WHOLE_BYTES:
                break
        else:
            self._is_whole = True
        self._first = gathered.getvalue()

    async def send(self, proto: Any, loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> None:
        """Answer at once what is whole, else piece by piece at the client's pace."""
        if self._is_whole:
            proto.response_bytes(self.status, self.headers, self._first)
            return
        transport = proto.response_stream(self.status, self.headers)
        piece: bytes | None = self._first
        while piece is not None:
            if piece:
                await transport.send_bytes(piece)
            piece = await loop.run_in_executor(threads, next, self.pieces, None)

    def close(self) -> None:
        """WSGI's own: tell the application that its answer is sent."""
        close = getattr(self._returned, "close", None)
        if close is not None:
            close()


def make_environ(scope: Any, body: bytes) -> dict[str, Any]:
    """The WSGI environ of an RSGI request. Names with an underscore are dropped: they would pass for other headers."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "RAW_URI": scope.path,
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.authority and "host" not in scope.headers:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name != "content-length" and "_" not in name:
            place = "HTTP_" + name.upper().replace("-", "_")
            joint = "; " if name == "cookie" else ","
            environ[place] = environ[place] + joint + value if place in environ else value
    return environ
