"""Each part of every delivery and of every API's answer replaced by junk: nothing but the named refusals may come of it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from integrations.kit.contract import EnrichError, Event, Unreadable
from integrations.kit.registry import list_integrations
from integrations.kit.runner import Case, ScriptedClient, list_cases

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    10**30,
    "",
    "\ufffd",
    "x" * 300,
    [],
    [[]],
    [None],
    {},
    {"a": [1]},
)
MOST_SPOTS = 12  # of one document; beyond it every n-th


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a document, the whole first."""
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, each in entries:
        yield from spots(each, (*path, name))


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """The document with one part replaced."""
    if not path:
        return junk
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = with_junk(value[path[0]], path[1:], junk)
    return copied


def variants(value: Any) -> Iterator[Any]:
    found = list(spots(value))
    for path in found[:: max(1, len(found) // MOST_SPOTS)]:
        for junk in JUNK:
            yield with_junk(value, path, junk)


def json_cases(name: str) -> list[tuple[Case, Any]]:
    made = []
    for case in list_cases(name):
        with suppress(ValueError):
            made.append((case, json.loads(case.request.body)))
    return made


def read(case: Case, body: bytes) -> tuple[Event, ...]:
    """All that happens to a delivery at the door and in the worker."""
    request, source = replace(case.request, body=body), case.source
    source.challenge(request, case.config)
    source.verify(request, case.config, case.now)
    assert source.delivery_key(request, case.config).value
    source.reply(request, case.config)
    source.stored_body(request, case.config)
    try:
        return source.split(request, case.config).events
    except Unreadable as error:
        assert error.reason
        return ()


@pytest.mark.parametrize("name", list_integrations())
def test_junk_in_a_delivery_is_read_or_refused(name: str) -> None:
    for case, value in json_cases(name):
        for variant in variants(value):
            for event in read(case, json.dumps(variant).encode()):
                assert event.key
                assert event.kind
                json.dumps(event.content)


@pytest.mark.parametrize("name", list_integrations())
def test_junk_in_an_answer_is_read_or_refused(name: str) -> None:
    for case in list_cases(name):
        thin = [event for event in read(case, case.request.body) if event.needs_enrich][:1]
        for path, answer in (case.answers or {}).items():
            for variant in variants(answer):
                client = ScriptedClient({**(case.answers or {}), path: variant})
                for event in thin:
                    with suppress(EnrichError):
                        json.dumps(case.source.enrich(event, case.config, client).content)
                if case.backfill_since:
                    with suppress(EnrichError):
                        for body in case.source.backfill(case.config, case.backfill_since, "", client).bodies:
                            read(case, body)
                if case.asks_health:
                    with suppress(EnrichError):
                        assert case.source.health(case.config, client).state
