"""Splitting a claimed delivery into its events; a body nobody can read becomes a dead letter with the reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.inbox.claim import ClaimedDelivery
from app.inbox.settle import LetterError, SettledDelivery
from app.sources.loaded import LoadedSource
from integrations.kit.contract import RawRequest, Split, Unreadable

# A delivery that was in flight at so many deaths of a worker is what kills it.
LAST_DEATH = 5


@dataclass(frozen=True, slots=True)
class SplitDelivery:
    """A delivery, what is in it, and how it ends."""

    delivery: ClaimedDelivery
    split: Split
    settled: SettledDelivery


def as_request(delivery: ClaimedDelivery) -> RawRequest:
    """The stored request, as the integration saw it at the door less what was not kept."""
    headers = delivery.headers
    if delivery.content_type and not any(name == "content-type" for name, _ in headers):
        headers = (*headers, ("content-type", delivery.content_type))
    return RawRequest(
        method=delivery.method,
        url="",
        headers=headers,
        body=delivery.body,
        query=delivery.query,
        received_at=delivery.received_at,
    )


def split_delivery(delivery: ClaimedDelivery, sources: Mapping[int, LoadedSource]) -> SplitDelivery:
    """What one delivery holds. Never raises for what a platform sent."""
    loaded = sources.get(delivery.source_id)
    if loaded is None:
        return _dead(
            delivery,
            LetterError("no_source", "Its source is not there.", "Add the source again.", stage="split"),
        )
    if delivery.attempt_count > LAST_DEATH:
        reason = f"Work on it was cut short {delivery.attempt_count - 1} times."
        return _dead(
            delivery,
            LetterError("poison", reason, "Look at the body; report it with the log.", stage="split"),
        )
    try:
        split = loaded.source.split(as_request(delivery), loaded.config)
    except Unreadable as error:
        letter = LetterError(
            "unreadable", error.reason, error.hint, error.path, value=error.value, stage="split"
        )
        return _dead(delivery, letter)
    counted = Counter((ignored.kind, ignored.reason) for ignored in split.ignored)
    ignored = tuple((kind, reason, count) for (kind, reason), count in counted.items())
    settled = SettledDelivery(delivery.id, delivery.token, event_count=len(split.events), ignored=ignored)
    return SplitDelivery(delivery, split, settled)


def _dead(delivery: ClaimedDelivery, error: LetterError) -> SplitDelivery:
    return SplitDelivery(delivery, Split(), SettledDelivery(delivery.id, delivery.token, "dead", error=error))
