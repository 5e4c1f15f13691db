"""Planned operations on their way into calls: gathered over many claims until a call is full. Pure."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from app.audiences.operation import Operation
from app.inbox.models import LIVE_LANE
from integrations.mailchimp.gateway import BATCH_SIZE

SINGLE_LIMIT = 2  # up to so many bulk-able operations go one by one: a PUT names every bad field
LINGER_SECONDS = 20.0  # a bulk change waits at most so long for others to share its call


class Held(msgspec.Struct, frozen=True, gc=False):
    """The change behind an operation: its lease, its number as taken, tries so far."""

    token: uuid.UUID
    number: int
    attempt_count: int
    lane: int


@dataclass(frozen=True, slots=True)
class Job:
    """Operations for one call and one thread. `held`: by contact."""

    operations: tuple[Operation, ...]
    held: Mapping[int, Held]


class Batches:
    """What waits for its call. Live changes leave with the next cut, bulk ones when a call is full or nothing follows."""

    def __init__(self) -> None:
        self._single: list[Operation] = []
        self._bulk: dict[int, Operation] = {}  # by contact: who is planned anew replaces who is out of date
        self._held: dict[int, Held] = {}
        self._since = 0.0  # when the oldest bulk operation came
        self._has_live = False
        self._is_fresh = True  # no call of many was cut yet

    @property
    def count(self) -> int:
        return len(self._bulk) + len(self._single)

    def tokens(self) -> set[uuid.UUID]:
        """Leases that must be kept."""
        return {held.token for held in self._held.values()}

    def add(self, operations: Sequence[Operation], held: Mapping[int, Held], now: float) -> None:
        if not self._bulk:
            self._since = now
        for operation in operations:
            if operation.is_bulk:
                self._bulk[operation.contact_id] = operation
            else:
                self._bulk.pop(operation.contact_id, None)
                self._single.append(operation)
        self._held.update((one.contact_id, held[one.contact_id]) for one in operations)
        self._has_live |= any(held[one.contact_id].lane == LIVE_LANE for one in operations)

    def cut(self, now: float, *, is_last: bool) -> list[Job]:
        """Jobs that should go now: what travels alone, full calls, and the rest where somebody must not wait."""
        jobs = [self._job([operation]) for operation in self._single]
        self._single.clear()
        waiting = list(self._bulk.values())
        full = len(waiting) - len(waiting) % BATCH_SIZE
        jobs += [self._job(waiting[start : start + BATCH_SIZE]) for start in range(0, full, BATCH_SIZE)]
        self._is_fresh &= not full
        rest = waiting[full:]
        if rest and (is_last or self._has_live or now - self._since >= LINGER_SECONDS):
            is_alone = len(rest) <= SINGLE_LIMIT and (self._is_fresh or self._has_live)
            jobs += [self._job([one]) for one in rest] if is_alone else [self._job(rest)]
            rest = []
        self._bulk = {one.contact_id: one for one in rest}
        self._since = now if full else self._since
        self._has_live &= bool(rest)
        return jobs

    def _job(self, operations: Sequence[Operation]) -> Job:
        return Job(tuple(operations), {one.contact_id: self._held.pop(one.contact_id) for one in operations})
