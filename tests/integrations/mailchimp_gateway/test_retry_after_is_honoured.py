"""An answer that names a time to wait: until then no call of the account begins, whichever thread or process wants one."""

import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.slots import Hold, LocalSlots, NoFreeSlotError
from integrations.mailchimp.transport import LONGEST_QUIET_SECONDS

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, UTC)


class Remembering(LocalSlots):
    """Slots that keep what the calls said."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Hold] = []

    def _leave(self, held: Hold) -> None:
        self.held.append(held)


def refuse(simulator: RunningSimulator, kind: str, **rule: Any) -> None:
    simulator.world.faults.add(Rule(kind, times=1, **rule))


@pytest.mark.parametrize("is_date", [False, True])
@pytest.mark.parametrize("kind", ["429", "429_empty", "503_html"])
def test_no_call_begins_before_the_time_is_over(
    simulator: RunningSimulator, gateway: Gateway, kind: str, is_date: bool
) -> None:
    refuse(simulator, kind, retry_after_seconds=1, is_retry_after_date=is_date)
    with pytest.raises(MailchimpProblem):
        gateway.ping()
    refused_at = time.monotonic()
    began: list[float] = []

    def call() -> None:
        gateway.ping()
        began.append(time.monotonic() - refused_at)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 3 == len(began)
    assert 0.9 <= min(began)
    assert max(began) <= 4  # a date tells whole seconds, and a waiting call looks twice a second


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0", 0.0),
        (None, 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("999999", LONGEST_QUIET_SECONDS),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (format_datetime(datetime(2199, 1, 1, tzinfo=UTC), usegmt=True), LONGEST_QUIET_SECONDS),
    ],
)
def test_a_header_is_believed_within_bounds(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, header: str | None, seconds: float
) -> None:
    monkeypatch.setattr(Rule, "retry_after", lambda *_: header or "")
    slots = Remembering()
    gateway = Gateway(simulator.url, simulator.config.api_key, slots)
    refuse(simulator, "429")

    with pytest.raises(MailchimpProblem):
        gateway.ping()
    gateway.close()

    assert [(True, seconds)] == [(one.is_throttled, one.quiet_seconds) for one in slots.held]


def test_a_call_that_cannot_wait_so_long_fails_without_being_made(
    simulator: RunningSimulator, gateway: Gateway
) -> None:
    refuse(simulator, "429", retry_after_seconds=30)
    for _ in range(2):
        with pytest.raises(MailchimpProblem) as refused:
            gateway.ping()

    assert ("throttled", "No Free Connection") == (refused.value.kind, refused.value.title)
    assert 1 == simulator.world.journal.counts()["calls"] == gateway.call_count


def test_the_longest_wish_for_quiet_counts() -> None:
    now = [100.0]
    slots = LocalSlots(clock=lambda: now[0])
    with slots.hold(0, 1) as first, slots.hold(0, 1) as second:
        first.quiet_seconds, second.quiet_seconds = 2.0, 5.0
    with pytest.raises(NoFreeSlotError), slots.hold(0, 1):
        pass

    assert (5.0, 0) == (slots.quiet_seconds, slots.slot_count)
    now[0] += 5.0
    with slots.hold(0, 1):
        assert 8 == slots.slot_count


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("429"), ""),
        (Rule("429", retry_after_seconds=30), "30"),
        (Rule("429", retry_after_seconds=30, is_retry_after_date=True), "Sun, 22 Nov 2026 12:00:31 GMT"),
    ],
)
def test_the_simulator_names_a_time_only_where_a_rule_says_so(rule: Rule, expected: str) -> None:
    assert expected == rule.retry_after(NOW)
