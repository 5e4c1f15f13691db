"""Every integration's fixtures, and what is derived from them: no integration is named here."""

import re
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest

from integrations.kit.contract import Event, Split, Unreadable
from integrations.kit.registry import fixtures_folder, get_source, list_integrations
from integrations.kit.runner import (
    Case,
    enrich_all,
    list_cases,
    list_forgeries,
    list_rotations,
    play,
)
from integrations.kit.runner import read_case as read
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.patch import ContactPatch, MappingResult
from mappings.language.presets import find_preset

CASES = [case for name in list_integrations() for case in list_cases(name)]
SIGNED = [case for case in CASES if case.is_signed]
FORGERIES = [(name, forgery) for case in SIGNED for name, forgery in list_forgeries(case).items()]
ROTATIONS = [(name, rotated) for case in SIGNED for name, rotated in list_rotations(case).items()]
BATCHES = [case for case in CASES if "same_events_as" in case.expect]


def reading_of(case: Case) -> Split | str:
    """What split makes of the case's request, or the reason it makes nothing."""
    try:
        return case.source.split(case.request, case.config)
    except Unreadable as error:
        return error.reason


def whole_events(case: Case) -> list[Event]:
    """The events of a case as a mapping gets them: enriched where the platform's API gave an answer."""
    if case.expect.get("verdict") != "ok":
        return []
    reading = reading_of(case)
    enriched = enrich_all(case, () if isinstance(reading, str) else reading.events)
    return [event for event in enriched if isinstance(event, Event) and not event.needs_enrich]


def each_of(cases: Iterable[Case | tuple[Any, Case]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make one test for each integration of a check on one case: whatever fails is named, and all are counted.

    Ten thousand single tests cost more to hand out than to play.
    """
    by_integration: dict[str, list[tuple[Any, ...]]] = {}
    for case in cases:
        arguments = case if isinstance(case, tuple) else (case,)
        by_integration.setdefault(arguments[-1].integration, []).append(arguments)

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("name", sorted(by_integration))
        def test(name: str, record_property: Callable[[str, object], None]) -> None:
            failures = [
                failure for each in by_integration[name] if (failure := _failure(check, each)) is not None
            ]
            record_property("cases", len(by_integration[name]))
            record_property("failed", len(failures))
            assert not failures, "\n\n".join(failures)

        test.__name__ = check.__name__
        return test

    return decorate


def _failure(check: Callable[..., None], arguments: tuple[Any, ...]) -> str | None:
    """What went wrong with one case, with its name; None when nothing did."""
    try:
        check(*arguments)
    except Exception:  # noqa: BLE001 - whatever it was, it is told, and the next case played
        names = [each.name if isinstance(each, Case) else str(each) for each in arguments]
        return f"{'-'.join(names)}: {traceback.format_exc(limit=-2)}"
    return None


@pytest.mark.parametrize("name", list_integrations())
def test_every_integration_has_signed_and_refused_fixtures_and_a_readme(name: str) -> None:
    cases = list_cases(name)

    assert [case for case in cases if case.is_signed]
    assert [case for case in cases if case.expect.get("verdict") not in (None, "ok")] or FORGERIES
    assert (fixtures_folder(name).parent / "README.md").read_text("utf-8").startswith("# ")


@each_of(CASES)
def test_a_fixture_comes_out_as_expected(case: Case) -> None:
    outcome = play(case)

    compared = {name for name in case.expect if name not in ("same_events_as", "patches")}
    unsaid = {name: outcome.get(name) for name in ("events", "ignored", "unreadable") if name not in compared}
    assert {name: case.expect[name] for name in compared} == {name: outcome.get(name) for name in compared}
    assert not any(unsaid.values()), unsaid


@each_of(FORGERIES)
def test_a_forged_request_is_refused(name: str, case: Case) -> None:
    verdict = case.source.verify(case.request, case.config, case.now)

    assert not verdict.is_ok, name
    assert verdict.reason


@each_of(FORGERIES)
def test_a_refusal_says_nothing_of_the_request(name: str, case: Case) -> None:
    reason = case.source.verify(case.request, case.config, case.now).reason

    sent = [value for _, value in case.request.headers] + [case.request.url_key]
    assert not [value for value in sent if len(value) > 3 and value in reason]


@each_of(ROTATIONS)
def test_the_old_secret_is_accepted_while_it_is_rotated(name: str, case: Case) -> None:
    verdict = case.source.verify(case.request, case.config, case.now)

    assert verdict.is_ok, f"{name}: {verdict.reason}"


@each_of(SIGNED)
def test_a_repeat_has_the_same_delivery_key_and_the_same_events(case: Case) -> None:
    again = replace(case.request, headers=(*case.request.headers, ("user-agent", "another try")))

    first, second = (case.source.delivery_key(request, case.config) for request in (case.request, again))

    assert first == second
    assert first.value
    assert play(case) == play(replace(case, request=again))


@each_of(SIGNED)
def test_what_is_stored_is_enough_to_split_again(case: Case) -> None:
    kept = tuple((name, value) for name, value in case.request.headers if name in case.source.stored_headers)
    body = case.source.stored_body(case.request, case.config)
    stored = replace(case.request, headers=kept, body=body, query=(), url_key="", url="")

    assert reading_of(replace(case, request=stored)) == reading_of(case)


@each_of((share, case) for case in SIGNED for share in (0.3, 0.9))
def test_a_body_that_was_cut_off_is_a_named_reason_or_less_of_the_same(share: float, case: Case) -> None:
    cut = replace(case.request, body=case.request.body[: int(len(case.request.body) * share)])

    reading = reading_of(replace(case, request=cut))

    whole = reading_of(case)
    known = set() if isinstance(whole, str) else {event.kind for event in whole.events}
    assert (
        isinstance(reading, str)
        or not reading.events
        or {event.kind for event in reading.events} <= known | {"form"}
    )
    assert case.source.delivery_key(cut, case.config).value
    assert isinstance(case.source.stored_body(cut, case.config), bytes)


@each_of(SIGNED)
def test_events_that_stand_twice_in_one_delivery_are_one(case: Case) -> None:
    reading = reading_of(case)

    keys = [] if isinstance(reading, str) else [event.key for event in reading.events]
    assert sorted(set(keys)) == sorted(keys)


@each_of(case for case in CASES if "patches" in case.expect)
def test_the_preset_maps_a_fixture_as_expected(case: Case) -> None:
    assert case.expect["patches"] == mapped(case)


@each_of(case for case in CASES if whole_events(case))
def test_what_the_platform_deleted_is_erased_by_the_preset_or_ignored_by_name(case: Case) -> None:
    erasures = [
        result for event, result in zip(whole_events(case), mapped(case), strict=True) if event.is_erasure
    ]

    kept = [
        result
        for result in erasures
        if any(not patch.get("is_erasure") for patch in result.get("patches", ()))
    ]
    assert not kept


@pytest.mark.parametrize("name", list_integrations())
def test_every_integration_has_a_fixture_with_its_patches(name: str) -> None:
    assert [case for case in list_cases(name) if case.expect.get("patches")]


@each_of(case for case in CASES if whole_events(case))
def test_the_preset_names_what_it_makes_of_every_event(case: Case) -> None:
    for result in mapped(case):
        assert len(result) == 1
        assert any(result.values())


@each_of(BATCHES)
def test_events_are_the_same_whichever_way_they_are_grouped(case: Case) -> None:
    folder = fixtures_folder(case.integration)
    others = [read(case.integration, folder / f"{name}.given.json") for name in case.expect["same_events_as"]]

    alone = [event for other in others for event in play(other)["events"]]

    by_key = {event["key"]: event for event in alone}
    assert by_key == {event["key"]: event for event in play(case)["events"]}


@pytest.mark.parametrize("name", list_integrations())
def test_events_of_different_content_have_different_keys(name: str) -> None:
    events = [event for case in list_cases(name) for event in play(case).get("events", [])]

    ordered = sorted(events, key=lambda event: event["key"])
    clashes = [
        (one["key"], one["content"], other["content"])
        for one, other in pairwise(ordered)
        if one["key"] == other["key"] and _plain(one["content"]) != _plain(other["content"])
    ]
    assert not clashes


@pytest.mark.parametrize("name", list_integrations())
def test_settings_have_one_primary_secret_and_say_what_they_are(name: str) -> None:
    settings = get_source(name).settings

    assert len([setting for setting in settings if setting.is_primary and setting.is_secret]) == 1
    assert len(settings) == len({setting.name for setting in settings})
    assert all(setting.label and re.fullmatch("[a-z_]+", setting.name) for setting in settings)


@pytest.mark.parametrize("name", list_integrations())
def test_an_unconfigured_source_says_what_it_lacks(name: str) -> None:
    case = replace(list_cases(name)[0])

    problems = case.source.list_config_problems(replace(case.config, settings={}, secrets={}))

    assert problems
    assert all(problem.endswith(".") for problem in problems)


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Content without the page it came from: the same answers on two pages are one wish."""
    return {name: value for name, value in content.items() if not name.startswith("_")}


@lru_cache
def compiled_preset(name: str) -> CompiledMapping:
    preset = find_preset(name)
    assert preset is not None, f"there is no preset {name}"
    return compile_mapping(load_document(preset.text))


def mapped(case: Case) -> list[dict[str, Any]]:
    """What the integration's preset makes of each event, as it stands in a fixture."""
    mapping = compiled_preset(case.integration)
    results = [
        mapping.apply(
            event.content,
            EventInfo(
                event.key,
                event.kind,
                event.occurred_at,
                case.request.received_at,
                event.account,
                case.config.slug,
            ),
        )
        for event in whole_events(case)
    ]
    return [result_as_json(result) for result in results]


def result_as_json(result: MappingResult) -> dict[str, Any]:
    if result.rejected is not None:
        return {"rejected": f"{result.rejected.field}: {result.rejected.code}"}
    if result.ignored:
        return {"ignored": result.ignored}
    return {"patches": [patch_as_json(patch) for patch in result.patches]}


def patch_as_json(patch: ContactPatch) -> dict[str, Any]:
    made = {
        "identities": [
            " ".join(filter(None, (each.kind, each.scope, each.value))) for each in patch.identities
        ],
        "fields": dict(patch.fields),
        "consents": [
            " ".join(
                filter(
                    None, (each.verdict, each.channel, each.purpose, each.proof, each.method, each.address)
                )
            )
            for each in patch.consents
        ],
        "tags_added": list(patch.tags_added),
        "tags_removed": list(patch.tags_removed),
        "is_erasure": patch.is_erasure,
    }
    return {name: value for name, value in made.items() if value}
