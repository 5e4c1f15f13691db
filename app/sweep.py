"""The sweep: once a second it looks in PostgreSQL for work that no bell announced, and does the rounds.

Any number of sweeps may run. Where Redis does not answer, the sweep does the work itself.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.audiences.gate import list_audiences_to_pull
from app.audiences.hooks import ensure_webhook
from app.core.beats import Beats
from app.core.bell import ring_now
from app.core.config import Settings
from app.core.log import get_log
from app.core.runtime import Runtime, keep_runtime
from app.jobs.drain import drain_enrich, drain_inbox
from app.jobs.job import get_connections
from app.jobs.sync import pull_audience, push_audience
from app.jobs.waiting import Waiting, list_waiting
from app.sources.pause import try_paused_sources
from app.tables import ROOMS

SWEEP_SECONDS = 1.0
ROUND_SECONDS = 30.0
UNSETTLED_SECONDS = 2.0  # while something is still missing

JOBS: dict[str, Callable[..., None]] = {
    "inbox": drain_inbox,
    "enrich": drain_enrich,
    "audience": push_audience,
    "pull": pull_audience,
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
    rounds = Rounds(runtime)
    with Beats(runtime, "sweep"):
        while not is_over.wait(SWEEP_SECONDS):
            try:
                sweep_once(runtime)
                rounds.go_if_due()
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


@dataclass
class Rounds:
    """What is looked after less often: pulls that are due, webhooks that are missing, sources that are paused."""

    runtime: Runtime
    next_at: float = 0.0

    def go_if_due(self) -> None:
        """Do the rounds when it is time; a failure in one is logged and comes again with the next round."""
        if time.monotonic() < self.next_at:
            return
        is_settled = True
        for work in (self._webhooks, self._pulls, self._paused):
            try:
                is_settled &= work()
            except SQLAlchemyError:
                raise
            except Exception as error:  # noqa: BLE001 - the outermost loop of a round; the others go on
                is_settled = False
                log.warning("sweep.round_failed", round=work.__name__.strip("_"), error=type(error).__name__)
        self.next_at = time.monotonic() + (ROUND_SECONDS if is_settled else UNSETTLED_SECONDS)

    def _webhooks(self) -> bool:
        return ensure_webhook(
            self.runtime.sessions, self.runtime.settings, self.runtime.box, get_connections()
        )

    def _pulls(self) -> bool:
        with self.runtime.transaction() as session:
            due = list_audiences_to_pull(session)
        for audience_id in due:
            try:
                ring_now(self.runtime.redis, "pull", audience_id)
            except (RedisError, OSError):
                pull_audience(audience_id)
        return True

    def _paused(self) -> bool:
        with self.runtime.transaction() as session:
            try_paused_sources(session)
        return True
