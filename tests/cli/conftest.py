"""The command line as a person calls it: words in, exit code and both outputs out."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from app.cli.main import main
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(settings, monkeypatch, capsys) -> Callable[..., Ended]:
    """`muster WORDS` in this process, on the servers of the test session."""

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["muster", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        code = stopped.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture
def simulator(monkeypatch) -> Iterator[RunningSimulator]:
    """A Mailchimp of its own, which the commands know of."""
    with RunningSimulator(SimulatorConfig(port=0)) as running:
        monkeypatch.setenv("MUSTER_SIM_PORT", str(running.port))
        yield running
