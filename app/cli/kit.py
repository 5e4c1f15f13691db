"""What every command shares: the runtime, `--json`, tables."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import click
import structlog
from rich.console import Console
from rich.table import Table

from app.core.config import load_settings
from app.core.log import redact
from app.core.runtime import Runtime
from app.tables import ROOMS

ROW_ID = click.IntRange(1, 2**63 - 1)  # a bigint of PostgreSQL
LIMIT = click.IntRange(1, 1000)


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


def print_table(
    columns: Iterable[str], rows: Iterable[Iterable[Any]], *, empty: str = "Nothing here yet."
) -> None:
    """A table for people; `empty` when there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(show_cell(cell) for cell in row))
        count += 1
    if not count:
        click.echo(empty)
        return
    Console(markup=False, highlight=False).print(table)


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
