"""Group commit: one writer thread a web process turns waiting deliveries into one committed statement.

There is no wait window: while one commit runs, the next group gathers. `put` answers through a future once the
delivery is committed; on any trouble with the database every waiting delivery is told so at once, and its sender
comes again.
"""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import psycopg

from app.core.errors import BusyError, ConfigError
from app.core.log import get_log
from app.inbox.connect import CALL_SECONDS, Watchdog, connect
from app.inbox.received import NewDelivery, Outcome
from app.inbox.store import Connection, count_rejections, store_deliveries
from app.inbox.tally import RejectionTally

GROUP_ROWS = 256
GROUP_BYTES = 8 * 1024 * 1024
WAITING_ROWS = 4_096
WAITING_BYTES = 64 * 1024 * 1024
FLUSH_SECONDS = 1.0
PREPARED_TROUBLE = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0

log = get_log(__name__)

Answer = tuple["_Put", Outcome | BusyError]


@dataclass(slots=True, eq=False)
class _Put:
    """A waiting delivery and who waits for it: a thread's future, or a future of an event loop."""

    delivery: NewDelivery
    future: "Future[Outcome] | asyncio.Future[Outcome]"
    loop: asyncio.AbstractEventLoop | None = None


class Inbox:
    """The writer of one process. `on_stored` is called after each commit that stored something new."""

    def __init__(self, url: str, on_stored: Callable[[], None]) -> None:
        self.rejections = RejectionTally()
        self._url = url
        self._on_stored = on_stored
        self._lock = threading.Lock()
        self._waiting: deque[_Put] = deque()
        self._waiting_bytes = 0
        self._has_work = threading.Event()
        self._is_down = False
        self._is_closing = False
        self._connection: Connection | None = None
        self._may_prepare = True
        self._pause = FIRST_PAUSE_SECONDS
        self._flushed_at = time.monotonic()
        self._watchdog = Watchdog()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def open(self) -> None:
        """Start writing; the first connection is made in the background."""
        self._watchdog.start()
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, write the counts, stop."""
        self._is_closing = True
        self._has_work.set()
        self._thread.join(CALL_SECONDS + 1)
        self._watchdog.stop()

    def put(self, delivery: NewDelivery) -> "Future[Outcome]":
        """For threads: the future is done when the delivery is committed. BusyError at once or from the future."""
        future: Future[Outcome] = Future()
        self._add(_Put(delivery, future))
        return future

    def put_from_loop(
        self, delivery: NewDelivery, loop: asyncio.AbstractEventLoop
    ) -> "asyncio.Future[Outcome]":
        """For coroutines on `loop`: a whole commit wakes the loop once."""
        future = loop.create_future()
        self._add(_Put(delivery, future, loop))
        return future

    def _add(self, put: _Put) -> None:
        size = len(put.delivery.body)
        with self._lock:
            if self._is_down or self._is_closing:
                raise BusyError("The database does not answer.", "Send it again in a few seconds.")
            if len(self._waiting) >= WAITING_ROWS or self._waiting_bytes + size > WAITING_BYTES:
                raise BusyError("More arrives than can be written.", "Send it again in a few seconds.")
            self._waiting.append(put)
            self._waiting_bytes += size
        if not self._has_work.is_set():
            self._has_work.set()

    def _take(self) -> list[_Put]:
        group: list[_Put] = []
        size = 0
        with self._lock:
            while self._waiting and len(group) < GROUP_ROWS:
                size += len(self._waiting[0].delivery.body)
                if group and size > GROUP_BYTES:
                    break
                group.append(self._waiting.popleft())
                self._waiting_bytes -= len(group[-1].delivery.body)
        return group

    def _run(self) -> None:
        while True:
            if self._connection is None and not self._reconnect():
                if self._is_closing:
                    break
                continue
            self._has_work.wait(FLUSH_SECONDS)
            self._has_work.clear()
            while self._connection is not None and (group := self._take()):
                self._commit(group)
                self._flush()
            self._flush()
            if self._is_closing and not self._waiting:
                break
        self._fail_waiting("Muster is stopping.")
        self._drop_connection()

    def _commit(self, group: Sequence[_Put], *, is_second_try: bool = False) -> None:
        assert self._connection is not None
        try:
            with self._watchdog.guard(self._connection):
                outcomes = store_deliveries(self._connection, [put.delivery for put in group])
        except psycopg.OperationalError as error:
            self._fail(group, error, is_second_try=is_second_try)
        except PREPARED_TROUBLE:
            self._stop_preparing(group)
        except psycopg.Error as error:
            self._commit_halves(group, error)
        else:
            _answer(list(zip(group, outcomes, strict=True)))
            if Outcome.NEW in outcomes:
                self._on_stored()

    def _stop_preparing(self, group: Sequence[_Put]) -> None:
        """A proxy hands our statements to a server session that does not know them."""
        log.warning("inbox.prepares_no_more")
        self._may_prepare = False
        self._drop_connection()
        if self._reconnect():
            self._commit(group)
        else:
            _answer([(put, _unreachable()) for put in group])

    def _commit_halves(self, group: Sequence[_Put], error: psycopg.Error) -> None:
        """One delivery cannot be stored, such as one of a source removed this second: the others still can."""
        if len(group) == 1:
            log.warning("inbox.refused", error=type(error).__name__, sqlstate=error.sqlstate)
            _answer(
                [
                    (
                        group[0],
                        BusyError("This delivery could not be stored.", "Look for inbox.refused in the log."),
                    )
                ]
            )
            return
        middle = len(group) // 2
        for half in (group[:middle], group[middle:]):
            if self._connection is None:
                _answer([(put, _unreachable()) for put in half])
            else:
                self._commit(half)

    def _fail(self, group: Sequence[_Put], error: psycopg.Error, *, is_second_try: bool) -> None:
        """After a lost connection try once on a new one (the keys make that harmless), else tell everybody who waits."""
        log.warning(
            "inbox.failed", error=type(error).__name__, sqlstate=error.sqlstate, delivery_count=len(group)
        )
        is_lost = self._is_connection_lost()
        was_quick = not self._watchdog.has_cut
        if is_lost:
            self._drop_connection()
        if is_lost and was_quick and not is_second_try and self._reconnect():
            self._commit(group, is_second_try=True)
            return
        _answer([(put, _unreachable()) for put in group])
        if is_lost:
            self._go_down()

    def _is_connection_lost(self) -> bool:
        return self._connection is None or self._connection.broken or self._connection.closed

    def _go_down(self) -> None:
        with self._lock:
            self._is_down = True
        self._fail_waiting("The database does not answer.")

    def _fail_waiting(self, reason: str) -> None:
        while group := self._take():
            _answer([(put, BusyError(reason, "Send it again in a few seconds.")) for put in group])

    def _reconnect(self) -> bool:
        try:
            self._connection = connect(self._url, may_prepare=self._may_prepare)
        except (psycopg.Error, ConfigError, OSError) as error:
            if not self._is_down:
                log.warning("inbox.unreached", error=type(error).__name__)
            self._go_down()
            time.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            return False
        if self._is_down:
            log.warning("inbox.reached")
        with self._lock:
            self._is_down = False
        self._pause = FIRST_PAUSE_SECONDS
        return True

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _flush(self) -> None:
        """Write the counts of rejections, once a second and at the end."""
        now = time.monotonic()
        if self._connection is None or (now - self._flushed_at < FLUSH_SECONDS and not self._is_closing):
            return
        self._flushed_at = now
        counts = self.rejections.take()
        if not counts:
            return
        try:
            with self._watchdog.guard(self._connection):
                count_rejections(self._connection, counts)
        except psycopg.Error as error:
            log.warning("rejections.not_counted", error=type(error).__name__)
            self.rejections.put_back(counts)
            if self._is_connection_lost():
                self._drop_connection()


def _unreachable() -> BusyError:
    return BusyError("The database does not answer.", "Send it again in a few seconds.")


def _answer(answers: Sequence[Answer]) -> None:
    """Wake every waiting thread, and every event loop once for all that wait on it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for put, result in answers:
        if put.loop is None:
            _set(put.future, result)
        else:
            by_loop.setdefault(put.loop, []).append((put, result))
    for loop, its_answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_all, its_answers)
        except RuntimeError:  # the loop is closed: the process is stopping and nobody waits any more
            log.warning("inbox.nobody_waits", delivery_count=len(its_answers))


def _set_all(answers: Sequence[Answer]) -> None:
    for put, result in answers:
        _set(put.future, result)


def _set(future: Any, result: Outcome | BusyError) -> None:
    if future.done():  # its caller gave up waiting
        return
    if isinstance(result, BusyError):
        future.set_exception(result)
    else:
        future.set_result(result)
