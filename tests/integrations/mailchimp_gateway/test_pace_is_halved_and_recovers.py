"""The pace of an account: halved once for each protest, one more connection for every half minute of peace."""

import threading
import time

import pytest

from integrations.mailchimp.pace import Pace, Step, count_at, list_steps, queue_place, slowed
from integrations.mailchimp.slots import LocalSlots, NoFreeSlotError


@pytest.mark.parametrize(
    ("pace", "now", "count"),
    [
        (Pace(), 0, 8),
        (Pace(4, 100), 100, 4),
        (Pace(4, 100), 129.9, 4),
        (Pace(4, 100), 130, 5),
        (Pace(4, 100), 219, 7),
        (Pace(4, 100), 220, 8),
        (Pace(4, 100), 9999, 8),
        (Pace(2, 100), 160, 4),
        (Pace(4, 100), 99, 4),
    ],
)
def test_connections_come_back_one_each_half_minute(pace, now, count):
    assert count == count_at(pace, now)


@pytest.mark.parametrize(
    ("pace", "now", "granted_at", "after"),
    [
        (Pace(), 100, 99, Pace(4, 100)),
        (Pace(4, 100), 105, 104, Pace(2, 105)),
        (Pace(2, 105), 110, 109, Pace(2, 110)),  # never below two
        (Pace(4, 100), 101, 99, Pace(4, 100)),  # on its way before the halving
        (Pace(4, 100), 100.5, 100, Pace(4, 100)),
        (Pace(4, 100), 190, 189, Pace(3, 190)),  # had recovered to 7
        (Pace(4, 100), 500, 499, Pace(4, 500)),
    ],
)
def test_a_protest_halves_what_there_was_once(pace, now, granted_at, after):
    assert after == slowed(pace, now, granted_at)


def test_an_account_of_one_connection_keeps_it():
    assert Pace(1, 100) == slowed(Pace(1), 100, 99, full=1)


@pytest.mark.parametrize("pace", [Pace(), Pace(4, 100), Pace(2, 105), Pace(7, 3)])
def test_the_steps_say_what_the_pace_says(pace):
    steps = list_steps(pace)

    for now in range(90, 400):
        stepped = next((step.count for step in steps if step.until > now), 8)
        assert count_at(pace, max(now, pace.slowed_at)) == stepped or now < pace.slowed_at


def test_the_steps_after_a_halving():
    assert list_steps(Pace(6, 100)) == (Step(6, 130), Step(7, 160))


def test_bulk_stands_behind_all_that_come_within_three_seconds():
    places = {
        "bulk at 0": queue_place(0, is_bulk=True),
        "form at 2.9": queue_place(2.9, is_bulk=False),
        "form at 3.1": queue_place(3.1, is_bulk=False),
    }

    assert sorted(places, key=places.__getitem__) == ["form at 2.9", "bulk at 0", "form at 3.1"]


def _holders(slots, count, **kind):
    """`count` held slots as (entered, leave) events of threads."""
    entered = threading.Semaphore(0)
    leave = threading.Event()

    def work():
        with slots.hold(5, 5, **kind):
            entered.release()
            leave.wait(5)

    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(count):
        assert entered.acquire(timeout=5)
    return leave


def test_a_protest_in_one_process_halves_its_slots_until_they_recover():
    slots = LocalSlots(4, recovery_seconds=0.15)

    with slots.hold(1, 1) as held:
        held.is_throttled = True
    halved = slots.slot_count
    leave = _holders(slots, 2)
    with pytest.raises(NoFreeSlotError), slots.hold(0.02, 1):
        pass
    time.sleep(0.16)
    with slots.hold(0.02, 1):
        recovered = slots.slot_count
    leave.set()

    assert (halved, recovered) == (2, 3)


def test_an_interactive_call_goes_before_bulk_that_came_first():
    slots, order = LocalSlots(1), []
    leave = _holders(slots, 1)

    def work(name, *, is_bulk):
        with slots.hold(5, 5, is_bulk=is_bulk):
            order.append(name)

    threads = []
    for name, is_bulk in (("bulk", True), ("bulk", True), ("form", False)):
        threads.append(threading.Thread(target=work, args=(name,), kwargs={"is_bulk": is_bulk}))
        threads[-1].start()
        time.sleep(0.05)
    leave.set()
    for thread in threads:
        thread.join(5)

    assert order == ["form", "bulk", "bulk"]
