"""A small threaded HTTP/1.1 server: keep-alive, one write an answer, and connections that can be spoilt on order.

The faults of faults.py need the socket, which neither Flask's own server (no keep-alive) nor granian (no socket)
offers; the state is in one process, so threads are all the scaling there is.
"""

import gc
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from signal import SIGINT, SIGTERM, signal
from typing import Any, ClassVar, Self
from urllib.parse import unquote_to_bytes

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.gate import AT_END, CUT, CUT_SECONDS
from integrations.mailchimp.simulator.world import World

IDLE_SECONDS = 75
DRIP_BYTES_PER_SECOND = 10
MAX_BODY_BYTES = 32 * 1024 * 1024
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Handler(BaseHTTPRequestHandler):
    """One connection: requests one after the other, each handed to the WSGI application."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    application: ClassVar[Application]

    def serve(self) -> None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY_BYTES or self.headers.get("Transfer-Encoding"):
            self.send_error(413)
            return
        environ = self._environ(self.rfile.read(length))
        status, headers = "500 Internal Server Error", list[tuple[str, str]]()

        def start_response(new_status: str, new_headers: list[tuple[str, str]], _info: Any = None) -> None:
            nonlocal status, headers
            status, headers = new_status, new_headers

        environ[AT_END] = []
        try:
            parts = type(self).application(environ, start_response)
            body = b"".join(parts)
            if hasattr(parts, "close"):
                parts.close()
            self._write(environ, status, headers, body)
        finally:
            for act in environ[AT_END]:
                act()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = serve  # noqa: N815 - the base class's names

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": self.server.server_name,  # type: ignore[attr-defined]  # HTTPServer's own
            "SERVER_PORT": str(self.server.server_port),  # type: ignore[attr-defined]
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ.setdefault("HTTP_" + name.upper().replace("-", "_"), value)
        return environ

    def _write(
        self, environ: dict[str, Any], status: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        cut = environ.get(CUT)
        if cut == "reset":
            self._reset()
            return
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut == "half":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._reset()
        elif cut == "drip":
            self._drip(body, environ.get(CUT_SECONDS) or 60.0)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes, seconds: float) -> None:
        until = time.monotonic() + seconds
        for position in range(len(body)):
            if time.monotonic() > until:
                break
            self.wfile.write(body[position : position + 1])
            self.wfile.flush()
            time.sleep(1 / DRIP_BYTES_PER_SECOND)
        self._reset()

    def _reset(self) -> None:
        """Close with RST instead of FIN, as a dying peer does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def log_message(self, *_args: Any) -> None:
        """Silence: the journal keeps every request."""


class Server(ThreadingHTTPServer):
    """Threads that do not hold up the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the client's affair; anything else is a defect and is shown."""
        if not isinstance(sys.exception(), (OSError, ValueError)):
            super().handle_error(request, client_address)


class RunningSimulator:
    """A simulator in this process, for tests and the command line: `url` is the base URL of its API."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.world = World(config)
        self.app = make_app(world=self.world)
        handler = type("BoundHandler", (Handler,), {"application": staticmethod(self.app.wsgi_app)})
        self.server = Server((config.host, config.port), handler)
        self.port = int(self.server.server_address[1])
        self.origin = f"http://{config.host}:{self.port}"
        self.url = f"{self.origin}/3.0"
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.close()

    def close(self) -> None:
        self.server.server_close()
        self.world.close()


def serve(config: SimulatorConfig) -> None:
    """Serve until SIGTERM or SIGINT; every answered change is in the state file by then."""
    simulator = RunningSimulator(config)

    def stop(_signal: int, _frame: object) -> None:
        threading.Thread(target=simulator.server.shutdown, daemon=True).start()

    # Members live for good: looking through all of them for garbage at every 700 new objects is most of a batch's time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    signal(SIGTERM, stop)
    signal(SIGINT, stop)
    sys.stdout.write(f"Mailchimp simulator: {simulator.url} (page: {simulator.origin}/)\n")
    sys.stdout.flush()
    try:
        simulator.server.serve_forever(0.1)
    finally:
        simulator.close()
