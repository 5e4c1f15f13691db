"""One child process: what it is, and how it is started so that nothing of it can be left behind."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

import psutil  # type: ignore[import-untyped]

from app.core.leash import die_with_parent
from app.core.privileges import Account

Child = subprocess.Popen[bytes]


def at_once() -> bool:
    """The readiness of a process that needs none."""
    return True


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to run. `account` None = as ourselves, with our environment and folder."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    account: Account | None = None
    is_ready: Callable[[], bool] = at_once  # asked again and again; answers within a second or two
    clear_the_way: Callable[[], None] = _nothing  # before each start
    stop_signals: tuple[signal.Signals, ...] = (
        signal.SIGTERM,
    )  # one after the other; SIGKILL comes by itself
    ready_seconds: float = 30.0
    stage: int = 1  # the highest stage is stopped first


def spawn(spec: ProcessSpec, output: int | IO[bytes]) -> Child:
    """Start it with both of its outputs going to `output`, in a group of its own.

    A group, so that Ctrl-C in the terminal reaches only the supervisor, which stops children in order. Call from a
    thread that lives as long as the child should (see leash).
    """
    account = spec.account
    return subprocess.Popen(  # noqa: S603 - our own programs, no shell
        spec.argv,
        **(account.popen_arguments() if account else {}),
        env=account.environment() if account else spec.env,
        cwd="/" if account else None,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=die_with_parent(spec.stop_signals[0]),  # noqa: PLW1509 - two system calls, no lock is taken
    )


def kill_group(pid: int) -> None:
    """SIGKILL whatever is left in the group that process `pid` led, and all that descends from it."""
    for process in _descendants(pid):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody left; macOS says EPERM for a group of zombies
        return


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children
