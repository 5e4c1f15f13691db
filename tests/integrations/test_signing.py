"""The HMAC scheme in every platform's form, its vectors, and what junk makes of it."""

from datetime import timedelta

import pytest

from integrations.kit.contract import RawRequest, Verdict
from integrations.kit.signing import (
    UrlKey,
    is_same_token,
    whsec_key,
)
from tests.integrations.schemes import (
    BODY,
    NOW,
    SCHEMES,
    SECRET,
    STAMP,
    WHSEC,
    WIRE,
    b64,
    mac,
    request,
    secrets_of,
)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_documented_wire_form_is_accepted(name: str) -> None:
    assert Verdict(True) == SCHEMES[name].verify(request(WIRE[name]), secrets_of(name), NOW)


@pytest.mark.parametrize("name", SCHEMES)
def test_signing_writes_the_documented_wire_form(name: str) -> None:
    bare = request({key: value for key, value in WIRE[name].items() if key != SCHEMES[name].header})

    signed = SCHEMES[name].sign(bare, secrets_of(name)[0], NOW)

    assert WIRE[name] == dict(signed.headers)


@pytest.mark.parametrize("name", SCHEMES)
def test_another_body_another_secret_and_each_missing_header_are_refused(name: str) -> None:
    scheme, headers = SCHEMES[name], WIRE[name]
    secrets = secrets_of(name)

    assert not scheme.verify(request(headers, BODY + b" "), secrets, NOW).is_ok
    assert not scheme.verify(request(headers), ("another-secret-for-tests",), NOW).is_ok
    assert not scheme.verify(request(headers), (), NOW).is_ok
    for missing in headers:
        kept = {key: value for key, value in headers.items() if key != missing}
        assert scheme.verify(request(kept), secrets, NOW).reason == "signature header missing"


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.tolerance_seconds])
@pytest.mark.parametrize(("offset_seconds", "is_ok"), [(-1, True), (1, False)])
@pytest.mark.parametrize("direction", [-1, 1])
def test_the_time_must_be_near_both_ways(name: str, offset_seconds: int, is_ok: bool, direction: int) -> None:
    scheme = SCHEMES[name]
    distance = timedelta(seconds=direction * ((scheme.tolerance_seconds or 0) + offset_seconds))
    signed = scheme.sign(request(), secrets_of(name)[0], NOW)

    verdict = scheme.verify(signed, secrets_of(name), NOW + distance)

    assert is_ok == verdict.is_ok
    assert is_ok or verdict.reason == "timestamp outside the tolerance"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.upper(), id="upper"),
        pytest.param(lambda text: text + " ", id="space"),
        pytest.param(lambda text: text[:-1], id="short"),
        pytest.param(lambda text: text + "0", id="long"),
        pytest.param(lambda text: text.replace("sha256=", "sha1="), id="sha1"),
        pytest.param(lambda text: text.replace("sha256=", ""), id="bare"),
        pytest.param(lambda _: "sha256=", id="empty"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda _: "sha256=\xff\xfe", id="bytes"),
        pytest.param(lambda _: "sha256=\u0130\U0001f600", id="not-latin"),
        pytest.param(lambda _: "sha256=" + b64(mac(BODY)), id="base64"),
        pytest.param(lambda text: f"{text},{text}", id="joined-twice"),
        pytest.param(lambda text: text * 200, id="huge"),
    ],
)
def test_a_signature_written_otherwise_is_refused(change: object) -> None:
    text = WIRE["meta"]["x-hub-signature-256"]

    verdict = SCHEMES["meta"].verify(request({"x-hub-signature-256": change(text)}), (SECRET,), NOW)  # type: ignore[operator]

    assert not verdict.is_ok


def test_a_header_that_stands_twice_is_refused_even_when_both_are_right() -> None:
    right = ("x-hub-signature-256", WIRE["meta"]["x-hub-signature-256"])
    twice = RawRequest("POST", "", (right, right), BODY)

    assert SCHEMES["meta"].verify(twice, (SECRET,), NOW).reason == "signature header stands twice"


@pytest.mark.parametrize("secrets", [(), ("",), (" ",), ("", "\t")])
@pytest.mark.parametrize("name", ["meta", "standard"])
def test_a_source_without_a_secret_accepts_nothing_not_even_the_empty_key(
    name: str, secrets: tuple[str, ...]
) -> None:
    forged = mac(BODY, b"").hex() if name == "meta" else b64(mac(f"msg_1.{STAMP}.".encode() + BODY, b""))
    headers = {**WIRE[name], SCHEMES[name].header: SCHEMES[name].layout.write(forged, "")}

    assert SCHEMES[name].verify(request(headers), secrets, NOW).reason == "the source has no usable secret"


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_!!!!", "whsec_a", "whsec_\u00e9", "whsec_  "])
def test_a_whsec_secret_without_a_key_accepts_nothing(secret: str) -> None:
    assert (
        SCHEMES["standard"].verify(request(WIRE["standard"]), (secret,), NOW).reason
        == "the source has no usable secret"
    )


@pytest.mark.parametrize(
    "secret", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", WHSEC[:-1]]
)
def test_unpadded_base64_secrets_are_read(secret: str) -> None:
    assert len(whsec_key(secret)) >= 23


@pytest.mark.parametrize(
    ("header", "is_ok"),
    [
        ("t={t},v1={ok}", True),
        ("t={t}, v1={ok}", True),
        ("v1={ok},t={t}", True),
        ("t={t},v1={bad},v1={ok}", True),
        ("t={t},v0=x,v1={ok},v2=y", True),
        ("t={t},t={t},v1={ok}", False),
        ("v1={ok}", False),
        ("t={t}", False),
        ("t={t},v1=", False),
        ("t=,v1={ok}", False),
        ("t={t};v1={ok}", False),
        ("t={t},v1={ok}" + ",v1={bad}" * 20, False),
    ],
)
def test_pairs_are_read_strictly(header: str, is_ok: bool) -> None:
    right = mac(f"{STAMP}.".encode() + BODY).hex()
    text = header.format(t=STAMP, ok=right, bad="0" * 64)

    assert (
        is_ok == SCHEMES["mailchimp"].verify(request({"x-mailchimp-signature": text}), (SECRET,), NOW).is_ok
    )


@pytest.mark.parametrize(
    ("url_key", "query", "is_ok"),
    [
        ("right", (), True),
        ("", (("key", "right"),), True),
        ("older", (), True),
        ("", (), False),
        ("wrong", (("key", "right"),), False),
        ("", (("key", "right"), ("key", "right")), False),
        ("Right", (), False),
        ("right ", (), False),
        ("\ud800", (), False),
        ("r\u0131ght", (), False),
    ],
)
def test_the_key_in_the_url(url_key: str, query: tuple[tuple[str, str], ...], is_ok: bool) -> None:
    asked = RawRequest("POST", "", (), BODY, query, url_key)

    assert is_ok == UrlKey().verify(asked, ("right", "older"), NOW).is_ok


def test_an_empty_token_is_never_the_same() -> None:
    assert not is_same_token("", ())
    assert not is_same_token("", ("",))
    assert not is_same_token(" ", (" ",))
