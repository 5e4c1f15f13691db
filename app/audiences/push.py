"""Pushing an audience: one loop that plans ahead, keeps every connection busy, and settles what has landed.

Planning and settling run beside each other and beside the calls, each in a transaction and a thread of its own. The
loop alone holds the state; threads get frozen jobs and hand back answers. No lock is held while a call is under way.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.batches import Batches, Job
from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of, is_open, may_send
from app.audiences.guard import Guard
from app.audiences.load import get_audience
from app.audiences.outbox import renew_lease
from app.audiences.outcome import Outcome
from app.audiences.prepare import Prepared, prepare_operations, read_settings
from app.audiences.runs import RunWatch
from app.audiences.send import send_job
from app.audiences.settle import Aftermath, Landed, settle_outcomes
from app.audiences.views import AudienceView
from app.core.collector import calm_collector
from app.core.db import transaction
from app.inbox.models import BULK_LANE
from integrations.mailchimp.gateway import Gateway

DEADLOCK = "40P01"
SETTLE_COUNT = 4000  # contacts settled in one transaction
# Claims planned at once where there are plenty: while one waits for the database, the other plans.
PREPARING_COUNT = 2

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Bounds of one push. Seconds; a lease is renewed while its calls run. `ahead_count`: contacts in memory.

    `max_lane`: only changes of this lane and those before it.
    """

    claim_size: int = 2000
    thread_count: int = 10  # two more than connections: they read answers while the others call
    ahead_count: int = 12_000
    lease_seconds: float = 30.0
    budget_seconds: float = 240.0
    max_lane: int = BULK_LANE


@dataclass(slots=True)
class PushCounts:
    """What a push did. `by_kind`: planned operations; `by_verdict`: how calls ended."""

    by_kind: Counter[str] = field(default_factory=Counter)
    by_verdict: Counter[str] = field(default_factory=Counter)
    call_count: int = 0
    is_blocked: bool = False  # not all was sent that is due: paused, or the breaker is open

    def as_dict(self) -> dict[str, int | bool]:
        ended = {f"ended_{verdict}": count for verdict, count in sorted(self.by_verdict.items())}
        return {
            **dict(sorted(self.by_kind.items())),
            **ended,
            "calls": self.call_count,
            "is_blocked": self.is_blocked,
        }


def push_audience(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    options: PushOptions | None = None,
    watch: RunWatch | None = None,
) -> PushCounts:
    """Bring Mailchimp to what the changes of this audience ask for. Safe to run twice and beside itself.

    With a `watch` the progress is told there, and an admin's pause or cancel ends the push: nothing more is sent.
    """
    with transaction(sessions) as session:
        audience = get_audience(session, audience_id)
        destination = get_destination_of(session, audience_id)
        is_allowed = may_send(session, audience_id)
    if not is_allowed or not is_open(sessions, connections, destination.id):
        return PushCounts(is_blocked=True)
    with calm_collector():
        return _Push(
            sessions, connections.gateway(destination), audience, options or PushOptions(), watch
        ).run()


class _Push:
    """One running push. All of it is the loop's own, but for `_leases`, `_settings` and `_is_stopped`, which threads read."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        gateway: Gateway,
        audience: AudienceView,
        options: PushOptions,
        watch: RunWatch | None,
    ) -> None:
        self._sessions, self._gateway, self._audience, self._options = sessions, gateway, audience, options
        self._watch, self._guard = watch, Guard()
        self._batches = Batches()
        # to what `_news_count` was when it began
        self._preparing: dict[Future[tuple[Prepared, float]], int] = {}
        self._settling: tuple[Future[Aftermath], list[Landed]] | None = None
        self._flying: dict[Future[list[Outcome]], Job] = {}
        self._landed: deque[Landed] = deque()
        self._leases: dict[UUID, float] = {}  # token -> monotonic time until which it is surely ours
        self._settings: dict[UUID, str] = {}  # token -> by what settings its operations were planned
        self._counts = PushCounts()
        self._calls_before, self._calls_told = gateway.call_count, 0
        self._is_drained = self._is_stopped = self._has_held_back = False
        self._news_count = 0  # times that something may have become due by what was planned or landed
        self._is_plenty = False  # the last claim was full
        self._ends_at = time.monotonic() + options.budget_seconds

    def run(self) -> PushCounts:
        with (
            ThreadPoolExecutor(self._options.thread_count, thread_name_prefix="push") as callers,
            ThreadPoolExecutor(PREPARING_COUNT + 1, thread_name_prefix="push-db") as writers,
        ):
            try:
                while self._has_work():
                    self._start(callers, writers)
                    self._await()
                    self._collect()
                    self._renew()
                    self._tell()
            finally:
                self._is_stopped = True  # what still waits for a thread is not sent any more
        self._counts.call_count = self._gateway.call_count - self._calls_before
        # Only now: whoever opted out passes every pause, so the rest of what is due had to be looked at.
        self._counts.is_blocked |= self._has_held_back
        return self._counts

    # What is under way

    @property
    def _may_take(self) -> bool:
        is_over = self._is_drained or self._counts.is_blocked or self._is_stopped
        return not is_over and time.monotonic() <= self._ends_at

    @property
    def _ahead_count(self) -> int:
        """Contacts in memory: planned, on their way, or answered and not settled."""
        return self._batches.count + sum(len(job.operations) for job in self._jobs())

    @property
    def _has_room(self) -> bool:
        """For one more claim beside those that are being taken."""
        claims, ahead = len(self._preparing), self._ahead_count
        return (
            not (claims or ahead)
            or ahead + (claims + 1) * self._options.claim_size <= self._options.ahead_count
        )

    def _jobs(self) -> list[Job]:
        """Every job that is not settled yet."""
        answered = [*self._landed, *(self._settling[1] if self._settling else ())]
        return [*self._flying.values(), *(one.job for one in answered)]

    def _has_work(self) -> bool:
        under_way = self._preparing or self._settling or self._flying or self._landed
        return bool(under_way or self._batches.count) or self._may_take

    # One round

    def _start(self, callers: ThreadPoolExecutor, writers: ThreadPoolExecutor) -> None:
        most = PREPARING_COUNT if self._is_plenty else 1
        while len(self._preparing) < most and self._may_take and self._has_room:
            self._preparing[writers.submit(self._prepare)] = self._news_count
        is_last = not self._preparing and not self._may_take
        for job in self._batches.cut(time.monotonic(), is_last=is_last):
            self._flying[callers.submit(self._send, job)] = job
        if self._settling is None and self._landed:
            some = self._next_landed()
            self._settling = (writers.submit(self._settle, some), some)

    def _next_landed(self) -> list[Landed]:
        some = [self._landed.popleft()]
        while self._landed and sum(len(one.outcomes) for one in some) < SETTLE_COUNT:
            some.append(self._landed.popleft())
        return some

    def _await(self) -> None:
        """Until anything has ended, or a lease must be looked after."""
        pending: list[Future[Any]] = [*self._flying]
        pending += self._preparing
        pending += [self._settling[0]] if self._settling else []
        if pending:
            patience = min(self._options.lease_seconds / 6, 1.0)
            wait(pending, timeout=max(patience, 0.01), return_when=FIRST_COMPLETED)

    def _collect(self) -> None:
        for future in [future for future in self._flying if future.done()]:
            self._landed.append(Landed(self._flying.pop(future), future.result()))
        for preparing in [one for one in self._preparing if one.done()]:
            is_current = self._preparing.pop(preparing) == self._news_count
            prepared, asked_at = preparing.result()
            self._is_drained = prepared.taken_count == 0 and is_current
            self._is_plenty = prepared.taken_count >= self._options.claim_size
            self._news_count += prepared.taken_count > 0
            self._keep(prepared, asked_at)
        if self._settling and self._settling[0].done():
            settled, some = self._settling
            self._settling = None
            aftermath = settled.result()
            self._counts.is_blocked |= aftermath.is_blocked
            if aftermath.has_due:
                self._is_drained, self._news_count = False, self._news_count + 1
            self._count(some)

    def _keep(self, prepared: Prepared, asked_at: float) -> None:
        self._audience = prepared.audience or self._audience
        if prepared.token:
            self._settings[prepared.token] = prepared.settings
        self._counts.by_kind.update(prepared.counts)
        self._has_held_back |= prepared.waiting_count > 0
        if prepared.token:
            self._leases[prepared.token] = asked_at + self._options.lease_seconds
            self._batches.add(prepared.operations, prepared.held, time.monotonic())
        if self._watch:
            done = prepared.taken_count - prepared.waiting_count - len(prepared.operations)
            self._watch.note(done=done, counts=prepared.counts, errors=prepared.troubles)

    def _count(self, some: list[Landed]) -> None:
        outcomes = [outcome for one in some for outcome in one.outcomes]
        verdicts = Counter(outcome.verdict for outcome in outcomes)
        self._counts.by_verdict.update(verdicts)
        if self._watch:
            errors = [(one.contact_id, one.trouble) for one in outcomes if one.trouble]
            self._watch.note(done=verdicts["done"] + verdicts["park"], errors=errors)

    def _tell(self) -> None:
        if self._watch is None:
            return
        calls = self._gateway.call_count - self._calls_before
        wish = self._watch.note(calls=calls - self._calls_told)
        self._calls_told = calls
        self._is_stopped |= bool(wish)

    def _renew(self) -> None:
        second_third = 2 * self._options.lease_seconds / 3
        if all(until - time.monotonic() >= second_third for until in self._leases.values()):
            return
        used = self._batches.tokens() | {held.token for job in self._jobs() for held in job.held.values()}
        self._leases = {token: until for token, until in self._leases.items() if token in used}
        for token in [one for one, until in self._leases.items() if until - time.monotonic() < second_third]:
            asked_at = time.monotonic()
            if asked_at >= self._leases[token]:
                continue  # it ran out: whoever has it now decides
            with transaction(self._sessions) as session:
                is_held = renew_lease(session, self._audience.audience_id, token, self._options.lease_seconds)
            if is_held:
                self._leases[token] = asked_at + self._options.lease_seconds

    # In threads

    def _prepare(self) -> tuple[Prepared, float]:
        """And when it was asked for, from where the lease counts."""
        asked_at = time.monotonic()
        size, seconds = self._options.claim_size, self._options.lease_seconds
        audience_id = self._audience.audience_id
        prepared = self._committed(
            lambda session: prepare_operations(
                session, audience_id, self._guard, size, seconds, max_lane=self._options.max_lane
            )
        )
        return prepared, asked_at

    def _send(self, job: Job) -> list[Outcome]:
        """Nothing is sent any more under a lease that may be somebody else's by now, nor by settings of before."""
        sure_until = time.monotonic() + self._options.lease_seconds / 6
        with transaction(self._sessions) as session:
            settings = read_settings(session, self._audience.audience_id)
        is_over = self._counts.is_blocked or self._is_stopped or not settings
        ours, others = [], []
        for one in job.operations:
            token = job.held[one.contact_id].token
            if is_over or self._leases.get(token, 0.0) <= sure_until:
                others.append(Outcome(one.contact_id, "release"))
            elif self._settings[token] != settings:
                others.append(Outcome(one.contact_id, "again"))
            else:
                ours.append(one)
        return (send_job(self._gateway, self._audience, ours) if ours else []) + others

    def _settle(self, some: list[Landed]) -> Aftermath:
        return self._committed(lambda session: settle_outcomes(session, self._audience, some))

    def _committed(self, work: Callable[[Session], Result]) -> Result:
        """In one transaction; a deadlock is over once one side stepped back."""
        for attempt in range(3):
            try:
                with transaction(self._sessions) as session:
                    return work(session)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", "") != DEADLOCK or attempt == 2:  # noqa: PLR2004
                    raise
        raise AssertionError  # the loop returns or raises
