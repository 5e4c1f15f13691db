"""Back-fill: what a platform kept for us, asked for page by page and put into the inbox like deliveries.

Each body is one that the webhook could have brought, so whatever came already has the same keys and no effect.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import database_now
from app.core.errors import InvalidError
from app.core.log import get_log
from app.core.runtime import Runtime
from app.inbox.budget import CallBudget
from app.inbox.connect import connect
from app.inbox.received import NewDelivery, Outcome, pairs_json, stored_key
from app.inbox.store import store_deliveries
from app.sources.loaded import LoadedSource, load_sources
from app.sources.pause import pause_source
from integrations.kit.contract import BackfillPage, EnrichError, RawRequest
from integrations.kit.fetch import client_for

MAX_PAGES = 2_000
LONGEST_WAITS = 24  # of five seconds at the most; then the platform says itself what it thinks
EVERY_SECONDS = 24 * 3_600
OVERLAP = timedelta(hours=6)  # platforms show what came late
FIRST_REACH = timedelta(days=7)  # of the first scheduled one; an admin's reaches as far as asked
MARK = ("x-muster-backfill", "1")

DUE = text("""
    SELECT id, coalesce(backfilled_until, created_at) AS until FROM sources WHERE is_enabled AND paused_at IS NULL
      AND coalesce(backfilled_until, created_at) < now() - make_interval(secs => :every)
      AND coalesce(CAST(health ->> 'backfill_failed_at' AS timestamptz), '-infinity') < now() - interval '1 hour'
""")
FAILED = text("""
    UPDATE sources SET health = health || jsonb_build_object('backfill_failed_at', now(), 'backfill_failure', CAST(:reason AS text))
    WHERE id = :id
""")
REACHED = text(
    "UPDATE sources SET backfilled_until = greatest(coalesce(backfilled_until, :at), :at) WHERE id = :id"
)

log = get_log(__name__)


@dataclass(slots=True)
class BackfillCounts:
    """What a back-fill brought. `failure`: why it ended early; what came before is kept."""

    page_count: int = 0
    body_count: int = 0
    new_count: int = 0
    failure: str = ""
    hint: str = ""

    def as_dict(self) -> dict[str, int | str]:
        return {
            "pages": self.page_count,
            "bodies": self.body_count,
            "new": self.new_count,
            "failure": self.failure,
            "hint": self.hint,
        }


def backfill_due(runtime: Runtime, every_seconds: float = EVERY_SECONDS) -> dict[str, BackfillCounts]:
    """Ask for what every source may have missed since it was last asked; counts by slug."""
    with runtime.transaction() as session:
        due = {row.id: row.until for row in session.execute(DUE, {"every": every_seconds})}
        sources = [one for one in load_sources(session, runtime.box) if one.id in due] if due else []
    able = [one for one in sources if one.source.can_backfill and not one.trouble]
    return {one.slug: backfill(runtime, one, due[one.id] - OVERLAP) for one in able}


def backfill_source(runtime: Runtime, slug: str, since: datetime) -> BackfillCounts:
    """The same for one source, as far back as asked. InvalidError where its platform keeps nothing."""
    with runtime.transaction() as session:
        loaded = _find(session, runtime, slug)
    if not loaded.source.can_backfill:
        raise InvalidError(
            f"{loaded.source.label} keeps nothing that could be asked for again.",
            "Import what it exports as a list: `muster lists run FILE`.",
        )
    return backfill(runtime, loaded, since)


def _find(session: Session, runtime: Runtime, slug: str) -> LoadedSource:
    found = next((one for one in load_sources(session, runtime.box) if one.slug == slug), None)
    if found is None:
        raise InvalidError(
            f"There is no source {slug[:80]!r} with a hook.", "`muster sources list` shows them."
        )
    return found


def backfill(runtime: Runtime, loaded: LoadedSource, since: datetime) -> BackfillCounts:
    """Page after page; each is stored before the next is asked for."""
    counts = BackfillCounts()
    with runtime.transaction() as session:
        started_at = database_now(session)
    client, budget = client_for(loaded.source, loaded.config), CallBudget(runtime.redis)
    cursor = ""
    with connect(runtime.settings.postgres_url) as connection:
        for _ in range(MAX_PAGES):
            _wait_for_budget(budget, loaded)
            try:
                page = loaded.source.backfill(loaded.config, since, cursor, client)
            except EnrichError as error:
                counts.failure, counts.hint = error.reason, error.hint
                _note(runtime, loaded, error)
                return counts
            _store(connection, loaded, page, started_at, counts)
            cursor = page.cursor
            if not cursor:
                break
        else:
            counts.failure, counts.hint = f"it did not end after {MAX_PAGES} pages", "Ask for a shorter time."
            return counts
    with runtime.transaction() as session:
        session.execute(REACHED, {"id": loaded.id, "at": started_at})
    return counts


def _wait_for_budget(budget: CallBudget, loaded: LoadedSource) -> None:
    """Leave the platform its pace; thin events of the same source count as well."""
    for _ in range(LONGEST_WAITS):
        wait = budget.wait_seconds(loaded.id, loaded.source.calls_per_minute)
        if not wait:
            return
        time.sleep(min(wait, 5.0))


def _store(
    connection: psycopg.Connection[tuple[object, ...]],
    loaded: LoadedSource,
    page: BackfillPage,
    at: datetime,
    counts: BackfillCounts,
) -> None:
    deliveries = [_delivery(loaded, page, body, at) for body in page.bodies]
    outcomes = store_deliveries(connection, deliveries) if deliveries else []
    counts.page_count += 1
    counts.body_count += len(deliveries)
    counts.new_count += outcomes.count(Outcome.NEW)


def _delivery(loaded: LoadedSource, page: BackfillPage, body: bytes, at: datetime) -> NewDelivery:
    request = RawRequest("POST", "", (("content-type", page.content_type), MARK), body, received_at=at)
    kept = loaded.source.stored_body(request, loaded.config)
    return NewDelivery(
        source_id=loaded.id,
        key=stored_key(loaded.source.delivery_key(request, loaded.config), at.timestamp()),
        method="POST",
        content_type=page.content_type,
        headers=pairs_json([MARK]),
        query="[]",
        body=kept,
        body_sha256=hashlib.sha256(kept).digest(),
    )


def _note(runtime: Runtime, loaded: LoadedSource, error: EnrichError) -> None:
    log.warning("source.backfill_failed", source=loaded.slug, outcome=error.outcome, reason=error.reason)
    with runtime.transaction() as session:
        session.execute(FAILED, {"id": loaded.id, "reason": error.reason})
        if error.outcome == "blocked_credentials":
            pause_source(session, loaded.id, error.reason)
