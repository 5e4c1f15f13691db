"""What a drift report and a dry run count adds up, and nobody is promised to join who then does not."""

from typing import Any

import pytest

from app.audiences.reconcile import run_reconcile
from app.audiences.rehearse import run_first_sync
from app.audiences.run_views import RunView, get_run
from app.audiences.steer import approve
from app.core.db import transaction

PEOPLE = ("missing", "differing", "leaving", "in_step", "refused", "out")
HOME = "home@house.test"


@pytest.fixture(params=[True, False], ids=["archived_listed", "archived_unlisted"])
def simulator_either_way(request: pytest.FixtureRequest, simulator: Any) -> Any:
    """Nobody knows whether Mailchimp lists the archived among all."""
    simulator.call("POST", "/switches", {"are_archived_listed": request.param})
    return simulator


@pytest.fixture
def new(office: Any) -> Any:
    """The audience as if just added: never approved."""
    office.put(approved_at=None, tags=[], merge_fields={"FNAME": "first_name"})
    return office


def shown(office: Any, run_id: int) -> RunView:
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


def rehearse(office: Any) -> RunView:
    return shown(office, run_first_sync(office.sessions, office.connections, office.audience_id, "tester"))


def compare(office: Any) -> dict[str, Any]:
    run_id = run_reconcile(office.sessions, office.connections, office.audience_id, "tester")
    return dict(shown(office, run_id).findings)


def both_sides(found: dict[str, Any]) -> tuple[int, int]:
    """Members there; members here and strangers."""
    statuses = found["statuses"].values()
    return sum(one["there"] for one in statuses), sum(one["here"] for one in statuses) + found["strangers"]


def subscribed_count(simulator: Any) -> int:
    audience = next(iter(simulator.running.world.audiences.values()))
    return sum(member.status == "subscribed" for member in audience.members())


def test_everybody_is_in_one_column_and_both_sides_agree_with_the_strangers(
    office: Any, simulator_either_way: Any
) -> None:
    simulator = simulator_either_way
    office.crowd(10)
    office.push()
    for number in range(3):
        simulator.contact("signup", f"s{number}@stranger.test")
    simulator.contact("unsubscribe", "s0@stranger.test")
    simulator.staff("archive", "s1@stranger.test")
    simulator.contact("unsubscribe", "p1@house.test")
    simulator.staff("archive", "p2@house.test")
    simulator.staff("delete", "p3@house.test")

    found = compare(office)

    there, here = both_sides(found)
    assert (there, found["strangers"]) == (here, 3)
    assert sum(found[name] for name in PEOPLE) == 10
    assert [found[name] for name in ("missing", "in_step", "refused", "out", "gone")] == [1, 7, 1, 1, 2]


def test_members_that_were_archived_are_gone_once_and_no_strangers(
    office: Any, simulator_either_way: Any
) -> None:
    office.crowd(30)
    office.push()
    for number in range(1, 26):
        simulator_either_way.staff("archive", f"p{number}@house.test")

    first, second = compare(office), compare(office)

    assert [(one["gone"], one["refused"], one["strangers"]) for one in (first, second)] == [
        (25, 25, 0),
        (0, 25, 0),
    ]


def test_whoever_is_gone_and_was_not_asked_for_is_not_in_step(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audiences.whole_read.ASKED_MOST", 5)
    office.crowd(40)
    office.push()
    for number in range(1, 31):
        simulator.staff("delete", f"p{number}@house.test")

    found = compare(office)

    assert [found[name] for name in ("gone", "missing", "in_step")] == [30, 5, 10]


def test_reading_the_archived_costs_a_call_a_thousand(office: Any, simulator: Any) -> None:
    office.crowd(3)
    office.push()
    before = simulator.calls

    compare(office)

    # One page of members, one of the archived, six counts.
    assert simulator.calls - before == 8


def test_people_whom_staff_archived_are_refused_and_not_promised_to_join(
    new: Any, simulator_either_way: Any
) -> None:
    simulator = simulator_either_way
    for number in range(1, 31):
        simulator.contact("signup", f"p{number}@house.test")
        simulator.staff("archive", f"p{number}@house.test")
    new.crowd(32)

    run = rehearse(new)
    with transaction(new.sessions) as session:
        approve(session, run.run_id, "tester")
    new.push()

    found = run.findings
    assert (found["added"], found["refused"], found["strangers"]) == (2, 30, 0)
    assert [one["code"] for one in found["refusals"]] == ["archived_there"]
    assert subscribed_count(simulator) == 2


def test_the_member_of_a_shared_address_is_no_stranger_and_is_taken_over(new: Any, simulator: Any) -> None:
    simulator.contact("signup", HOME, merge_fields={"FNAME": "Home"})
    speaker = new.add(HOME, first_name="Ada")
    new.add(HOME, first_name="Bob")

    run = rehearse(new)
    with transaction(new.sessions) as session:
        approve(session, run.run_id, "tester")
    new.push()

    found = run.findings
    assert [found[name] for name in ("added", "changed", "refused", "strangers")] == [0, 1, 1, 0]
    assert found["samples"]["changed"] == [
        {"contact_id": speaker, "change": "takes over the member of a shared address"}
    ]
    assert (simulator.member_count(), simulator.member(HOME).merge_fields["FNAME"]) == (1, "Ada")


def test_the_archived_member_of_a_shared_address_is_nobody_who_joins(new: Any, simulator: Any) -> None:
    simulator.contact("signup", HOME)
    simulator.staff("archive", HOME)
    speaker, other = new.add(HOME, first_name="Ada"), new.add(HOME, first_name="Bob")

    found = rehearse(new).findings

    assert [found[name] for name in ("added", "changed", "refused", "strangers")] == [0, 0, 2, 0]
    refused = {one["code"]: one["contact_ids"] for one in found["refusals"]}
    assert refused == {"archived_there": [speaker], "shared_address": [other]}


def test_a_member_at_an_address_that_somebody_gave_up_stays_a_stranger(new: Any, simulator: Any) -> None:
    simulator.contact("signup", HOME)
    for number in (1, 2):
        contact_id = new.add(HOME)
        new.change(contact_id, email=f"moved{number}@house.test")

    found = rehearse(new).findings

    assert (found["strangers"], found["added"]) == (1, 2)


def test_whoever_muster_took_out_and_takes_in_again_joins(office: Any, simulator: Any) -> None:
    ada = office.add("ada@house.test", tags=("alumni",))
    office.push()
    office.execute('UPDATE audiences SET entry_rule = \'{"tags_any": ["choir"]}\'')
    office.touch(ada)
    office.push()
    office.execute("UPDATE audiences SET entry_rule = '{}'")

    found = compare(office)

    assert simulator.member("ada@house.test").status == "archived"
    assert (found["missing"], found["differing"], found["gone"]) == (1, 0, 0)
    assert found["samples"]["missing"] == [{"contact_id": ada, "change": "joins as subscribed"}]


def test_a_dry_run_shows_people_of_each_kind_also_of_those_who_stay(new: Any, simulator: Any) -> None:
    simulator.contact("signup", "same@house.test", merge_fields={"FNAME": "Same"})
    same = new.add("same@house.test", first_name="Same")

    found = rehearse(new).findings

    assert found["samples"] == {"unchanged": [{"contact_id": same, "change": "as it is"}]}


def test_a_drift_report_names_nobody_who_is_in_step(office: Any) -> None:
    office.crowd(2)
    office.push()

    found = compare(office)

    assert (found["in_step"], found["samples"]) == (2, {"gone": []})
