"""Server processes that outlived their supervisor: found by what they serve, stopped before a new start."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

GRACE_SECONDS = 5.0


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
