"""Failures that a recording shows are arranged by status and by what the body is: JSON, a page of HTML, nothing."""

import pytest

from tests.integrations.simulator.tape import Tape

HTML = "<html><head><title>Sorry</title></head><body>Sorry</body></html>"
JSON_TITLES = {
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
WRONG_CENTRE = "The API key provided is linked to datacenter 'us6'"
NO_OVERRIDE = "The X-HTTP-Method-Override header can only be used with the POST method."
DENIED = "You don't have permission to access the requested resource."


def _failing(status: int, answer: object, kind: str = "text/html") -> Tape:
    tape = Tape().on_list("GET", "/members?count=1", {})
    tape.lines[-1] |= {"status": status, "resp": answer}
    tape.lines[-1]["headers"][1] = kind
    return tape


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("answer", [HTML, ""])
def test_pages_of_html_and_empty_bodies_are_met_as_such(replayed, status, answer):
    assert replayed(_failing(status, answer)) == {}


@pytest.mark.parametrize("status", JSON_TITLES)
def test_busy_servers_say_so_in_words_of_their_own(replayed, status):
    tape = Tape().on_list("GET", "", {"title": JSON_TITLES[status], "detail": "Not now."}, status)

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    ("status", "title", "detail"),
    [
        (403, "Forbidden", DENIED),
        (403, "WrongDatacenter", WRONG_CENTRE),
        (422, "Invalid Method Override", NO_OVERRIDE),
        (503, "Compliance Related", "This method has been disabled."),
    ],
)
def test_refusals_that_no_request_explains_are_arranged(replayed, status, title, detail):
    tape = Tape().on_list("GET", "", {"title": title, "detail": detail}, status)

    assert replayed(tape) == {}


def test_after_a_failure_everything_is_as_before(replayed):
    tape = Tape().add("GET", "/3.0/ping", {"title": "WrongDatacenter", "detail": WRONG_CENTRE}, 403)
    tape.on_list("GET", "", {"title": "Forbidden", "detail": DENIED}, 403)
    tape.add("GET", "/3.0/ping", {"health_status": "Everything's Chimpy!"})

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, {"title": "Sorry", "status": 503, "detail": "Not now.", "instance": "1", "type": "x"}),
        (403, {"title": "Forbidden", "status": 403, "detail": "Go away.", "instance": "1", "type": "x"}),
        (404, HTML),
    ],
)
def test_a_failure_that_the_simulator_does_not_know_is_noticed(replayed, status, answer):
    assert list(replayed(_failing(status, answer))) == [0]
