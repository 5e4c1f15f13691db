"""When to try again, as a table."""

import pytest

from app.inbox.retry import KINDS, LAST_ATTEMPT, TOTAL_SECONDS, Action, decide, wait_seconds


def _middle():
    return 0.5


@pytest.mark.parametrize(
    ("kind", "attempt", "asked", "expected"),
    [
        ("transport", 1, None, (Action.RETRY, 1.0)),
        ("transport", 2, None, (Action.RETRY, 2.0)),
        ("server_error", 5, None, (Action.RETRY, 16.0)),
        ("timeout", 12, None, (Action.RETRY, 2048.0)),
        ("timeout", 13, None, (Action.RETRY, 3600.0)),
        ("database", 60, None, (Action.RETRY, 3600.0)),
        ("rate_limited", 1, 90.0, (Action.RETRY, 90.0)),
        ("rate_limited", 1, 1e9, (Action.RETRY, 21600.0)),
        ("rate_limited", 8, 3.0, (Action.RETRY, 128.0)),
        ("blocked_credentials", 500, None, (Action.BLOCK, 300.0)),
        ("invalid", 1, None, (Action.GIVE_UP, 0.0)),
        ("mapping", 1, 60.0, (Action.GIVE_UP, 0.0)),
        ("unreadable", 1, None, (Action.GIVE_UP, 0.0)),
        ("transport", LAST_ATTEMPT, None, (Action.GIVE_UP, 0.0)),
        ("a kind nobody named", 1, None, (Action.RETRY, 1.0)),
    ],
)
def test_a_failure_is_decided_by_its_kind(kind, attempt, asked, expected):
    decision = decide(kind, attempt, _middle, asked)

    assert expected == (decision.action, decision.delay_seconds)


def test_the_waits_add_up_to_seventy_five_hours():
    total = sum(wait_seconds(attempt) for attempt in range(1, LAST_ATTEMPT + 1))

    assert TOTAL_SECONDS <= total < TOTAL_SECONDS + 3600


@pytest.mark.parametrize("share", [0.0, 0.999])
def test_jitter_is_half_of_the_wait_either_way(share):
    delay = decide("transport", 9, lambda: share).delay_seconds

    assert 128.0 <= delay <= 384.0


def test_every_known_kind_has_an_action():
    assert {Action.RETRY, Action.BLOCK, Action.GIVE_UP} == set(KINDS.values())
