"""Pushing an audience: claim and plan, call in a few threads without any lock held, settle each answer."""

import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import (
    CallCounts,
    get_destination_of,
    is_failure,
    is_open,
    note_calls,
    pause_destination,
)
from app.audiences.learn import OptOut, learn_opt_outs
from app.audiences.load import get_audience
from app.audiences.mirror import distrust_members, forget_members, write_members
from app.audiences.models import Destination
from app.audiences.outbox import Postponed, renew_lease, settle_changes
from app.audiences.outcome import Outcome
from app.audiences.prepare import Job, prepare_jobs
from app.audiences.retry import retry_seconds
from app.audiences.send import send_job
from app.audiences.views import AudienceView, Trouble
from app.core.db import transaction
from app.inbox.models import Attempt
from integrations.mailchimp.gateway import Gateway

DEADLOCK = "40P01"


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Bounds of one push. Seconds; a lease is renewed while its calls run."""

    claim_size: int = 4000
    thread_count: int = 8
    lease_seconds: float = 30.0
    budget_seconds: float = 240.0


@dataclass(slots=True)
class PushCounts:
    """What a push did. `by_kind`: planned operations; `by_verdict`: how calls ended."""

    by_kind: Counter[str] = field(default_factory=Counter)
    by_verdict: Counter[str] = field(default_factory=Counter)
    call_count: int = 0
    is_blocked: bool = False  # paused, or the breaker is open

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
) -> PushCounts:
    """Bring Mailchimp to what the changes of this audience ask for. Safe to run twice and beside itself."""
    with transaction(sessions) as session:
        audience = get_audience(session, audience_id)
        destination = get_destination_of(session, audience_id)
    if not is_open(sessions, connections, destination.id):
        return PushCounts(is_blocked=True)
    gateway = connections.gateway(destination)
    before = gateway.call_count
    counts = _Push(sessions, gateway, audience, options or PushOptions()).run()
    counts.call_count = gateway.call_count - before
    return counts


class _Push:
    """One running push: jobs waiting, jobs in flight, leases to renew."""

    def __init__(
        self, sessions: sessionmaker[Session], gateway: Gateway, audience: AudienceView, options: PushOptions
    ) -> None:
        self._sessions, self._gateway, self._audience, self._options = sessions, gateway, audience, options
        self._waiting: deque[Job] = deque()
        self._flying: dict[Future[list[Outcome]], Job] = {}
        self._leases: dict[uuid.UUID, float] = {}  # token -> monotonic time until which it is surely ours
        self._counts = PushCounts()
        self._is_drained = False
        self._ends_at = time.monotonic() + options.budget_seconds

    def run(self) -> PushCounts:
        with ThreadPoolExecutor(self._options.thread_count, thread_name_prefix="push") as threads:
            while self._has_work():
                self._refill()
                self._take_off(threads)
                self._land()
        return self._counts

    def _has_work(self) -> bool:
        may_claim = not (self._is_drained or self._counts.is_blocked or time.monotonic() > self._ends_at)
        return bool(self._waiting or self._flying) or may_claim

    def _refill(self) -> None:
        """Claim more while fewer jobs wait than threads could take."""
        is_over = self._is_drained or self._counts.is_blocked or time.monotonic() > self._ends_at
        if is_over or len(self._waiting) >= self._options.thread_count:
            return
        asked_at = time.monotonic()
        with transaction(self._sessions) as session:
            prepared = prepare_jobs(
                session, self._audience, self._options.claim_size, self._options.lease_seconds
            )
        self._counts.by_kind.update(prepared.counts)
        self._waiting.extend(prepared.jobs)
        self._leases[prepared.claim.token] = asked_at + self._options.lease_seconds
        # What was told to wait or is touched meanwhile is the next push's; this one must come to an end.
        self._is_drained = not prepared.claim.changes

    def _take_off(self, threads: ThreadPoolExecutor) -> None:
        while self._waiting and len(self._flying) < self._options.thread_count:
            job = self._waiting.popleft()
            self._flying[threads.submit(self._send, job)] = job

    def _send(self, job: Job) -> list[Outcome]:
        """In a thread. Nothing is sent any more under a lease that may be somebody else's by now."""
        is_ours = time.monotonic() < self._leases[job.token] - self._options.lease_seconds / 6
        if not is_ours or self._counts.is_blocked:
            return [Outcome(operation.contact_id, "release") for operation in job.operations]
        return send_job(self._gateway, self._audience, job.operations)

    def _land(self) -> None:
        """Wait for answers, settle them, and renew what is still held."""
        if not self._flying:
            return
        landed, _ = wait(self._flying, timeout=self._options.lease_seconds / 6, return_when=FIRST_COMPLETED)
        for future in landed:
            job = self._flying.pop(future)
            self._settle(job, future.result())
        self._renew()

    def _renew(self) -> None:
        used = {job.token for job in (*self._waiting, *self._flying.values())}
        self._leases = {token: until for token, until in self._leases.items() if token in used}
        third = self._options.lease_seconds / 3
        due = [token for token, until in self._leases.items() if until - time.monotonic() < 2 * third]
        for token in due:
            asked_at = time.monotonic()
            if asked_at >= self._leases[token]:
                continue  # it ran out: whoever has it now decides
            with transaction(self._sessions) as session:
                is_held = renew_lease(session, self._audience.audience_id, token, self._options.lease_seconds)
            if is_held:
                self._leases[token] = asked_at + self._options.lease_seconds

    def _settle(self, job: Job, outcomes: Sequence[Outcome]) -> None:
        self._counts.by_verdict.update(outcome.verdict for outcome in outcomes)
        self._is_drained &= not any(outcome.verdict == "again" for outcome in outcomes)
        for attempt in range(3):  # a deadlock is over once one side stepped back
            try:
                with transaction(self._sessions) as session:
                    self._counts.is_blocked |= settle_outcomes(session, self._audience, job, outcomes)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", "") != DEADLOCK or attempt == 2:  # noqa: PLR2004
                    raise
            else:
                return


def settle_outcomes(session: Session, audience: AudienceView, job: Job, outcomes: Sequence[Outcome]) -> bool:
    """Ledger, changes and mirror after one job; True when the destination must not be called for now.

    Whoever lost the lease changes nothing but the ledger: those contacts are planned anew, all of them sent again.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.contact_id)
    learn_opt_outs(session, audience, [_opt_out(outcome) for outcome in ordered if outcome.opt_out])
    settled = _settle_changes(session, audience, job, ordered)
    lost = set(settled)
    kept = [outcome for outcome in ordered if outcome.contact_id not in lost]
    write_members(session, audience.audience_id, [one.write for one in kept if one.write is not None])
    forget_members(session, audience.audience_id, [one.contact_id for one in kept if one.is_forgotten])
    distrust_members(session, audience.audience_id, lost)
    _note_attempts(session, audience, ordered)
    return _tell_destination(session, audience, ordered)


def _settle_changes(
    session: Session, audience: AudienceView, job: Job, outcomes: Sequence[Outcome]
) -> tuple[int, ...]:
    """Contacts whose lease was lost."""
    by_verdict: dict[str, list[tuple[int, int]]] = {"done": [], "again": [], "release": []}
    failed: list[Postponed] = []
    for outcome in outcomes:
        number, attempt_count = job.numbers[outcome.contact_id]
        if outcome.verdict in by_verdict:
            by_verdict[outcome.verdict].append((outcome.contact_id, number))
        else:
            failed.append(_postponed(outcome, number, attempt_count))
    settled = settle_changes(
        session,
        audience.audience_id,
        job.token,
        done=by_verdict["done"],
        again=[*by_verdict["again"], *by_verdict["release"]],
        failed=failed,
    )
    return settled.lost


def _postponed(outcome: Outcome, number: int, attempt_count: int) -> Postponed:
    trouble = outcome.trouble or Trouble(outcome.kind, "The call failed.")
    delay = retry_seconds(outcome.kind, attempt_count, random.random())  # noqa: S311 - jitter
    return Postponed(outcome.contact_id, number, None if outcome.verdict == "park" else delay, trouble)


def _opt_out(outcome: Outcome) -> OptOut:
    state = outcome.state
    address = state.email if state else outcome.write.email if outcome.write else ""
    return OptOut(outcome.contact_id, address, outcome.opt_out, state.changed_at if state else None)


def _note_attempts(session: Session, audience: AudienceView, outcomes: Sequence[Outcome]) -> None:
    """One line a reason and job, not one a contact: a failed call of 500 is one failure."""
    failures = [outcome for outcome in outcomes if outcome.verdict in {"retry", "park"} and outcome.trouble]
    counts = Counter(outcome.trouble for outcome in failures)
    for trouble, count in counts.items():
        only = failures[0].contact_id if len(failures) == 1 else None
        session.add(
            Attempt(
                audience_id=audience.audience_id,
                contact_id=only,
                stage="push",
                error={**(trouble.as_dict() if trouble else {}), "count": count},
            )
        )


def _tell_destination(session: Session, audience: AudienceView, outcomes: Sequence[Outcome]) -> bool:
    """Count the calls for the breaker, pause on a credentials problem; True when calls should stop."""
    blocked = next((one.trouble for one in outcomes if one.verdict == "release" and one.trouble), None)
    if blocked is not None:
        pause_destination(session, audience.destination_id, audience.audience_id, blocked)
        return True
    is_down = all(is_failure(outcome.kind) for outcome in outcomes)
    note_calls(session, audience.destination_id, CallCounts(1, int(is_down)))
    state: Mapping[str, object] = session.execute(
        select(Destination.breaker).where(Destination.id == audience.destination_id)
    ).scalar_one()
    return state.get("state", "closed") != "closed"
