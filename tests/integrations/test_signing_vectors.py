"""Signatures that others published, and what a stranger may try."""

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.contract import RawRequest, SourceConfig
from integrations.kit.registry import get_source, list_integrations
from integrations.kit.signing import (
    whsec_key,
)
from tests.integrations.schemes import BODY, NOW, SCHEMES, SECRET, STAMP, WHSEC, WIRE, b64, mac, request

# Vectors that others published: standard-webhooks libraries/python/tests/test_webhooks.py and, for Meta, a delivery
# whose app secret its owner has reset (david-lev/pywa tests/test_server.py).
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_NOW = datetime.fromtimestamp(1614265330, UTC)
VALID = STANDARD_HEADERS["webhook-signature"].removeprefix("v1,")
OTHER = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


@pytest.mark.shared
@pytest.mark.parametrize(
    ("changes", "seconds_later", "is_ok"),
    [
        ({}, 0, True),
        ({}, 299, True),
        ({}, 301, False),
        ({}, -301, False),
        ({"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="}, 0, False),
        ({"webhook-signature": f"v1,{OTHER} v2,{OTHER} v1,{VALID} v1,{OTHER}"}, 0, True),
        ({"webhook-signature": f"v1,{OTHER} v2,{VALID}"}, 0, False),
        ({"webhook-signature": f"v1a,{VALID}"}, 0, False),
        ({"webhook-signature": "v1,"}, 0, False),
        ({"webhook-signature": VALID}, 0, False),
        ({"webhook-signature": f"v1,{VALID},"}, 0, False),
        ({"webhook-timestamp": "hello"}, 0, False),
        ({"webhook-timestamp": "1614265330.0"}, 0, False),
        ({"webhook-timestamp": "+1614265330"}, 0, False),
        ({"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"}, 0, False),
        ({"webhook-timestamp": "9" * 400}, 0, False),
        ({"webhook-id": "msg_other"}, 0, False),
    ],
)
def test_the_standard_webhooks_vector(
    shared: Path, changes: dict[str, str], seconds_later: int, is_ok: bool
) -> None:
    body = (shared / "payloads/standard_webhooks/signed-1.json").read_bytes()
    config = SourceConfig("s", {}, {"secret": (STANDARD_SECRET,)})
    now = STANDARD_NOW + timedelta(seconds=seconds_later)
    signed = request({**STANDARD_HEADERS, **changes}, body)
    as_svix = replace(
        signed, headers=tuple((name.replace("webhook", "svix"), text) for name, text in signed.headers)
    )
    source = get_source("standard_webhooks")

    assert is_ok == source.verify(signed, config, now).is_ok
    assert is_ok == source.verify(as_svix, config, now).is_ok


@pytest.mark.shared
def test_the_meta_vector(shared: Path) -> None:
    body = (shared / "payloads/whatsapp/signed-text-1.json").read_bytes()
    config = SourceConfig("s", {}, {"app_secret": ("1222e786b144d0e85b9f365372d93676",)})
    right = "sha256=54edfa1d7259e0eb13c677cc7d73d1b5c86cfa12433d19156e058ab9251bc441"
    verify = get_source("meta_leads").verify

    assert verify(request({"x-hub-signature-256": right}, body), config, NOW).is_ok
    for wrong in (
        right[:-1] + "2",
        right[7:],
        "sha256=" + right[:6:-1],
        "sha1=" + right[7:],
        right + right[7:],
    ):
        assert not verify(request({"x-hub-signature-256": wrong}, body), config, NOW).is_ok
    assert not verify(request({"x-hub-signature-256": right}, body + b"\n"), config, NOW).is_ok


@pytest.mark.shared
def test_every_recipe_of_the_signature_corpus(shared: Path) -> None:
    lines = (shared / "corpora/signature.jsonl").read_text("utf-8").splitlines()
    expected = {item["id"].removeprefix("signature/"): item["expect"] for item in map(json.loads, lines)}
    meta, standard = SCHEMES["meta"], SCHEMES["standard"]
    old = standard.sign(request(), WHSEC, NOW - timedelta(minutes=6))
    message = f"msg_1.{STAMP}.".encode() + BODY
    new_key = WHSEC.replace("M", "N")
    both = " ".join("v1," + b64(mac(message, whsec_key(secret))) for secret in (WHSEC, new_key))
    rotating = {**WIRE["standard"], "webhook-signature": both}
    hub = "x-hub-signature-256"
    verdicts = {
        "absent": meta.verify(request(), (SECRET,), NOW),
        "empty": meta.verify(request({hub: "sha256="}), (SECRET,), NOW),
        "upper": meta.verify(request({hub: "SHA256=" + mac(BODY).hex()}), (SECRET,), NOW),
        "sha1-only": meta.verify(
            request({hub: "sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest()}), (SECRET,), NOW
        ),
        "bytes": meta.verify(request({hub: "sha256=\xff\xfe"}), (SECRET,), NOW),
        "base64": meta.verify(request({hub: "sha256=" + b64(mac(BODY))}), (SECRET,), NOW),
        "wrong-secret": meta.verify(request(WIRE["meta"]), ("of-another-source",), NOW),
        "empty-secret": meta.verify(request({hub: "sha256=" + mac(BODY, b"").hex()}), (), NOW),
        "std-old-ts": standard.verify(old, (WHSEC,), NOW),
        "std-v1a-confusion": standard.verify(
            request(
                {
                    **WIRE["standard"],
                    "webhook-signature": WIRE["standard"]["webhook-signature"].replace("v1", "v1a"),
                }
            ),
            (WHSEC,),
            NOW,
        ),
        "std-rotation": standard.verify(request(rotating), (new_key,), NOW),
    }

    assert set(expected) == set(verdicts)
    assert {name: text.startswith("200") for name, text in expected.items()} == {
        name: verdict.is_ok for name, verdict in verdicts.items()
    }


JUNK = st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
NAMES = sorted(
    {name for headers in WIRE.values() for name in headers}
    | {"svix-id", "svix-timestamp", "svix-signature", "content-type", "origin", "referer"}
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), JUNK), max_size=8), st.binary(max_size=100), JUNK, JUNK)
def test_junk_is_refused_by_every_source_without_an_exception(
    headers: list[tuple[str, str]], body: bytes, url_key: str, param: str
) -> None:
    junk = RawRequest("POST", "", tuple(headers), body, (("key", param),), url_key, NOW)

    for name in list_integrations():
        source = get_source(name)
        config = SourceConfig(
            "s",
            {"allowed_origins": "https://a.example"},
            {each.name: (WHSEC,) for each in source.settings if each.is_secret},
        )
        verdict = source.verify(junk, config, NOW)
        assert not verdict.is_ok
        assert verdict.reason
        assert source.delivery_key(junk, config).value
        assert source.reply(junk, config).status < 400
