"""A managed interest that is deleted at Mailchimp: told once, everybody goes on without it, and it is filled again."""

from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.models import Audience
from app.audiences.schema import refresh_schema
from app.audiences.tend import probe_audiences

LIST_ID = "a1b2c3d4e5"
ALERTS = "SELECT error ->> 'code', error ->> 'reason' FROM attempts WHERE error ? 'alert'"


def live(simulator: Any) -> Any:
    return next(iter(simulator.running.world.audiences.values()))


def emails(count: int) -> list[str]:
    return [f"person{number}@house.test" for number in range(count)]


@pytest.fixture
def managed(office: Any, simulator: Any) -> Any:
    """An interest of the audience, set for everybody with the tag Alumni."""
    group = office.gateway().add_interest_category(LIST_ID, "Topics")
    made = office.gateway().add_interest(LIST_ID, group.category_id, "Events")
    office.gateway().add_interest(LIST_ID, group.category_id, "Board")
    office.put(interests={made.interest_id: {"tag": "Alumni"}})
    refresh_schema(office.sessions, office.connections, office.audience_id)
    return live(simulator).interests[made.interest_id]


def notices(office: Any) -> list[tuple[str, str, str]]:
    with office.sessions() as session:
        found = list_alerts(session)
    return [(one.code, one.reason, one.next_step) for one in found if one.code == "interest"]


@pytest.mark.parametrize("count", [1, 8])
def test_nobody_is_set_aside_and_all_are_written_once_the_audience_was_read_again(
    office: Any, simulator: Any, managed: Any, count: int
) -> None:
    del live(simulator).interests[managed.interest_id]
    office.add_many(count, tags=("Alumni",))
    calls = simulator.calls
    office.push()
    refused_calls = simulator.calls - calls
    before = simulator.member_count()

    probe_audiences(office.sessions, office.connections, is_young=True)
    office.push()

    assert refused_calls <= 2  # the whole call, not each of its halves
    assert (before, simulator.member_count()) == (0, count)
    assert office.execute("SELECT count(*) FROM changes") == [(0,)]
    ((code, reason),) = office.execute(ALERTS)
    assert code == "interest_gone"
    assert f"{managed.interest_id} (Topics: Events)" in reason


def test_it_is_told_once_until_it_is_there_again(office: Any, simulator: Any, managed: Any) -> None:
    gone = live(simulator).interests.pop(managed.interest_id)
    news = [refresh_schema(office.sessions, office.connections, office.audience_id) for _ in range(2)]
    told = notices(office)
    live(simulator).interests[gone.interest_id] = gone

    back = refresh_schema(office.sessions, office.connections, office.audience_id)

    assert [one.gone_interests for one in news] == [(gone.interest_id,), ()]
    assert len(office.execute(ALERTS)) == 1
    ((_, reason, next_step),) = told
    assert gone.interest_id in reason
    assert "muster audiences set" in next_step
    assert back.back_interests == (gone.interest_id,)
    assert notices(office) == []


def test_once_it_is_back_it_is_filled_again(office: Any, simulator: Any, managed: Any) -> None:
    contact_id, *_ = office.add_many(3, tags=("Alumni",))
    office.push()
    office.push()
    was = [tuple(simulator.member(email).interests) for email in emails(3)]
    gone = live(simulator).interests.pop(managed.interest_id)
    for email in emails(3):
        simulator.member(email).interests = ()
    refresh_schema(office.sessions, office.connections, office.audience_id)
    office.change(contact_id, first_name="Augusta")
    office.push()
    without = [tuple(simulator.member(email).interests) for email in emails(3)]
    live(simulator).interests[gone.interest_id] = gone

    refresh_schema(office.sessions, office.connections, office.audience_id)
    office.push()
    office.push()

    assert was == [(gone.interest_id,)] * 3
    assert without == [()] * 3
    assert simulator.member(emails(1)[0]).merge_fields["FNAME"] == "Augusta"
    assert [tuple(simulator.member(email).interests) for email in emails(3)] == was


def test_one_that_is_taken_out_of_the_settings_is_not_told_any_more(
    office: Any, simulator: Any, managed: Any
) -> None:
    del live(simulator).interests[managed.interest_id]
    refresh_schema(office.sessions, office.connections, office.audience_id)
    before = len(notices(office))

    office.put(interests={})
    after = len(notices(office))
    news = refresh_schema(office.sessions, office.connections, office.audience_id)

    assert (before, after) == (1, 0)
    assert (news.gone_interests, news.back_interests) == ((), ())
    with office.sessions() as session:
        assert session.get_one(Audience, office.audience_id).remote_schema["gone_interests"] == {}


def test_an_audience_that_refused_nothing_is_not_read_again(
    office: Any, simulator: Any, managed: Any
) -> None:
    del live(simulator).interests[managed.interest_id]
    office.add_many(2, tags=("Alumni",))
    office.push()
    probe_audiences(office.sessions, office.connections, is_young=True)
    calls = simulator.calls

    probe_audiences(office.sessions, office.connections, is_young=True)

    assert simulator.calls == calls
