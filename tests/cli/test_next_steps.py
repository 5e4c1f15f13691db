"""What a command answers where it could not do something says what is so, and a next step that leads on."""

import json
import socket
import sys
from datetime import UTC, datetime
from io import StringIO

import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.call_errors import tell_failed
from app.audiences.models import Audience, Destination
from app.audiences.simulated import API_KEY, LIST_ID, STATE_FILE
from app.cli.doctor_findings import judge_processes
from app.cli.kit import age_words, counted, named_contacts
from app.core.errors import BusyError, InvalidError
from app.core.heartbeat import Beat
from app.core.secretbox import open_box
from integrations.mailchimp.problems import CREDENTIALS, MailchimpProblem
from integrations.mailchimp.simulator.store import Store
from tests.cli.test_audiences import MEMBER, PERSON

RETRIED = "tries again by itself"


def add_person(session, number, *tags):
    fields = json.dumps({"email": f"p{number}@house.test"})
    return session.scalar(text(PERSON), {"fields": fields, "tags": list(tags)})


@pytest.fixture
def audience(sessions, settings, simulator):
    """The built-in audience, at a simulator of its own; nobody is in it yet."""
    with sessions.begin() as session:
        ensure_simulated_audience(session, settings, open_box(settings))
        session.execute(text("UPDATE destinations SET base_url = :url"), {"url": simulator.url})


@pytest.fixture
def typed_key(simulator, monkeypatch):
    """A key of the simulator's comes by a pipe."""
    monkeypatch.setenv("MAILCHIMP_BASE_URL", simulator.url)
    monkeypatch.setattr(sys, "stdin", StringIO(f"{API_KEY}\n"))


@pytest.fixture
def nobody_there():
    """The address of an API that nobody serves."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/3.0"


def fail_all(simulator, kind):
    with simulator.app.test_client() as client:
        assert 200 == client.post("/_sim/faults", json={"path": "^/3.0", "kind": kind}).status_code


def test_a_second_local_mailchimp_of_a_home_is_told_that_one_runs(call, settings):
    running = Store(settings.home / STATE_FILE)
    running.read()

    ended = call("sim", "--port", "0")
    running.close()

    assert 75 == ended.code
    assert f"The local Mailchimp of {settings.home} runs already" in ended.err
    assert "MUSTER_HOME" in ended.err


@pytest.mark.usefixtures("audience", "typed_key")
def test_a_key_that_could_not_be_tried_is_neither_refused_nor_stored(
    call, sessions, nobody_there, monkeypatch
):
    monkeypatch.setenv("MAILCHIMP_BASE_URL", nobody_there)

    ended = call("destinations", "connect", "college", "--json")

    told = json.loads(ended.err)
    assert (75, True) == (ended.code, told["error"].startswith("Mailchimp could not be reached"))
    assert "nothing was stored" in told["error"]
    assert ("network" in told["hint"], False) == (True, RETRIED in ended.err)
    with sessions() as session:
        assert ["simulator"] == [one.slug for one in session.query(Destination)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", "Mailchimp did not answer properly"),
        ("429", "Mailchimp asks for fewer requests"),
        ("reset_before", "Mailchimp could not be reached, or broke off"),
        ("200_html", "Mailchimp is not what answered"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("destinations", "connect", "college"),
        ("destinations", "check", "simulator"),
        ("audiences", "add", "second", "bbbbbbbbbb"),
        ("audiences", "refresh", "newsletter"),
        ("audiences", "add-field", "newsletter", "CLASS"),
    ],
)
@pytest.mark.usefixtures("audience", "typed_key")
def test_a_call_that_somebody_waits_for_promises_no_other_try(call, simulator, words, kind, expected):
    fail_all(simulator, kind)

    ended = call(*words)

    assert (75, True) == (ended.code, expected in ended.err), ended.err
    assert (False, True) == (RETRIED in ended.err, "try again" in ended.err)


def test_what_mailchimp_refuses_is_told_with_its_reason():
    told = tell_failed(MailchimpProblem(CREDENTIALS, 401), "Mailchimp does not take this key")

    assert (InvalidError, CREDENTIALS.sentence) == (type(told), told.hint)
    assert not isinstance(told, BusyError)


def test_an_audience_that_the_account_does_not_have_is_told_with_those_it_has(call, audience):
    ended = call("audiences", "add", "news2", "ffffffffff")

    assert (65, False) == (ended.code, "no longer" in ended.err)
    assert "This account has no audience 'ffffffffff'." in ended.err
    assert "Audience ID" in ended.err
    assert f"{LIST_ID} (Friends of the house)" in ended.err


def test_an_unknown_interest_is_told_with_those_there_are(call, sessions, audience):
    with sessions.begin() as session:
        row = session.query(Audience).one()
        there = {"aaaaaaaaaa": {"name": "Choir", "group": "Music"}}
        row.remote_schema = {**(row.remote_schema or {}), "interests": there}

    ended = call("audiences", "set", "newsletter", 'interests.a1b2c3d4e5={"tag": "choir"}')

    assert 65 == ended.code
    assert "aaaaaaaaaa (Music: Choir)" in ended.err
    assert "`muster audiences refresh newsletter`" in ended.err


@pytest.mark.parametrize("given", ["eve@mail.example", "0", str(2**63), "1.5"])
@pytest.mark.parametrize("command", ["show", "export", "erase", "speak"])
def test_what_is_no_contacts_number_is_told_where_to_find_it(call, command, given):
    ended = call("contacts", command, given)

    assert (64, True) == (ended.code, "is not the number of a contact" in ended.err)
    assert "`muster contacts find ADDRESS` gives it." in ended.err


def test_a_permission_that_nobody_was_seen_with_is_told_so_once_it_is_set(call, sessions, audience):
    with sessions.begin() as session:
        session.execute(text(MEMBER), {"id": add_person(session, 2)})
        session.execute(text("UPDATE members SET marketing_permissions = '{\"seen0\": true}'"))

    unseen = call("audiences", "set", "newsletter", "marketing_permissions.9f1e8d7c6b=newsletter").out
    again = call("audiences", "set", "newsletter", "marketing_permissions.9f1e8d7c6b=newsletter").out
    seen = call("audiences", "set", "newsletter", "marketing_permissions.seen0=newsletter").out

    assert "has not seen the permission 9f1e8d7c6b at any member" in unseen
    assert [False, False] == ["has not seen" in again, "has not seen" in seen]


@pytest.mark.parametrize(("on_leave", "fate"), [("archive", "would leave"), ("keep", "would stay")])
def test_a_rule_that_is_set_says_who_fits_it_and_who_would_leave(call, sessions, audience, on_leave, fate):
    with sessions.begin() as session:
        session.execute(text("UPDATE audiences SET on_leave = :on_leave"), {"on_leave": on_leave})
        add_person(session, 1, "Alumni")
        session.execute(text(MEMBER), {"id": add_person(session, 2)})
        add_person(session, 3)

    rule = '{"tags_any": ["alumni"]}'
    counted_before = call("audiences", "count", "newsletter", "--rule", rule).out
    said = call("audiences", "set", "newsletter", f"entry_rule={rule}").out

    unfit = f"1 member does not fit the rule and {fate} (on_leave: {on_leave})."
    assert f"1 of 3 people with consent and an address fit the rule. {unfit}" in said
    assert unfit in counted_before
    assert 1 == json.loads(call("audiences", "count", "newsletter", "--json").out)["unfit"]


def test_an_audience_is_shown_without_what_says_nothing(call, sessions, audience):
    with sessions.begin() as session:
        row = session.query(Audience).one()
        checked_at = "2026-11-22T20:15:30.123456+00:00"
        webhook = {
            "state": "registered",
            "url": "https://house.test/hooks/mailchimp",
            "checked_at": checked_at,
        }
        row.remote_schema = {**(row.remote_schema or {}), "webhook": webhook}
        session.execute(text("UPDATE audiences SET approved_at = '2026-11-22 20:00:00.654321+00'"))

    lines = call("audiences", "show", "newsletter").out.splitlines()

    (shown,) = [line for line in lines if line.startswith("webhook:")]
    assert (
        "webhook: state registered, url https://house.test/hooks/mailchimp, checked_at 2026-11-22 20:15:30"
        == shown
    )
    assert "approved_at: 2026-11-22 20:00:00" in lines
    assert [] == [line for line in lines if line.endswith((":", "None"))]


def test_one_is_one_and_several_are_several():
    assert ["1 call", "0 calls", "2,000 calls"] == [counted(count, "call") for count in (1, 0, 2000)]
    assert ["1 person", "3 people"] == [counted(count, "person", "people") for count in (1, 3)]
    assert ["contact 7", "contacts 7, 9"] == [named_contacts(ids) for ids in ([7], [7, 9])]


@pytest.mark.parametrize(("seconds", "expected"), [(-0.3, "0 s ago"), (-4.0, "0 s ago"), (12.4, "12 s ago")])
def test_a_clock_that_is_ahead_makes_nothing_younger_than_now(seconds, expected):
    assert expected == age_words(seconds)


def test_a_part_that_went_silent_was_heard_in_the_past():
    now = datetime.now(UTC)
    ages = {"web": -0.3, "worker": 50.0}
    beats = [Beat(kind, kind, "house", 1, now, now, age, {}) for kind, age in ages.items()]

    (worker,) = [one for one in judge_processes(beats) if one.sentence.startswith("worker")]

    assert worker.sentence.endswith("The last one was heard 50 s ago.")


def test_a_single_person_is_looked_at(call, sessions, audience):
    with sessions.begin() as session:
        add_person(session, 1)

    assert "1 person was looked at" in call("audiences", "preflight", "newsletter").out
    assert "1 of 1 person with consent" in call("audiences", "count", "newsletter").out
