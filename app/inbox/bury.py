"""What fails although it is alone: kept as a dead letter with its reason, so that its neighbours go on."""

from sqlalchemy.exc import OperationalError

from app.core.log import get_log
from app.core.runtime import Runtime
from app.inbox.claim import ClaimedDelivery, ClaimedEvent
from app.inbox.settle import LetterError, SettledDelivery, SettledEvent, settle_deliveries, settle_events

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


def _letter(error: Exception, stage: str) -> LetterError:
    # Only the kind of the error: its text may hold a person's data.
    reason = f"Muster could not {stage} it ({type(error).__name__})."
    return LetterError(
        "poison", reason, "Its bytes are kept. Report this with the log, then replay it.", stage=stage
    )
