"""A local stand-in of the Graph API: answers leads that a test put there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def graph_answering(leads: dict[str, dict[str, Any]], status: int = 404) -> Iterator[str]:
    """The base URL of a server that knows `leads` by id; anything else is answered with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lead = leads.get(self.path.split("?")[0].rsplit("/", 1)[-1])
            body = json.dumps(
                lead or {"error": {"code": 100, "message": "Unsupported get request."}}
            ).encode()
            self.send_response(200 if lead else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """A test's output stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
