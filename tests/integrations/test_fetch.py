"""The host-pinned client: how long, how much, and what each failure becomes."""

import gzip
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from integrations.kit.contract import EnrichError
from integrations.kit.fetch import HostClient, make_client, retry_after_seconds
from integrations.kit.graph import GRAPH_ERRORS
from tests.integrations.graph_stand_in import (
    GraphStandIn,
    Script,
    cut,
    drip,
    graph_error,
    make_lead,
    running_graph,
    silence,
    status,
)

TOKEN = "EAAB-secret-page-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


def fetch(graph: GraphStandIn, script: Script | None = None, seconds: float = 2.0) -> Any:
    graph.scripts = {"1": script} if script else {}
    graph.leads = {"1": make_lead("1", email="ana@alumni.example")}
    client = HostClient(
        graph.base_url, is_loopback_allowed=True, error_outcomes=GRAPH_ERRORS, total_seconds=seconds
    )
    return client.get_json("/v25.0/1", {"fields": "id"}, HEADERS)


def failure(graph: GraphStandIn, script: Script, seconds: float = 2.0) -> EnrichError:
    with pytest.raises(EnrichError) as caught:
        fetch(graph, script, seconds)
    return caught.value


def test_an_answer_is_parsed_and_the_token_travels_in_a_header_only(graph: GraphStandIn) -> None:
    graph.calls.clear()

    answer = fetch(graph)

    path, query, headers = graph.calls[-1]
    assert make_lead("1", email="ana@alumni.example") == answer
    assert ("/v25.0/1", {"fields": ["id"]}, f"Bearer {TOKEN}") == (path, query, headers["authorization"])
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (graph_error(401, 190, 463), "blocked_credentials"),
        (graph_error(400, 190), "blocked_credentials"),
        (graph_error(403, 200), "blocked_credentials"),
        (graph_error(403, 4), "waiting_enrich"),
        (status(401), "blocked_credentials"),
        (status(403), "blocked_credentials"),
        (graph_error(400, 100, 33), "gone"),
        (graph_error(404, 803), "gone"),
        (status(404), "gone"),
        (status(410), "gone"),
        (graph_error(400, 100), "invalid"),
        (graph_error(400, 4), "waiting_enrich"),
        (graph_error(400, 17), "waiting_enrich"),
        (graph_error(400, 32), "waiting_enrich"),
        (graph_error(400, 613), "waiting_enrich"),
        (status(429), "waiting_enrich"),
        (status(500), "waiting_enrich"),
        (status(503, b"<html>busy</html>"), "waiting_enrich"),
        (graph_error(500, 2), "waiting_enrich"),
        (status(400), "invalid"),
        (status(302, Location="http://127.0.0.1:1/"), "invalid"),
        (status(204, b""), "invalid"),
        (status(200, b"<html>sign in</html>"), "invalid"),
        (status(200, b""), "invalid"),
        (status(200, b'{"id": "1"'), "invalid"),
        (status(200, gzip.compress(b"{}"), Content_Encoding="gzip"), "invalid"),
        (status(200, b'"' + b"x" * (10 * 1024 * 1024) + b'"'), "invalid"),
        (cut, "waiting_enrich"),
        (silence(1.5), "waiting_enrich"),
    ],
)
def test_each_failure_has_its_outcome_and_names_no_secret(
    graph: GraphStandIn, script: Script, outcome: str
) -> None:
    error = failure(graph, script, seconds=0.7)

    assert outcome == error.outcome
    assert error.reason
    assert error.hint
    assert TOKEN not in "".join(traceback.format_exception(error))
    assert graph.base_url not in "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize(
    "script",
    [
        drip(b" ", 0.05, 100, head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"),
        drip(b"x", 0.05, 100, head=b"HTTP/1.1 200 OK\r\nX-Slow: "),
        drip(b"H", 0.05, 100),
        silence(4),
    ],
    ids=["body", "header", "status-line", "nothing"],
)
def test_the_deadline_is_for_the_whole_call_and_not_for_each_read(
    graph: GraphStandIn, script: Script
) -> None:
    started = time.monotonic()

    error = failure(graph, script, seconds=0.5)

    assert error.outcome == "waiting_enrich"
    assert "in time" in error.reason
    assert time.monotonic() - started < 1.5


def test_a_lookup_that_hangs_is_given_up() -> None:
    over = threading.Event()
    client = HostClient(
        "https://graph.example", total_seconds=0.3, resolve=lambda _host, _port: (over.wait(5) and []) or []
    )
    started = time.monotonic()

    with pytest.raises(EnrichError) as caught:
        client.get_json("/v25.0/1", {}, {})
    over.set()

    assert caught.value.outcome == "waiting_enrich"
    assert time.monotonic() - started < 1.5


def test_retry_after_is_handed_on(graph: GraphStandIn) -> None:
    error = failure(graph, graph_error(429, 4, Retry_After="120"))

    assert error.retry_after_seconds == 120.0
    assert failure(graph, status(429)).retry_after_seconds is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("999999999", 86_400.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_with_bounds(text: str | None, seconds: float | None) -> None:
    assert seconds == retry_after_seconds(text)


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert retry_after_seconds(later) == pytest.approx(90, abs=3)
    assert retry_after_seconds("Sat, 21 Nov 2015 10:00:00 GMT") == 0.0


def test_a_redirect_is_not_followed(graph: GraphStandIn) -> None:
    graph.calls.clear()

    error = failure(graph, status(302, Location=f"{graph.base_url}/v25.0/2"))

    assert "redirect" in error.reason
    assert [path for path, _, _ in graph.calls] == ["/v25.0/1"]


def test_nobody_listening_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(EnrichError, match="could not be reached") as caught:
        make_client("graph.facebook.com", f"http://127.0.0.1:{port}").get_json("/v25.0/1", {}, {})

    assert caught.value.outcome == "waiting_enrich"


def test_a_token_that_no_header_can_carry_is_named(graph: GraphStandIn) -> None:
    client = make_client("graph.facebook.com", graph.base_url)

    for token in ("tök\u0142en", "a\r\nX-Evil: 1"):
        with pytest.raises(EnrichError) as caught:
            client.get_json("/v25.0/1", {}, {"Authorization": f"Bearer {token}"})
        assert token not in str(caught.value)
