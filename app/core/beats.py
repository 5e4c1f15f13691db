"""Heartbeats from a thread of its own, for as long as a process works."""

import threading
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from app.core.heartbeat import beat, stop_beating
from app.core.log import get_log
from app.core.runtime import Runtime

BEAT_SECONDS = 5.0

log = get_log(__name__)


class Beats:
    """Says every few seconds that this process lives, from a thread of its own."""

    def __init__(self, runtime: Runtime, kind: str) -> None:
        self._runtime, self._kind = runtime, kind
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Say so for the first time now."""
        self._thread.start()

    def stop(self) -> None:
        """Take this process off the list."""
        self._is_over.set()
        self._thread.join(2.0)
        try:
            with self._runtime.transaction() as session:
                stop_beating(session, self._kind)
        except SQLAlchemyError:
            log.info("beat.not_ended", kind=self._kind)  # the row goes stale by itself

    def _run(self) -> None:
        while True:
            try:
                with self._runtime.transaction() as session:
                    beat(session, self._kind)
            except SQLAlchemyError as error:
                log.warning("beat.failed", error=type(error).__name__)
            if self._is_over.wait(BEAT_SECONDS):
                return
