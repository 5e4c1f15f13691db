"""The command line as a person calls it: words in, exit code and both outputs out."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.cli.main import main


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
