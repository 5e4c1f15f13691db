"""Logs: one JSON object a line on stderr, with the ids of the work at hand and without anybody's data."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from app.core.redact import redacted_field

# Libraries that speak of every step; warnings of theirs are enough.
QUIET_LOGGERS = (
    "alembic",
    "sqlalchemy",
    "urllib3",
    "rq",
    "_granian",
    "granian.access",
    "flask_security",
    "asyncio",
)
UNTOUCHED = frozenset({"timestamp", "level", "logger"})

EventDict = MutableMapping[str, Any]


def redact(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """The last processor before rendering: nothing personal and no key gets past it."""
    for name, value in event_dict.items():
        if name not in UNTOUCHED:
            event_dict[name] = redacted_field(name, value)
    return event_dict


def configure_log(log_format: str = "json", process: str = "", level: int = logging.INFO) -> None:
    """Set up this process once: "json" for machines, anything else for people. Libraries' logs take the same way."""
    shared = _shared_processors(process)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _shared_processors(process: str) -> list[Any]:
    def name_process(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        if process:
            event_dict.setdefault("process", process)
        return event_dict

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]


def _renderer(log_format: str) -> Any:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def get_log(name: str) -> Any:
    """A structlog logger: `log.info("claimed", delivery_count=3)`."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def log_context(**ids: Any) -> Iterator[None]:
    """Put ids (request_id, job_id, delivery_id, contact_id, ...) on every line logged inside."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield
