"""Gathering operations into calls: full calls over many claims, nobody live kept waiting, memory bounded."""

import threading
import uuid
from typing import Any

import pytest

from app.audiences import push
from app.audiences.batches import LINGER_SECONDS, Batches, Held
from app.audiences.operation import Operation
from app.audiences.outcome import Outcome
from app.audiences.send import send_job
from app.inbox.models import BULK_LANE, LIVE_LANE

TOKEN = uuid.uuid4()


def fill(batches: Batches, ids: range, lane: int = BULK_LANE, now: float = 0.0, kind: Any = "upsert") -> None:
    operations = [Operation(kind, number, f"p{number}@house.test") for number in ids]
    batches.add(operations, {number: Held(TOKEN, 1, 0, lane) for number in ids}, now)


def sizes(jobs: Any) -> list[int]:
    return [len(job.operations) for job in jobs]


def test_a_call_is_filled_over_several_claims() -> None:
    batches = Batches()
    cuts = []
    for start in range(0, 1200, 300):
        fill(batches, range(start, start + 300))
        cuts.append(sizes(batches.cut(0.0, is_last=False)))

    assert cuts == [[], [500], [], [500]]
    assert sizes(batches.cut(0.0, is_last=True)) == [200]
    assert batches.count == 0


def test_a_live_change_leaves_at_once_and_takes_the_others_along() -> None:
    batches = Batches()
    fill(batches, range(10))
    fill(batches, range(10, 11), LIVE_LANE)

    assert sizes(batches.cut(0.0, is_last=False)) == [11]


def test_bulk_changes_wait_only_so_long_for_others() -> None:
    batches = Batches()
    fill(batches, range(10), now=5.0)

    assert sizes(batches.cut(5.0 + LINGER_SECONDS - 1, is_last=False)) == []
    assert sizes(batches.cut(5.0 + LINGER_SECONDS, is_last=False)) == [10]


def test_what_cannot_share_a_call_goes_at_once() -> None:
    batches = Batches()
    fill(batches, range(3), kind="tags")

    assert sizes(batches.cut(0.0, is_last=False)) == [1, 1, 1]


@pytest.mark.parametrize(("count", "expected"), [(2, [1, 1]), (3, [3]), (502, [500, 2])])
def test_only_a_push_of_one_or_two_sends_them_one_by_one(count: int, expected: list[int]) -> None:
    batches = Batches()
    fill(batches, range(count))

    assert expected == sizes(batches.cut(0.0, is_last=True))


def test_who_is_planned_anew_replaces_who_waits() -> None:
    batches = Batches()
    fill(batches, range(5))
    fill(batches, range(3, 8))

    assert [list(range(8))] == [
        sorted(one.contact_id for one in job.operations) for job in batches.cut(0.0, is_last=True)
    ]


def test_a_second_push_of_the_same_crowd_makes_no_call(office: Any, simulator: Any) -> None:
    ids = office.crowd(1200, "Alumni")
    office.push(claim_size=500)
    before = simulator.calls
    office.touch(*ids)

    counts = office.push(claim_size=500)

    assert (before, simulator.calls, counts.call_count) == (3, 3, 0)
    assert (counts.by_kind["nothing"], office.change_count()) == (1200, 0)


def test_one_percent_changed_takes_a_call_for_five_hundred_and_one_more_at_most(
    office: Any, simulator: Any
) -> None:
    ids = office.crowd(2000)
    office.push()
    before = simulator.calls
    changed = ids[::100]
    office.execute(
        """UPDATE contacts SET fields = fields || '{"last_name": "New"}' WHERE id = ANY(:ids)""", ids=changed
    )
    office.execute("DELETE FROM changes")
    office.execute(
        "INSERT INTO changes (audience_id, contact_id, lane) SELECT :audience, id, 1 FROM contacts",
        audience=office.audience_id,
    )

    counts = office.push(claim_size=200)

    assert counts.call_count == simulator.calls - before == 1
    assert (counts.by_kind["upsert"], counts.by_kind["nothing"]) == (20, 1980)


def test_a_push_plans_no_further_ahead_than_it_may(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> None:
    office.crowd(3000)
    go_on, real = threading.Event(), send_job

    def held_back(gateway: Any, audience: Any, operations: Any) -> list[Outcome]:
        go_on.wait(30)
        return real(gateway, audience, operations)

    def leased() -> int:
        return int(office.execute("SELECT count(*) FROM changes WHERE lease_token IS NOT NULL")[0][0])

    monkeypatch.setattr(push, "send_job", held_back)
    pushing = threading.Thread(target=lambda: office.push(claim_size=250, ahead_count=1000))
    pushing.start()
    wait_for(lambda: leased() == 1000)
    seen = [leased() for _ in range(20)]
    go_on.set()
    pushing.join(60)

    assert seen == [1000] * 20
    assert (office.change_count(), simulator.member_count()) == (0, 3000)


def test_changes_in_the_middle_of_a_push_are_pushed_by_it_too(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = office.add("ada@house.test", first_name="Ada")
    real, is_first = send_job, threading.Event()

    def disturbed(gateway: Any, audience: Any, operations: Any) -> list[Outcome]:
        outcomes = real(gateway, audience, operations)
        if not is_first.is_set():
            is_first.set()
            office.change(contact_id, first_name="Augusta")
        return outcomes

    monkeypatch.setattr(push, "send_job", disturbed)

    office.push()

    assert simulator.member("ada@house.test").merge_fields["FNAME"] == "Augusta"
    assert office.change_count() == 0
