"""Server processes that outlived their supervisor: found by what they serve, stopped before a new start."""

import json
import logging
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
SAME_START_SECONDS = 2.0  # start times are computed from the boot time, which moves when the clock is set


def list_serving(program: str, data: Path) -> list[psutil.Process]:
    """Living processes of `program` that work inside `data`: the server itself and what it forked.

    A server names the folder on its command line or stands in it. Zombies are dead and only wait to be reaped.
    """
    return [process for process in psutil.process_iter(["name"]) if _is_serving(process, program, data)]


def _is_serving(process: psutil.Process, program: str, data: Path) -> bool:
    try:
        if not (process.info["name"] or "").startswith(program) or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return str(data) in process.cmdline() or Path(process.cwd()) == data
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):  # gone meanwhile, or not ours to see
        return False


def stop_serving(program: str, data: Path, signals: Sequence[signal.Signals]) -> int:
    """Stop what still serves `data`, asking politely first; answers how many processes there were.

    Each signal is followed by up to GRACE_SECONDS of waiting; the last resort is SIGKILL.
    """
    found = list_serving(program, data)
    remaining = found
    for number in (*signals, signal.SIGKILL):
        for process in remaining:
            _send(process, number)
        remaining = _wait_until_gone(lambda: list_serving(program, data), GRACE_SECONDS)
        if not remaining:
            break
    if found:
        log.warning("stopped %d processes of %s left by an earlier run", len(found), program)
    return len(found)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil checks the start time first, so a reused pid is never hit
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        log.debug("process %d went away by itself", process.pid)


def _wait_until_gone(list_them: Callable[[], list[psutil.Process]], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (remaining := list_them()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return remaining


def write_known(path: Path, children: Sequence[tuple[int, int]]) -> None:
    """Keep (pid, stop signal) of running children, with the start time that tells a pid from its reuse."""
    known = [[pid, _created_at(pid), number] for pid, number in children]
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(known), encoding="utf-8")
    draft.replace(path)


def _created_at(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def stop_known(path: Path) -> int:
    """Stop children that write_known kept and that outlived their supervisor; answers how many there were."""
    survivors = [(process, number) for process, number in _list_known(path) if process.is_running()]
    for process, number in survivors:
        _send(process, signal.Signals(number))
    processes = [process for process, _ in survivors]
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)
    path.unlink(missing_ok=True)
    return len(survivors)


def _list_known(path: Path) -> list[tuple[psutil.Process, int]]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a clean stop left none; a torn file names nobody for certain
        return []
    found = []
    for pid, created_at, number in kept:
        if created_at and abs(_created_at(pid) - created_at) < SAME_START_SECONDS:
            found.append((psutil.Process(pid), number))
    return found
