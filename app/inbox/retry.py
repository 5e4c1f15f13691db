"""When to try again: decided by the kind of failure, never by its message. Pure.

Waits double from one second to an hour, give or take a half, and add up to 75 hours: the schedule of Standard
Webhooks 1.0.0 ends there too (https://github.com/standard-webhooks/standard-webhooks, seen 2026-11-21).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 3600.0
TOTAL_SECONDS = 75 * 3600.0
BLOCKED_SECONDS = 300.0  # how often it is looked whether credentials work again
LONGEST_ASKED_SECONDS = 6 * 3600.0  # a platform's Retry-After is believed up to this


class Action(Enum):
    """What becomes of it."""

    RETRY = "retry"
    BLOCK = "block"  # wait for credentials; costs no tries
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, and how long to wait where there is another try."""

    action: Action
    delay_seconds: float = 0.0


# Kind of failure -> what to do about it. An unknown kind is tried again: giving up is the decision that needs a reason.
KINDS: Mapping[str, Action] = {
    "transport": Action.RETRY,
    "timeout": Action.RETRY,
    "rate_limited": Action.RETRY,
    "server_error": Action.RETRY,
    "database": Action.RETRY,
    "waiting_enrich": Action.RETRY,
    "busy": Action.RETRY,
    "blocked_credentials": Action.BLOCK,
    "unreadable": Action.GIVE_UP,
    "invalid": Action.GIVE_UP,
    "mapping": Action.GIVE_UP,
    "rejected": Action.GIVE_UP,
    "poison": Action.GIVE_UP,
}


def wait_seconds(attempt_count: int) -> float:
    """The wait after the n-th try, without jitter."""
    doublings = min(max(attempt_count, 1) - 1, 20)
    return min(FIRST_SECONDS * 2.0**doublings, LONGEST_SECONDS)


def _last_attempt() -> int:
    total, attempt = 0.0, 0
    while total < TOTAL_SECONDS:
        attempt += 1
        total += wait_seconds(attempt)
    return attempt


LAST_ATTEMPT = _last_attempt()


def decide(
    kind: str, attempt_count: int, random: Callable[[], float], retry_after_seconds: float | None = None
) -> Decision:
    """What to do after try number `attempt_count` failed by `kind`. `random` yields 0 <= x < 1."""
    action = KINDS.get(kind, Action.RETRY)
    if action is Action.BLOCK:
        return Decision(action, BLOCKED_SECONDS)
    if action is Action.GIVE_UP or attempt_count >= LAST_ATTEMPT:
        return Decision(Action.GIVE_UP)
    jittered = wait_seconds(attempt_count) * (0.5 + random())
    asked = min(retry_after_seconds or 0.0, LONGEST_ASKED_SECONDS)
    return Decision(action, max(jittered, asked))
