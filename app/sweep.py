"""The sweep: once a second it looks in PostgreSQL for work that no bell announced, and does the rounds.

Any number of sweeps may run. Where Redis does not answer, the sweep does the work itself.
"""

import signal
import threading
from collections.abc import Callable
from functools import partial

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.audiences.gate import list_audiences_to_pull
from app.audiences.hooks import ensure_webhook
from app.audiences.reconcile import list_audiences_to_reconcile
from app.audiences.run_views import clear_old_runs, close_dead_runs
from app.audiences.tend import (
    list_audiences_to_rehearse,
    list_audiences_wanting_activity,
    mend_guards,
    probe_audiences,
    probe_destinations,
    refresh_schemas,
)
from app.core.beats import Beats
from app.core.bell import ring_now
from app.core.config import Settings
from app.core.log import get_log
from app.core.runtime import Runtime, keep_runtime
from app.jobs.drain import drain_enrich, drain_inbox
from app.jobs.job import get_connections
from app.jobs.sync import (
    pull_activity,
    pull_audience,
    pull_everybody,
    push_audience,
    push_bulk,
    reconcile_audience,
    rehearse_audience,
)
from app.jobs.waiting import Waiting, list_waiting
from app.rounds import Round, Rounds, source_rounds
from app.sources.pause import try_paused_sources
from app.tables import ROOMS

SWEEP_SECONDS = 1.0

JOBS: dict[str, Callable[..., None]] = {
    "inbox": drain_inbox,
    "enrich": drain_enrich,
    "audience": push_audience,
    "bulk": push_bulk,
    "pull": pull_audience,
    "whole_pull": pull_everybody,
    "first_sync": rehearse_audience,
    "reconcile": reconcile_audience,
    "activity": pull_activity,
}

log = get_log(__name__)


def run_sweep(settings: Settings) -> None:
    """Sweep until SIGTERM or SIGINT."""
    assert ROOMS  # their tables are known before the first round
    runtime = Runtime(settings, pool_size=4)
    keep_runtime(runtime)
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    # Daemons: a call that hangs at Mailchimp or a platform does not hold up the end, nor each other.
    for name, rounds in (
        ("audience-rounds", AudienceRounds(runtime).list_rounds()),
        ("source-rounds", source_rounds(runtime)),
    ):
        threading.Thread(target=Rounds(rounds).run, args=(is_over,), name=name, daemon=True).start()
    with Beats(runtime, "sweep"):
        while not is_over.wait(SWEEP_SECONDS):
            try:
                sweep_once(runtime)
            except SQLAlchemyError as error:
                log.warning("sweep.database_away", error=type(error).__name__)


def sweep_once(runtime: Runtime) -> list[Waiting]:
    """Ring, or work, for everything that is due; what was found."""
    with runtime.transaction() as session:
        found = list_waiting(session)
    for waiting in found:
        try:
            ring_now(runtime.redis, waiting.bell, *waiting.ids)
        except (RedisError, OSError) as error:
            log.warning("sweep.works_itself", bell=waiting.bell, error=type(error).__name__)
            JOBS[waiting.bell](*waiting.ids)
    return found


class AudienceRounds:
    """What is looked after for audiences; some of it asks Mailchimp."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def list_rounds(self) -> tuple[Round, ...]:
        """Each with its seconds."""
        return (
            Round("webhooks", 30.0, self._webhooks),
            Round("pulls", 10.0, partial(self._ring_all, "pull", list_audiences_to_pull)),
            Round("sources", 30.0, self._sources),
            Round("accounts", 5.0, self._accounts),
            Round("young_pauses", 30.0, partial(self._pauses, is_young=True)),
            Round("old_pauses", 300.0, partial(self._pauses, is_young=False)),
            Round("first_syncs", 5.0, partial(self._ring_all, "first_sync", list_audiences_to_rehearse)),
            Round("nights", 60.0, partial(self._ring_all, "reconcile", list_audiences_to_reconcile)),
            Round("activity", 30.0, partial(self._ring_all, "activity", list_audiences_wanting_activity)),
            Round("schemas", 600.0, self._schemas),
            Round("runs", 30.0, self._runs),
        )

    def _webhooks(self) -> bool:
        runtime = self.runtime
        return ensure_webhook(runtime.sessions, runtime.settings, runtime.box, get_connections())

    def _ring_all(self, bell: str, find: Callable[[Session], list[int]]) -> bool:
        with self.runtime.transaction() as session:
            due = find(session)
        for audience_id in due:
            try:
                ring_now(self.runtime.redis, bell, audience_id)
            except (RedisError, OSError):
                JOBS[bell](audience_id)
        return True

    def _sources(self) -> bool:
        with self.runtime.transaction() as session:
            try_paused_sources(session)
        return True

    def _accounts(self) -> bool:
        probe_destinations(self.runtime.sessions, get_connections())
        return True

    def _pauses(self, *, is_young: bool) -> bool:
        probe_audiences(self.runtime.sessions, get_connections(), is_young=is_young)
        mend_guards(self.runtime.sessions, is_young=is_young)
        return True

    def _schemas(self) -> bool:
        refresh_schemas(self.runtime.sessions, get_connections())
        return True

    def _runs(self) -> bool:
        with self.runtime.transaction() as session:
            close_dead_runs(session)
            clear_old_runs(session)
        return True
