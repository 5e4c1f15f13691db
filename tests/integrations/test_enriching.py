"""Every integration that asks its platform's API, against a stand-in of it: what comes well, and whatever can go wrong."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from integrations.kit.contract import EnrichError, Event
from integrations.kit.fetch import HostClient, client_for
from integrations.kit.registry import list_integrations
from integrations.kit.runner import Case, enrich_all, list_cases

Handler = Callable[[BaseHTTPRequestHandler], None]


def good_case(name: str) -> Case | None:
    """The first case of an integration in which everything is fetched."""
    for case in list_cases(name):
        if case.answers and any(isinstance(one, Event) and one.content for one in fetched(case)):
            return case
    return None


def fetched(case: Case) -> list[Event | EnrichError]:
    """The thin events of a case, fetched from its own answers."""
    if case.expect.get("verdict") != "ok" or case.expect.get("unreadable"):
        return []
    thin = tuple(event for event in case.source.split(case.request, case.config).events if event.needs_enrich)
    found = enrich_all(case, thin)
    return found if found and all(isinstance(one, Event) for one in found) else []


ENRICHING = {name: case for name in list_integrations() if (case := good_case(name))}
EACH = pytest.mark.parametrize("name", sorted(ENRICHING))


@contextmanager
def serving(handle: Handler) -> Iterator[str]:
    """An HTTP server on the loopback; its address."""

    class Door(BaseHTTPRequestHandler):
        def _go(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            handle(self)

        do_GET = do_POST = _go  # noqa: N815 - the names of http.server

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def respond(door: BaseHTTPRequestHandler, status: int, content: bytes, **headers: str) -> None:
    door.send_response(status)
    for name, value in {
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **headers,
    }.items():
        door.send_header(name.replace("_", "-"), value)
    door.end_headers()
    door.wfile.write(content)


def answer_of(case: Case, door: BaseHTTPRequestHandler) -> Any:
    """What the fixture says for the path and query that were asked."""
    asked = urlsplit(door.path)
    query = urlencode(sorted(parse_qsl(asked.query, keep_blank_values=True)))
    names = [f"POST {asked.path}"] if door.command == "POST" else [f"{asked.path}?{query}", asked.path]
    answers = case.answers or {}
    return next((answers[name] for name in names if name in answers), None)


def by_fixture(case: Case) -> Handler:
    def handle(door: BaseHTTPRequestHandler) -> None:
        found = answer_of(case, door)
        if found is None or (isinstance(found, dict) and "fails" in found):
            respond(door, 404, b"{}")
        else:
            respond(door, 200, json.dumps(found).encode())

    return handle


def at(case: Case, url: str) -> Case:
    """The same case with the API's stand-in set."""
    settings = {**case.config.settings, case.source.api_base_setting: url}
    return replace(case, config=replace(case.config, settings=settings))


def enrich_first(case: Case, client: Any = None) -> Event:
    """The first thin event of the case, fetched through the real client."""
    thin = next(e for e in case.source.split(case.request, case.config).events if e.needs_enrich)
    return case.source.enrich(thin, case.config, client or client_for(case.source, case.config))


def failure(case: Case, client: Any = None) -> EnrichError:
    with pytest.raises(EnrichError) as caught:
        enrich_first(case, client)
    return caught.value


@EACH
def test_the_stand_in_gives_what_the_fixture_says(name: str) -> None:
    case = ENRICHING[name]
    with serving(by_fixture(case)) as url:
        found = enrich_first(at(case, url))

    expected = fetched(case)[0]
    assert isinstance(expected, Event)
    assert expected.content == found.content


@EACH
@pytest.mark.parametrize(
    ("status", "outcomes"),
    [
        (401, {"blocked_credentials"}),
        (403, {"blocked_credentials"}),
        (404, {"gone"}),
        (410, {"gone"}),
        (429, {"waiting_enrich"}),
        (500, {"waiting_enrich"}),
        (503, {"waiting_enrich"}),
        (400, {"invalid"}),
    ],
)
def test_every_refusal_has_its_outcome(name: str, status: int, outcomes: set[str]) -> None:
    with serving(lambda door: respond(door, status, b"{}")) as url:
        error = failure(at(ENRICHING[name], url))

    assert error.outcome in outcomes
    assert error.reason


@EACH
def test_a_rate_limit_says_when_to_come_again(name: str) -> None:
    with serving(lambda door: respond(door, 429, b"{}", Retry_After="7")) as url:
        error = failure(at(ENRICHING[name], url))

    assert ("waiting_enrich", 7.0) == (error.outcome, error.retry_after_seconds)


@EACH
def test_an_answer_that_never_comes_has_an_end(name: str) -> None:
    case = ENRICHING[name]
    is_over = threading.Event()
    with serving(lambda _door: is_over.wait(5) and None) as url:
        started = time.monotonic()
        client = HostClient(url, is_loopback_allowed=True, total_seconds=0.4)
        error = failure(at(case, url), client)
        seconds = time.monotonic() - started
        is_over.set()

    assert "waiting_enrich" == error.outcome
    assert seconds < 3


@EACH
def test_a_redirect_is_never_followed_with_a_token(name: str) -> None:
    canary = socket.create_server(("127.0.0.1", 0))
    canary.settimeout(0.2)
    target = f"http://127.0.0.1:{canary.getsockname()[1]}/steal"
    with serving(lambda door: respond(door, 302, b"", Location=target)) as url:
        error = failure(at(ENRICHING[name], url))

    assert error.outcome in {"invalid", "waiting_enrich"}
    with pytest.raises(TimeoutError):
        canary.accept()
    canary.close()


@EACH
def test_an_answer_of_ten_megabytes_is_given_up(name: str) -> None:
    content = b'"' + b"x" * (10 * 1024 * 1024) + b'"'

    def handle(door: BaseHTTPRequestHandler) -> None:
        try:
            respond(door, 200, content)
        except OSError:  # the client went away, as it should
            door.close_connection = True

    with serving(handle) as url:
        error = failure(at(ENRICHING[name], url))

    assert "invalid" == error.outcome
    assert "larger" in error.reason


@EACH
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{}", b"<html>", b'{"id": {}}', b'"text"', b"\xff"]
)
def test_an_answer_of_another_form_is_no_fault_of_ours(name: str, content: bytes) -> None:
    with serving(lambda door: respond(door, 200, content)) as url:
        try:
            found = enrich_first(at(ENRICHING[name], url))
        except EnrichError as error:
            assert error.outcome in {"invalid", "gone", "waiting_enrich"}
        else:
            assert isinstance(found.content, dict)  # it asked for something else as well


@EACH
def test_an_answer_about_somebody_else_is_refused(name: str) -> None:
    case = ENRICHING[name]
    refused: list[str] = []

    def handle(door: BaseHTTPRequestHandler) -> None:
        found = answer_of(case, door)
        ids = {
            part for part in urlsplit(door.path).path.split("/") if any(letter.isdigit() for letter in part)
        }
        swapped = _swap(found, ids)
        refused.extend(["swapped"] if swapped != found else [])
        respond(door, 200 if found is not None else 404, json.dumps(swapped).encode())

    with serving(handle) as url:
        try:
            enrich_first(at(case, url))
        except EnrichError as error:
            assert error.outcome in {"invalid", "gone"}
        else:
            assert [] == refused, "an answer that names another id was taken"


def _swap(value: Any, ids: set[str]) -> Any:
    """Every id that was asked for, as another one, wherever `id` names it."""
    if isinstance(value, dict):
        return {
            key: (f"{inner}9" if key in ("id", "leadgen_id") and str(inner) in ids else _swap(inner, ids))
            for key, inner in value.items()
        }
    return [_swap(inner, ids) for inner in value] if isinstance(value, list) else value


def test_every_integration_that_needs_its_api_is_tried_here() -> None:
    thin = {
        name
        for name in list_integrations()
        for case in list_cases(name)
        if any(event.get("needs_enrich") for event in case.expect.get("events", ()))
    }

    assert thin <= set(ENRICHING)
