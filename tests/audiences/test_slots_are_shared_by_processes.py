"""Connection slots over processes: never more than the budget, interactive first, halved together, nobody forgotten."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.audiences import slots
from app.audiences.slots import SharedSlots
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.slots import NoFreeSlotError

Make = Callable[..., SharedSlots]


def most_at_once(count: int, *shared: Any) -> int:
    """How many of `count` threads were inside at the same time."""
    inside, most, lock = 0, 0, threading.Lock()

    def work(one: Any) -> None:
        nonlocal inside, most
        with one.hold(10, 10):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work, args=(shared[number % len(shared)],)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_two_processes_share_the_budget(make_slots: Make) -> None:
    assert most_at_once(16, make_slots(3), make_slots(3)) == 3


def test_a_slot_is_not_waited_for_forever(make_slots: Make) -> None:
    one, other = make_slots(1), make_slots(1)

    with one.hold(1, 10), pytest.raises(NoFreeSlotError), other.hold(0.1, 10):
        pass

    with other.hold(0.1, 10):
        pass


def test_a_killed_holders_slot_comes_back(make_slots: Make) -> None:
    killed, other = make_slots(1), make_slots(1)
    killed.hold(1, 0.2).__enter__()  # and never left

    with other.hold(5, 10):
        pass


def test_a_killed_waiter_does_not_hold_up_the_others(make_slots: Make) -> None:
    one, killed, other = make_slots(1), make_slots(1), make_slots(1)
    with one.hold(1, 10):
        killed._call(killed._take, "1000-killed", 60_000, 0)  # takes the first place, and never asks again

    started = time.monotonic()
    with other.hold(5, 10):
        assert time.monotonic() - started < slots.ABSENT_SECONDS + 1


def test_without_redis_a_process_holds_itself_to_two(tmp_path: Any, account: str) -> None:
    away = SharedSlots(f"unix://{tmp_path}/nobody.sock", account, 8)

    assert most_at_once(8, away) == slots.LONELY_SLOT_COUNT

    assert away.find_slot_count() is None
    away.close()


def test_quiet_that_one_process_was_asked_for_holds_in_all(make_slots: Make) -> None:
    one, other = make_slots(), make_slots()
    with one.hold(1, 1) as first, one.hold(1, 1) as second:
        first.quiet_seconds, second.quiet_seconds = 1.0, 0.2  # the longer one counts
    asked_at = time.monotonic()

    with pytest.raises(NoFreeSlotError), other.hold(0.1, 1):
        pass
    assert 0 < other.find_quiet_seconds() <= 1.0
    with other.hold(5, 1):
        waited = time.monotonic() - asked_at

    assert 0.9 <= waited <= 3
    assert 0 == one.find_quiet_seconds()


def test_without_redis_quiet_holds_in_the_process_that_was_asked(tmp_path: Any, account: str) -> None:
    away = SharedSlots(f"unix://{tmp_path}/nobody.sock", account, 8)
    with away.hold(1, 1) as held:
        held.quiet_seconds = 30.0

    with pytest.raises(NoFreeSlotError), away.hold(0.1, 1):
        pass

    assert 29 < away.find_quiet_seconds() <= 30
    away.close()


def test_a_slot_passes_on_without_polling(make_slots: Make) -> None:
    one, other = make_slots(1), make_slots(1)
    gaps: list[float] = []
    left_at = 0.0

    def wait_for_it() -> None:
        with other.hold(5, 5):
            gaps.append(time.monotonic() - left_at)

    for _ in range(15):
        with one.hold(5, 5):
            waiter = threading.Thread(target=wait_for_it)
            waiter.start()
            time.sleep(0.02)
            left_at = time.monotonic()
        waiter.join()

    assert sorted(gaps)[len(gaps) // 2] < slots.NAP_SECONDS / 5


def test_a_protest_against_one_process_halves_the_account_for_all(make_slots: Make) -> None:
    one, other = make_slots(8), make_slots(8)

    with one.hold(1, 1) as held:
        held.is_throttled = True
    after_one = other.find_slot_count()
    most = most_at_once(16, one, other)
    with other.hold(1, 1) as held:
        held.is_throttled = True

    assert (after_one, one.find_slot_count()) == (4, 2)
    assert 1 < most <= 4


def test_calls_that_were_under_way_together_halve_it_once(make_slots: Make) -> None:
    one, other = make_slots(8), make_slots(8)

    with one.hold(1, 1) as first, other.hold(1, 1) as second, other.hold(1, 1) as third:
        first.is_throttled = second.is_throttled = third.is_throttled = True

    assert one.find_slot_count() == 4


def test_the_account_recovers_step_by_step(make_slots: Make) -> None:
    one = make_slots(8, 0.4)
    seen = []

    with one.hold(1, 1) as held:
        held.is_throttled = True
    until = time.monotonic() + 2.2
    while time.monotonic() < until:
        seen.append(one.find_slot_count())
        time.sleep(0.02)

    assert sorted(set(seen)) == [4, 5, 6, 7, 8] == list(dict.fromkeys(seen))


def test_an_interactive_call_goes_before_bulk_of_another_process(make_slots: Make) -> None:
    first, bulk, form = make_slots(1), make_slots(1), make_slots(1)
    order: list[str] = []

    def work(one: SharedSlots, name: str, *, is_bulk: bool) -> None:
        with one.hold(5, 5, is_bulk=is_bulk):
            order.append(name)

    with first.hold(1, 5):
        threads = []
        for one, name in ((bulk, "bulk"), (bulk, "bulk"), (form, "form")):
            threads.append(
                threading.Thread(target=work, args=(one, name), kwargs={"is_bulk": name == "bulk"})
            )
            threads[-1].start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()

    assert order == ["form", "bulk", "bulk"]


def test_bulk_gets_its_turn_under_a_stream_of_interactive_calls(
    make_slots: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "BULK_HANDICAP_SECONDS", 0.3)
    forms, bulk = make_slots(1), make_slots(1)
    over = threading.Event()

    def stream() -> None:
        while not over.is_set():
            with forms.hold(5, 5):
                time.sleep(0.01)

    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    started = time.monotonic()
    with bulk.hold(5, 5, is_bulk=True):
        waited = time.monotonic() - started
    over.set()
    for thread in threads:
        thread.join()

    assert 0.2 < waited < 2


CALLER = """
import sys, threading
from app.audiences.slots import SharedSlots
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
redis_url, account, url, key = sys.argv[1:]
gateway = Gateway(url, key, SharedSlots(redis_url, account), deadline_seconds=90)
def work():
    for _ in range(15):
        try:
            gateway.ping()
        except MailchimpProblem as problem:
            assert problem.kind == "throttled", problem
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.parametrize("refused_share", [0.0, 0.3])
def test_three_processes_never_open_more_than_eight(
    redis_url: str, account: str, refused_share: float
) -> None:
    with RunningSimulator(SimulatorConfig(port=0, latency_ms=10)) as simulator:
        if refused_share:
            simulator.world.faults.add(Rule(kind="429", probability=refused_share))
        command = [sys.executable, "-c", CALLER, redis_url, account, simulator.url, simulator.config.api_key]
        callers = [subprocess.Popen(command) for _ in range(3)]
        codes = [caller.wait(100) for caller in callers]

        entries = simulator.world.journal.entries(limit=1000)

    assert codes == [0, 0, 0]
    assert len(entries) == 3 * 8 * 15
    assert max(entry["in_flight"] for entry in entries) <= slots.DEFAULT_SLOT_COUNT
    refused = sum(entry["status"] == 429 for entry in entries)
    assert (refused > 0) == (refused_share > 0)
