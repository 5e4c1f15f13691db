"""What may still run at Mailchimp keeps its slot: calls that ran out of time, and calls that a Redis begun anew forgot."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from app.audiences import slots
from app.audiences.slots import SharedSlots
from integrations.mailchimp import transport
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.slots import DEFAULT_SLOT_COUNT, Hold, LocalSlots, NoFreeSlotError

Make = Callable[..., SharedSlots]
LATER_SECONDS = 0.7  # a deadline, and for so long again its slot is kept


@pytest.fixture
def forget(redis_url: str, account: str) -> Iterator[Callable[[], None]]:
    """Redis begins anew, empty."""
    client = redis.Redis.from_url(redis_url)

    def delete_all() -> None:
        for key in client.keys(f"muster:slots:{account}*"):
            client.delete(key)

    yield delete_all
    client.close()


def granted_count(one: Any, stack: contextlib.ExitStack, wanted: int) -> int:
    """How many of so many slots are granted; they stay held until the stack ends."""
    for count in range(wanted):
        try:
            stack.enter_context(one.hold(0.15, 30))
        except NoFreeSlotError:
            return count
    return wanted


# Out of time


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_slot_is_kept_for_as_long_as_the_call_may_still_run_there(
    make_slots: Make, *, is_shared: bool
) -> None:
    own = make_slots(1) if is_shared else LocalSlots(1)
    other = make_slots(1) if is_shared else own
    with own.hold(1, 5) as held:
        held.kept_seconds = LATER_SECONDS
    ended_at = time.monotonic()

    with pytest.raises(NoFreeSlotError), other.hold(0.1, 5):
        pass
    with other.hold(5, 5):
        waited = time.monotonic() - ended_at
    with other.hold(0.1, 5):
        pass  # and it is kept once

    assert LATER_SECONDS - 0.05 <= waited < LATER_SECONDS + 1


# A time-out of a second may end a millisecond early.
@pytest.mark.parametrize(("longest", "least", "most"), [(120.0, 0.9, 1.0), (1.3, 0.1, 0.31), (0.5, 0.0, 0.0)])
def test_a_call_out_of_time_keeps_its_slot_for_its_deadline_again_but_not_beyond_what_mailchimp_lets_it_run(
    monkeypatch: pytest.MonkeyPatch, longest: float, least: float, most: float
) -> None:
    monkeypatch.setattr(transport, "LONGEST_CALL_SECONDS", longest)
    local = LocalSlots(1)
    kept: list[float] = []
    leave = local._leave

    def noted(held: Hold) -> None:
        kept.append(held.kept_seconds)
        leave(held)

    monkeypatch.setattr(local, "_leave", noted)
    with RunningSimulator(SimulatorConfig(port=0)) as simulator:
        simulator.world.faults.add(Rule(kind="hang", seconds=5, times=1))
        gateway = Gateway(simulator.url, simulator.config.api_key, local, deadline_seconds=1.0)

        with pytest.raises(MailchimpProblem) as caught:
            gateway.ping()
        gateway.close()

    assert caught.value.kind == "unknown_outcome"
    assert least <= kept[0] <= most


@pytest.mark.parametrize("fault", ["reset_before", "503_html", "429", "cut_body"])
def test_a_call_that_failed_in_time_gives_its_slot_back_at_once(fault: str) -> None:
    local = LocalSlots(1)
    with RunningSimulator(SimulatorConfig(port=0)) as simulator:
        simulator.world.faults.add(Rule(kind=fault, times=1))
        gateway = Gateway(simulator.url, simulator.config.api_key, local, deadline_seconds=5.0)
        with pytest.raises(MailchimpProblem):
            gateway.ping()

        with local.hold(0, 1):
            pass
        gateway.close()


def test_time_outs_under_load_never_open_more_than_eight(redis_url: str, account: str) -> None:
    shared = SharedSlots(redis_url, account)
    with RunningSimulator(SimulatorConfig(port=0)) as simulator:
        simulator.world.faults.add(Rule(kind="slow", seconds=1.8))
        gateway = Gateway(simulator.url, simulator.config.api_key, shared, deadline_seconds=1.0)
        kinds: list[str] = []

        def call() -> None:
            for _ in range(4):
                with contextlib.suppress(MailchimpProblem):
                    gateway.ping()
                kinds.append("ended")

        threads = [threading.Thread(target=call) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        entries = simulator.world.journal.entries(limit=1000)
        gateway.close()
    shared.close()

    assert len(kinds) == 12 * 4
    assert len(entries) > DEFAULT_SLOT_COUNT  # more than one round of calls
    assert max(entry["in_flight"] for entry in entries) <= 10


# Redis forgot


def test_a_process_tells_what_it_holds_before_it_is_granted_more(
    make_slots: Make, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SETTLING_SECONDS", 0.0)
    one = make_slots()
    with contextlib.ExitStack() as stack:
        before = granted_count(one, stack, 8)
        forget()

        more = granted_count(one, stack, 8)

    assert (8, 0) == (before, more)
    with contextlib.ExitStack() as stack:
        assert granted_count(one, stack, 9) == 8  # all came back


def test_calls_of_two_processes_are_ten_at_most_whoever_comes_first(
    make_slots: Make, forget: Callable[[], None]
) -> None:
    one, other = make_slots(), make_slots()
    with contextlib.ExitStack() as stack:
        before = granted_count(one, stack, 5) + granted_count(other, stack, 3)
        forget()

        more = granted_count(other, stack, 8) + granted_count(one, stack, 8)

    assert before == 8
    assert more <= 2


def test_after_a_while_a_redis_that_forgot_grants_all_again(
    make_slots: Make, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SETTLING_SECONDS", 0.6)
    one = make_slots()
    with one.hold(1, 5):
        pass
    forget()

    with contextlib.ExitStack() as stack:
        at_first = granted_count(one, stack, 8)
        time.sleep(0.6)
        then = granted_count(one, stack, 8)

    assert (at_first, then) == (2, 6)


def test_what_ended_before_redis_forgot_is_not_told(make_slots: Make, forget: Callable[[], None]) -> None:
    one = make_slots(2)
    for _ in range(3):
        with one.hold(1, 30):
            pass
    with one.hold(1, 30):
        forget()

    with contextlib.ExitStack() as stack:
        assert granted_count(one, stack, 3) == 2


def test_a_kept_slot_is_told_too(make_slots: Make, forget: Callable[[], None]) -> None:
    one = make_slots(1)
    with one.hold(1, 30) as held:
        held.kept_seconds = LATER_SECONDS
    forget()

    with pytest.raises(NoFreeSlotError), one.hold(0.1, 30):
        pass
    with one.hold(5, 30):
        pass


# Redis is away


def test_without_redis_a_process_opens_no_more_beside_what_it_has(make_slots: Make) -> None:
    one = make_slots()
    with contextlib.ExitStack() as stack:
        before = granted_count(one, stack, 3)
        one._away_until = time.monotonic() + 30

        more = granted_count(one, stack, 1)

    assert (3, 0) == (before, more)
    with contextlib.ExitStack() as stack:
        assert granted_count(one, stack, 3) == slots.LONELY_SLOT_COUNT


def test_what_was_begun_without_redis_is_told_when_it_is_back(make_slots: Make) -> None:
    one, other = make_slots(3), make_slots(3)
    with one.hold(1, 30):
        pass
    one._away_until = time.monotonic() + 30
    with contextlib.ExitStack() as alone:
        lonely = granted_count(one, alone, 2)
        one._away_until = 0.0
        with contextlib.ExitStack() as stack:
            own = granted_count(one, stack, 1)
            others = granted_count(other, stack, 1)
    with contextlib.ExitStack() as stack:
        after = granted_count(other, stack, 3)

    assert (2, 1, 0, 3) == (lonely, own, others, after)


def test_threads_that_come_and_go_while_redis_forgets_leave_no_slot_behind(
    make_slots: Make, forget: Callable[[], None]
) -> None:
    one = make_slots(4)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with contextlib.suppress(NoFreeSlotError), one.hold(2, 60):
                time.sleep(0.002)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        forget()
        time.sleep(0.03)
    over.set()
    for thread in threads:
        thread.join(20)

    client = redis.Redis(connection_pool=one._redis.connection_pool)
    assert client.zcard(one._keys[0]) == 0
