"""Bodies nobody here wrote, of form builders, calendars and ticket shops: each read as it should be; published signatures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.jotform.source import source as jotform
from integrations.kit.contract import RawRequest, SourceConfig, Split, Unreadable
from integrations.kit.fetch import client_for
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


# HubSpot's own tests (hubspot-api-python tests/spec/utils/test_signature.py, hubspot-api-nodejs
# test/unit/signature.spec.ts): client secret, address, and the signatures they expect.
HUBSPOT = SourceConfig("s", {}, {"client_secret": ("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",)})
HUBSPOT_URL = "https://www.example.com/webhook_uri"
V1 = "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"
V2 = "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383"
V2_GET = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"
V3 = "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
V1_ARRAY = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
V2_ARRAY = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
V3_NOW = datetime.fromtimestamp(1_693_657_560, UTC)


def from_hubspot(body: bytes, method: str = "POST", url: str = HUBSPOT_URL, **headers: str) -> RawRequest:
    named = tuple((f"x-hubspot-{name.replace('_', '-')}", value) for name, value in headers.items())
    return RawRequest(method, url, named, body)


def old(signature: str, version: str) -> dict[str, str]:
    return {"signature": signature, "signature_version": version}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("changes", "is_ok"),
    [
        (old(V1, "v1"), True),
        (old(V2, "v2"), True),
        (old(V1, "v2"), False),
        (old(V2, "v1"), False),
        (old(V1[:-1] + "1", "v1"), False),
        (old(V2, "v3"), False),
        ({"signature": V2}, True),
        ({"signature_version": "v2"}, False),
        ({"signature_v3": V3, "request_timestamp": "1693657560000"}, True),
        ({"signature_v3": V3, "request_timestamp": "1693657560001"}, False),
        ({"signature_v3": V3, "request_timestamp": "hello"}, False),
        ({"signature_v3": V3}, False),
        ({"signature_v3": V2, "request_timestamp": "1693657560000"}, False),
        # A right old signature does not help a wrong new one.
        ({**old(V2, "v2"), "signature_v3": V2, "request_timestamp": "1693657560000"}, False),
    ],
)
def test_hubspots_published_signatures(shared: Path, changes: dict[str, str], is_ok: bool) -> None:
    body = (shared / "payloads/hubspot/signed-v3-1.txt").read_bytes()

    verdict = get_source("hubspot").verify(from_hubspot(body, **changes), HUBSPOT, V3_NOW)

    assert is_ok == verdict.is_ok
    assert is_ok or verdict.reason


@pytest.mark.shared
@pytest.mark.parametrize(("seconds_later", "is_ok"), [(299, True), (301, False), (-299, True), (-301, False)])
def test_hubspots_third_signature_ages(shared: Path, seconds_later: int, is_ok: bool) -> None:
    body = (shared / "payloads/hubspot/signed-v3-1.txt").read_bytes()
    request = from_hubspot(body, signature_v3=V3, request_timestamp="1693657560000")

    verdict = get_source("hubspot").verify(request, HUBSPOT, V3_NOW + timedelta(seconds=seconds_later))

    assert is_ok == verdict.is_ok


def test_hubspots_signature_of_a_question_without_a_body() -> None:
    verify = get_source("hubspot").verify

    assert verify(from_hubspot(b"", "GET", **old(V2_GET, "v2")), HUBSPOT, NOW).is_ok
    assert not verify(from_hubspot(b"", "POST", **old(V2_GET, "v2")), HUBSPOT, NOW).is_ok
    assert not verify(from_hubspot(b"", "GET", HUBSPOT_URL + "/", **old(V2_GET, "v2")), HUBSPOT, NOW).is_ok


@pytest.mark.shared
def test_hubspots_signatures_of_a_real_array(shared: Path) -> None:
    path = shared / "payloads/hubspot/contact-creation-signed-v1-1.json"
    if not path.exists():
        pytest.skip("this copy of the samples has no HubSpot array")
    body, source = path.read_bytes(), get_source("hubspot")

    assert source.verify(from_hubspot(body, **old(V1_ARRAY, "v1")), HUBSPOT, NOW).is_ok
    assert source.verify(from_hubspot(body, **old(V2_ARRAY, "v2")), HUBSPOT, NOW).is_ok
    assert source.split(from_hubspot(body), HUBSPOT).events


@pytest.mark.parametrize(
    "escaped", ["%3A", "%2F", "%40", "%21", "%24", "%27", "%28", "%29", "%2A", "%2C", "%3B", "%3a"]
)
def test_hubspot_signs_addresses_with_some_escapes_undone(escaped: str) -> None:
    source = get_source("hubspot")
    plain = chr(int(escaped[1:], 16))
    sent = from_hubspot(b"[]", url=f"{HUBSPOT_URL}?next={plain}x")

    signed = source.sign(sent, HUBSPOT, NOW)  # type: ignore[attr-defined]

    assert source.verify(replace(signed, url=f"{HUBSPOT_URL}?next={escaped}x"), HUBSPOT, NOW).is_ok


# A third party's guide prints this value for its own algorithm; it is invented (recomputed: 4d364bc8...).
def test_the_invented_webflow_value_is_refused() -> None:
    invented = "3f8e5d6c6a1b8f7d4e2a9c5b1d7e3f9a2c4e6b8d0f3a5c7e9b1d3f5a7c9e0b2d"
    config = SourceConfig("s", {}, {"url_key": ("a-key",), "signing_secret": ("test_secret",)})
    headers = (("x-webflow-timestamp", str(int(NOW.timestamp() * 1000))), ("x-webflow-signature", invented))
    request = RawRequest("POST", "", headers, b'{"triggerType":"form_submission"}', (), "a-key", NOW)

    assert not get_source("webflow").verify(request, config, NOW).is_ok


@pytest.mark.parametrize(
    ("integration", "host", "is_taken"),
    [
        ("jotform", "eu-api.jotform.com", True),
        ("jotform", "api.jotform.com.evil.example", False),
        ("typeform", "api.eu.typeform.com", True),
        ("typeform", "127.0.0.1", False),
    ],
)
def test_only_a_platforms_own_hosts_can_be_chosen(integration: str, host: str, is_taken: bool) -> None:
    source = get_source(integration)

    client = client_for(source, SourceConfig("s", {"api_host": host}, {}))

    assert is_taken == (type(client).__name__ == "HostClient")
    if is_taken:
        assert host == client._host  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("integration", "body"),
    [
        ("google_ads", b'{"lead_id":"1","google_key":"the-key-of-the-source","user_column_data":[]}'),
        (
            "eventbrite",
            b'{"config":{"action":"order.placed","endpoint_url":"https://m.example/the-key-of-the-source"},"api_url":"1"}',
        ),
        (
            "jotform",
            b"webhookURL=https%3A%2F%2Fm.example%2Fhooks%2Fs%2Fthe-key-of-the-source&formID=1&submissionID=2",
        ),
        ("jotform", b"formID=1&webhookURL=https%3A%2F%2Fm.example%2Fhooks%2Fs%2Fthe-key-of-the-source"),
        ("jotform", b"formID=1&other=the-key-of-the-source"),
    ],
)
def test_a_key_inside_a_body_is_not_kept(integration: str, body: bytes) -> None:
    config = SourceConfig(
        "s", {}, {"google_key": ("the-key-of-the-source",), "url_key": ("the-key-of-the-source",)}
    )
    request = RawRequest("POST", "", (("content-type", FORM),), body, (), "", NOW)

    stored = get_source(integration).stored_body(request, config)

    assert b"the-key-of-the-source" not in stored
    assert b"1" in stored
