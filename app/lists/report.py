"""The cells and rows that could not be used, as a CSV that opens safely in a spreadsheet."""

import csv
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from app.core.errors import MusterError
from mappings.language.patch import Problem

COLUMNS = ("line", "column", "value", "reason", "next step")
# A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection); a leading quote makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ReportError(MusterError):
    """The report cannot be written there."""

    exit_code = 74  # EX_IOERR of sysexits.h


def safe_cell(value: str) -> str:
    """The value as text for a spreadsheet."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


class InvalidReport:
    """Written row by row; no file is left behind when nothing was invalid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row_count = 0
        self._file: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with self._told():
                self._file.close()

    def add(self, line: int, problems: Iterable[Problem]) -> None:
        """One row of the report per problem. ReportError where the file cannot be written."""
        for problem in problems:
            with self._told():
                if self._file is None:
                    self._open()
                cells = (problem.path or problem.field, problem.value, problem.reason, problem.hint)
                self._writer.writerow([line, *(safe_cell(cell) for cell in cells)])
            self.row_count += 1

    def _open(self) -> None:
        """For its owner alone: it holds what people wrote."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # surrogateescape writes the broken bytes of a row back as they stood
        self._file = open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: PTH123, SIM115 - a descriptor, closed in __exit__
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # not a device such as /dev/stdout
            os.fchmod(descriptor, 0o600)
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ReportError(
                f"The report {self.path} cannot be written: {error.strerror or type(error).__name__}.",
                "Choose another place: --report FILE.csv.",
            ) from error
