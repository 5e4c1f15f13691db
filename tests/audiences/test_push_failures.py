"""Pushing: calls that fail, answers that are lost, processes that die; all is tried again, and nothing is done twice."""

from typing import Any

import pytest

from app.audiences import push
from app.audiences.retry import GIVE_UP_SECONDS


@pytest.mark.parametrize(
    "kind", ["500", "503_empty", "429", "429_empty", "403_html", "200_html", "200_empty"]
)
def test_a_failed_call_is_tried_again_later(office: Any, simulator: Any, kind: str) -> None:
    office.add_many(5)
    simulator.fault(kind, times=1, path="/lists")
    office.push()
    assert simulator.member_count() == 0
    assert office.change_count() == 5
    office.hurry()

    office.push()

    assert simulator.member_count() == 5
    assert office.change_count() == 0
    assert office.execute("SELECT count(*) FROM attempts")[0][0] == 1


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "cut_body"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_lost_answer_is_repeated_without_a_second_effect(
    office: Any, simulator: Any, kind: str, count: int
) -> None:
    ids = office.add_many(count, tags=("Alumni",))
    simulator.fault(kind, times=1, path="/lists")
    office.push()
    assert count == simulator.member_count()
    changed_at = {
        number: simulator.member(f"person{number}@house.test").changed_at for number in range(count)
    }
    office.hurry()

    office.push()

    assert count == simulator.member_count()
    assert changed_at == {
        number: simulator.member(f"person{number}@house.test").changed_at for number in range(count)
    }
    assert {"subscribed"} == {office.mirror(contact_id).status for contact_id in ids}
    assert office.change_count() == 0


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "cut_body"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_value_changed_back_after_a_lost_answer_is_written_again(
    office: Any, simulator: Any, kind: str, count: int
) -> None:
    ids = office.add_many(count)
    office.push()
    first = office.fields(ids[0])["first_name"]
    for contact_id in ids:
        office.change(contact_id, first_name="Other")
    simulator.fault(kind, times=1, path="/lists")
    office.push()
    assert "Other" == simulator.member("person0@house.test").merge_fields["FNAME"]

    for contact_id in ids:
        office.change(contact_id, first_name=first)
    office.hurry()
    office.push()
    office.pull()

    there = {simulator.member(f"person{number}@house.test").merge_fields["FNAME"] for number in range(count)}
    assert {first} == there
    assert {first} == {office.fields(contact_id)["first_name"] for contact_id in ids}


@pytest.mark.parametrize("policy", ["archive", "unsubscribe"])
@pytest.mark.parametrize("count", [1, 3])
def test_whoever_should_leave_after_a_lost_answer_leaves(
    office: Any, simulator: Any, policy: str, count: int
) -> None:
    office.put(entry_rule={"tags_any": ["alumni"]}, on_leave=policy)
    ids = office.add_many(count, tags=("Alumni",))
    office.push()
    for contact_id in ids:
        office.change(contact_id, first_name="Other")
    simulator.fault("reset_before", times=1, path="/lists")
    office.push()

    for contact_id in ids:
        office.tag(contact_id)
    office.hurry()
    office.push()

    there = {simulator.member(f"person{number}@house.test").status for number in range(count)}
    assert {"archived" if policy == "archive" else "unsubscribed"} == there


def test_the_time_of_a_pause_does_not_count_against_a_change(office: Any, simulator: Any) -> None:
    office.add_many(1)
    simulator.fault("503_html", times=1, path="/lists")
    office.push()
    simulator.fault("401")
    office.hurry()
    office.push()
    office.execute("UPDATE changes SET first_failed_at = first_failed_at - interval '76 hours'")
    office.execute(
        "UPDATE destinations SET paused_at = paused_at - interval '76 hours', breaker = jsonb_set(breaker, '{until}', '0')"
    )
    simulator.mend()

    simulator.fault("500", times=1, path="/lists")
    office.hurry()
    office.push()

    assert [(None,)] == office.execute("SELECT parked_at FROM changes")


def test_killed_between_answer_and_commit_the_push_is_repeated(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.add_many(5)

    def killed(*_arguments: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(push, "settle_outcomes", killed)
        with pytest.raises(KeyboardInterrupt):
            office.push()
    assert simulator.member_count() == 5
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")

    office.push()

    assert simulator.member_count() == 5
    assert office.change_count() == 0


def test_an_opt_out_after_a_killed_push_still_reaches_mailchimp(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = office.add("ada@house.test")
    with monkeypatch.context() as patched:
        patched.setattr(push, "settle_outcomes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            office.push()
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")
    office.say(contact_id, "withdrawn", "ada@house.test")

    office.push()

    assert simulator.member("ada@house.test").status == "unsubscribed"


def test_a_rejected_key_pauses_once_and_parks_nobody(office: Any, simulator: Any) -> None:
    office.add_many(5)
    simulator.fault("401")
    office.push()
    office.push()

    assert office.change_count() == 5
    assert [
        tuple(row) for row in office.execute("SELECT count(parked_at), max(attempt_count) FROM changes")
    ] == [(0, 0)]
    assert office.execute("SELECT count(*) FROM attempts")[0][0] == 1
    assert office.execute("SELECT paused_at FROM destinations")[0][0] is not None


def test_a_paused_destination_goes_on_by_itself_once_mended(office: Any, simulator: Any) -> None:
    office.add_many(5)
    simulator.fault("401")
    office.push()
    simulator.mend()
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")

    office.push()

    assert office.execute("SELECT paused_at FROM destinations")[0][0] is None
    assert simulator.member_count() == 5


def test_the_breaker_opens_and_a_probe_closes_it(office: Any, simulator: Any) -> None:
    office.add("ada@house.test")
    simulator.fault("500")
    for _ in range(12):
        office.hurry()
        office.push()
    calls = simulator.calls
    office.hurry()
    office.push()
    assert calls == simulator.calls
    assert calls == 10
    simulator.mend()
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")

    office.push()

    assert office.execute("SELECT breaker ->> 'state' FROM destinations")[0][0] == "closed"
    office.hurry()
    office.push()
    assert simulator.member_count() == 1


def test_after_75_hours_a_change_is_parked(office: Any, simulator: Any) -> None:
    office.add("ada@house.test")
    simulator.fault("500")
    office.push()
    office.execute(
        "UPDATE changes SET next_attempt_at = now(), first_failed_at = now() - make_interval(secs => :s)",
        s=GIVE_UP_SECONDS + 1,
    )

    office.push()

    assert office.execute("SELECT parked_at FROM changes")[0][0] is not None
    calls = simulator.calls
    office.push()
    assert calls == simulator.calls
