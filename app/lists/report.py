"""The cells and rows that could not be used, as a CSV that opens safely in a spreadsheet."""

import csv
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from mappings.language.patch import Problem

COLUMNS = ("line", "column", "value", "reason", "next step")
# A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection); a leading quote makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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
            self._file.close()

    def add(self, line: int, problems: Iterable[Problem]) -> None:
        """One row of the report per problem."""
        for problem in problems:
            if self._file is None:
                # surrogateescape writes the broken bytes of a row back as they stood
                self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
                self._writer = csv.writer(self._file)
                self._writer.writerow(COLUMNS)
            cells = (problem.path or problem.field, problem.value, problem.reason, problem.hint)
            self._writer.writerow([line, *(safe_cell(cell) for cell in cells)])
            self.row_count += 1
