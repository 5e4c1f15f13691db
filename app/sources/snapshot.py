"""The sealed snapshot of all sources: lets a web process that starts while the database is down know its sources."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from app.core.errors import ConfigError
from app.core.log import get_log
from app.core.secretbox import SecretBox
from app.sources.loaded import LoadedSource, as_plain, from_plain

FILE_NAME = "sources.sealed"
BINDING = "snapshot of sources"

log = get_log(__name__)


def write_snapshot(path: Path, box: SecretBox, sources: Iterable[LoadedSource]) -> None:
    """Replace the file in one step. A disk that takes no file is logged: the door works without it."""
    sealed = box.seal(json.dumps([as_plain(source) for source in sources]), BINDING)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed)
        draft.replace(path)
    except OSError as error:
        log.warning("snapshot.not_written", error=error.strerror)


def read_snapshot(path: Path, box: SecretBox) -> tuple[LoadedSource, ...] | None:
    """The sources of the snapshot; None where there is none that can be read."""
    try:
        plain = json.loads(box.open(path.read_bytes(), BINDING))
        return tuple(from_plain(each) for each in plain)
    except FileNotFoundError:
        return None
    except (OSError, ConfigError, ValueError, TypeError, KeyError, LookupError) as error:
        log.warning("snapshot.unreadable", error=type(error).__name__)
        return None
