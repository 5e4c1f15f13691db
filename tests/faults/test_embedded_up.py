"""`muster up` with everything it starts: ready, restarted, stopped, refused."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PART = re.compile(r"^  (\S+) +process (\d+)", re.MULTILINE)


@dataclass
class Running:
    """A `muster up` in a process of its own and what it printed until it was ready."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    lines: list[str] = field(default_factory=list)

    @property
    def parts(self) -> dict[str, int]:
        return {name: int(pid) for name, pid in PART.findall("\n".join(self.lines))}


def free_port() -> int:
    """A port whose successor is free too: the simulator takes that one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for the file."""
    path = Path(tempfile.mkdtemp(prefix="muster-up-", dir="/tmp"))
    path.chmod(0o755)
    yield path / "var"
    shutil.rmtree(path, ignore_errors=True)


def environment(home: Path, port: int) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "MAILCHIMP_"))
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        kept.pop(name, None)
    sim = {"MUSTER_SIM_PORT": str(port + 1)}
    return {
        **kept,
        **sim,
        "MUSTER_HOME": str(home),
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start_up(home: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "up"],
        env=environment(home, port), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # A shell starts what it puts into the background with SIGINT ignored, and children inherit that.
        preexec_fn=hear_interrupts,  # noqa: PLW1509 - one call, before any thread of the child
    )  # fmt: skip


@contextmanager
def up(home: Path) -> Iterator[Running]:
    port = free_port()
    with start_up(home, port) as process:
        running = Running(process, port, home)
        try:
            for line in process.stdout:
                running.lines.append(line.rstrip())
                if line.startswith("Muster is ready"):
                    break
            else:
                pytest.fail("\n".join(running.lines))
            yield running
        finally:
            process.terminate()
            process.wait(20)


def processes_of(home: Path) -> list[str]:
    """Command lines of everything alive that belongs to this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if process.environ().get("MUSTER_HOME") == str(home) or str(home) in " ".join(process.cmdline()):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def status_of(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_for(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_met


def stop(running: Running, number: signal.Signals) -> tuple[int, float]:
    """Its exit code, and how many seconds it took to end."""
    began = time.monotonic()
    running.process.send_signal(number)
    return running.process.wait(20), time.monotonic() - began


@pytest.fixture(scope="module")
def first(home: Path) -> Iterator[Running]:
    """The first start on this home; it runs until all that it is asked has been."""
    with up(home) as running:
        yield running


def test_a_fresh_start_says_it_is_ready_and_offers_the_first_admin(first):
    following = first.process.stdout.readline()

    assert first.lines[-1] == f"Muster is ready: http://127.0.0.1:{first.port}"
    assert following.startswith(f"Make the first admin here, once: http://127.0.0.1:{first.port}/")
    assert list(first.parts) == ["sim", "web", "worker-1", "worker-2", "sweep"]
    assert status_of(first.port) == 200


def test_a_second_start_on_the_same_home_is_refused_with_a_sentence(home, first):
    second = start_up(home, free_port())
    said, _ = second.communicate(timeout=30)

    assert second.returncode == 75
    assert f"Error: Muster is already running on {home} (process {first.process.pid})." in said
    assert status_of(first.port) == 200


def test_every_part_that_is_killed_comes_back_and_a_stop_signal_leaves_none(home, first):
    for pid in first.parts.values():
        os.kill(pid, signal.SIGKILL)

    assert wait_for(lambda: status_of(first.port) == 200 and len(processes_of(home)) > 5, 180)
    assert first.process.poll() is None
    exit_code, took = stop(first, signal.SIGTERM)
    assert (exit_code, processes_of(home)) == (0, [])
    assert took < 10


def test_killed_as_a_whole_it_starts_again_at_once_and_an_interrupt_leaves_none(home):
    with up(home) as running:
        running.process.kill()
        running.process.wait()

    with up(home) as again:
        assert status_of(again.port) == 200
        exit_code, took = stop(again, signal.SIGINT)

    assert (exit_code, processes_of(home)) == (0, [])
    assert took < 10


def test_a_taken_port_is_refused_with_a_sentence(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        process = start_up(home, port)
        said, _ = process.communicate(timeout=30)

    assert process.returncode == 78
    assert f"Muster cannot listen on 127.0.0.1 port {port}" in said
    assert "Traceback" not in said
