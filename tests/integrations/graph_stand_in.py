"""A small real HTTP server that stands in for Meta's Graph API: leads by id, or scripted trouble."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Script = Callable[["_Handler"], None]


def make_lead(lead_id: str, **answers: str) -> dict[str, Any]:
    """A lead as the Graph API gives it; `answers` are the form's questions."""
    return {
        "id": lead_id,
        "created_time": "2026-11-21T08:33:21+0000",
        "form_id": "5550001",
        "field_data": [{"name": name, "values": [value]} for name, value in answers.items()],
        "custom_disclaimer_responses": [{"checkbox_key": "newsletter", "is_checked": "1"}],
    }


class GraphStandIn:
    """Leads and scripts by lead id; `calls` is everything that was asked: (path, query, headers)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.leads: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, Script] = {}
        self.calls: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "GraphStandIn":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


@contextmanager
def running_graph(tls: ssl.SSLContext | None = None) -> Iterator[GraphStandIn]:
    graph = GraphStandIn(tls).start()
    try:
        yield graph
    finally:
        graph.stop()


def status(code: int, body: Any = None, **headers: str) -> Script:
    """Answer with this status, body (JSON unless bytes) and headers (underscores become hyphens)."""

    def play(handler: "_Handler") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        handler.answer(code, content, {name.replace("_", "-"): value for name, value in headers.items()})

    return play


def graph_error(http_status: int, code: int, subcode: int | None = None, **headers: str) -> Script:
    """An error in the Graph API's own form."""
    error: dict[str, Any] = {"message": "scripted", "type": "OAuthException", "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return status(http_status, {"error": error}, **headers)


def silence(seconds: float) -> Script:
    """Accept and say nothing for a while."""

    def play(handler: "_Handler") -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return play


def drip(piece: bytes, every_seconds: float, count: int, *, head: bytes = b"") -> Script:
    """Send `head`, then a piece at a time, slowly."""

    def play(handler: "_Handler") -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(head)
            for _ in range(count):
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(every_seconds)
        except OSError:
            return

    return play


def cut(handler: "_Handler") -> None:
    """Promise a hundred bytes, send ten, hang up."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + b'{"id": "12'
    )
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(code)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


def _handler(graph: GraphStandIn) -> type[_Handler]:
    class Handler(_Handler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            graph.calls.append((parts.path, parse_qs(parts.query), headers))
            lead_id = parts.path.rpartition("/")[2]
            if lead_id in graph.scripts:
                graph.scripts[lead_id](self)
            elif lead_id in graph.leads:
                self.answer(200, json.dumps(graph.leads[lead_id]).encode(), {})
            else:
                graph_error(400, 100, 33)(self)

    return Handler
