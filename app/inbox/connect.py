"""The writer's connection: short waits only, and a watchdog for a server that stops in the middle of an answer."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import psycopg

from app.core.postgres import DURABLE_SETTINGS, refuse_forgetful
from app.inbox.store import Connection

CONNECT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 2_000
CALL_SECONDS = 2.5  # a server that is stopped does not keep its own time-out
TICK_SECONDS = 0.25


def connect(url: str, *, may_prepare: bool = True) -> Connection:
    """A connection in autocommit to a server that keeps what it confirms (ConfigError otherwise).

    Prepared statements save a fifth of the server's time for a small group. Behind a proxy that pools transactions
    they may break; the writer then goes on without them.
    """
    connection: Connection = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        prepare_threshold=2 if may_prepare else None,
        application_name="muster inbox",
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC -c jit=off",
    )
    try:
        values = {name: str(_show(connection, name)) for name in DURABLE_SETTINGS}
        refuse_forgetful(values)
    except BaseException:
        connection.close()
        raise
    return connection


def _show(connection: Connection, name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return row[0]


class Watchdog:
    """Cuts the socket of a call that takes longer than CALL_SECONDS; the call then fails like any lost connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._descriptor = -1
        self._due = float("inf")
        self.has_cut = False  # whether the last guarded call was cut
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._is_stopped.set()

    @contextlib.contextmanager
    def guard(self, connection: Connection) -> Iterator[None]:
        """Watch the calls inside the block."""
        with self._lock:
            self.has_cut = False
            self._descriptor = connection.fileno()
            self._due = time.monotonic() + CALL_SECONDS
        try:
            yield
        finally:
            with self._lock:
                self._due = float("inf")

    def _run(self) -> None:
        while not self._is_stopped.wait(TICK_SECONDS):
            with self._lock:
                if time.monotonic() > self._due:
                    self._due = float("inf")
                    self.has_cut = True
                    _cut(self._descriptor)


def _cut(descriptor: int) -> None:
    """Shut the connection down under the thread that waits on it; closing stays its own business."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other_name:
        other_name.shutdown(socket.SHUT_RDWR)
