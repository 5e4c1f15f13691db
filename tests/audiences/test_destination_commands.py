"""`muster destinations`: accounts are listed, checked, connected by signing in, and given other keys."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from app.cli import destinations as commands
from app.core.config import Settings
from app.core.runtime import Runtime
from tests.kit.login_host import LoginHost


@pytest.fixture
def host(simulator: Any) -> Iterator[LoginHost]:
    with LoginHost(simulator.running.config.api_key, simulator.running.origin) as host:
        yield host


@pytest.fixture
def runtime(
    office: Any, sim_settings: Settings, host: LoginHost, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    assert office  # there is an audience
    runtime = Runtime(
        replace(
            sim_settings,
            mailchimp_client_id="the-id",
            mailchimp_client_secret=host.secret,
            mailchimp_login_url=host.url,
        )
    )
    monkeypatch.setattr(commands, "open_runtime", lambda: runtime)
    yield runtime
    runtime.engine.dispose()


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(commands.destinations, arguments, input=typed, catch_exceptions=True)


def test_an_account_is_connected_by_signing_in(
    runtime: Runtime, host: LoginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def browse(_question: str, **_options: Any) -> str:
        """What a person does: open the address, allow it, copy where the browser ends."""
        state = parse_qs(urlsplit(shown[0].split("\n")[1]).query)["state"][0]
        return f"https://crm.house.test/destinations/connected?state={state}&code={host.code}"

    monkeypatch.setattr(commands.click, "echo", lambda text, **_: shown.append(str(text)))
    monkeypatch.setattr(commands.click, "prompt", browse)
    made = run("connect", "house", "--oauth")
    monkeypatch.undo()

    assert made.exit_code == 0, made.exception
    assert shown[-1] == "house is connected."


def test_the_account_answers_or_the_reason_is_said(runtime: Runtime, simulator: Any) -> None:
    fine = run("check", "simulator")
    simulator.running.world.accounts[simulator.running.config.api_key].is_revoked = True
    refused = run("check", "simulator")

    assert fine.output.endswith("answers.\n")
    assert "credentials" in str(refused.exception)


def test_a_check_keeps_whose_account_it_is(runtime: Runtime, office: Any) -> None:
    office.execute("UPDATE destinations SET account = '{}'")

    shown = json.loads(run("check", "simulator", "--json").output)

    (account,) = office.execute("SELECT account FROM destinations")[0]
    assert account == {"account_id": shown["account_id"], "name": shown["name"], "role": "owner", "dc": ""}
    assert shown["name"] in run("list").output


def test_a_new_key_is_taken_from_standard_input(
    runtime: Runtime, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = replace(runtime.settings, mailchimp_base_url=simulator.running.url)
    monkeypatch.setattr(runtime, "settings", there)
    key = simulator.running.config.api_key

    made = run("connect", "second", typed=f"{key}\n")
    again = run("rotate-key", "second", "--json", typed=f"{key}\n")
    unknown = run("rotate-key", "nobody", typed=f"{key}\n")

    assert made.output == "second is connected with this key.\n"
    assert json.loads(again.output) == {"slug": "second", "login": "api_key"}
    assert "no destination 'nobody'" in str(unknown.exception)
    assert key not in run("list").output + run("list", "--json").output
