"""One batch of thin events: claimed, fetched side by side without any lock, settled by what was answered."""

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from app.core.runtime import Runtime
from app.inbox.budget import CallBudget
from app.inbox.claim import THIN_STATES, ClaimedEvent, claim_events
from app.inbox.enrich import Fetched, fetch_event
from app.inbox.settle import (
    Later,
    LetterError,
    keep_enriched,
    postpone_events,
    release_events,
    retry_later,
    settle_events,
)
from app.sources.loaded import LoadedSource, load_sources
from app.sources.pause import pause_source
from integrations.kit.fetch import client_for

ENRICH_BATCH = 32
ENRICH_THREADS = 4
LEASE_SECONDS = 180.0  # a batch of slow answers: 32 events, 4 at a time, 10 s each at the most
_RANDOM = random.Random()  # noqa: S311 - jitter


def enrich_events(runtime: Runtime, limit: int = ENRICH_BATCH) -> int:
    """Fetch what is due; how many events were looked at."""
    with runtime.transaction() as session:
        claimed = claim_events(session, limit, LEASE_SECONDS, states=THIN_STATES)
        sources = {loaded.id: loaded for loaded in load_sources(session, runtime.box)} if claimed else {}
    if not claimed:
        return 0
    budget = CallBudget(runtime.redis)
    with ThreadPoolExecutor(ENRICH_THREADS, thread_name_prefix="enrich") as pool:
        fetched = list(pool.map(lambda event: _fetch(event, sources, budget), claimed))
    _keep(runtime, claimed, fetched)
    return len(claimed)


def _fetch(event: ClaimedEvent, sources: Mapping[int, LoadedSource], budget: CallBudget) -> Fetched:
    loaded = sources.get(event.source_id)
    if loaded is None or loaded.trouble:
        letter = LetterError(
            "no_source", "Its source cannot be used.", "See `muster doctor`.", stage="enrich"
        )
        return Fetched(later=Later(event.id, event.token, 60.0, letter))
    wait = budget.wait_seconds(loaded.id, loaded.source.calls_per_minute)
    if wait > 0:
        return Fetched(wait_seconds=wait)
    return fetch_event(event, loaded, client_for(loaded.source, loaded.config), _RANDOM.random)


def _keep(runtime: Runtime, claimed: list[ClaimedEvent], fetched: list[Fetched]) -> None:
    with runtime.transaction() as session:
        enriched = [one.enriched for one in fetched if one.enriched]
        keep_enriched(session, enriched)
        release_events(session, enriched)
        retry_later(session, "events", [one.later for one in fetched if one.later])
        settle_events(session, [one.settled for one in fetched if one.settled])
        postpone_events(
            session,
            [
                (event.id, event.token, one.wait_seconds)
                for event, one in zip(claimed, fetched, strict=True)
                if one.wait_seconds is not None
            ],
        )
        for event, one in zip(claimed, fetched, strict=True):
            if one.paused_reason:
                pause_source(session, event.source_id, one.paused_reason)
