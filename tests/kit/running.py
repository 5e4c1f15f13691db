"""A whole Muster in processes of its own: started, spoken to over HTTP and the command line, killed, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from app.core.config import load_settings
from integrations.mailchimp.simulator.config import DEFAULT_API_KEY, DEFAULT_LIST_ID

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ask: Callable[[], Any], seconds: float = 20.0, what: str = "it") -> Any:
    """The first true answer of `ask`; AssertionError with the last answer when time runs out."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {seconds} s; last answer: {answer!r}")
        time.sleep(0.05)


class RunningMuster:
    """`muster up` in a home of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home, self.settings = home, settings
        self.port, self.sim_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sim = f"http://127.0.0.1:{self.sim_port}"
        self.process: subprocess.Popen[str] | None = None
        self.log = home.parent / "up.log"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("MUSTER_", "MAILCHIMP_", "DATABASE_", "REDIS_", "PYTHONDONTWRITEBYTECODE"))
        }
        return kept | {
            "MUSTER_HOME": str(self.home),
            "PORT": str(self.port),
            "MUSTER_SIM_PORT": str(self.sim_port),
            "PYTHONUNBUFFERED": "1",
            **self.settings,
        }

    def start(self) -> None:
        """Start and wait for the ready line."""
        with self.log.open("a") as log:
            start_at = self.log.stat().st_size
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli.main", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
            )

        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"muster up ended:\n{self.log.read_text()[-4000:]}"
            return "Muster is ready" in self.log.read_text()[start_at:]

        wait_until(is_ready, READY_SECONDS, "the ready line")

    def stop(self) -> float:
        """SIGTERM; how many seconds it took to end."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        return time.monotonic() - started

    def descendants(self) -> list[psutil.Process]:
        """Every process below `muster up`."""
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def children_named(self, word: str) -> list[psutil.Process]:
        """Descendants whose command line holds `word`."""
        found = []
        for child in self.descendants():
            try:
                if word in " ".join(child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    def kill(self, word: str) -> int:
        """kill -9 everything of that name at once; how many there were."""
        victims = self.children_named(word)
        for victim in victims:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        return len(victims)

    def kill_everything(self) -> None:
        """kill -9 of `muster up` and all below it, as when the power goes."""
        assert self.process is not None
        below = self.descendants()
        self.process.kill()
        for child in below:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(10)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One `muster` command."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli.main", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"muster {' '.join(words)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def ask(self, *words: str) -> Any:
        """What a `muster` command answers as JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    def members(self, list_id: str = DEFAULT_LIST_ID) -> dict[str, dict[str, Any]]:
        """The simulator's members by lower-case address."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            page = requests.get(
                f"{self.sim}/3.0/lists/{list_id}/members",
                params={"count": 1000, "offset": len(found)},
                auth=("any", DEFAULT_API_KEY),
                timeout=30,
            ).json()
            found |= {member["email_address"].lower(): member for member in page["members"]}
            if len(found) >= page["total_items"] or not page["members"]:
                return found

    def act(self, name: str, email: str, kind: str = "contact", **wants: Any) -> dict[str, Any]:
        """Do at the local Mailchimp what a contact or staff would do there."""
        answer = requests.post(f"{self.sim}/_sim/{kind}/{name}", json={"email": email, **wants}, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def calls(self) -> int:
        """How many API calls the local Mailchimp has had."""
        return int(requests.get(f"{self.sim}/_sim/counts", timeout=10).json()["calls"]["calls"])

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        """API requests at the local Mailchimp, oldest first."""
        answer = requests.get(f"{self.sim}/_sim/journal", params={"limit": 50_000, **query}, timeout=30)
        return list(answer.json()["entries"])

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection to its database, for checks that must not go through Muster's own code."""
        with patched_environment(self.environment):
            url = load_settings().postgres_url
        return psycopg.connect(url, autocommit=True)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of one query."""
        with self.connect() as connection:
            return connection.execute(query).fetchall()

    def is_drained(self) -> bool:
        """Nothing is due, leased or on its way."""
        return self.select(PENDING) == [(0,)]


PENDING = """
SELECT (SELECT count(*) FROM deliveries WHERE settled_at IS NULL)
     + (SELECT count(*) FROM events WHERE settled_at IS NULL)
     + (SELECT count(*) FROM changes WHERE parked_at IS NULL)
"""


@contextmanager
def patched_environment(values: dict[str, str]) -> Iterator[None]:
    """os.environ as a child process would see it, for a moment."""
    saved = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


@contextmanager
def running_muster(**settings: str) -> Iterator[RunningMuster]:
    """A started Muster with these settings, stopped and removed at the end."""
    with tempfile.TemporaryDirectory(
        prefix="muster-story-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)
        muster = RunningMuster(Path(folder) / "var", **settings)
        try:
            muster.start()
            yield muster
        finally:
            if muster.process is not None and muster.process.poll() is None:
                muster.stop()
