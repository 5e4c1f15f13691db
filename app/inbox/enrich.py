"""Enriching a thin event: what its platform's API answers, and what that means for the event."""

from collections.abc import Callable
from dataclasses import dataclass

from app.inbox.claim import ClaimedEvent
from app.inbox.message import content_of
from app.inbox.retry import Action, decide
from app.inbox.settle import Enriched, Later, LetterError, SettledEvent
from app.sources.loaded import LoadedSource
from integrations.kit.contract import Client, EnrichError, Event

GONE = "The platform has deleted it."


@dataclass(frozen=True, slots=True)
class Fetched:
    """Exactly one of these is set. `paused_reason`: the source needs credentials that work."""

    enriched: Enriched | None = None
    later: Later | None = None
    settled: SettledEvent | None = None
    wait_seconds: float | None = None  # not asked: the source has used up its calls for now
    paused_reason: str = ""


def fetch_event(
    claimed: ClaimedEvent, loaded: LoadedSource, client: Client, random: Callable[[], float]
) -> Fetched:
    """Ask the platform for one event's content. No lock and no transaction is held meanwhile."""
    thin = Event(
        key=claimed.key,
        kind=claimed.kind,
        content=claimed.content,
        occurred_at=claimed.occurred_at,
        account=claimed.account,
        needs_enrich=True,
    )
    try:
        whole = loaded.source.enrich(thin, loaded.config, client)
    except EnrichError as error:
        return _judge(claimed, error, random)
    return Fetched(enriched=Enriched(claimed.id, claimed.token, content_of(whole), whole.occurred_at))


def _judge(claimed: ClaimedEvent, error: EnrichError, random: Callable[[], float]) -> Fetched:
    letter = LetterError(error.outcome, error.reason, error.hint, stage="enrich")
    if error.outcome == "gone":
        return Fetched(settled=SettledEvent(claimed.id, claimed.token, "ignored", reason=GONE))
    decision = decide(error.outcome, claimed.attempt_count, random, error.retry_after_seconds)
    if decision.action is Action.GIVE_UP:
        return Fetched(settled=SettledEvent(claimed.id, claimed.token, "dead", error=letter))
    if decision.action is Action.BLOCK:
        later = Later(claimed.id, claimed.token, 0.0, letter, state="blocked")
        return Fetched(later=later, paused_reason=error.reason)
    return Fetched(
        later=Later(claimed.id, claimed.token, decision.delay_seconds, letter, state="waiting_enrich")
    )
