"""Every platform's signature scheme beside the header its page documents."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from integrations.kit.contract import RawRequest
from integrations.kit.signing import (
    HmacScheme,
    Listed,
    Pairs,
    Prefixed,
    whsec_key,
)

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
BODY = b'{"email": "ana@alumni.example"}'
SECRET = "a-secret-for-tests"
SCHEMES = {
    "meta": HmacScheme("s", "x-hub-signature-256", Prefixed("sha256=")),
    "x": HmacScheme("s", "x-twitter-webhooks-signature", Prefixed("sha256="), encoding="base64"),
    "typeform": HmacScheme("s", "typeform-signature", Prefixed("sha256="), encoding="base64"),
    "tally": HmacScheme("s", "tally-signature", encoding="base64"),
    "linkedin": HmacScheme("s", "x-li-signature", signed="hmacsha256={body}"),
    "tiktok": HmacScheme("s", "tiktok-signature", Pairs("s"), signed="{timestamp}.{body}", tolerance_seconds=300),
    "calendly": HmacScheme("s", "calendly-webhook-signature", Pairs("v1"), signed="{timestamp}.{body}", tolerance_seconds=180),
    "mailchimp": HmacScheme("s", "x-mailchimp-signature", Pairs("v1"), signed="{timestamp}.{body}", tolerance_seconds=300),
    "webflow": HmacScheme(
        "s", "x-webflow-signature", signed="{timestamp}:{body}", timestamp_header="x-webflow-timestamp",
        units_per_second=1000, tolerance_seconds=300,
    ),
    "standard": HmacScheme(
        "s", "webhook-signature", Listed(), signed="{id}.{timestamp}.{body}", key=whsec_key, encoding="base64",
        id_header="webhook-id", timestamp_header="webhook-timestamp", tolerance_seconds=300,
    ),
}  # fmt: skip
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def request(headers: dict[str, str] | None = None, body: bytes = BODY) -> RawRequest:
    return RawRequest("POST", "https://muster.example/hooks/x", tuple((headers or {}).items()), body)


def mac(message: bytes, key: bytes = SECRET.encode()) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# The header each platform documents, built here from the exact text of its page (no vectors with a secret are public
# for most of them): these pin the wire form.
WIRE = {
    "meta": {"x-hub-signature-256": "sha256=" + mac(BODY).hex()},
    "x": {"x-twitter-webhooks-signature": "sha256=" + b64(mac(BODY))},
    "typeform": {"typeform-signature": "sha256=" + b64(mac(BODY))},
    "tally": {"tally-signature": b64(mac(BODY))},
    "linkedin": {"x-li-signature": mac(b"hmacsha256=" + BODY).hex()},
    "tiktok": {"tiktok-signature": f"t={STAMP},s=" + mac(f"{STAMP}.".encode() + BODY).hex()},
    "calendly": {"calendly-webhook-signature": f"t={STAMP},v1=" + mac(f"{STAMP}.".encode() + BODY).hex()},
    "mailchimp": {"x-mailchimp-signature": f"t={STAMP},v1=" + mac(f"{STAMP}.".encode() + BODY).hex()},
    "webflow": {
        "x-webflow-timestamp": f"{STAMP}500",
        "x-webflow-signature": mac(f"{STAMP}500:".encode() + BODY).hex(),
    },
    "standard": {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(STAMP),
        "webhook-signature": "v1,"
        + b64(mac(f"msg_1.{STAMP}.".encode() + BODY, b"0123456789abcdef0123456789abcdef")),
    },
}


def secrets_of(name: str) -> tuple[str, ...]:
    return (WHSEC,) if name == "standard" else (SECRET,)
