"""The small readers of strangers' JSON, tokens tried in turn, and queries that stand as they are."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.kit.contract import EnrichError
from integrations.kit.fetch import Encoded, HostClient
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import count_of, filled, identifier, object_at, objects_in, short_name, text_of
from tests.integrations.graph_stand_in import GraphStandIn, make_lead, running_graph, status

JUNK: list[Any] = [None, True, 1, 1.5, "x", [], {}, [1, {"a": 1}], {"a": [1]}, "x" * 5000]


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


@pytest.mark.parametrize("value", JUNK, ids=[str(number) for number in range(len(JUNK))])
def test_no_reader_raises(value: Any) -> None:
    assert isinstance(object_at(value, "a", "b"), dict)
    assert isinstance(objects_in(value), list)
    assert isinstance(text_of(value), str)
    assert len(identifier(value)) <= 200
    assert 0 < len(short_name(value)) <= 60
    assert count_of(value) is None or isinstance(count_of(value), int)


def test_readers_read() -> None:
    assert object_at({"a": {"b": {"c": 1}}}, "a", "b") == {"c": 1}
    assert objects_in([1, {"a": 1}, None]) == [{"a": 1}]
    assert [identifier(7), identifier(" 7 "), identifier(True)] == ["7", "7", ""]
    assert [count_of(5), count_of("97"), count_of(True), count_of(-1), count_of("٣")] == [
        5,
        97,
        None,
        None,
        None,
    ]
    assert filled({"a": "", "b": False, "c": 0, "d": None, "e": {}}) == {"b": False, "c": 0}


def test_the_newest_token_that_is_accepted_answers() -> None:
    def ask(token: str) -> str:
        if token != "old":
            raise EnrichError("blocked_credentials", f"refused {len(token)}")
        return token

    assert ask_with_each(("newest", "", "old"), "none", "hint", ask) == "old"
    with pytest.raises(EnrichError, match="refused 6"):
        ask_with_each(("newest",), "none", "hint", ask)
    with pytest.raises(EnrichError, match="none"):
        ask_with_each((), "none", "hint", ask)


def test_any_other_failure_ends_the_asking() -> None:
    asked: list[str] = []

    def ask(token: str) -> str:
        asked.append(token)
        raise EnrichError("gone", "deleted")

    with pytest.raises(EnrichError, match="deleted"):
        ask_with_each(("a", "b"), "none", "hint", ask)
    assert asked == ["a"]


def test_an_encoded_value_stands_in_the_url_as_it_is(graph: GraphStandIn) -> None:
    graph.leads = {"1": make_lead("1")}
    client = HostClient(graph.base_url, is_loopback_allowed=True)

    client.get_json("/v/1", {"owner": Encoded("(a:urn%3Ali%3A1)"), "q": "a&b=c:(d)", "since": "1+2"}, {})

    path, query, _ = graph.calls[-1]
    assert (path, query) == ("/v/1", {"owner": ["(a:urn:li:1)"], "q": ["a&b=c:(d)"], "since": ["1+2"]})


@pytest.mark.parametrize(
    ("headers", "outcome"), [({}, "blocked_credentials"), ({"Retry_After": "30"}, "waiting_enrich")]
)
def test_a_403_with_a_time_to_wait_is_a_quota(
    graph: GraphStandIn, headers: dict[str, str], outcome: str
) -> None:
    graph.scripts = {"1": status(403, {}, **headers)}

    with pytest.raises(EnrichError) as caught:
        HostClient(graph.base_url, is_loopback_allowed=True).get_json("/v/1", {}, {})

    assert caught.value.outcome == outcome
