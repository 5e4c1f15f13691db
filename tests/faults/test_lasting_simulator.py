"""What was answered outlives kill -9, and SIGTERM ends the simulator at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from integrations.mailchimp.gateway import Gateway, wait_until_up
from integrations.mailchimp.simulator.config import DEFAULT_API_KEY, DEFAULT_LIST_ID, SimulatorConfig
from integrations.mailchimp.simulator.store import StateFileBusyError
from integrations.mailchimp.simulator.world import World

ADA, GRACE, EVE = "ada@lovelace.example", "grace@hopper.example", "eve@people.example"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    started = []

    def _start() -> tuple[subprocess.Popen[str], Gateway]:
        arguments = ["--port", "0", "--state-file", str(tmp_path / "state.jsonl")]
        command = [sys.executable, "-m", "integrations.mailchimp.simulator", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        started.append(process)
        url = process.stdout.readline().split()[2]
        gateway = Gateway(url, DEFAULT_API_KEY, deadline_seconds=5)
        assert wait_until_up(gateway, 10)
        return process, gateway

    yield _start
    for process in started:
        process.kill()
        process.wait(5)
        process.stdout.close()


def _body(email: str, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def test_everything_answered_is_there_after_kill_9(start):
    process, gateway = start()
    ada = gateway.put_member(DEFAULT_LIST_ID, ADA, _body(ADA, tags=["alumni"], merge_fields={"FNAME": "Ada"}))
    gateway.put_member(DEFAULT_LIST_ID, GRACE, _body(GRACE))
    gateway.patch_member(DEFAULT_LIST_ID, GRACE, {"email_address": "hopper@people.example"})
    gateway.put_member(DEFAULT_LIST_ID, EVE, _body(EVE))
    gateway.delete_member_permanently(DEFAULT_LIST_ID, EVE)
    field = gateway.add_merge_field(DEFAULT_LIST_ID, "YEAR", "Class", "number")

    process.kill()
    process.wait(5)
    _, again = start()

    expected = msgspec.structs.replace(ada, merge_fields={**ada.merge_fields, "YEAR": ""})
    assert expected == again.get_member(DEFAULT_LIST_ID, ADA)
    assert again.find_member(DEFAULT_LIST_ID, GRACE) is None
    assert again.get_member(DEFAULT_LIST_ID, "hopper@people.example").status == "subscribed"
    assert field in again.list_merge_fields(DEFAULT_LIST_ID)
    assert again.find_member(DEFAULT_LIST_ID, EVE) is None
    new = again.put_member(DEFAULT_LIST_ID, "new@people.example", _body("new@people.example"))
    assert new.web_id > ada.web_id


def test_sigterm_ends_it_in_two_seconds_even_while_it_answers(start):
    process, gateway = start()
    gateway.ping()
    started = time.monotonic()

    process.send_signal(signal.SIGTERM)

    assert process.wait(5) == 0
    assert time.monotonic() - started < 2


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "state.jsonl"
    world = World(SimulatorConfig(state_file=path))
    with world.change():
        world.save_audience(world.get_audience(DEFAULT_LIST_ID))
    world.close()
    with path.open("a") as file:
        file.write('["member", "a1b2c3d4e5", ["half')

    again = World(SimulatorConfig(state_file=path))
    again.close()

    assert list(again.audiences) == [DEFAULT_LIST_ID]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_two_simulators_do_not_share_a_state_file(tmp_path):
    config = SimulatorConfig(state_file=tmp_path / "state.jsonl")
    world = World(config)

    with pytest.raises(StateFileBusyError, match="--state-file"):
        World(config)

    world.close()
    World(config).close()


def test_the_file_is_rewritten_before_it_grows_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("integrations.mailchimp.simulator.store.REWRITE_LINES", 20)
    path = tmp_path / "state.jsonl"
    world = World(SimulatorConfig(state_file=path))
    audience = world.get_audience(DEFAULT_LIST_ID)

    for _ in range(100):
        with world.change():
            world.save_audience(audience)
    world.close()

    assert len(path.read_text().splitlines()) < 30
