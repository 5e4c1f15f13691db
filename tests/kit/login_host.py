"""A stand-in for Mailchimp's login host: hands out one token for one code, and says whose it is."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs


@dataclass
class LoginHost:
    """`endpoint` is where the token's API is; what came in is kept in `forms`."""

    token: str
    endpoint: str
    code: str = "the-code"
    secret: str = "the-secret"
    replies: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # by path, instead of the usual ones
    forms: list[Mapping[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                host.forms.append({name: values[0] for name, values in parse_qs(sent).items()})
                self._reply(host.token_reply(host.forms[-1]))

            def do_GET(self) -> None:
                self._reply(host.metadata_reply(self.headers.get("Authorization", "")))

            def _reply(self, usual: tuple[int, Any]) -> None:
                status, body = host.replies.get(self.path, (usual[0], json.dumps(usual[1]).encode()))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def token_reply(self, form: Mapping[str, str]) -> tuple[int, Any]:
        if form.get("code") != self.code or form.get("client_secret") != self.secret:
            return 400, {"error": "invalid_grant"}
        self.code = ""  # a code works once
        return 200, {"access_token": self.token, "expires_in": 0, "scope": None}

    def metadata_reply(self, authorization: str) -> tuple[int, Any]:
        if authorization != f"OAuth {self.token}":
            return 200, {"error": "invalid_token"}
        login = {"login_email": "ada@lovelace.example", "login_name": "ada"}
        return 200, {
            "dc": "us3",
            "role": "owner",
            "accountname": "House",
            "login": login,
            "api_endpoint": self.endpoint,
        }
