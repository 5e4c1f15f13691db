"""Bodies nobody here wrote: every sample of the four platforms, and the hostile corpora, through every source."""

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.kit.contract import RawRequest, Source, SourceConfig, Split, Unreadable
from integrations.kit.registry import get_source, list_integrations

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
# sample -> (integration, content type, (events, names of ignored parts)); text instead: the reason it is unreadable.
SAMPLES = {
    "facebook/leadgen-batched-1.json": ("meta_leads", JSON, (2, [])),
    "facebook/generic-user-photos-1.json": ("meta_leads", JSON, (0, ["user.photos"])),
    "facebook/messenger-delivery-1.json": ("meta_leads", JSON, (0, ["messaging"])),
    "facebook/page-feed-reaction-1.json": ("meta_leads", JSON, (0, ["feed"])),
    # What the API answers, not what a webhook sends: test_meta_leads reads both by enrich.
    "facebook/fetch-lead-1.json": ("meta_leads", JSON, "the JSON has no list of entries"),
    "facebook/fetch-lead-custom-disclaimer-1.json": ("meta_leads", JSON, "the JSON has no list of entries"),
    "whatsapp/signed-text-1.json": ("meta_leads", JSON, (0, ["whatsapp_business_account.messages"])),
    "standard_webhooks/signed-1.json": ("standard_webhooks", JSON, (1, [])),
    "standard_webhooks/contact-created-thin-1.json": ("standard_webhooks", JSON, (1, [])),
    "mailchimp/profile-1.form": ("mailchimp", FORM, (1, [])),
    "mailchimp/subscribe-1.form": ("mailchimp", FORM, (1, [])),
    "mailchimp/unsubscribe-1.form": ("mailchimp", FORM, (1, [])),
    "generic_form/urlencoded-repeated-array-1.form": ("website", FORM, (1, [])),
    "generic_form/multipart-almost_match_boundary.txt": ("website", "multipart/form-data; boundary=--boundary", (0, ["file", "empty"])),
    "generic_form/multipart-empty_message.txt": ("website", "multipart/form-data; boundary=--boundary", (0, ["empty"])),
    "generic_form/multipart-multiple_fields.txt": (
        "website", "multipart/form-data; boundary=----WebKitFormBoundaryTkr3kCBQlBe1nrhc", (1, []),
    ),
    "elementor/advanced-data-1.form": ("website", FORM, (1, [])),
    "elementor/advanced-data-portuguese-1.form": ("website", FORM, (1, [])),
    "elementor/flat-labels-1.form": ("website", FORM, (1, [])),
    "gravity_forms/entry-all-fields-1.json": ("website", JSON, (1, [])),
}  # fmt: skip
OURS = ("facebook", "standard_webhooks", "mailchimp", "generic_form", "elementor", "gravity_forms")
CORPORA = ("body", "json", "form", "signature", "http-raw", "blns", "xml")


def read_or_reason(source: Source, request: RawRequest, config: SourceConfig) -> Split | str:
    """What split reads, or the reason it reads nothing; any other exception fails the test."""
    try:
        return source.split(request, config)
    except Unreadable as error:
        return error.reason


def post(body: bytes, content_type: str) -> RawRequest:
    headers = (("content-type", content_type), ("webhook-id", "msg_1"), ("webhook-timestamp", "1795255200"))
    return RawRequest("POST", "https://muster.example/hooks/x", headers, body, (), "", NOW)


@pytest.mark.shared
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_or_refused_with_its_reason(shared: Path, name: str) -> None:
    integration, content_type, expected = SAMPLES[name]
    request = post((shared / "payloads" / name).read_bytes(), content_type)

    reading = read_or_reason(get_source(integration), request, SourceConfig("s"))

    if isinstance(reading, str):
        assert expected == reading
    else:
        assert expected == (len(reading.events), [part.kind for part in reading.ignored])
        assert all(event.content and event.key for event in reading.events)


@pytest.mark.shared
def test_no_sample_of_the_four_is_left_out(shared: Path) -> None:
    files = {f"{folder}/{path.name}" for folder in OURS for path in (shared / "payloads" / folder).iterdir()}

    assert {name for name in files if not name.endswith(".headers")} == {
        name for name in SAMPLES if name.split("/")[0] in OURS
    }


@pytest.mark.shared
def test_values_of_real_samples_come_through(shared: Path) -> None:
    def contents(name: str) -> list[dict[str, object]]:
        integration, content_type, _ = SAMPLES[name]
        request = post((shared / "payloads" / name).read_bytes(), content_type)
        return [
            dict(event.content) for event in get_source(integration).split(request, SourceConfig("s")).events
        ]

    assert [each["leadgen_id"] for each in contents("facebook/leadgen-batched-1.json")] == [
        "123123123123",
        "123123123124",
    ]
    assert contents("mailchimp/unsubscribe-1.form")[0]["email"] == "api+unsub@mailchimp.com"
    assert contents("generic_form/urlencoded-repeated-array-1.form")[0]["Interested in"] == [
        "Braces",
        "Aligners",
    ]
    assert contents("generic_form/multipart-multiple_fields.txt")[0] == {
        "field1": "field1",
        "field2": "field2",
    }
    assert (
        contents("elementor/advanced-data-1.form")[0]["fields"]["email"]["value"]
        == "jordan.sample@example.com"
    )  # type: ignore[index]


@pytest.mark.shared
@pytest.mark.parametrize("family", CORPORA)
@pytest.mark.parametrize("integration", list_integrations())
def test_a_hostile_body_is_read_or_refused_within_a_second(
    shared: Path, family: str, integration: str
) -> None:
    source = get_source(integration)
    secrets = {
        setting.name: ("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",)
        for setting in source.settings
        if setting.is_secret
    }
    config = SourceConfig("s", {}, secrets)
    lines = [
        json.loads(line) for line in (shared / "corpora" / f"{family}.jsonl").read_text("utf-8").splitlines()
    ]
    for item in lines:
        body = (
            base64.b64decode(item["b64"]) if "b64" in item else item["text"].encode("utf-8", "surrogatepass")
        )
        for content_type in (JSON, FORM, "", "multipart/form-data; boundary=x"):
            request = post(body, content_type)
            started = time.process_time()
            assert not source.verify(request, config, NOW).is_ok
            assert source.delivery_key(request, config).value
            reading = read_or_reason(source, request, config)
            assert time.process_time() - started < 5.0, item["id"]
            assert reading, item["id"]
            contents = [] if isinstance(reading, str) else [event.content for event in reading.events]
            text = json.dumps(contents, ensure_ascii=False)
            text.encode("utf-8")
            assert "\\u0000" not in text.replace("\\\\", ""), item["id"]
