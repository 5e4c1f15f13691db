"""`muster up` starts the local Mailchimp only where there is no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import binding
from app.audiences.models import Destination
from app.cli.up import prepare_database, start_programs, up
from app.core.config import Settings
from app.core.process import ProcessSpec
from app.core.secretbox import SecretBox
from tests.kit.running import free_port

REAL, LOCAL = "https://us6.api.mailchimp.com/3.0", "http://127.0.0.1:9/3.0"
KEY = "a" * 32 + "-us6"


@dataclass
class Recording:
    """A supervisor that only remembers what it was to start."""

    is_stopping: bool = False
    names: list[str] = field(default_factory=list)

    def start(self, specs: Sequence[ProcessSpec]) -> None:
        self.names += [spec.name for spec in specs]

    def pid_of(self, _name: str) -> int:
        return 1


@pytest.fixture
def connect(sessions: sessionmaker[Session], box: SecretBox) -> Callable[[list[str]], None]:
    """Accounts connected by signing in."""

    def connect(base_urls: list[str]) -> None:
        with sessions.begin() as session:
            for number, base_url in enumerate(base_urls):
                slug = f"college{number}"
                sealed = box.seal("token", binding(slug))
                session.add(Destination(slug=slug, base_url=base_url, login="oauth", sealed_key=sealed))

    return connect


@pytest.mark.parametrize(
    ("api_key", "base_urls", "is_started"),
    [("", [], True), ("", [REAL], False), ("", [LOCAL, REAL], False), ("", [LOCAL], True), (KEY, [], False)],
)
def test_the_local_mailchimp_starts_only_where_there_is_no_other(
    settings: Settings,
    connect: Callable[[list[str]], None],
    api_key: str,
    base_urls: list[str],
    is_started: bool,
) -> None:
    connect(base_urls)
    chosen = replace(settings, mailchimp_api_key=api_key, sim_port=free_port())
    supervisor: Any = Recording()

    start_programs(chosen, supervisor, is_rehearsal=prepare_database(chosen))

    assert is_started == ("sim" in supervisor.names)
    assert {"web", "worker-1", "sweep"} <= set(supervisor.names)


@pytest.mark.parametrize(("left", "is_gone"), [((), True), (("valkey.sock",), False)])
def test_the_folder_of_the_sockets_goes_with_the_last_of_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...], is_gone: bool
) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    for name in left:
        (run_dir / name).touch()
    chosen = replace(settings, home=tmp_path / "var", run_dir=run_dir, port=free_port())
    monkeypatch.setattr("app.cli.up.load_settings", lambda: chosen)
    monkeypatch.setattr("app.cli.up.configure_log", lambda *_: None)
    monkeypatch.setattr("app.cli.up._listen_for_stops", lambda *_: None)
    monkeypatch.setattr("app.cli.up.run_all", lambda *_: None)

    ended = CliRunner().invoke(up, [])

    assert (0, is_gone) == (ended.exit_code, not run_dir.exists())
