"""The catalogue: every source in the memory of a web process, kept fresh by a thread, at hand without the database."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.core.config import Settings
from app.core.db import make_engine, make_sessions, transaction
from app.core.log import get_log
from app.core.secretbox import SecretBox
from app.sources.loaded import LoadedSource, Stamp, load_sources, read_stamp
from app.sources.snapshot import FILE_NAME, read_snapshot, write_snapshot

REFRESH_SECONDS = 1.0
SHORTEST_PAUSE_SECONDS = 0.2  # between two refreshes, however many unknown slugs are asked for
STATEMENT_TIMEOUT_MS = 2_000
WAITING_LIMIT = 500  # requests that wait for one refresh; more are told that it failed

log = get_log(__name__)


class Catalogue:
    """slug -> LoadedSource. Reading it never waits; the thread alone talks to the database."""

    def __init__(self, settings: Settings, box: SecretBox) -> None:
        self._box = box
        self._path: Path = settings.home / FILE_NAME
        self._engine: Engine = make_engine(
            settings.postgres_url, pool_size=1, statement_timeout_ms=STATEMENT_TIMEOUT_MS
        )
        self._sources: Mapping[str, LoadedSource] = {}
        self._stamp: Stamp | None = None
        self._is_reached = True
        self._waiting: list[Future[bool]] = []
        self._lock = threading.Lock()
        self._is_asked = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)

    def open(self) -> None:
        """Load once from the database, else from the snapshot, then keep fresh in the background."""
        if not self._refresh():
            self._take(read_snapshot(self._path, self._box) or ())
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and the connection."""
        self._is_closed = True
        self._is_asked.set()
        if self._thread.is_alive():
            self._thread.join(STATEMENT_TIMEOUT_MS / 1000 + 1)
        self._engine.dispose()

    def find(self, slug: str) -> LoadedSource | None:
        """The source as last seen."""
        return self._sources.get(slug)

    def ask_again(self) -> "Future[bool]":
        """Done after a refresh that starts from now on: True when the database answered."""
        future: Future[bool] = Future()
        with self._lock:
            is_full = self._is_closed or len(self._waiting) >= WAITING_LIMIT
            if not is_full:
                self._waiting.append(future)
        if is_full:
            future.set_result(False)
        self._is_asked.set()
        return future

    def _run(self) -> None:
        started = 0.0
        while not self._is_closed:
            self._is_asked.wait(REFRESH_SECONDS)
            time.sleep(max(0.0, started + SHORTEST_PAUSE_SECONDS - time.monotonic()))
            started = time.monotonic()
            self._is_asked.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
            self._answer(waiting, is_reached=self._refresh())
        with self._lock:
            self._answer(self._waiting, is_reached=False)

    def _answer(self, waiting: "list[Future[bool]]", *, is_reached: bool) -> None:
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(is_reached)

    def _refresh(self) -> bool:
        try:
            with transaction(make_sessions(self._engine)) as session:
                # One view of all tables: a source must not be seen without secrets that were committed with it.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                stamp = read_stamp(session)
                loaded = load_sources(session, self._box) if stamp != self._stamp else None
        except SQLAlchemyError as error:
            self._note(is_reached=False, error=type(error).__name__)
            return False
        self._note(is_reached=True)
        if loaded is not None:
            self._take(loaded)
            self._stamp = stamp
            write_snapshot(self._path, self._box, loaded)
        return True

    def _take(self, sources: tuple[LoadedSource, ...]) -> None:
        self._sources = {source.slug: source for source in sources}

    def _note(self, *, is_reached: bool, error: str = "") -> None:
        """Log a change for the worse or better once, not each second."""
        if is_reached != self._is_reached:
            self._is_reached = is_reached
            log.warning("catalogue.reached" if is_reached else "catalogue.unreached", error=error)
