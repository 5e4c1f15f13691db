"""A simulator without sockets (`api`), and one over HTTP (`running`) where the wire matters."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.test import Client, EnvironBuilder, TestResponse

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.recording import read_exchanges
from integrations.mailchimp.simulator.replay import replay
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.simulator.world import World
from tests.integrations.simulator.tape import Tape

WAIT_SECONDS = 5
DEFINITION = "mailchimp/openapi-subset.json"
# Of the full definition, and not in the subset beside the project.
NOT_IN_SUBSET = ("/abuse-reports/",)
NEW_YEAR = 1_767_225_600  # 2026-01-01T00:00:00+00:00


@dataclass
class Api:
    """Short words for calls on one audience."""

    world: World
    client: Client
    answers: list[tuple[TestResponse, EnvironBuilder]] = field(default_factory=list)

    @property
    def list_id(self) -> str:
        return self.world.config.list_id

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {key or self.world.config.api_key}"}
        content = None if body is None else json.dumps(body)
        answer = self.client.open(f"/3.0{path}", method=method, data=content, headers=headers)
        if not self.world.faults.list():  # what is spoilt on order is no answer of Mailchimp's API
            self.answers.append((answer, EnvironBuilder(f"/3.0{path}", method=method, data=content)))
        return answer

    def on_list(self, method: str, tail: str, body: Any = None) -> TestResponse:
        return self.call(method, f"/lists/{self.list_id}{tail}", body)

    def member(
        self, method: str, email: str, body: Any = None, tail: str = "", query: str = ""
    ) -> TestResponse:
        key = md5_of(email) if "@" in email else email
        return self.call(method, f"/lists/{self.list_id}/members/{key}{tail}{query}", body)

    def put(self, email: str, if_new: str = "subscribed", **more: Any) -> TestResponse:
        return self.member("PUT", email, {"email_address": email, "status_if_new": if_new, **more})

    def post(self, body: Any, query: str = "") -> TestResponse:
        return self.call("POST", f"/lists/{self.list_id}/members{query}", body)

    def batch(self, members: list[Any], query: str = "", **more: Any) -> TestResponse:
        body = {"members": members, "update_existing": True, **more}
        return self.call("POST", f"/lists/{self.list_id}{query}", body)

    def members(self, query: str = "") -> Any:
        return self.call("GET", f"/lists/{self.list_id}/members{query}").json

    def sim(self, path: str, /, **wants: Any) -> Any:
        answer = self.client.post(f"/_sim/{path}", json=wants)
        assert answer.status_code == 200, answer.text
        return answer.json

    def journal(self) -> Any:
        return self.client.get("/_sim/journal").json


class Ear:
    """A receiver: keeps what arrives, and answers what it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.agents: list[str] = []
        self.get_status, self.post_statuses = 200, []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ear.agents.append(self.headers["User-Agent"])
                self.send_response(ear.get_status)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ear.heard.append((dict(self.headers.items()), body))
                self.send_response(ear.post_statuses.pop(0) if ear.post_statuses else 200)
                self.end_headers()

            def log_message(self, *_args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for(self, count: int) -> list[dict[str, str]]:
        until = time.monotonic() + WAIT_SECONDS
        while len(self.heard) < count and time.monotonic() < until:
            time.sleep(0.01)
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, body in self.heard]


@pytest.fixture(scope="session")
def definition(request):
    """Mailchimp's own definition; None where the shared folder is not there."""
    try:
        folder = request.getfixturevalue("shared")
    except pytest.skip.Exception:
        return None
    config = Config(
        extra_media_type_deserializers={"application/problem+json": lambda body, **_: json.loads(body)}
    )
    # Its discriminators point at alternatives that have no name to be looked up by; without them all are tried.
    told = json.loads(
        (folder / DEFINITION).read_text(),
        object_hook=lambda found: {name: one for name, one in found.items() if name != "discriminator"},
    )
    return OpenAPI.from_dict(told, config=config)


def _violation(definition: OpenAPI, answer: TestResponse, asked: EnvironBuilder) -> str:
    """Why an answer is not valid; empty where it is."""
    is_known = not any(part in asked.path for part in NOT_IN_SUBSET)
    if not is_known or not 200 <= answer.status_code < 300 or answer.status_code == 204:
        return ""
    try:
        request = WerkzeugOpenAPIRequest(asked.get_request())
        definition.validate_response(request, WerkzeugOpenAPIResponse(answer))
    except OpenAPIError as problem:
        cause = problem.__cause__ or problem
        details = "; ".join(str(error.message) for error in getattr(cause, "schema_errors", ()))
        return f"{asked.method} {asked.path}: {cause} {details}"[:600]
    return ""


@pytest.fixture
def ear():
    ear = Ear()
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


@pytest.fixture
def api(definition) -> Iterator[Api]:
    """Every answer is checked against the official definition at the end."""
    world = World(SimulatorConfig(webhook_retry_seconds=(0.05, 0.05)))
    world.clock.freeze(NEW_YEAR)
    api = Api(world, Client(make_app(world=world)))
    yield api
    world.close()
    if definition is not None:
        assert [] == [text for text in (_violation(definition, *one) for one in api.answers) if text]


@pytest.fixture
def running() -> Iterator[RunningSimulator]:
    with RunningSimulator(
        SimulatorConfig(port=0, webhook_retry_seconds=(0.05, 0.05), webhook_timeout_seconds=1)
    ) as found:
        yield found


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., dict[int, list[str]]]:
    """How the simulator's answers differ from what tapes recorded: number of the exchange -> differences."""

    def _replayed(*tapes: Tape) -> dict[int, list[str]]:
        path = tmp_path / "recorded.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for tape in tapes for line in tape.lines))
        return replay(read_exchanges(path)).differences

    return _replayed
