"""Reading a CSV export row by row, in bounded memory, without guessing silently."""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InvalidError

MAX_COLUMNS = 1_000
SAMPLE_BYTES = 1 << 20
MAX_CELL_CHARACTERS = 131_072  # csv's own default; a longer cell is an unclosed quote
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SEPARATORS = ",;\t|"
ENCODING_HINT = "Say which it is: --encoding cp1252 (Excel on Windows), utf-16, mac_roman, ..."


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: what stood under each column; `problem` where the line itself is broken."""

    line: int  # 1-based line where the row starts
    cells: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """How to read a file: found once, used for each pass."""

    path: Path
    encoding: str
    separator: str
    columns: tuple[str, ...]
    header_line: int


def open_sheet(path: Path, encoding: str = "") -> Sheet:
    """Look at the start of a file. InvalidError when it is empty, binary, too wide or in an unknown encoding."""
    if not path.is_file():
        raise InvalidError(f"There is no file {path}.", "Check the path; a CSV export is expected.")
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample.strip():
        raise InvalidError(f"{path.name} is empty.", "Export it again; the first line names the columns.")
    chosen = encoding or _find_encoding(sample, path.name)
    sheet = Sheet(path, chosen, ",", (), 0)
    lines = _lines(sheet)
    line = next(lines, "")
    header_line = 1
    separator = ""
    if line.lower().startswith("sep=") and len(line.strip()) == len("sep=x"):  # written by Excel
        separator = line[4]
        line = next(lines, "")
        header_line = 2
    separator = separator or max(SEPARATORS, key=line.count)
    columns = _name_columns(next(csv.reader(io.StringIO(line), delimiter=separator), []), path.name)
    return Sheet(path, chosen, separator, columns, header_line)


def _find_encoding(sample: bytes, name: str) -> str:
    for bom, encoding in BOMS.items():
        if sample.startswith(bom):
            return encoding
    if b"\x00" in sample[:200] and sample[:200].count(b"\x00") > len(sample[:200]) // 4:
        raise InvalidError(
            f"{name} looks like UTF-16 without a mark.", "Say --encoding utf-16-le or utf-16-be."
        )
    foreign = [line for line in sample.split(b"\n") if not line.isascii()]
    broken = [line for line in foreign if not _is_utf8(line)]
    # The last line of the sample may be cut inside a character.
    if broken and len(sample) == SAMPLE_BYTES and broken[-1] == sample.split(b"\n")[-1]:
        broken.pop()
    if broken and len(broken) == len(foreign):
        raise InvalidError(f"{name} is not UTF-8, and nothing in it says what it is.", ENCODING_HINT)
    return "utf-8"  # a few broken lines among good ones are reported row by row


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(sheet: Sheet) -> Iterator[str]:
    # surrogateescape keeps the broken bytes of one row in that row
    try:
        with sheet.path.open(encoding=sheet.encoding, errors="surrogateescape", newline="") as file:
            yield from file
    except (UnicodeError, LookupError) as error:
        raise InvalidError(f"{sheet.path.name} cannot be read as {sheet.encoding}.", ENCODING_HINT) from error


def _name_columns(cells: list[str], name: str) -> tuple[str, ...]:
    if len(cells) > MAX_COLUMNS:
        raise InvalidError(
            f"{name} has {len(cells)} columns; {MAX_COLUMNS} is the limit.", "Export fewer columns."
        )
    seen: dict[str, int] = {}
    columns = []
    for position, cell in enumerate(cells, 1):
        column = cell.strip() or f"column {position}"
        seen[column] = seen.get(column, 0) + 1
        columns.append(column if seen[column] == 1 else f"{column} {seen[column]}")
    return tuple(columns)


def iterate_rows(sheet: Sheet) -> Iterator[Row]:
    """Every row after the header. InvalidError with the line where the rest of the file cannot be read."""
    lines = _lines(sheet)
    for _ in range(sheet.header_line):
        next(lines, None)
    reader = csv.reader(lines, delimiter=sheet.separator, strict=True)
    while True:
        line = sheet.header_line + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidError(
                f"{sheet.path.name}, line {line}: {error}.",
                'A quote (") that is opened must be closed in its cell.',
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _make_row(sheet, line, cells)


def _make_row(sheet: Sheet, line: int, cells: list[str]) -> Row:
    named = dict(zip(sheet.columns, (cell.strip() for cell in cells), strict=False))
    problem = ""
    if len(cells) != len(sheet.columns):
        problem = f"{len(cells)} cells stand under {len(sheet.columns)} columns"
    elif any("\x00" in cell for cell in cells):
        problem = "a NUL character stands in it"
    elif any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
        problem = "its bytes are not UTF-8 like the rest of the file"
    return Row(line, named, problem)


def file_sha256(path: Path) -> bytes:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
