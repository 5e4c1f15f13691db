"""Destinations of one account: one budget of connections, one outage, and no list twice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.breaker import Breaker
from app.audiences.configure import ensure_destination
from app.audiences.connect import Connections, account_name, centre_of
from app.audiences.gate import CallCounts, is_open, note_calls, pause_destination
from app.audiences.models import Audience, Destination
from app.audiences.simulated import ACCOUNT_ID
from app.audiences.views import Trouble
from app.audiences.whose import keep_account
from app.core.config import Settings
from app.core.db import transaction
from app.core.secretbox import SecretBox
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.slots import DEFAULT_SLOT_COUNT

LIST_ID = "a1b2c3d4e5"
OPEN = {**Breaker("open").as_dict(), "until": 0}


# Connections


def test_the_settings_key_and_a_named_one_never_open_more_than_eight(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, simulator: Any
) -> None:
    for one in accesses():
        assert is_open(sessions, connections, one.id)
    doors = [connections.gateway(one) for one in accesses()]
    simulator.running.world.switches.latency_ms = 100

    with ThreadPoolExecutor(32) as threads:
        said = list(threads.map(lambda number: doors[number % 2].ping(), range(64)))

    assert len(said) == 64
    assert max(entry["in_flight"] for entry in simulator.entries()) <= DEFAULT_SLOT_COUNT


def test_whose_account_it_is_is_read_once(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, simulator: Any
) -> None:
    before = simulator.calls
    assert accesses()[0].account == {}

    for _ in range(3):
        assert is_open(sessions, connections, accesses()[0].id)

    assert (simulator.calls - before, accesses()[0].account["account_id"]) == (1, ACCOUNT_ID)


def test_a_probe_that_is_answered_reads_it_too(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any
) -> None:
    settings, _ = accesses()
    with transaction(sessions) as session:
        session.get_one(Destination, settings.id).breaker = OPEN

    assert is_open(sessions, connections, settings.id)

    assert accesses()[0].account["account_id"] == ACCOUNT_ID


def test_who_read_the_row_before_shares_the_budget_as_well(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any
) -> None:
    before, college = accesses()
    alone = connections.gateway(before)

    assert is_open(sessions, connections, before.id)

    assert connections.gateway(before) is not alone
    assert connections.name_of(before) == connections.name_of(college) != ""


def test_while_it_is_not_told_work_goes_on_and_it_is_asked_again(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, simulator: Any
) -> None:
    settings, _ = accesses()
    simulator.fault("503_html", times=1)

    assert is_open(sessions, connections, settings.id)
    assert (accesses()[0].account, connections.name_of(settings)) == ({}, "")
    assert is_open(sessions, connections, settings.id)

    assert accesses()[0].account["account_id"] == ACCOUNT_ID


def test_nobody_is_held_up_by_a_call_that_is_refused_for_good(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, simulator: Any
) -> None:
    settings, _ = accesses()
    simulator.call("POST", "/accounts", {"is_revoked": True})

    assert is_open(sessions, connections, settings.id)

    with pytest.raises(MailchimpProblem, match="credentials"):
        connections.gateway(settings).ping()


def test_another_key_may_be_another_accounts(
    sessions: sessionmaker[Session],
    connections: Connections,
    accesses: Any,
    box: SecretBox,
    keyed_settings: Settings,
) -> None:
    before, _ = accesses()
    assert is_open(sessions, connections, before.id)
    info = connections.gateway(accesses()[0]).get_root()

    with transaction(sessions) as session:
        ensure_destination(session, box, replace(keyed_settings, mailchimp_api_key="b" * 32 + "-us1"))
    keep_account(sessions, before, info)  # by the key of before

    assert (accesses()[0].account, connections.name_of(accesses()[0])) == ({}, "")


def test_the_local_mailchimp_says_who_it_is_taken_for(office: Any) -> None:
    row = office.execute("SELECT account ->> 'account_id' FROM destinations")

    assert row == [(office.gateway().get_root().account_id,)]


@pytest.mark.parametrize(
    ("base_url", "account", "name"),
    [
        ("https://us6.api.mailchimp.com/3.0", {"account_id": "8d3a"}, "8d3a"),
        ("https://us6.api.mailchimp.com/3.0", {}, ""),
        ("http://127.0.0.1:8081/3.0", {"account_id": "8d3a"}, "8d3a 127.0.0.1:8081"),
        ("http://127.0.0.1:8081/3.0", {}, ""),
    ],
)
def test_simulators_that_all_say_the_same_are_told_apart(
    base_url: str, account: dict[str, str], name: str
) -> None:
    assert account_name(Destination(slug="x", base_url=base_url, account=account)) == name


@pytest.mark.parametrize(
    ("base_url", "centre"),
    [
        ("https://us6.api.mailchimp.com/3.0", "us6"),
        ("https://api.mailchimp.com/3.0", ""),
        ("http://127.0.0.1:8081/3.0", ""),
    ],
)
def test_the_data_centre_stands_in_the_address(base_url: str, centre: str) -> None:
    assert centre_of(base_url) == centre


# Outages


def states(accesses: Any) -> list[str]:
    return [one.breaker.get("state", "closed") for one in accesses()]


def test_an_outage_that_one_notices_stops_the_other_and_its_end_lets_both_go_on(
    sessions: sessionmaker[Session], connections: Connections, known_accesses: Any
) -> None:
    settings, college = known_accesses()
    with transaction(sessions) as session:
        note_calls(session, settings.id, CallCounts(20, 20))
    assert states(known_accesses) == ["open", "open"]
    with transaction(sessions) as session:
        for one in session.scalars(select(Destination)):
            one.breaker = {**one.breaker, "until": 0}

    assert is_open(sessions, connections, college.id)

    assert states(known_accesses) == ["closed", "closed"]


def test_a_key_that_is_refused_stops_only_itself(
    sessions: sessionmaker[Session], connections: Connections, known_accesses: Any
) -> None:
    settings, college = known_accesses()
    with transaction(sessions) as session:
        session.add(audience := Audience(slug="newsletter", destination_id=college.id, list_id=LIST_ID))
        session.flush()
        trouble = Trouble("credentials", "Mailchimp does not accept the API key.")
        assert pause_destination(session, college.id, audience.id, trouble)

    assert is_open(sessions, connections, settings.id)

    assert (states(known_accesses), [one.paused_code for one in known_accesses()]) == (
        ["closed", "open"],
        [None, "credentials"],
    )


def test_the_end_of_an_outage_mends_no_key(
    sessions: sessionmaker[Session], connections: Connections, known_accesses: Any
) -> None:
    settings, college = known_accesses()
    with transaction(sessions) as session:
        session.get_one(Destination, settings.id).breaker = OPEN
        paused = session.get_one(Destination, college.id)
        paused.breaker, paused.paused_code = {**OPEN, "until": 9_999_999_999}, "credentials"
        paused.paused_at = paused.created_at

    assert is_open(sessions, connections, settings.id)

    assert states(known_accesses) == ["closed", "open"]
    assert not is_open(sessions, connections, college.id)


def test_an_outage_of_another_account_is_its_own(
    sessions: sessionmaker[Session], accesses: Any, connections: Connections
) -> None:
    settings, college = accesses()  # nobody read whose the first is
    with transaction(sessions) as session:
        note_calls(session, college.id, CallCounts(20, 20))

    assert states(accesses) == ["closed", "open"]
    assert is_open(sessions, connections, settings.id)
