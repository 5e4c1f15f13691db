"""The supervisor: starts processes, forwards what they say, restarts what dies, stops all in order.

One thread and one loop, so that forking is safe and the kernel's leash (see leash) hangs on the right thread.
"""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from app.core.errors import NotRunningError
from app.core.logfile import LogFile
from app.core.outlook import noteworthy
from app.core.process import Child, ProcessSpec, kill_group, spawn
from app.core.survivors import write_known

TICK_SECONDS = 0.1
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
SETTLED_SECONDS = 10.0  # a process that lived so long starts with a clean slate
SAID_DEATHS = 6  # in a row, and then every sixth
DEATHS_AT_START = 3  # then a first start counts as failed
STOP_SECONDS = 5.0  # for a stage, until it is killed; the web server gives its clients four
STOP_ALL_SECONDS = 7.5  # of the ten promised: a busy machine is slow to end processes, too
CHUNK_BYTES = 65_536
LAST_LINES = 8
SHOWN_LINES = 20  # a process in SHOWN_SECONDS; the rest is in its log file
SHOWN_SECONDS = 10.0


def restart_delay_seconds(quick_death_count: int) -> float:
    """0.1 s after the first death, doubling to 5 s for one that keeps dying."""
    return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**quick_death_count))


class Outlet:
    """What one process says: all of it to its log file, the noteworthy to the terminal, within a bound."""

    def __init__(self, name: str, logs: Path, say: Callable[[str], None]) -> None:
        self.name, self._say = name, say
        self._log = LogFile(logs / f"{name}.log")
        self._rest = b""
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._window_start, self._shown_count = 0.0, 0

    def take(self, chunk: bytes) -> None:
        self._log.write(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > CHUNK_BYTES:  # a line without an end is not kept in memory
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            self.last_lines.append(text[:500])
            if shown := noteworthy(text):
                self._show(shown)

    def _show(self, text: str) -> None:
        now = time.monotonic()
        if now - self._window_start > SHOWN_SECONDS:
            self._window_start, self._shown_count = now, 0
        self._shown_count += 1
        if self._shown_count <= SHOWN_LINES:
            self._say(f"{self.name}: {text}")
        elif self._shown_count == SHOWN_LINES + 1:
            self._say(f"{self.name}: more of this is in {self._log.path}")

    def close(self) -> None:
        self._log.close()


class Ward:
    """One process under supervision."""

    def __init__(self, spec: ProcessSpec, outlet: Outlet) -> None:
        self.spec, self.outlet = spec, outlet
        self.child: Child | None = None
        self.started_at = 0.0  # monotonic, as all times here
        self.restart_at = 0.0
        self.quick_death_count = 0

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None


class Supervisor:
    """Runs ProcessSpecs. `state_file` lists the children for the next start, `say` prints a line for a person."""

    def __init__(self, logs: Path, state_file: Path, say: Callable[[str], None]) -> None:
        logs.mkdir(mode=0o700, exist_ok=True)
        self._logs, self._state_file, self._say = logs, state_file, say
        self._selector = selectors.DefaultSelector()
        self._wards: list[Ward] = []
        self._stop_requests = 0

    def request_stop(self) -> None:
        """For signal handlers. Asked a second time, it does not wait any more."""
        self._stop_requests += 1

    @property
    def is_stopping(self) -> bool:
        return self._stop_requests > 0

    def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start them side by side and return when each is ready, or a stop was requested.

        NotRunningError with a process's last words when it dies again and again or does not get ready.
        """
        wards = [Ward(spec, Outlet(spec.name, self._logs, self._say)) for spec in specs]
        for ward in wards:
            self._wards.append(ward)
            self._spawn(ward)
        waiting = list(wards)
        while waiting and not self.is_stopping:
            self._tick(0.02)
            for ward in waiting:
                _check_start(ward)
            waiting = [ward for ward in waiting if not (ward.is_running and ward.spec.is_ready())]

    def run(self) -> None:
        """Watch over all of them until a stop is requested."""
        while not self.is_stopping:
            self._tick(TICK_SECONDS)

    def pid_of(self, name: str) -> int:
        """The process id behind a name; 0 while it is down."""
        return next((w.child.pid for w in self._wards if w.spec.name == name and w.child is not None), 0)

    def _tick(self, seconds: float) -> None:
        self._forward(seconds)
        now = time.monotonic()
        for ward in self._wards:
            if ward.child is not None and ward.child.poll() is not None:
                self._note_death(ward)
            elif ward.child is None and now >= ward.restart_at and not self.is_stopping:
                self._spawn(ward)

    def _spawn(self, ward: Ward) -> None:
        ward.started_at = time.monotonic()
        reading, writing = os.pipe()
        try:
            ward.spec.clear_the_way()
            ward.child = spawn(ward.spec, writing)
        except (
            OSError,
            subprocess.SubprocessError,
        ) as error:  # no process or memory left, or the program is gone
            os.close(reading)
            self._plan_restart(ward, f"could not be started: {error}")
            return
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, ward.outlet)
        self._remember()

    def _note_death(self, ward: Ward) -> None:
        child = ward.child
        assert child is not None
        kill_group(child.pid)  # what it left behind would hold its port
        ward.child = None
        self._plan_restart(ward, _ending(child.returncode))

    def _plan_restart(self, ward: Ward, reason: str) -> None:
        now = time.monotonic()
        is_quick = now - ward.started_at < SETTLED_SECONDS
        ward.quick_death_count = ward.quick_death_count + 1 if is_quick else 1
        delay = restart_delay_seconds(ward.quick_death_count - 1)
        ward.restart_at = now + delay
        if ward.quick_death_count <= SAID_DEATHS or ward.quick_death_count % SAID_DEATHS == 0:
            self._say(f"{ward.spec.name} {reason}; starting it again in {delay:.1f} s")

    def _forward(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            descriptor, outlet = key.fd, key.data
            try:
                chunk = os.read(descriptor, CHUNK_BYTES)
            except BlockingIOError:
                continue
            if chunk:
                outlet.take(chunk)
            else:
                self._selector.unregister(descriptor)
                os.close(descriptor)

    def _remember(self) -> None:
        children = [
            (w.child.pid, w.spec.stop_signals[0]) for w in reversed(self._wards) if w.child is not None
        ]
        with suppress(OSError):  # a full disk must not stop what will outlast it
            write_known(self._state_file, children)

    def stop(self) -> None:
        """Stop everything within 10 seconds, the latest stage first; what does not listen is killed."""
        self._stop_requests = max(1, self._stop_requests)
        end = time.monotonic() + STOP_ALL_SECONDS
        for stage in sorted({ward.spec.stage for ward in self._wards}, reverse=True):
            self._stop_stage([ward for ward in self._wards if ward.spec.stage == stage], end)
        self._forward(0)
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        for ward in self._wards:
            ward.outlet.close()
        self._state_file.unlink(missing_ok=True)

    def _stop_stage(self, wards: Sequence[Ward], end: float) -> None:
        stage_end = min(end, time.monotonic() + STOP_SECONDS)
        rounds = max(len(ward.spec.stop_signals) for ward in wards)
        for number in range(rounds):
            for ward in wards:
                _signal(ward, number)
            share = (stage_end - time.monotonic()) / (rounds - number)
            self._wait_for_end(wards, time.monotonic() + share)
        for ward in wards:
            if ward.child is not None:
                kill_group(ward.child.pid)
                ward.child.wait()

    def _wait_for_end(self, wards: Sequence[Ward], deadline: float) -> None:
        while any(ward.is_running for ward in wards):
            if time.monotonic() > deadline or self._stop_requests > 1:
                return
            self._forward(0.02)


def _signal(ward: Ward, number: int) -> None:
    signals = ward.spec.stop_signals
    if ward.child is not None and ward.is_running and number < len(signals):
        ward.child.send_signal(signals[number])


def _check_start(ward: Ward) -> None:
    is_late = ward.is_running and time.monotonic() - ward.started_at > ward.spec.ready_seconds
    if ward.quick_death_count < DEATHS_AT_START and not is_late:
        return
    problem = "is not ready in time" if is_late else "does not start"
    words = " | ".join(line for line in ward.outlet.last_lines if line)
    raise NotRunningError(
        f"{ward.spec.name} {problem}. It said: {words or 'nothing'}", "`muster doctor` checks each part."
    )


def _ending(return_code: int) -> str:
    if return_code < 0:
        return f"was ended by {signal.Signals(-return_code).name}"
    return f"ended with exit code {return_code}"
