"""Answers of proxies, of another language, of a function that is switched off: what they do to a push."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from app.audiences.tend import probe_destinations
from integrations.mailchimp.transport import Transport

Answer = tuple[int, bytes]
NO_FUNCTION = {"title": "Compliance Related", "status": 503, "detail": "This method has been disabled."}
FORBIDDEN = {
    "title": "Forbidden",
    "status": 403,
    "detail": "You don't have permission to access the requested resource.",
}
SCHEMA = {
    "title": "Invalid Resource",
    "status": 400,
    "detail": "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
    "errors": [
        {
            "field": "merge_fields.FNAME",
            "message": "Data did not match any of the schemas described in anyOf.",
        }
    ],
}
GERMAN = {
    "title": "Invalid Resource",
    "status": 400,
    "detail": "Ihre Merge-Felder sind ungültig.",
    "errors": [{"field": "FNAME", "message": "Bitte geben Sie einen Wert ein"}],
}


@pytest.fixture
def refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[requests.PreparedRequest], Answer | None]], None]:
    """Answers that something before Mailchimp gives instead."""
    original = Transport._send

    def set_rule(rule: Callable[[requests.PreparedRequest], Answer | None]) -> None:
        def send(self: Transport, request: requests.PreparedRequest, where: str) -> Any:
            found = rule(request)
            return (*found, None) if found else original(self, request, where)

        monkeypatch.setattr(Transport, "_send", send)

    return set_rule


def is_write(request: requests.PreparedRequest) -> bool:
    return request.method in {"PUT", "PATCH", "POST"}


def told(problem: dict[str, Any]) -> Answer:
    return problem["status"], json.dumps(problem).encode()


def let_probe(office: Any) -> None:
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")


def raised(office: Any) -> list[str]:
    return [
        row[0]
        for row in office.execute("SELECT error ->> 'code' FROM attempts WHERE error ? 'alert' ORDER BY id")
    ]


@pytest.mark.parametrize("status", [400, 407, 410, 411, 451])
def test_the_page_of_a_proxy_sets_nobodys_change_aside(office: Any, refuse: Any, status: int) -> None:
    office.add_many(6)
    refuse(lambda _: (status, b"<html><h1>Bad Request</h1><center>openresty</center></html>"))

    office.push()

    assert office.execute("SELECT count(*), count(parked_at) FROM changes") == [(6, 0)]


@pytest.mark.parametrize("status", [400, 407])
def test_an_opt_out_that_a_proxy_refused_goes_out_later(
    office: Any, simulator: Any, refuse: Any, status: int
) -> None:
    contact_id = office.add("ada@house.test")
    office.push()
    office.say(contact_id, "withdrawn", "ada@house.test")
    refuse(lambda request: (status, b"<html>Bad Request</html>") if is_write(request) else None)
    office.push()

    refuse(lambda _: None)
    office.hurry()
    office.push()

    assert simulator.member("ada@house.test").status == "unsubscribed"


@pytest.mark.parametrize("problem", [SCHEMA, GERMAN])
@pytest.mark.parametrize("count", [1, 6])
def test_a_merge_field_that_is_refused_in_other_words_is_left_out(
    office: Any, simulator: Any, refuse: Any, problem: dict[str, Any], count: int
) -> None:
    office.add_many(count, last_name="L")
    refuse(lambda request: told(problem) if is_write(request) and b'"P0"' in (request.body or b"") else None)

    office.push()

    found = [simulator.member(f"person{number}@house.test").merge_fields for number in range(count)]
    assert [one["LNAME"] for one in found] == ["L"] * count
    assert [one.get("FNAME", "") for one in found] == ["", *(f"P{number}" for number in range(1, count))]


@pytest.mark.parametrize("problem", [NO_FUNCTION, FORBIDDEN])
def test_a_function_that_is_refused_while_a_ping_is_answered_is_one_alert_and_asked_less_often(
    office: Any, refuse: Any, problem: dict[str, Any]
) -> None:
    office.add_many(3)
    refuse(lambda request: told(problem) if is_write(request) else None)
    office.push()
    waits = []
    for _ in range(4):
        rows = office.execute(
            "SELECT (breaker ->> 'until')::float8 - extract(epoch FROM clock_timestamp()) FROM destinations"
        )
        waits.append(rows[0][0] > 60)
        let_probe(office)
        office.push()

    assert len(raised(office)) == 1
    assert waits == [False, True, True, True]


def test_the_same_refusal_is_said_again_after_something_could_be_written(office: Any, refuse: Any) -> None:
    office.add_many(3)
    refuse(lambda request: told(NO_FUNCTION) if is_write(request) else None)
    office.push()
    refuse(lambda _: None)
    let_probe(office)
    office.hurry()
    office.push()

    office.add("late@house.test")
    refuse(lambda request: told(NO_FUNCTION) if is_write(request) else None)
    office.push()

    assert raised(office) == ["disabled", "disabled"]


def test_another_refusal_is_said_at_once(office: Any, refuse: Any) -> None:
    office.add_many(3)
    refuse(lambda request: told(NO_FUNCTION) if is_write(request) else None)
    office.push()
    let_probe(office)
    refuse(lambda request: told(FORBIDDEN) if is_write(request) else None)

    office.push()

    assert raised(office) == ["disabled", "credentials"]


def test_a_key_that_was_refused_mended_and_refused_anew_is_two_alerts(office: Any, simulator: Any) -> None:
    office.add_many(3)
    simulator.call("POST", "/accounts", {"is_revoked": True})
    office.push()
    let_probe(office)
    probe_destinations(office.sessions, office.connections)  # in vain

    simulator.call("POST", "/accounts", {"is_revoked": False})
    let_probe(office)
    probe_destinations(office.sessions, office.connections)
    simulator.call("POST", "/accounts", {"is_revoked": True})
    office.hurry()
    office.push()

    assert raised(office) == ["credentials", "credentials"]
