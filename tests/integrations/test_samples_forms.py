"""Bodies nobody here wrote, of form builders, calendars and ticket shops: each read as it should be."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.jotform.source import source as jotform
from integrations.kit.contract import RawRequest, SourceConfig, Split, Unreadable
from integrations.kit.registry import get_source
from mappings.language.compile import compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.presets import find_preset

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
FOLDERS = {
    "typeform": "typeform",
    "tally": "tally",
    "jotform": "jotform",
    "gravity_forms": "gravity_forms",
    "webflow": "webflow",
    "calendly": "calendly",
    "eventbrite": "eventbrite",
    "hubspot": "hubspot",
    "google_ads": "google_ads",
    "elementor": "website",
    "generic_form": "website",
    "standard_webhooks": "standard_webhooks",
}
BOUNDARIES = {
    "multipart-almost_match_boundary.txt": "--boundary",
    "multipart-empty_message.txt": "--boundary",
    "multipart-multiple_fields.txt": "----WebKitFormBoundaryTkr3kCBQlBe1nrhc",
}
# sample -> what each event becomes: a rejection's code, or (fields, verdicts of consent); else names of ignored parts, or
# text: the beginning of the reason it is unreadable.
SAMPLES: dict[str, Any] = {
    "typeform/form_response-1.json": [
        ({"email": "laura@example.com", "first_name": "Laura", "origin": "Webhooks example"}, ["given"])
    ],
    "typeform/form_response-empty-3.json": ["no_identity"],
    "tally/form_response-french-1.json": [
        (
            {
                "email": "redacted@example.com",
                "first_name": "Dylan",
                "organisation": "Cabinet Delacroix & Associés",
                "origin": "Pré-qualification audit Issalya",
            },
            [],
        )
    ],
    "jotform/submission-1.txt": ["no_identity"],
    "jotform/submission-colon-comma-2.txt": ["no_identity"],
    "gravity_forms/entry-all-fields-1.json": ["no_identity"],
    "webflow/form_submission-1.json": [
        (
            {
                "email": "john.doe@example.com",
                "first_name": "John",
                "last_name": "Doe",
                "message": "I'd like to learn more about your services",
                "origin": "Contact Us Form",
            },
            [],
        )
    ],
    "calendly/invitee-created-1.json": [
        (
            {
                "email": "abdulyki@activepieces.com",
                "first_name": "abdul",
                "full_name": "abdul",
                "origin": "Calendly",
            },
            [],
        )
    ],
    "eventbrite/ticket-class-updated-1.json": {"ignored": ["ticket_class.updated"]},
    "hubspot/signed-v3-1.txt": "not JSON",
    "google_ads/lead-1.json": [
        (
            {
                "email": "jane@example.com",
                "first_name": "Jane",  # +11234567890 is no number that could exist: left out with a warning
                "last_name": "Doe",
                "full_name": "Jane Doe",
                "origin": "Google Ads lead form",
            },
            [],
        )
    ],
    "google_ads/lead-name-only-column_name-1.json": [
        (
            {
                "email": "marcus@projectangel.org",
                "phone": "+13105559811",
                "first_name": "Marcus",
                "last_name": "Wright",
                "full_name": "Marcus Wright",
                "origin": "Google Ads lead form",
            },
            [],
        )
    ],
    "google_ads/lead-unicode-columns-1.json": [
        (
            {
                "email": "thomas.martin@email.fr",
                "first_name": "Thomas",
                "postal_code": "69003",
                "origin": "PAC_Lyon",
            },
            [],
        )
    ],
    "elementor/advanced-data-1.form": [
        (
            {
                "email": "jordan.sample@example.com",
                "first_name": "avery",
                "last_name": "sample",
                "full_name": "avery sample",
                "message": "Consult for braces please.\nAfternoons are best & thanks!",
                "origin": "https://thenextlevelorthodontics.com/request-an-appointment/",
            },
            [],
        )
    ],
    "elementor/advanced-data-portuguese-1.form": [
        (
            {
                "email": "testando3@gmail.com",
                "first_name": "teste",
                "full_name": "teste",
                "origin": "ig",
            },
            [],
        )
    ],
    "elementor/flat-labels-1.form": [
        (
            {
                "email": "riley.demo@example.com",
                "message": "Clear aligners for me",
                "origin": "https://thenextlevelorthodontics.com/request-an-appointment/",
            },
            [],
        )
    ],
    "generic_form/urlencoded-repeated-array-1.form": None,  # values are looked at in test_samples
    "generic_form/multipart-almost_match_boundary.txt": {"ignored": ["file", "empty"]},
    "generic_form/multipart-empty_message.txt": {"ignored": ["empty"]},
    "generic_form/multipart-multiple_fields.txt": ["required"],
    "standard_webhooks/signed-1.json": ["no_identity"],
    "standard_webhooks/contact-created-thin-1.json": ["no_identity"],
}


def request_of(shared: Path, name: str) -> RawRequest:
    """The sample as it would have been posted; Jotform's two without the content type, which their copy lacks."""
    path = shared / "payloads" / name
    if path.name in BOUNDARIES:
        kind = f"multipart/form-data; boundary={BOUNDARIES[path.name]}"
    else:
        kind = {".json": JSON, ".form": FORM}.get(path.suffix, "")
    headers = (("content-type", kind),) if kind else ()
    return RawRequest("POST", "https://muster.example/hooks/s", headers, path.read_bytes(), (), "", NOW)


def split_of(shared: Path, name: str) -> Split | str:
    try:
        return get_source(FOLDERS[name.split("/", maxsplit=1)[0]]).split(
            request_of(shared, name), SourceConfig("s")
        )
    except Unreadable as error:
        return error.reason


def mapped(integration: str, split: Split) -> list[Any]:
    """Each event as its preset maps it: a rejection's code, or (fields, verdicts of consent)."""
    preset = find_preset(integration)
    assert preset is not None
    mapping = compile_mapping(load_document(preset.text))
    made: list[Any] = []
    for event in split.events:
        info = EventInfo(event.key, event.kind, event.occurred_at, NOW, event.account, "s")
        result = mapping.apply(event.content, info)
        if result.rejected is not None:
            made.append(result.rejected.code)
        made += [
            (dict(patch.fields), [consent.verdict for consent in patch.consents]) for patch in result.patches
        ]
    return made


@pytest.mark.shared
@pytest.mark.parametrize("name", [name for name, expected in SAMPLES.items() if expected is not None])
def test_a_sample_becomes_what_it_means(shared: Path, name: str) -> None:
    expected, split = SAMPLES[name], split_of(shared, name)

    if isinstance(expected, str):
        assert isinstance(split, str)
        assert split.startswith(expected)
    elif isinstance(expected, dict):
        assert isinstance(split, Split)
        assert expected["ignored"] == [part.kind for part in split.ignored]
        assert split.events == ()
    else:
        assert isinstance(split, Split)
        assert expected == mapped(FOLDERS[name.split("/", maxsplit=1)[0]], split)


@pytest.mark.shared
def test_every_sample_of_ours_is_read_or_named(shared: Path) -> None:
    files = [
        f"{folder}/{path.name}"
        for folder in FOLDERS
        for path in sorted((shared / "payloads" / folder).iterdir())
        if path.suffix != ".headers"
    ]

    assert files
    for name in files:
        split = split_of(shared, name)
        assert isinstance(split, str) or split.events or split.ignored, name
        assert not isinstance(split, str) or name in SAMPLES, f"{name}: {split}"
    assert set(SAMPLES) <= set(files)


@pytest.mark.shared
def test_the_real_jotform_capture_is_read_from_raw_request_alone(shared: Path) -> None:
    one, two = (
        split_of(shared, f"jotform/{name}") for name in ("submission-1.txt", "submission-colon-comma-2.txt")
    )

    assert isinstance(one, Split)
    assert isinstance(two, Split)
    assert {"first_name": "Niloth", "last_name": "P"} == one.events[0].content["found"]
    assert one.events[0].key.startswith("6084250982513018472.")
    fields = two.events[0].content["fields"]
    assert fields["name_hehe"] == "Value1 with colon: and comma, end"
    assert fields["multiple_choice"] == ["Option; 1", "Option2"]
    assert len(fields["file_upload"]) == 2
    assert not {"slug", "js_execution_tracker", "temp_upload", "path"} & fields.keys()


@pytest.mark.shared
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_address_in_a_jotform_delivery_is_not_kept(shared: Path, line_end: bytes) -> None:
    sent = request_of(shared, "jotform/submission-1.txt")
    request = replace(sent, body=sent.body.replace(b"\n", line_end))

    stored = jotform.stored_body(request, SourceConfig("s"))

    assert b"example.invalid" in request.body
    assert b"example.invalid" not in stored
    assert len(stored) == len(request.body) - len(
        "https://example.invalid/api/v1/external/jotform?api_key=REDACTED"
    )
    kept = replace(request, body=stored)
    assert jotform.split(kept, SourceConfig("s")) == jotform.split(request, SourceConfig("s"))
