"""What fails although it is alone: kept as a dead letter with its reason, so that its neighbours go on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import UUID

from sqlalchemy.exc import OperationalError

from app.core.log import get_log
from app.core.runtime import Runtime
from app.inbox.claim import ClaimedDelivery, ClaimedEvent
from app.inbox.isolate import PASSING
from app.inbox.settle import (
    LetterError,
    Queue,
    SettledDelivery,
    SettledEvent,
    let_go,
    settle_deliveries,
    settle_events,
)
from app.inbox.split import LAST_DEATH

log = get_log(__name__)


class LostLeaseError(OperationalError):
    """Somebody else holds part of this batch now: nothing of it is committed, and nobody is to blame."""

    def __init__(self) -> None:
        super().__init__("lease", {}, RuntimeError("the lease ran out and was taken over"))


def bury_delivery(runtime: Runtime, delivery: ClaimedDelivery, error: Exception) -> None:
    """A delivery that cannot be split by any fault of its own name."""
    letter = _letter(error, "split")
    log.error("delivery.buried", delivery_id=delivery.id, error=type(error).__name__)
    with runtime.transaction() as session:
        settle_deliveries(session, [SettledDelivery(delivery.id, delivery.token, "dead", error=letter)])


def bury_event(runtime: Runtime, event: ClaimedEvent, error: Exception) -> None:
    """An event that cannot be recorded."""
    letter = _letter(error, "record")
    log.error("event.buried", event_id=event.id, error=type(error).__name__)
    with runtime.transaction() as session:
        settle_events(session, [SettledEvent(event.id, event.token, "dead", error=letter)])


def is_deadly(event: ClaimedEvent) -> bool:
    """Whether work on it was cut short so often that it must be what kills the worker."""
    return event.attempt_count > LAST_DEATH


def bury_deadly(runtime: Runtime, events: Sequence[ClaimedEvent]) -> None:
    """Events that were in flight at several deaths of a worker: nobody tries them again by themselves."""
    for event in events:
        reason = f"Work on it was cut short {event.attempt_count - 1} times."
        letter = LetterError(
            "poison", reason, "Look at the event and its mapping, then replay it.", stage="record"
        )
        log.error("event.deadly", event_id=event.id)
        with runtime.transaction() as session:
            settle_events(session, [SettledEvent(event.id, event.token, "dead", error=letter)])


@contextmanager
def given_back(
    runtime: Runtime, queue: Queue, claimed: Sequence[ClaimedDelivery | ClaimedEvent]
) -> Iterator[None]:
    """What a passing failure leaves unfinished is free at once, instead of when its lease runs out."""
    try:
        yield
    except PASSING:
        by_token: dict[UUID, list[int]] = {}
        for one in claimed:
            by_token.setdefault(one.token, []).append(one.id)
        with (
            suppress(*PASSING),
            runtime.transaction() as session,
        ):  # the database may be away: then the lease runs out
            for token, ids in by_token.items():
                let_go(session, queue, token, ids)
        raise


def _letter(error: Exception, stage: str) -> LetterError:
    # Only the kind of the error: its text may hold a person's data.
    reason = f"Muster could not {stage} it ({type(error).__name__})."
    return LetterError(
        "poison", reason, "Its bytes are kept. Report this with the log, then replay it.", stage=stage
    )
