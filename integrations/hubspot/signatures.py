"""HubSpot's three signatures. https://developers.hubspot.com/docs/api/webhooks/validating-requests (from public documentation as collected 2026-11).

v1: SHA-256 of secret and body, a plain hash; v2: of secret, method, address and body; v3: HMAC-SHA256 of method, address,
body and time in milliseconds. HubSpot sends v3 beside the older ones; where it is there, it decides.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import datetime

from integrations.kit.contract import RawRequest, Verdict
from integrations.kit.signing import MALFORMED, MISSING, NO_SECRET, OK, STALE, TWICE, WRONG

V3, STAMP, OLD, VERSION = (
    "x-hubspot-signature-v3",
    "x-hubspot-request-timestamp",
    "x-hubspot-signature",
    "x-hubspot-signature-version",
)
TOO_OLD = Verdict(False, "signature version older than the source accepts")
_HEADERS = frozenset({V3, STAMP, OLD, VERSION})
_LONGEST_STAMP = 16
# HubSpot undoes these escapes, and no others, before it signs with v3.
_ESCAPES = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HubSpotSignature:
    """Whichever version the request carries, newest first."""

    secret: str
    is_optional: bool = False
    header: str = V3
    tolerance_seconds: int | None = 300

    def verify(self, request: RawRequest, secrets: tuple[str, ...], now: datetime) -> Verdict:
        """Over the method, the address as HubSpot called it and the raw body, with every secret."""
        keys = [secret.encode() for secret in secrets if secret.strip()]
        if not keys:
            return NO_SECRET
        found = [(name, value) for name, value in request.headers if name in _HEADERS]
        headers = dict(found)
        if len(found) > len(headers):
            return TWICE
        if V3 in headers:
            return self._verify_v3(request, keys, headers, now)
        if OLD not in headers:
            return MISSING
        version = headers.get(VERSION, "")
        if version not in ("", "v1", "v2"):
            return MALFORMED
        messages = [b"", *_texts(request)] if version == "" else [b""] if version == "v1" else _texts(request)
        expected = [
            hashlib.sha256(key + text + request.body).hexdigest() for key in keys for text in messages
        ]
        return _compare(expected, headers[OLD])

    def sign(self, request: RawRequest, secret: str, now: datetime) -> RawRequest:
        """The request with the third version's two headers."""
        stamp = str(int(now.timestamp() * 1000))
        value = _mac(secret.encode(), _texts(request)[0] + request.body + stamp.encode())
        kept = tuple((name, text) for name, text in request.headers if name not in (V3, STAMP))
        return replace(request, headers=(*kept, (V3, value), (STAMP, stamp)))

    def _verify_v3(
        self, request: RawRequest, keys: list[bytes], headers: dict[str, str], now: datetime
    ) -> Verdict:
        stamp = headers.get(STAMP)
        if stamp is None:
            return MISSING
        if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > _LONGEST_STAMP:
            return MALFORMED
        if (
            self.tolerance_seconds is not None
            and abs(now.timestamp() - int(stamp) / 1000) > self.tolerance_seconds
        ):
            return STALE
        signed = [text + request.body + stamp.encode() for text in _texts(request)]
        return _compare([_mac(key, message) for key in keys for message in signed], headers[V3])


def is_signed_with_v3(request: RawRequest) -> bool:
    """Whether the newest version's header is there."""
    return any(name == V3 for name, _ in request.headers)


def _texts(request: RawRequest) -> list[bytes]:
    """Method and address: with HubSpot's escapes undone as v3 wants it, and as it was called, where that differs."""
    path, mark, query = request.url.partition("?")
    plain = _ESCAPES.sub(lambda found: chr(int(found[1], 16)), path)
    plain += mark + _ESCAPES.sub(lambda found: chr(int(found[1], 16)), query)
    return [(request.method + url).encode(errors="replace") for url in dict.fromkeys((plain, request.url))]


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode("ascii")


def _compare(expected: list[str], given: str) -> Verdict:
    """Every candidate is compared, whichever matches."""
    candidate = given.encode("utf-8", errors="surrogatepass")
    matches = [hmac.compare_digest(one.encode("ascii"), candidate) for one in expected]
    return OK if any(matches) else WRONG
