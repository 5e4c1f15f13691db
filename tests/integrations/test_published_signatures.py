"""Signatures that others published: HubSpot's own are taken, an invented one is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from integrations.kit.contract import RawRequest, SourceConfig
from integrations.kit.registry import get_source

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
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
