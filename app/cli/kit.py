"""What every command shares: the runtime, `--json`, tables."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import click
import structlog
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from app.core.config import load_settings
from app.core.log import redact
from app.core.runtime import Runtime
from app.tables import ROOMS


class RowId(click.IntRange):
    """The number of a row, a bigint of PostgreSQL: `what` it numbers, and where it is `found`."""

    def __init__(self, what: str = "something that is kept here", found: str = "") -> None:
        super().__init__(1, 2**63 - 1)
        self.what, self.found = what, found

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{str(value)[:60]!r} is not the number of {self.what}. {self.found}".rstrip(), param, ctx
            )


ROW_ID = RowId()
CONTACT_ID = RowId("a contact", "`muster contacts find ADDRESS` gives it.")
LIMIT = click.IntRange(1, 1000)
COLUMN_GAP = 2


def open_runtime() -> Runtime:
    """The runtime of this process, from the environment; closed when the command ends."""
    assert ROOMS  # their tables are known before the first row
    log_to_stderr()
    runtime = Runtime(load_settings())
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(lambda: close_runtime(runtime))
    return runtime


def log_to_stderr() -> None:
    """The log's lines go to stderr, so that a command's answer stays alone on stdout. Servers set up their own."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        # Asked for at each line: whoever redirects stderr meanwhile is followed.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def close_runtime(runtime: Runtime) -> None:
    """Close what was opened."""
    opened = vars(runtime)
    if "engine" in opened:
        runtime.engine.dispose()
    if "redis" in opened:
        runtime.redis.close()


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def emit(value: Any, *, as_json: bool, text: str | Callable[[], None] | None = None) -> None:
    """Print `value` as JSON, or `text` (a string, or a function that prints) for people."""
    if as_json or text is None:
        click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))
    elif callable(text):
        text()
    else:
        click.echo(text)


def show_cell(cell: Any) -> str:
    """A value for people: times in whole seconds UTC, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return str(cell)


def counted(count: int, one: str, many: str = "") -> str:
    """`1 call`, `2,000 calls`, `3 people`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def named_contacts(contact_ids: Sequence[int]) -> str:
    """`contact 7`, `contacts 7, 9`."""
    return f"contact{'s' * (len(contact_ids) != 1)} {', '.join(map(str, contact_ids))}"


def age_words(seconds: float) -> str:
    """How long ago, in seconds; clocks that differ a little are no future."""
    return f"{max(0.0, seconds):.0f} s ago"


def print_table(
    columns: Iterable[str], rows: Iterable[Iterable[Any]], *, empty: str = "Nothing here yet."
) -> None:
    """A table for people; `empty` when there are no rows."""
    heads = [str(column) for column in columns]
    cells = [[show_cell(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    console = Console(markup=False, highlight=False)
    widths = fit_columns([heads, *cells], console.width if console.is_terminal else None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head, width in zip(heads, widths, strict=True):
        table.add_column(head, width=width, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.width = max(console.width, sum(widths) + COLUMN_GAP * len(widths))
    console.print(table)


def fit_columns(rows: Sequence[Sequence[str]], room: int | None) -> list[int]:
    """How wide each column stands: whole where there is room (None: no end of it), else down to its longest word. Pure.

    A word is never broken, so that slugs, addresses and states can be copied, and found by other programs.
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(cell_len(line) for cell in one for line in cell.split("\n")) for one in columns]
    least = [max((cell_len(word) for cell in one for word in cell.split()), default=0) for one in columns]
    while room is not None and sum(widths) + COLUMN_GAP * (len(widths) - 1) > room:
        spare = [width - word for width, word in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widest = max((place for place, left in enumerate(spare) if left), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def parse_pairs(pairs: Iterable[str], option: str = "--set") -> Mapping[str, str]:
    """`key=value` options as a dict; a usage error names the one that is not a pair."""
    parsed: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.UsageError(f"{option} takes key=value; {name!r} has no '='.")
        parsed[name.strip()] = value
    return parsed


@contextmanager
def shown_status(sentence: str, *, is_quiet: bool) -> Iterator[None]:
    """The sentence with a turning sign on a terminal, gone at the end; silence for programs."""
    if is_quiet or not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True, markup=False).status(sentence):
        yield
