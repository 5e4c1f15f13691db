"""The home folder: what one Muster keeps on this machine, held by one start of it at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.core.errors import BusyError, ConfigError


def make_home(home: Path) -> Path:
    """The home folder. As root others may pass through it, so that the servers' account reaches its own folders."""
    try:
        home.mkdir(parents=True)
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except FileExistsError:
        return home
    except OSError as error:
        raise _unusable(home, error) from error
    return home


@contextmanager
def exclusive_home(home: Path) -> Iterator[None]:
    """Hold the home for one Muster at a time; the kernel lets go when the holder dies, however it dies."""
    path = make_home(home) / "lock"
    try:
        lock = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _unusable(home, error) from error
    with lock:
        _lock(lock, home)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _lock(lock: IO[str], home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        raise BusyError(
            f"Muster is already running on {home} (process {lock.read().strip() or 'unknown'}).",
            "Stop that one first, or set MUSTER_HOME to another folder.",
        ) from None


def _unusable(home: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"Muster cannot write to its home {home}: {error.strerror}.",
        "Run it as the owner of that folder, or set MUSTER_HOME to a folder of your own.",
    )
