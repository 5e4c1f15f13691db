"""The supervisor with small real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from app.core.errors import NotRunningError
from app.core.logfile import LogFile
from app.core.process import ProcessSpec
from app.core.supervisor import Supervisor, restart_delay_seconds
from app.core.survivors import stop_known, write_known

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
# A parent that starts a child of its own in the same group, tells its pid, and waits.
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print("child", child.pid, flush=True)
time.sleep(60)
"""


def python(name: str, code: str, **more) -> ProcessSpec:
    return ProcessSpec(name=name, argv=(sys.executable, "-c", code), **more)


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said):
    made = Supervisor(tmp_path / "logs", tmp_path / "children.json", said.append)
    yield made
    made.stop()


def run_until(supervisor: Supervisor, is_done, seconds: float = 10.0) -> float:
    """Run the loop until is_done; how long that took."""
    began = time.monotonic()

    def watch():
        while not is_done() and time.monotonic() - began < seconds:
            time.sleep(0.01)
        supervisor.request_stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    supervisor.run()
    watcher.join()
    assert is_done(), f"not within {seconds} s"
    return time.monotonic() - began


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_killed_process_is_back_within_half_a_second(supervisor, said):
    supervisor.start([python("web", SLEEPER)])
    killed = supervisor.pid_of("web")
    os.kill(killed, signal.SIGKILL)

    took = run_until(supervisor, lambda: supervisor.pid_of("web") not in {0, killed})

    assert took <= 0.5
    assert said == ["web was ended by SIGKILL; starting it again in 0.1 s"]


@pytest.mark.parametrize(
    ("deaths", "seconds"), [(0, 0.1), (1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (1000, 5.0)]
)
def test_what_keeps_dying_waits_longer_up_to_five_seconds(deaths, seconds):
    assert restart_delay_seconds(deaths) == pytest.approx(seconds)


def test_a_process_that_does_not_start_is_said_with_its_last_words(supervisor):
    with pytest.raises(NotRunningError, match=r"web does not start\. It said: port taken"):
        supervisor.start([python("web", "print('port taken'); raise SystemExit(3)", is_ready=lambda: False)])


def test_a_process_that_never_gets_ready_is_given_up(supervisor):
    with pytest.raises(NotRunningError, match="web is not ready in time"):
        supervisor.start([python("web", SLEEPER, is_ready=lambda: False, ready_seconds=0.2)])


def test_start_returns_when_the_last_of_them_is_ready(supervisor, tmp_path):
    flag = tmp_path / "flag"
    code = f"import time, pathlib; time.sleep(0.3); pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"

    supervisor.start([python("quick", SLEEPER), python("slow", code, is_ready=flag.exists)])

    assert flag.exists()


def test_a_full_disk_stops_no_process(tmp_path):
    """The list of children cannot be written, as when no space is left; the log's directory cannot either."""
    supervisor = Supervisor(tmp_path / "logs", tmp_path / "no such folder" / "children.json", lambda _: None)
    supervisor.start([python("web", SLEEPER)])
    killed = supervisor.pid_of("web")
    os.kill(killed, signal.SIGKILL)

    run_until(supervisor, lambda: supervisor.pid_of("web") not in {0, killed})

    supervisor.stop()


def test_a_program_that_vanished_is_tried_again_until_it_is_back(supervisor, said, tmp_path):
    program = tmp_path / "program"
    program.symlink_to(sys.executable)
    supervisor.start([ProcessSpec(name="web", argv=(str(program), "-c", SLEEPER))])
    killed = supervisor.pid_of("web")
    program.unlink()
    os.kill(killed, signal.SIGKILL)
    restore = threading.Timer(1.0, lambda: program.symlink_to(sys.executable))
    restore.start()

    run_until(supervisor, lambda: supervisor.pid_of("web") not in {0, killed})

    restore.join()
    assert said[0].startswith("web was ended by SIGKILL")
    assert said[1].startswith("web could not be started: ")


def test_a_process_that_keeps_dying_is_not_announced_each_time(supervisor, said, monkeypatch):
    monkeypatch.setattr("app.core.supervisor.restart_delay_seconds", lambda _: 0.0)
    supervisor.start([python("web", "raise SystemExit(1)")])

    run_until(supervisor, lambda: len(said) >= 8, 20)

    assert len(said) == 8  # the first six, the twelfth, the eighteenth


def test_later_stages_stop_before_earlier_ones(tmp_path):
    trace = tmp_path / "trace"
    code = f"""
import signal, sys, time
def note(*_):
    open({str(trace)!r}, "a").write(sys.argv[1] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
print("up", flush=True)
time.sleep(60)
"""
    supervisor = Supervisor(tmp_path / "logs", tmp_path / "children.json", lambda _: None)
    for name, stage in (("server", 0), ("program", 1)):
        argv = (sys.executable, "-c", code, name)
        log = tmp_path / "logs" / f"{name}.log"
        supervisor.start(
            [
                ProcessSpec(
                    name=name, argv=argv, stage=stage, is_ready=lambda log=log: log.read_text() == "up\n"
                )
            ]
        )

    supervisor.stop()

    assert trace.read_text().split() == ["program", "server"]


def test_what_does_not_listen_is_killed_within_ten_seconds(tmp_path):
    supervisor = Supervisor(tmp_path / "logs", tmp_path / "children.json", lambda _: None)
    log = tmp_path / "logs" / "deaf.log"
    supervisor.start([python("deaf", STUBBORN, is_ready=lambda: "deaf" in log.read_text())])
    pid = supervisor.pid_of("deaf")

    began = time.monotonic()
    supervisor.stop()

    assert time.monotonic() - began < 10
    assert not is_alive(pid)


def test_asking_twice_stops_at_once(tmp_path):
    supervisor = Supervisor(tmp_path / "logs", tmp_path / "children.json", lambda _: None)
    log = tmp_path / "logs" / "deaf.log"
    supervisor.start([python("deaf", STUBBORN, is_ready=lambda: "deaf" in log.read_text())])
    supervisor.request_stop()
    supervisor.request_stop()

    began = time.monotonic()
    supervisor.stop()

    assert time.monotonic() - began < 1


def grandchild_of(log: Path) -> int:
    return int(log.read_text().splitlines()[0].split()[1])


def test_children_of_a_killed_process_do_not_live_on(supervisor, tmp_path):
    log = tmp_path / "logs" / "web.log"
    supervisor.start([python("web", PARENT, is_ready=lambda: log.read_text().endswith("\n"))])
    grandchild = grandchild_of(log)
    os.kill(supervisor.pid_of("web"), signal.SIGKILL)

    run_until(supervisor, lambda: not is_alive(grandchild))


def test_the_log_keeps_everything_and_the_terminal_only_trouble(supervisor, said, tmp_path):
    log = tmp_path / "logs" / "web.log"
    code = f"""
print("plain line")
print('{{"level": "error", "event": "broken"}}')
print("done", flush=True)
{SLEEPER}
"""
    supervisor.start([python("web", code, is_ready=lambda: "done" in log.read_text())])

    assert log.read_text().splitlines() == ["plain line", '{"level": "error", "event": "broken"}', "done"]
    assert said == ["web: error: broken"]


def test_a_flood_of_errors_does_not_flood_the_terminal(supervisor, said, tmp_path):
    code = f"""
for number in range(5000):
    print('{{"level": "error", "event": "broken"}}')
print("done", flush=True)
{SLEEPER}
"""
    log = tmp_path / "logs" / "web.log"
    supervisor.start([python("web", code, is_ready=lambda: log.read_text().endswith("done\n"))])

    assert len(said) == 21
    assert said[-1] == f"web: more of this is in {log}"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_children_end_when_the_supervisor_is_killed(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from app.core.process import ProcessSpec
from app.core.supervisor import Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}) / "logs", Path({str(tmp_path)!r}) / "children.json", print)
supervisor.start([ProcessSpec(name=name, argv=(sys.executable, "-c", {SLEEPER!r})) for name in ("a", "b")])
print(supervisor.pid_of("a"), supervisor.pid_of("b"), flush=True)
supervisor.run()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as running:
        children = [int(pid) for pid in running.stdout.readline().split()]
        running.kill()

    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert len(children) == 2
    assert [pid for pid in children if is_alive(pid)] == []


def test_survivors_of_an_earlier_run_are_stopped(tmp_path):
    state = tmp_path / "children.json"
    with subprocess.Popen([sys.executable, "-c", SLEEPER]) as survivor:
        write_known(state, [(survivor.pid, signal.SIGTERM)])

        assert stop_known(state) == 1
        assert not is_alive(survivor.pid)
    assert not state.exists()


def test_a_stranger_that_got_the_number_of_a_dead_child_is_left_alone(tmp_path):
    state = tmp_path / "children.json"
    with subprocess.Popen([sys.executable, "-c", SLEEPER]) as stranger:
        state.write_text(f"[[{stranger.pid}, 1000.0, 15]]")

        assert stop_known(state) == 0
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("content", ["", "[[1", "[]"])
def test_a_torn_list_of_children_names_nobody(tmp_path, content):
    state = tmp_path / "children.json"
    state.write_text(content)

    assert stop_known(state) == 0


def test_a_log_file_is_rotated_and_bounded(tmp_path):
    log = LogFile(tmp_path / "web.log", file_bytes=100)

    for number in range(100):
        log.write(f"{number:09}\n".encode())
    log.close()

    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["web.log", "web.log.1", "web.log.2"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 300
    assert (tmp_path / "web.log").read_text().endswith("000000099\n")


def test_a_log_file_of_an_earlier_run_is_continued(tmp_path):
    for word in (b"first\n", b"second\n"):
        log = LogFile(tmp_path / "web.log")
        log.write(word)
        log.close()

    assert (tmp_path / "web.log").read_text() == "first\nsecond\n"
