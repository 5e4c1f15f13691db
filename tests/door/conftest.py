"""A real web process, real signatures, real connections."""

import base64
import hmac
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.core.config import Settings, load_settings, runtime_dir
from app.core.db import make_sessions, transaction
from app.core.secretbox import SecretBox
from app.sources.configure import add_source
from tests.conftest import empty_database

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Web:
    """A running web process."""

    port: int
    process: subprocess.Popen
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def raw(self, sent: bytes, wait_seconds: float = 3.0) -> bytes:
        """Everything that comes back on one connection until it closes, or until nothing came for a while."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(sent)
            connection.settimeout(wait_seconds)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return answer


@contextmanager
def running_web(
    settings: Settings, log: Path, *, body_seconds: float = 10.0, processes: int = 2
) -> Iterator[Web]:
    port = free_port()
    environ = {
        **os.environ,
        "MUSTER_HOME": str(settings.home),
        "MUSTER_RUN_DIR": str(settings.run_dir),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PORT": str(port),
        "MUSTER_WEB_PROCESSES": str(processes),
        "MUSTER_BODY_SECONDS": str(body_seconds),
        "PYTHONPATH": f"{ROOT}:{HERE}",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "door_app.py")], env=environ, stdout=output, stderr=output, cwd=ROOT
        )
    web = Web(port, process, log)
    try:
        wait_until(lambda: is_up(web), 20)
        yield web
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def is_up(web: Web) -> bool:
    if web.process.poll() is not None:
        raise RuntimeError(web.log.read_text()[-2000:])
    try:
        return requests.get(f"{web.url}/healthz", timeout=1).status_code == 200
    except requests.RequestException:
        return False


def wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("it did not come true")
        time.sleep(0.02)


@dataclass(frozen=True)
class Hook:
    """A Standard Webhooks source, and how its platform signs."""

    slug: str
    path: str
    secret: str

    def headers(self, body: bytes, *, message: str | None = None, at: float | None = None) -> dict[str, str]:
        identifier = message or f"msg_{uuid.uuid4().hex}"
        stamp = str(int(time.time() if at is None else at))
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.digest(key, f"{identifier}.{stamp}.".encode() + body, "sha256")
        return {
            "content-type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    def post(self, web: Web, body: bytes, **options) -> requests.Response:
        return requests.post(web.url + self.path, body, headers=self.headers(body, **options), timeout=15)


def new_slug() -> str:
    return f"s{uuid.uuid4().hex[:12]}"


def add_hook(
    sessions: sessionmaker[Session], box: SecretBox, integration: str = "standard_webhooks", **given: str
) -> Hook:
    with transaction(sessions) as session:
        added = add_source(session, box, integration, new_slug(), given)
    return Hook(added.slug, added.hook_path, added.secret)


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """A session factory on an empty database, emptied while web processes look into it."""
    _empty(engine)
    return make_sessions(engine)


def _empty(engine: Engine) -> None:
    """Like `empty_database`, again where a web process held the tables in another order."""
    for _ in range(5):
        try:
            empty_database(engine)
        except OperationalError as error:
            deadlock = error
        else:
            return
    raise deadlock


@pytest.fixture(scope="module")
def web(settings: Settings, database_url: str, box: SecretBox, tmp_path_factory) -> Iterator[Web]:
    """One web server for the tests of a file that leave its servers alone; slow bodies are cut after one second."""
    log = tmp_path_factory.mktemp("web") / "web.log"
    with running_web(settings, log, body_seconds=1.0) as web:
        yield web


@pytest.fixture
def hook(sessions: sessionmaker[Session], box: SecretBox) -> Hook:
    return add_hook(sessions, box)


@pytest.fixture
def add(sessions: sessionmaker[Session], box: SecretBox) -> Callable[..., Hook]:
    return lambda integration="standard_webhooks", **given: add_hook(sessions, box, integration, **given)


@pytest.fixture
def rows(sessions: sessionmaker[Session]) -> Callable[..., list]:
    """Rows of a SELECT, as tuples."""

    def ask(statement: str, **values) -> list:
        with sessions() as session:
            return [tuple(row) for row in session.execute(text(statement), values)]

    return ask


@pytest.fixture
def kit() -> SimpleNamespace:
    """The parts above, for tests that stop and start servers of their own."""
    return SimpleNamespace(running_web=running_web, add_hook=add_hook, wait_until=wait_until)


@pytest.fixture
def own():
    """Settings of servers that a test may stop and start."""
    home = Path(tempfile.mkdtemp(prefix="muster-door-"))
    home.chmod(0o711)
    settings = replace(load_settings(), home=home, run_dir=runtime_dir(home), database_url="", redis_url="")
    yield settings
    shutil.rmtree(settings.run_dir, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
