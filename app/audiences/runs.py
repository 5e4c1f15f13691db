"""Runs as their worker sees them: one row with counts, progress and grouped errors, and what an admin asks of it.

Progress is written at most once a second. Any number of workers may share the row of one push: everything is added.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.gate import mind_problem
from app.audiences.mirror import note_uncertain
from app.audiences.models import SyncRun
from app.audiences.run_errors import explain, group_errors
from app.audiences.views import Trouble
from app.core.db import transaction

Wish = Literal["", "pause", "cancel"]

WRITE_SECONDS = 1.0
FOLD_SECONDS = 60.0  # a push that follows another so soon continues its row
# Unless that began so long ago: by its pace, breaks and all, no time left can be told.
LONGEST_FOLD_SECONDS = 600.0
DEAD_SECONDS = 60.0  # a running one without a beat for so long has lost its worker
DIED_CODE = "died"  # of its error
# They read both sides whole before they say anything: a paused one begins anew, in its row.
COMPARISONS = ("reconcile", "first_sync")

# A push may go on in a row that another worker writes to, or that ended a moment ago.
FOLD = text("""
    SELECT id FROM sync_runs WHERE audience_id = :audience_id AND kind = :kind
      AND ((state = 'running' AND beat_at > now() - make_interval(secs => :dead))
        OR (state = 'done' AND finished_at > now() - make_interval(secs => :fold)
          AND started_at > now() - make_interval(secs => :longest)))
    ORDER BY id DESC LIMIT 1
""")
RESUMED = text("""
    UPDATE sync_runs SET state = 'running', started_at = now(), done_count = 0, total_count = NULL, errors = '[]'
    WHERE id = (SELECT id FROM sync_runs WHERE audience_id = :audience_id AND kind = :kind AND state = 'paused' AND wish = ''
                ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
# The latest look at both sides is the one to decide about: what earlier ones found is no longer asked.
SUPERSEDE = text("""
    UPDATE sync_runs SET state = 'cancelled', finished_at = now()
    WHERE audience_id = :audience_id AND kind = :kind AND state = 'waiting' AND id <> :id
""")
WAITING = text("SELECT count(*) FROM changes WHERE audience_id = :audience_id AND parked_at IS NULL")

MORE = text("UPDATE sync_runs SET total_count = done_count + :waiting WHERE id = :id")
# Of the bulk lane, and only people who stand by their consent: everybody else's change is still needed. Whoever opted
# out is found once, with all who share an address; so it stays quick whatever the planner believes of the tables.
DROP = text("""
    WITH refused AS MATERIALIZED (
        SELECT k.contact_id FROM consents k JOIN audiences a ON a.id = :audience_id
        WHERE k.channel = a.channel AND k.purpose IN (a.purpose, '*') AND k.status = 'withdrawn'),
    addresses AS MATERIALIZED (
        SELECT DISTINCT i.kind, i.scope, i.match_value FROM refused r
        JOIN identities i ON i.contact_id = r.contact_id AND i.kind = 'email'),
    kept AS MATERIALIZED (
        SELECT contact_id FROM refused
        UNION SELECT i.contact_id FROM addresses d
        JOIN identities i ON i.kind = d.kind AND i.scope = d.scope AND i.match_value = d.match_value)
    DELETE FROM changes c
    WHERE c.audience_id = :audience_id AND c.lane = 1 AND (c.leased_until IS NULL OR c.leased_until <= now())
      AND c.contact_id = ANY(ARRAY(
        SELECT w.contact_id FROM changes w
        CROSS JOIN LATERAL (SELECT FROM contacts WHERE id = w.contact_id AND state = 'active' OFFSET 0) AS p
        WHERE w.audience_id = :audience_id AND w.lane = 1 AND w.contact_id NOT IN (SELECT contact_id FROM kept)))
    RETURNING c.contact_id, c.sent_email
""")
UNCOUNTED = frozenset({"calls", "is_blocked"})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, in all of its workers. `total_count` None: nobody knows."""

    done_count: int
    total_count: int | None
    call_count: int


class RunWatch:
    """One run under way. Call `note` often, at least once a second; it is cheap. `close` it in any case.

    A run that makes no call and ends within a second leaves no row, unless it was opened. Use it from one thread.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        audience_id: int,
        kind: str,
        *,
        actor: str = "muster",
        is_folding: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.sessions, self.audience_id, self._kind, self._actor = sessions, audience_id, kind, actor
        self._is_folding, self._on_progress = is_folding, on_progress
        self._written_at = time.monotonic()
        self._forget()
        self._is_closed = False
        self.run_id: int | None = None
        self.wish: Wish = ""
        self.call_count = 0  # that this watch was told of

    def _forget(self) -> None:
        self._done = self._calls = 0
        self._expected: int | None = None
        self._counts: Counter[str] = Counter()
        self._errors: list[tuple[int, Trouble]] = []

    def open(self, total_count: int | None = None) -> int:
        """Make the row now, or go on in the one that may be continued; its id. A push counts what waits by itself."""
        self._write(total_count=total_count)
        assert self.run_id is not None  # just written
        return self.run_id

    def expect(self, count: int) -> None:
        """So many people more are to come; the row's next write adds them to its total."""
        self._expected = (self._expected or 0) + count

    def note(
        self,
        done: int = 0,
        calls: int = 0,
        errors: Iterable[tuple[int, Trouble]] = (),
        counts: Mapping[str, int] | None = None,
    ) -> Wish:
        """Add to what was done; the answer is what an admin asks for: "pause" or "cancel" means take no new work.

        `done` counts people, `calls` requests, `errors` are (contact id, reason), `counts` are numbers by name.
        """
        self._done += done
        self._calls += calls
        self.call_count += calls
        self._counts.update(counts or {})
        self._errors.extend(errors)
        if time.monotonic() - self._written_at >= WRITE_SECONDS:
            self._write()
        return self.wish

    def close(
        self,
        error: Mapping[str, Any] | None = None,
        *,
        state: str = "",
        findings: Mapping[str, Any] | None = None,
        is_whole: bool = False,
    ) -> None:
        """The end: failed with `error`, else paused or cancelled where an admin asked for it, else `state` or done.

        `is_whole`: nothing was left out for what an admin asked for.
        """
        is_idle = self.run_id is None and not self._calls and not state and error is None
        if self._is_closed or is_idle:
            return
        self._is_closed = True
        self._write(end=_End(error, state, findings, is_whole))

    def _write(self, total_count: int | None = None, end: "_End | None" = None) -> None:
        with transaction(self.sessions) as session:
            run = self._get_row(session)
            if total_count is not None:
                run.total_count = run.done_count + total_count
            if self._expected is not None:
                known_count = run.done_count if run.total_count is None else run.total_count
                run.total_count = known_count + self._expected
            self._add(session, run)
            self.wish = run.wish  # type: ignore[assignment]  # the column's check knows no other words
            if end is not None:
                _end_run(session, run, end)
            progress = Progress(run.done_count, run.total_count, run.call_count)
        self._forget()
        self._written_at = time.monotonic()
        if self._on_progress is not None:
            self._on_progress(progress)

    def _get_row(self, session: Session) -> SyncRun:
        if self.run_id is None:
            known = {"audience_id": self.audience_id, "kind": self._kind}
            if self._is_folding:
                limits = {"dead": DEAD_SECONDS, "fold": FOLD_SECONDS, "longest": LONGEST_FOLD_SECONDS}
                self.run_id = session.scalar(FOLD, {**known, **limits})
            if self._kind in COMPARISONS:
                self.run_id = session.scalar(RESUMED, known)
            waiting = session.scalar(WAITING, known) if self._kind == "push" else None
            if self.run_id is None:
                run = SyncRun(**known, actor=self._actor, total_count=waiting)
                session.add(run)
                session.flush()
                self.run_id = run.id
            elif waiting is not None:
                session.execute(MORE, {"id": self.run_id, "waiting": waiting})
        return session.execute(
            select(SyncRun).where(SyncRun.id == self.run_id).with_for_update()
        ).scalar_one()

    def _add(self, session: Session, run: SyncRun) -> None:
        run.done_count += self._done
        run.call_count += self._calls
        if run.total_count is not None:
            run.total_count = max(run.total_count, run.done_count)
        if self._counts:
            run.counts = dict(Counter(run.counts) + self._counts)
        if self._errors:
            run.errors = group_errors(run.errors, self._errors)
        run.beat_at = session.scalar(select(func.clock_timestamp()))
        is_shared = run.state == "done" and self._is_folding  # another worker of the same push had ended it
        was_silent = run.state == "failed" and (run.error or {}).get("code") == DIED_CODE
        if is_shared or was_silent:
            run.state, run.finished_at, run.error = "running", None, None


@dataclass(frozen=True, slots=True)
class _End:
    error: Mapping[str, Any] | None
    state: str
    findings: Mapping[str, Any] | None
    is_whole: bool


def _end_run(session: Session, run: SyncRun, end: _End) -> None:
    asked = None if end.is_whole else {"pause": "paused", "cancel": "cancelled"}.get(run.wish)
    if run.state == "running":
        run.state = "failed" if end.error else asked or end.state or "done"
    run.error = dict(end.error) if end.error else run.error
    if end.findings is not None and run.state not in {"paused", "cancelled"}:
        run.findings = dict(end.findings)
        _end_total(run)
        session.execute(SUPERSEDE, {"id": run.id, "audience_id": run.audience_id, "kind": run.kind})
    if end.is_whole:
        _end_total(run)
    if run.state not in {"waiting", "paused"}:
        run.finished_at = run.beat_at
    if asked == "cancelled" and run.kind == "push":
        drop_bulk_changes(session, run.audience_id)


def _end_total(run: SyncRun) -> None:
    """All was read: what was expected before both sides changed meanwhile is said no more."""
    if run.total_count is not None:
        run.total_count = run.done_count


def drop_bulk_changes(session: Session, audience_id: int) -> int:
    """Forget what a bulk run had queued; how many. Nobody who opted out or was erased is forgotten, nor a live change.

    Where a call may have made a member and never said so, the mirror keeps that in mind for a later opt-out.
    """
    dropped = session.execute(DROP, {"audience_id": audience_id}).all()
    sent = {row.contact_id: row.sent_email for row in dropped if row.sent_email}
    note_uncertain(session, audience_id, dict(sorted(sent.items())))
    return len(dropped)


class Counts(Protocol):
    """What a reading answers with."""

    @property
    def is_stopped(self) -> bool:
        """Whether it ended early because an admin asked for it."""

    def as_dict(self) -> Mapping[str, Any]:
        """Names and numbers for people."""


Result = TypeVar("Result", bound=Counts)


@contextmanager
def watched(watch: RunWatch) -> Iterator[RunWatch]:
    """Close the watch at the end: failed with the reason when an error goes through, which is raised on."""
    try:
        yield watch
    except BaseException as error:
        mind_problem(watch.sessions, watch.audience_id, error)
        watch.close(explain(error))
        raise
    watch.close()


def run_counted(watch: RunWatch, work: Callable[[RunWatch], Result]) -> Result:
    """Do `work` under a run row, which it tells of people and calls; a failure is noted there and raised on.

    Work that came to its end is done, whatever was asked for meanwhile.
    """
    watch.open()
    with watched(watch):
        result = work(watch)
        told = result.as_dict()
        counts = {name: count for name, count in told.items() if name not in UNCOUNTED}
        watch.note(calls=told.get("calls", 0) - watch.call_count, counts=counts)
        watch.close(is_whole=not result.is_stopped)
    return result
