"""Keeps the simulator's state over kill -9: one line for each change, appended before the answer goes out.

A line is whole or torn, and a torn last one is ignored: its answer never went out. At the start, and when the file
has grown to several times what lives in it, it is rewritten beside and renamed. Only its owner may read it: members'
addresses and the secrets of webhooks are in it.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from integrations.mailchimp.simulator.store_lines import State

REWRITE_LINES = 200_000
OWNER_ONLY = 0o600
_encode = json.JSONEncoder(separators=(",", ":")).encode


class StateFileBusyError(Exception):
    """Another simulator has the state file open."""


class Store:
    """The state file, or nothing at all where none is wanted."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._lock_file: IO[str] | None = None
        self._line_count = 0

    @property
    def is_wanted(self) -> bool:
        return self._file is not None

    def read(self) -> State:
        """Everything as last written; takes the file for this process alone."""
        state = State()
        if self._path is None:
            return state
        self._take(self._path)
        for kind, key, body in _lines(self._path):
            state.take(kind, key, body)
        return state

    def _take(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _open_private(path.with_suffix(path.suffix + ".lock"), os.O_TRUNC)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise StateFileBusyError(
                f"Another simulator is using {path}; give this one its own --state-file."
            ) from None
        if path.exists():
            path.chmod(OWNER_ONLY)

    def write(self, lines: list[list[Any]]) -> None:
        """Append and hand over to the operating system, so that killing this process loses nothing."""
        if self._file is None or not lines:
            return
        self._line_count += len(lines)
        self._file.write(_encode(lines[0] if len(lines) == 1 else ["many", "", lines]) + "\n")
        self._file.flush()

    def rewrite(self, lines: Iterable[list[Any]]) -> None:
        """Write everything beside the file and put it in its place."""
        if self._path is None:
            return
        beside = self._path.with_suffix(self._path.suffix + ".new")
        count = 0
        beside.unlink(missing_ok=True)  # of a run that was killed meanwhile; somebody may have it open
        with _open_private(beside, os.O_EXCL) as file:
            for line in lines:
                file.write(_encode(line) + "\n")
                count += 1
        if self._file is not None:
            self._file.close()
        beside.replace(self._path)
        self._file = _open_private(self._path, os.O_APPEND)
        self._line_count = count

    def is_due_for_rewrite(self, live_count: int) -> bool:
        return self._line_count > max(REWRITE_LINES, 5 * live_count)

    def close(self) -> None:
        for file in (self._file, self._lock_file):
            if file is not None:
                file.close()
        self._file = self._lock_file = None


def _open_private(path: Path, flags: int) -> IO[str]:
    """For writing; nobody else may read it, from its creation on and whatever the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, OWNER_ONLY)
    os.fchmod(descriptor, OWNER_ONLY)  # a umask takes rights away, also the owner's
    return os.fdopen(descriptor, "w")


def _lines(path: Path) -> Iterable[list[Any]]:
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            if not text.endswith("\n"):
                return  # torn by a kill in the middle of the write; its answer never went out
            yield json.loads(text)
