"""Late holders: whoever wakes up after the lease leaves nothing older behind (I16)."""

import threading
from typing import Any

import pytest

from app.audiences import push
from app.audiences.outcome import Outcome
from app.audiences.push import PushOptions, push_audience

ADA = "ada@house.test"


def test_a_late_answer_is_sent_again_as_it_should_be_now(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = office.add(ADA, first_name="Old")
    real = push.send_job
    is_first = threading.Event()

    def overtaken(gateway: Any, audience: Any, operations: Any) -> list[Outcome]:
        """While the first call is on its way somebody else takes over, pushes newer values, and is done."""
        if is_first.is_set():
            return real(gateway, audience, operations)
        is_first.set()
        office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")
        office.change(contact_id, first_name="New")
        office.push()
        assert simulator.member(ADA).merge_fields["FNAME"] == "New"
        return real(gateway, audience, operations)

    monkeypatch.setattr(push, "send_job", overtaken)

    office.push()

    assert simulator.member(ADA).merge_fields["FNAME"] == "New"
    assert office.change_count() == 0


def test_a_late_first_push_cannot_subscribe_somebody_who_opted_out_meanwhile(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = office.add(ADA)
    real, prepare = push.send_job, push.prepare_operations
    is_first, is_drained = threading.Event(), threading.Event()

    def preparing(*arguments: Any, **options: Any) -> Any:
        prepared = prepare(*arguments, **options)
        if not prepared.taken_count:
            is_drained.set()
        return prepared

    def overtaken(gateway: Any, audience: Any, operations: Any) -> list[Outcome]:
        if not is_first.is_set():
            is_first.set()
            assert is_drained.wait(30)  # else this very push would take the change once more
            office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")
            office.say(contact_id, "withdrawn", ADA)
            office.push()
        return real(gateway, audience, operations)

    monkeypatch.setattr(push, "send_job", overtaken)
    monkeypatch.setattr(push, "prepare_operations", preparing)

    office.push()

    assert simulator.member(ADA).status == "unsubscribed"
    assert simulator.subscribing(ADA) == 0
    assert office.mirror(contact_id).status == "unsubscribed"


def test_nothing_is_sent_under_a_lease_that_may_be_over(office: Any, simulator: Any) -> None:
    office.add(ADA)

    counts = push_audience(
        office.sessions,
        office.connections,
        office.audience_id,
        PushOptions(lease_seconds=0.0, budget_seconds=0.2),
    )

    assert simulator.calls == 0
    assert counts.by_verdict["release"] > 0
    assert office.change_count() == 1


def test_a_slow_call_keeps_its_lease(office: Any, simulator: Any) -> None:
    office.add(ADA)
    simulator.fault("slow", seconds=2.5, times=1)

    office.push(lease_seconds=1.5)

    assert simulator.calls == 1
    assert office.change_count() == 0


def test_two_pushers_at_once_send_everybody_once(office: Any, simulator: Any) -> None:
    office.crowd(40)
    threads = [threading.Thread(target=lambda: office.push(claim_size=7)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert simulator.member_count() == 40
    assert office.change_count() == 0
    notes = [note for entry in simulator.entries() for note in entry["notes"]]
    assert len(notes) == 40
