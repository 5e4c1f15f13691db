"""A simulator without sockets (`api`), and one over HTTP (`running`) where the wire matters."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.world import World

NEW_YEAR = 1_767_225_600  # 2026-01-01T00:00:00+00:00


@dataclass
class Api:
    """Short words for calls on one audience."""

    world: World
    client: Client

    @property
    def list_id(self) -> str:
        return self.world.config.list_id

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {key or self.world.config.api_key}"}
        content = None if body is None else json.dumps(body)
        return self.client.open(f"/3.0{path}", method=method, data=content, headers=headers)

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


@pytest.fixture
def api() -> Iterator[Api]:
    world = World(SimulatorConfig(webhook_retry_seconds=(0.05, 0.05)))
    world.clock.freeze(NEW_YEAR)
    yield Api(world, Client(make_app(world=world)))
    world.close()


@pytest.fixture
def running() -> Iterator[RunningSimulator]:
    with RunningSimulator(
        SimulatorConfig(port=0, webhook_retry_seconds=(0.05, 0.05), webhook_timeout_seconds=1)
    ) as found:
        yield found
