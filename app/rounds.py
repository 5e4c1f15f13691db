"""Rounds: what is looked after less often than each second, in a thread of its own, as some of it waits for others."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.core.log import get_log
from app.core.runtime import Runtime
from app.inbox.backfill import backfill_due
from app.inbox.watch import watch_sources
from app.sources.tokens import renew_due_tokens

TICK_SECONDS = 1.0
UNSETTLED_SECONDS = 2.0  # while something is still missing

log = get_log(__name__)


@dataclass
class Round:
    """Something that is looked after every so often. `work` answers whether it is settled; until then it is asked often."""

    name: str
    every_seconds: float
    work: Callable[[], bool]
    next_at: float = 0.0


class Rounds:
    """Some rounds, one after the other."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._rounds = tuple(rounds)

    def run(self, is_over: threading.Event) -> None:
        """Go on until it is over."""
        while not is_over.wait(TICK_SECONDS):
            self.go_if_due()

    def go_if_due(self) -> None:
        """Do the rounds whose time has come; a failure in one is logged and comes again soon."""
        for each in self._rounds:
            if time.monotonic() < each.next_at:
                continue
            is_settled = False
            try:
                is_settled = each.work()
            except Exception as error:  # noqa: BLE001 - the outermost loop of a round; the others go on
                log.warning("sweep.round_failed", round=each.name, error=type(error).__name__)
            wait = each.every_seconds if is_settled else min(UNSETTLED_SECONDS, each.every_seconds)
            each.next_at = time.monotonic() + wait


def source_rounds(runtime: Runtime) -> tuple[Round, ...]:
    """What is asked of platforms: new tokens, whether they still send, what they kept for us."""
    return (
        Round("tokens", 30.0, lambda: renew_due_tokens(runtime) >= 0),
        Round("health", 60.0, lambda: watch_sources(runtime) >= 0),
        Round("backfills", 300.0, lambda: backfill_due(runtime) is not None),
    )
