"""What fixtures cannot say about Meta's sources: full batches, private words, and the Graph API over real HTTP."""

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.kit.contract import EnrichError, Event, RawRequest, SourceConfig, Unreadable
from integrations.kit.fetch import client_for
from integrations.kit.meta import MetaSource
from integrations.kit.runner import get_base_source
from tests.integrations.graph_stand_in import (
    GraphStandIn,
    Script,
    graph_error,
    make_lead,
    running_graph,
    status,
)

PAGE, ACCOUNT, FORM, MEDIA = "1029384756", "17841400000000001", "5550001", "6101"
SINCE = datetime(2026, 11, 20, tzinfo=UTC)
SIBLINGS = ["instagram", "meta_leads", "meta_page", "whatsapp"]


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


def config_of(graph: GraphStandIn, token: str, *values: str, **settings: str) -> SourceConfig:
    return SourceConfig(
        "s", {"graph_base_url": graph.base_url, **settings}, {token: values or ("token-one",)}
    )


def thin(integration: str) -> Event:
    if integration == "meta_leads":
        content = {"leadgen_id": "17", "form_id": FORM}
        return Event("17", "leadgen", content, account=PAGE, needs_enrich=True)
    content = {"type": "mention", "media_id": MEDIA}
    return Event(f"mention:{MEDIA}", "mentions", content, account=ACCOUNT, needs_enrich=True)


# integration -> (its token, the last part of the path that is asked, an answer that is right)
ENRICHING: dict[str, tuple[str, str, Any]] = {
    "meta_leads": ("page_token", "17", make_lead("17", email="ana@alumni.example")),
    "instagram": (
        "access_token",
        ACCOUNT,
        {"id": ACCOUNT, "mentioned_media": {"id": MEDIA, "caption": "Hi", "username": "ana"}},
    ),
}
LARGE = b'{"id": "' + b"x" * (10 * 1024 * 1024) + b'"}'
TROUBLES: list[tuple[str, Script, str]] = [
    ("token expired", graph_error(400, 190, 463), "blocked_credentials"),
    ("401", status(401), "blocked_credentials"),
    ("403", status(403), "blocked_credentials"),
    ("permission taken back", graph_error(403, 200), "blocked_credentials"),
    ("a permission of the 200s", graph_error(400, 283), "blocked_credentials"),
    ("404", status(404), "gone"),
    ("deleted", graph_error(400, 100, 33), "gone"),
    ("wrong parameter", graph_error(400, 100), "invalid"),
    ("429", status(429), "waiting_enrich"),
    ("app's limit", graph_error(400, 4), "waiting_enrich"),
    ("limit of the use case leads", graph_error(400, 80005), "waiting_enrich"),
    ("500", status(500), "waiting_enrich"),
    ("redirect", status(302, {}, Location="https://elsewhere.example/"), "invalid"),
    ("10 MB", status(200, LARGE), "invalid"),
    ("about another", status(200, {"id": "18", "mentioned_media": {"id": "18"}}), "invalid"),
    ("no object", status(200, []), "invalid"),
]


@pytest.mark.parametrize("integration", ENRICHING)
@pytest.mark.parametrize(("script", "outcome"), [t[1:] for t in TROUBLES], ids=[t[0] for t in TROUBLES])
def test_trouble_with_the_api_has_its_outcome(
    graph: GraphStandIn, integration: str, script: Script, outcome: str
) -> None:
    token, place, _ = ENRICHING[integration]
    source, config = get_base_source(integration), config_of(graph, token)
    graph.scripts[place] = script

    with pytest.raises(EnrichError) as caught:
        source.enrich(thin(integration), config, client_for(source, config))

    assert outcome == caught.value.outcome
    assert "token-one" not in str(caught.value)
    assert len(graph.calls) == 1


@pytest.mark.parametrize("integration", ENRICHING)
def test_an_older_token_is_tried_when_the_newest_is_refused(graph: GraphStandIn, integration: str) -> None:
    token, place, answer = ENRICHING[integration]
    source, config = get_base_source(integration), config_of(graph, token, "newest", "older")

    def guarded(handler: Any) -> None:
        is_allowed = handler.headers["Authorization"] == "Bearer older"
        (status(200, answer) if is_allowed else graph_error(400, 190))(handler)

    graph.scripts[place] = guarded

    event = source.enrich(thin(integration), config, client_for(source, config))

    assert not event.needs_enrich
    assert [headers["authorization"] for _, _, headers in graph.calls] == ["Bearer newest", "Bearer older"]
    assert not [query for _, query, _ in graph.calls if "access_token" in query]


def test_a_mention_is_asked_for_by_field_expansion(graph: GraphStandIn) -> None:
    source, config = get_base_source("instagram"), config_of(graph, "access_token")
    graph.scripts[ACCOUNT] = status(200, ENRICHING["instagram"][2])

    event = source.enrich(thin("instagram"), config, client_for(source, config))

    ((path, query, _),) = graph.calls
    assert path == f"/v25.0/{ACCOUNT}"
    assert query == {
        "fields": [f"mentioned_media.media_id({MEDIA}){{id,caption,media_type,timestamp,username}}"]
    }
    assert event.message is not None
    assert (event.message.id, event.message.text) == (MEDIA, "Hi")
    assert event.content["from"] == {"username": "ana"}


@pytest.mark.parametrize("media_id", ["", "me", "1){id},name,x(", "..", "1/2"])
def test_an_id_that_is_no_number_is_never_asked_for(graph: GraphStandIn, media_id: str) -> None:
    source, config = get_base_source("instagram"), config_of(graph, "access_token")
    event = Event("k", "mentions", {"media_id": media_id}, account=ACCOUNT, needs_enrich=True)

    with pytest.raises(EnrichError) as caught:
        source.enrich(event, config, client_for(source, config))

    assert caught.value.outcome == "invalid"
    assert graph.calls == []


def test_leads_are_backfilled_page_after_page_by_cursor_never_by_address(graph: GraphStandIn) -> None:
    source, config = get_base_source("meta_leads"), config_of(graph, "page_token", page_id=PAGE)
    graph.scripts["leadgen_forms"] = status(200, {"data": [{"id": FORM}]})

    def leads(handler: Any) -> None:
        is_first = "after" not in graph.calls[-1][1]
        paging = {"cursors": {"after": "two"}} | (
            {"next": "https://elsewhere.example/?access_token=x"} if is_first else {}
        )
        status(200, {"data": [make_lead("31" if is_first else "32")], "paging": paging})(handler)

    graph.scripts["leads"] = leads

    first = source.backfill(config, SINCE, "", client_for(source, config))
    second = source.backfill(config, SINCE, first.cursor, client_for(source, config))

    assert (bool(first.cursor), second.cursor) == (True, "")
    bodies = [RawRequest("POST", "", (), body) for page in (first, second) for body in page.bodies]
    events = [event for body in bodies for event in source.split(body, config).events]
    assert [event.key for event in events] == ["31", "32"]
    assert all(event.needs_enrich for event in events)
    assert "elsewhere" not in first.cursor
    asked = graph.calls[-1][1]
    assert asked["after"] == ["two"]
    assert json.loads(asked["filtering"][0]) == [
        {"field": "time_created", "operator": "GREATER_THAN", "value": 1795132800}
    ]
    assert "field_data" not in asked["fields"][0]


def test_a_backfill_that_never_ends_is_ended(graph: GraphStandIn) -> None:
    source, config = get_base_source("meta_leads"), config_of(graph, "page_token", form_ids=FORM)
    page = {"data": [make_lead("31")], "paging": {"cursors": {"after": "same"}, "next": "x"}}
    graph.scripts["leads"] = status(200, page)

    first = source.backfill(config, SINCE, "", client_for(source, config))
    second = source.backfill(config, SINCE, first.cursor, client_for(source, config))

    assert (bool(first.cursor), second.cursor) == (True, "")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (graph_error(400, 190), "blocked_credentials"),
        (graph_error(400, 80005), "waiting_enrich"),
        (status(200, {}), "invalid"),
        (status(200, []), "invalid"),
    ],
)
@pytest.mark.parametrize("place", ["leads", "leadgen_forms"])
def test_trouble_while_backfilling_is_told(
    graph: GraphStandIn, script: Script, outcome: str, place: str
) -> None:
    source, config = get_base_source("meta_leads"), config_of(graph, "page_token", page_id=PAGE)
    graph.scripts["leadgen_forms"] = status(200, {"data": [{"id": FORM}]})
    graph.scripts[place] = script

    with pytest.raises(EnrichError) as caught:
        source.backfill(config, SINCE, "", client_for(source, config))

    assert outcome == caught.value.outcome


@pytest.mark.parametrize("cursor", ["x", "[]", "[1,2,3]", "null", '{"a":1}'])
def test_a_cursor_of_nobody_is_refused(graph: GraphStandIn, cursor: str) -> None:
    source, config = get_base_source("meta_leads"), config_of(graph, "page_token", page_id=PAGE)

    with pytest.raises(EnrichError) as caught:
        source.backfill(config, SINCE, cursor, client_for(source, config))

    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize(
    ("integration", "token", "setting", "fields"),
    [
        ("meta_leads", "page_token", "page_id", ["leadgen"]),
        ("meta_page", "page_token", "page_id", ["feed"]),
        ("instagram", "access_token", "watched_id", ["comments"]),
        ("whatsapp", "access_token", "account_id", None),
    ],
)
def test_whether_the_platform_still_sends_is_asked(
    graph: GraphStandIn, integration: str, token: str, setting: str, fields: list[str] | None
) -> None:
    source, config = get_base_source(integration), config_of(graph, token, **{setting: PAGE})
    app = {"id": "42"} | ({"subscribed_fields": fields} if fields else {})

    states = []
    for answer in ({"data": [app]}, {"data": []}, {}, []):
        graph.scripts["subscribed_apps"] = status(200, answer)
        states.append(source.health(config, client_for(source, config)).state)

    assert states == ["alive", "dead", "dead", "dead"]
    assert {path for path, _, _ in graph.calls} == {f"/v25.0/{PAGE}/subscribed_apps"}
    assert source.health(SourceConfig("s"), client_for(source, config)).state == "unknown"


def test_instagram_login_asks_instagram_itself() -> None:
    source = get_base_source("instagram")
    settings = [{}, {"graph_host": "graph.instagram.com"}, {"graph_host": "graph.facebook.com"}]

    hosts = [source.host_for(SourceConfig("s", one)) for one in settings]

    assert hosts == ["graph.facebook.com", "graph.instagram.com", "graph.facebook.com"]
    with pytest.raises(EnrichError):
        source.host_for(SourceConfig("s", {"graph_host": "graph.elsewhere.example"}))


def updates(integration: str) -> list[dict[str, Any]]:
    """A thousand entries, each with one update of its own, as Meta may put them into one POST."""
    if integration == "whatsapp":
        texts = [
            {"id": f"wamid.{n}", "from": "442079460958", "timestamp": "1795250000", "type": "text", "text": {"body": "x"}}
            for n in range(1000)
        ]  # fmt: skip
        return [
            {"id": PAGE, "changes": [{"field": "messages", "value": {"messages": [one]}}]} for one in texts
        ]
    sender = {"sender": {"id": "4001"}, "recipient": {"id": PAGE}, "timestamp": 1795250000000}
    return [
        {"id": PAGE, "time": 1, "messaging": [{**sender, "message": {"mid": f"m_{n}", "text": "x"}}]}
        for n in range(1000)
    ]


@pytest.mark.parametrize(
    ("integration", "kind"), [("whatsapp", ""), ("meta_page", "page"), ("instagram", "instagram")]
)
def test_a_thousand_updates_are_a_thousand_events_however_they_are_grouped(
    integration: str, kind: str
) -> None:
    source, config = get_base_source(integration), SourceConfig("s")

    def split(entries: list[dict[str, Any]]) -> dict[str, Event]:
        body = json.dumps({"object": kind or "whatsapp_business_account", "entry": entries}).encode()
        stored = source.stored_body(RawRequest("POST", "", (), body), config)
        return {event.key: event for event in source.split(RawRequest("POST", "", (), stored), config).events}

    entries = updates(integration)
    shuffled = random.Random(7).sample(entries, len(entries))
    started = time.process_time()

    together = split(entries)

    assert time.process_time() - started < 3.0
    assert len(together) == 1000
    assert together == split(shuffled)
    assert together == {**split(shuffled[:600]), **split(shuffled[300:])}


@pytest.mark.parametrize("integration", SIBLINGS)
def test_what_is_no_delivery_changes_nothing_and_raises_nothing(integration: str) -> None:
    source = get_base_source(integration)
    bodies: list[Any] = [
        b"", b"{", b"[]", b"[1]", b"null", b'{"entry":7}', b'{"entry":[]}', b'{"entry":[{"changes":7}]}',
        b'{"entry":[{"changes":[{"field":"messages","value":{"messages":7,"statuses":{},"errors":"x","contacts":1}}]}]}',
        b'{"entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"1","type":"text","text":7}]}}]}]}',
        b'{"entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"1","type":{"a":1}}]}}]}]}',
        b'{"entry":[{"messaging":[{"sender":7,"message":{"mid":"1","attachments":{"a":1},"reply_to":7}}]}]}',
        b'{"entry":[{"messaging":7,"standby":{"sender":1}}],"object":{"a":1}}',
        b'{"entry":[{"id":"9","changes":[{"field":"feed","value":{"item":"comment","from":7,"comment_id":[1],"post":3}}]}]}',
        b'{"entry":[{"id":"9","field":"comments","value":{"id":"1","from":[],"media":"x"}}]}',
    ]  # fmt: skip

    for body in bodies:
        request = RawRequest("POST", "", (), body)
        stored = source.stored_body(request, SourceConfig("s"))
        try:
            split = source.split(request, SourceConfig("s"))
        except Unreadable:
            continue
        assert source.split(RawRequest("POST", "", (), stored), SourceConfig("s")) == split


@pytest.mark.parametrize("integration", SIBLINGS)
def test_an_unconfigured_source_says_what_it_lacks(integration: str) -> None:
    source = get_base_source(integration)
    assert isinstance(source, MetaSource)
    wrong = {"graph_version": "25", "graph_base_url": "https://graph.elsewhere.example"}
    wrong |= {
        "page_id": "my page",
        "watched_id": "@office",
        "account_id": "x",
        "graph_host": "elsewhere.example",
    }

    problems = source.list_config_problems(SourceConfig("s", wrong))

    for named in ("App secret", "Verify token", "Graph API version", "Graph API address", "is no number"):
        assert [problem for problem in problems if named in problem], named
