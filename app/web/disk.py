"""The disk gate: the door closes before the embedded database runs out of space and stops."""

import shutil
import threading
from pathlib import Path

from app.core.config import Settings
from app.core.log import get_log
from app.core.servers import POINTER_NAME

CHECK_SECONDS = 2.0
SHARE = 0.05
# Five per cent of a large disk is more than is needed, five per cent of a small one less than PostgreSQL's log takes.
MOST_BYTES = 500 * 1024 * 1024
LEAST_BYTES = 64 * 1024 * 1024

log = get_log(__name__)


def needed_bytes(total_bytes: int) -> int:
    """How much must be free on a disk of this size."""
    return int(min(MOST_BYTES, max(LEAST_BYTES, total_bytes * SHARE)))


class DiskGate:
    """Looks every two seconds; `is_full` is only read on the answering path."""

    def __init__(self, settings: Settings) -> None:
        self.is_full = False
        self._places = _data_places(settings) if settings.is_embedded_database else ()
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk-gate", daemon=True)

    def open(self) -> None:
        """Look once, then in the background where there is a disk of ours."""
        self.look()
        if self._places:
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_stopped.set()

    def look(self) -> None:
        """Measure; a change is logged once."""
        is_full = any(_is_short(place) for place in self._places)
        if is_full != self.is_full:
            self.is_full = is_full
            log.warning(
                "disk.full" if is_full else "disk.has_space", places=[str(place) for place in self._places]
            )

    def _run(self) -> None:
        while not self._is_stopped.wait(CHECK_SECONDS):
            self.look()


def _is_short(place: Path) -> bool:
    try:
        usage = shutil.disk_usage(place)
    except OSError:  # not there yet: nothing can be said against it
        return False
    return usage.free < needed_bytes(usage.total)


def _data_places(settings: Settings) -> tuple[Path, ...]:
    """The home, and where the databases live if its own account could not reach the home."""
    pointer = settings.home / POINTER_NAME
    elsewhere = (Path(pointer.read_text(encoding="utf-8").strip()),) if pointer.exists() else ()
    return (settings.home, *elsewhere)
