"""Log files of child processes: appended to, rotated by size, never larger than agreed."""

from pathlib import Path

FILE_BYTES = 5_000_000
KEPT_FILES = 2  # name.log, name.log.1, name.log.2


class LogFile:
    """`write` appends bytes; past FILE_BYTES the file becomes name.log.1 and a new one begins.

    A full disk loses log lines, never the process that writes them.
    """

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self.path, self._file_bytes = path, file_bytes
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, chunk: bytes) -> None:
        try:
            if self._size + len(chunk) > self._file_bytes:
                self._rotate()
            self._file.write(chunk)
        except OSError:  # no space: the supervisor goes on, the lines are gone
            return
        self._size += len(chunk)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(KEPT_FILES, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self.path.open("ab", buffering=0)
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def close(self) -> None:
        self._file.close()
