"""The state file is its owner's alone: members' addresses and the secrets of webhooks are in it."""

import os
import stat
from pathlib import Path

import pytest

from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.simulator.store import Store

LINE = ["clock", "", {"offset": 1}]


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def rights(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.usefixtures("umask")
def test_the_file_is_made_for_its_owner_alone_whatever_the_umask(tmp_path):
    path = tmp_path / "simulator.json"

    with RunningSimulator(SimulatorConfig(port=0, state_file=path)):
        running = {one.name: rights(one) for one in tmp_path.iterdir()}

    assert {"simulator.json": "0o600", "simulator.json.lock": "0o600"} == running


def test_a_file_that_others_could_read_is_closed_before_it_is_read(tmp_path):
    path = tmp_path / "simulator.json"
    path.touch(0o644)
    path.chmod(0o644)
    store = Store(path)

    store.read()

    assert "0o600" == rights(path)
    store.close()


def test_what_is_rewritten_never_stands_open_either(tmp_path):
    path, beside = tmp_path / "simulator.json", tmp_path / "simulator.json.new"
    beside.touch(0o644)
    beside.chmod(0o644)
    store = Store(path)
    store.read()

    def lines():
        yield LINE
        seen.append(rights(beside))

    seen: list[str] = []
    with beside.open() as left_open:
        store.rewrite(lines())
        read_by_others = left_open.read()
    store.write([LINE])
    store.close()

    assert (["0o600"], "0o600", "") == (seen, rights(path), read_by_others)
    assert 2 == len(path.read_text().splitlines())
