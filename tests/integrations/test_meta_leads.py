"""What fixtures cannot say about Meta leads: a full batch, and fetching over real HTTP."""

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.kit.contract import EnrichError, Event, RawRequest, SourceConfig
from integrations.kit.fetch import client_for
from integrations.meta_leads.source import source
from tests.integrations.graph_stand_in import (
    GraphStandIn,
    graph_error,
    make_lead,
    running_graph,
    status,
)


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


def config_of(graph: GraphStandIn, *tokens: str) -> SourceConfig:
    return SourceConfig(
        "leads", {"graph_base_url": graph.base_url}, {"page_token": tokens or ("page-token",)}
    )


def thin(lead_id: str) -> Event:
    return Event(lead_id, "leadgen", {"leadgen_id": lead_id, "page_id": "9"}, account="9", needs_enrich=True)


def fetch(graph: GraphStandIn, lead_id: str, *tokens: str) -> Event:
    config = config_of(graph, *tokens)
    return source.enrich(thin(lead_id), config, client_for(source, config))


def change(lead_id: int) -> dict[str, Any]:
    return {
        "field": "leadgen",
        "value": {"leadgen_id": str(lead_id), "page_id": "9", "created_time": 1795250000},
    }


def split(entries: list[list[dict[str, Any]]]) -> dict[str, Event]:
    body = json.dumps(
        {"object": "page", "entry": [{"id": "9", "time": 1, "changes": changes} for changes in entries]}
    )
    events = source.split(RawRequest("POST", "", (), body.encode()), SourceConfig("leads")).events
    return {event.key: event for event in events}


def test_a_thousand_changes_are_a_thousand_events_however_they_are_grouped() -> None:
    changes = [change(10**15 + number) for number in range(1000)]
    shuffled = random.Random(7).sample(changes, len(changes))
    started = time.process_time()

    together = split([changes])

    assert time.process_time() - started < 3.0
    assert len(together) == 1000
    assert together == split([[one] for one in shuffled])
    assert together == split([shuffled[:1], shuffled[1:400], shuffled[400:]])
    assert together == {**split([shuffled[:600]]), **split([shuffled[300:]])}


def test_a_lead_is_fetched_with_the_token_in_a_header(graph: GraphStandIn) -> None:
    graph.leads["17"] = make_lead("17", full_name="Ana López", email="ana@alumni.example")

    event = fetch(graph, "17")

    assert event.content["fields"] == {"full_name": "Ana López", "email": "ana@alumni.example"}
    assert event.content["disclaimers"] == {"newsletter": True}
    assert datetime(2026, 11, 21, 8, 33, 21, tzinfo=UTC) == event.occurred_at
    assert not event.needs_enrich
    (call,) = graph.calls
    assert call[0] == "/v25.0/17"
    assert list(call[1]) == ["fields"]
    assert call[2]["authorization"] == "Bearer page-token"


def test_an_older_token_is_tried_when_the_newest_is_refused(graph: GraphStandIn) -> None:
    graph.leads["17"] = make_lead("17")
    allowed = "Bearer older"

    def guarded(handler: Any) -> None:
        is_allowed = handler.headers["Authorization"] == allowed
        (status(200, graph.leads["17"]) if is_allowed else graph_error(400, 190))(handler)

    graph.scripts["17"] = guarded

    assert fetch(graph, "17", "newest", "older").content["id"] == "17"
    assert ["Bearer newest", allowed] == [headers["authorization"] for _, _, headers in graph.calls]
    with pytest.raises(EnrichError) as caught:
        fetch(graph, "17", "newest", "also-wrong")
    assert caught.value.outcome == "blocked_credentials"


def test_only_a_refused_token_lets_the_next_one_try(graph: GraphStandIn) -> None:
    graph.scripts["17"] = graph_error(429, 4, Retry_After="30")

    with pytest.raises(EnrichError) as caught:
        fetch(graph, "17", "newest", "older")

    assert (caught.value.outcome, caught.value.retry_after_seconds) == ("waiting_enrich", 30.0)
    assert len(graph.calls) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (make_lead("18"), "invalid"),
        ({"id": None}, "invalid"),
        ({}, "invalid"),
        ([], "invalid"),
        ("17", "invalid"),
        ({"id": 17}, None),
        (
            {"id": "17", "field_data": "x", "custom_disclaimer_responses": [1, {}], "created_time": "soon"},
            None,
        ),
        (
            {
                "id": "17",
                "field_data": [
                    {"name": "a", "values": None},
                    {"name": "b", "values": []},
                    7,
                    {"values": ["x"]},
                ],
            },
            None,
        ),
    ],
)
def test_an_answer_must_be_about_the_lead_and_may_lack_everything_else(
    graph: GraphStandIn, answer: Any, outcome: str | None
) -> None:
    graph.scripts["17"] = status(200, answer)

    if outcome is None:
        assert fetch(graph, "17").content["id"] == "17"
        return
    with pytest.raises(EnrichError) as caught:
        fetch(graph, "17")
    assert outcome == caught.value.outcome


@pytest.mark.parametrize("lead_id", ["", "me", "17/../me", "17?fields=x", "..", "1" * 40, "\u0661"])
def test_an_id_that_is_no_number_is_never_asked_for(graph: GraphStandIn, lead_id: str) -> None:
    with pytest.raises(EnrichError) as caught:
        fetch(graph, lead_id)

    assert caught.value.outcome == "invalid"
    assert graph.calls == []


@pytest.mark.parametrize("version", ["v25", "25.0", "v25.0/../..", "", "v25.0?x"])
def test_a_version_is_a_version(graph: GraphStandIn, version: str) -> None:
    graph.leads["17"] = make_lead("17")
    config = SourceConfig(
        "leads", {"graph_base_url": graph.base_url, "graph_version": version}, {"page_token": ("t",)}
    )

    if version == "":
        assert source.enrich(thin("17"), config, client_for(source, config)).content["id"] == "17"
        return
    with pytest.raises(EnrichError, match="no version"):
        source.enrich(thin("17"), config, client_for(source, config))


def test_an_address_elsewhere_is_refused_when_it_is_asked_and_named_before() -> None:
    config = SourceConfig("leads", {"graph_base_url": "https://graph.evil.example"}, {"page_token": ("t",)})

    with pytest.raises(EnrichError, match="not on this machine") as caught:
        source.enrich(thin("17"), config, client_for(source, config))

    assert caught.value.outcome == "invalid"
    assert [text for text in source.list_config_problems(config) if "Graph API address" in text]


@pytest.mark.parametrize(
    ("missing", "named"),
    [("app_secret", "App secret"), ("verify_token", "Verify token"), ("page_token", "Page access token")],
)
def test_what_a_source_lacks_is_named(missing: str, named: str) -> None:
    secrets = {name: ("x",) for name in ("app_secret", "verify_token", "page_token") if name != missing}

    (problem,) = source.list_config_problems(SourceConfig("leads", {}, secrets))

    assert problem.startswith(named)


class Answering:
    """A client that always says the same."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def get_json(self, path: str, query: Any, headers: Any) -> Any:
        return self._answer


@pytest.mark.shared
def test_the_documented_lead_is_read(shared: Path) -> None:
    answer = json.loads((shared / "payloads/facebook/fetch-lead-1.json").read_text("utf-8"))
    config = SourceConfig("leads", {}, {"page_token": ("t",)})

    event = source.enrich(thin("123"), config, Answering({**answer, "id": "123"}))

    assert event.content["fields"] == {
        "car_make": "Honda",
        "full_name": "Joe Example",
        "email": "joe@example.com",
        "selected_dealer": "99213450",
    }
    assert datetime(2015, 2, 28, 8, 49, 14, tzinfo=UTC) == event.occurred_at


@pytest.mark.shared
def test_the_documented_consent_is_read(shared: Path) -> None:
    answer = json.loads((shared / "payloads/facebook/fetch-lead-custom-disclaimer-1.json").read_text("utf-8"))
    config = SourceConfig("leads", {}, {"page_token": ("t",)})

    event = source.enrich(thin("1231231231"), config, Answering(answer))

    assert event.content["disclaimers"] == {"optional_1": True, "optional_2": False}
