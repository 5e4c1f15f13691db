"""What went wrong, in one sentence for the person at the terminal: any exception as an error with an exit code."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.audiences.call_errors import tell_failed
from app.cli.kit import counted
from app.core.errors import BusyError, ConfigError, InvalidError, MusterError, NotRunningError
from integrations.mailchimp.problems import MailchimpProblem
from mappings.language.problems import MappingError

EX_USAGE = 64  # of sysexits.h, as are all the others
TRACE_VARIABLE = "MUSTER_TRACE"
HOUSE = Path(__file__).parents[2]
UNDEFINED = frozenset({"42P01", "42703", "3F000"})  # SQLSTATE: no such table, column, schema


class WordsError(MusterError):
    """Words that the command does not know."""

    exit_code = EX_USAGE


class OwnError(MusterError):
    """Muster's own mistake."""

    exit_code = 70  # EX_SOFTWARE


class FileError(MusterError):
    """A file or the network of this machine said no."""

    exit_code = 74  # EX_IOERR


def as_muster_error(error: Exception) -> MusterError:
    """The error that says it; none of its words come from what people sent."""
    if isinstance(error, MusterError):
        return error
    for kind, tell in TELLERS:
        if isinstance(error, kind):
            return tell(error)
    return _own_fault(error)


def _own_fault(error: Exception) -> MusterError:
    place = next(
        (
            f"{Path(frame.filename).relative_to(HOUSE)}, line {frame.lineno}"
            for frame in reversed(traceback.extract_tb(error.__traceback__))
            if Path(frame.filename).is_relative_to(HOUSE) and ".venv" not in frame.filename
        ),
        "",
    )
    where = f" It was in {place}." if place else ""
    return OwnError(
        f"Muster met a fault of its own ({type(error).__name__}).",
        f"Report it, please.{where} {TRACE_VARIABLE}=1 shows the traceback, which may hold personal data.",
    )


def _usage_fault(error: Any) -> MusterError:
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help says how it is called." if context else "See muster --help."
    return WordsError(error.format_message(), hint)


def _mapping_fault(error: Any) -> MusterError:
    count = len(error.problems)
    return InvalidError(
        f"The mapping has {counted(count, 'problem')}.",
        "`muster map lint` checks it; mappings/README.md is the language.",
        error.problems,
    )


def _file_fault(error: Any) -> MusterError:
    said = error.strerror or type(error).__name__
    named = f"{error.filename}: {said}." if error.filename else f"{said}."
    return FileError(named, "Check the path, its permissions and the space on the disk.")


def _database_fault(error: Any) -> MusterError:
    if getattr(error.orig, "sqlstate", None):  # it answered, and said that it could not
        return BusyError("The database could not finish this.", "Try again; `muster doctor` looks at it.")
    return _database_away(error)


def _database_away(_error: Any) -> MusterError:
    return NotRunningError(
        "The database does not answer.",
        "Start Muster with `make up`, or check DATABASE_URL, then `muster doctor`.",
    )


def _mailchimp_fault(error: Any) -> MusterError:
    return tell_failed(error, "Mailchimp refused a call", "what was begun is not done")


def _redis_away(_error: Any) -> MusterError:
    return NotRunningError(
        "The queue server does not answer.",
        "Start Muster with `make up`, or check REDIS_URL, then `muster doctor`.",
    )


def _statement_fault(error: Any) -> MusterError:
    if getattr(error.orig, "sqlstate", "") in UNDEFINED:
        return ConfigError("The database has not the tables of this version.", "Run `muster migrate`.")
    return _own_fault(error)


def _value_fault(_error: Any) -> MusterError:
    return InvalidError(
        "The database cannot hold a value that was given.", "Check numbers and dates for their size."
    )


def _word_fault(_error: Any) -> MusterError:
    return InvalidError("A word that was given is not UTF-8.", "Check the terminal's encoding.")


# The first kind that fits tells it.
TELLERS: tuple[tuple[type[Exception], Callable[[Any], MusterError]], ...] = (
    (click.ClickException, _usage_fault),
    (MappingError, _mapping_fault),
    (OperationalError, _database_fault),
    (PoolTimeoutError, _database_away),
    (ProgrammingError, _statement_fault),
    (DataError, _value_fault),
    (RedisError, _redis_away),
    (MailchimpProblem, _mailchimp_fault),
    (UnicodeEncodeError, _word_fault),
    (OSError, _file_fault),
)


def say(error: Exception, *, as_json: bool) -> int:
    """Say it on stderr, as JSON where the caller asked for JSON; the exit code."""
    told = as_muster_error(error)
    if os.environ.get(TRACE_VARIABLE) == "1" and not isinstance(error, (MusterError, click.ClickException)):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, click.ClickException) and not as_json:
        error.show()
    else:
        say_error(told, as_json=as_json)
    return told.exit_code


def say_error(error: MusterError, *, as_json: bool) -> None:
    """One sentence and the next step on stderr; the same as JSON where the caller asked for JSON."""
    problems = [
        {"path": p.path, "code": p.code, "reason": p.reason, "hint": p.hint, "value": p.value, "line": p.line}
        for p in getattr(error, "problems", ())
    ]
    if as_json:
        body: dict[str, Any] = {"error": error.message, "hint": error.hint, "problems": problems}
        click.echo(json.dumps(body, ensure_ascii=False), err=True)
        return
    click.echo(f"Error: {error.message}", err=True)
    for problem in problems:
        line = f"line {problem['line']}, " if problem["line"] else ""
        click.echo(f"  {line}{problem['path']}: {problem['reason']} {problem['hint']}".rstrip(), err=True)
    if error.hint:
        click.echo(f"Next: {error.hint}", err=True)
