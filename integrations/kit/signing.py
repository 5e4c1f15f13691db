"""Proof that a request comes from where it says: one parametric HMAC scheme, and the key in the URL.

Everything works on bytes and compares in constant time. Whatever a stranger sends - nothing, junk, a header twice -
the answer is `Verdict(False, <fixed phrase>)`, never an exception; a check without a secret accepts nothing.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from string import Formatter
from typing import Literal, Protocol

from integrations.kit.contract import RawRequest, Verdict

OK = Verdict(is_ok=True)
NO_SECRET = Verdict(False, "the source has no usable secret")
MISSING = Verdict(False, "signature header missing")
TWICE = Verdict(False, "signature header stands twice")
MALFORMED = Verdict(False, "signature header malformed")
STALE = Verdict(False, "timestamp outside the tolerance")
WRONG = Verdict(False, "signature does not match")
WRONG_KEY = Verdict(False, "key in the URL missing or wrong")

_MAX_HEADER = 4096
_MAX_SIGNATURES = 16
_MAX_TIMESTAMP_DIGITS = 13


class Check(Protocol):
    """One proof a source asks for. `sign` does what the platform does: for fixtures, stand-ins and try-outs."""

    @property
    def secret(self) -> str:
        """The name of the secret in the source's configuration."""

    @property
    def is_optional(self) -> bool:
        """Whether a source without this secret is checked by its other checks alone."""

    @property
    def header(self) -> str:
        """The header that carries the proof; empty where the URL does."""

    @property
    def tolerance_seconds(self) -> int | None:
        """How far the request's own time may be from now; None where it has none."""

    def verify(self, request: RawRequest, secrets: tuple[str, ...], now: datetime) -> Verdict:
        """Whether the request proves that its sender knows one of the secrets."""

    def sign(self, request: RawRequest, secret: str, now: datetime) -> RawRequest:
        """The request with the proof added."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What stands in a signature header: candidates to compare, and the timestamp where the header carries it."""

    values: tuple[str, ...]
    timestamp: str = ""


class Layout(Protocol):
    """How a signature header is written."""

    def read(self, text: str) -> Signature | None:
        """The parts of the header, or None when it is not written like this."""

    def write(self, value: str, timestamp: str) -> str:
        """The header for one signature."""


@dataclass(frozen=True, slots=True)
class Prefixed:
    """`sha256=<value>`, or the bare value with an empty prefix."""

    prefix: str = ""

    def read(self, text: str) -> Signature | None:
        value = text.removeprefix(self.prefix)
        return Signature((value,)) if value and text.startswith(self.prefix) else None

    def write(self, value: str, _timestamp: str) -> str:
        return self.prefix + value


@dataclass(frozen=True, slots=True)
class Pairs:
    """`t=<time>,v1=<value>[,v1=<value>]`; other names are skipped, a second time is refused."""

    value_name: str
    time_name: str = "t"

    def read(self, text: str) -> Signature | None:
        pairs = [piece.strip().partition("=") for piece in text.split(",")]
        times = [value for name, _, value in pairs if name == self.time_name]
        values = tuple(value for name, _, value in pairs if name == self.value_name and value)
        return Signature(values, times[0]) if values and len(times) == 1 else None

    def write(self, value: str, timestamp: str) -> str:
        return f"{self.time_name}={timestamp},{self.value_name}={value}"


@dataclass(frozen=True, slots=True)
class Listed:
    """`v1,<value> v1,<value>`, of which any may match; other versions are skipped."""

    version: str = "v1"

    def read(self, text: str) -> Signature | None:
        pieces = [piece.partition(",") for piece in text.split(" ")]
        values = tuple(value for version, _, value in pieces if version == self.version and value)
        return Signature(values) if values else None

    def write(self, value: str, _timestamp: str) -> str:
        return f"{self.version},{value}"


def plain_key(secret: str) -> bytes:
    """The secret's own characters are the key."""
    return secret.encode()


def whsec_key(secret: str) -> bytes:
    """The key behind `whsec_<base64>`, padding optional; empty when it is not base64 (so nothing is accepted)."""
    text = secret.strip().removeprefix("whsec_").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


_ENCODERS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda raw: base64.b64encode(raw).decode("ascii"),
}


@dataclass(frozen=True, slots=True)
class HmacScheme:
    """How a platform signs: which header, what is signed, with which key, written how.

    `signed` is a template of {body}, {timestamp} and {id}. With `tolerance_seconds` the timestamp must be that near
    to now, before and after. A header that stands twice is refused; letters of a hexadecimal signature must be in
    lower case, as every platform writes them.
    """

    secret: str
    header: str
    layout: Layout = field(default_factory=Prefixed)
    signed: str = "{body}"
    key: Callable[[str], bytes] = plain_key
    encoding: Literal["hex", "base64"] = "hex"
    digest: str = "sha256"
    timestamp_header: str = ""
    id_header: str = ""
    units_per_second: int = 1  # 1000 where the timestamp is in milliseconds
    tolerance_seconds: int | None = None
    is_optional: bool = False

    def verify(self, request: RawRequest, secrets: tuple[str, ...], now: datetime) -> Verdict:
        """Check the raw bytes against every secret; every candidate is compared, whichever matches."""
        keys = [key for key in (self.key(secret) for secret in secrets if secret.strip()) if key]
        if not keys:
            return NO_SECRET
        opened = self.open(request, now)
        if isinstance(opened, Verdict):
            return opened
        candidates, message = opened
        expected = [self._encode(key, message) for key in keys]
        given = [value.encode("latin-1") for value in candidates]
        matches = [hmac.compare_digest(one, other) for one in expected for other in given]
        return OK if any(matches) else WRONG

    def open(self, request: RawRequest, now: datetime) -> tuple[tuple[str, ...], bytes] | Verdict:
        """The signatures that stand in the request and the text they must sign; or why it is refused before any key."""
        values = self._header_values(request)
        if isinstance(values, Verdict):
            return values
        signature = self.layout.read(values[self.header])
        if signature is None or len(signature.values) > _MAX_SIGNATURES:
            return MALFORMED
        stamp = values.get(self.timestamp_header, signature.timestamp)
        refusal = self._refusal_by_time(stamp, now)
        if refusal is not None:
            return refusal
        return signature.values, self._message(request.body, stamp, values.get(self.id_header, ""))

    def sign(self, request: RawRequest, secret: str, now: datetime) -> RawRequest:
        """The request as the platform would send it; an id or a time that stands in it already is used."""
        stamp = request.header(self.timestamp_header) or str(int(now.timestamp() * self.units_per_second))
        identifier = request.header(self.id_header) or f"msg_{hashlib.sha256(request.body).hexdigest()[:24]}"
        value = self._encode(self.key(secret), self._message(request.body, stamp, identifier)).decode("ascii")
        added = {
            self.id_header: identifier,
            self.timestamp_header: stamp,
            self.header: self.layout.write(value, stamp),
        }
        kept = tuple((name, text) for name, text in request.headers if name not in added)
        return replace(request, headers=kept + tuple((name, text) for name, text in added.items() if name))

    def _header_values(self, request: RawRequest) -> dict[str, str] | Verdict:
        """Every header this scheme reads, each exactly once, short and latin-1; or why not."""
        names = [name for name in (self.header, self.timestamp_header, self.id_header) if name]
        found = [(name, value) for name, value in request.headers if name in names]
        values = dict(found)
        if len(found) > len(values):
            return TWICE
        if len(values) < len(names):
            return MISSING
        if any(len(value) > _MAX_HEADER or not _is_latin(value) for value in values.values()):
            return MALFORMED
        return values

    def _refusal_by_time(self, stamp: str, now: datetime) -> Verdict | None:
        if self.tolerance_seconds is None:
            return None
        if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > _MAX_TIMESTAMP_DIGITS:
            return MALFORMED
        age = now.timestamp() - int(stamp) / self.units_per_second
        return STALE if abs(age) > self.tolerance_seconds else None

    def _message(self, body: bytes, timestamp: str, identifier: str) -> bytes:
        values = {
            "body": body,
            "timestamp": timestamp.encode("latin-1"),
            "id": identifier.encode("latin-1"),
        }
        return b"".join(literal + (values[name] if name else b"") for literal, name in _pieces(self.signed))

    def _encode(self, key: bytes, message: bytes) -> bytes:
        return _ENCODERS[self.encoding](_mac(key, message, self.digest)).encode("ascii")


@lru_cache(maxsize=64)
def _pieces(signed: str) -> tuple[tuple[bytes, str | None], ...]:
    """The template of what is signed, parsed once: (text, name of the value after it)."""
    return tuple((literal.encode(), name) for literal, name, _, _ in Formatter().parse(signed))


@lru_cache(maxsize=512)
def _keyed(key: bytes, digest: str) -> hmac.HMAC:
    return hmac.new(key, digestmod=digest)


def _mac(key: bytes, message: bytes, digest: str) -> bytes:
    # hmac.digest hands Python's lock over at every call, which costs a busy web process more than the hash itself.
    mac = _keyed(key, digest).copy()
    mac.update(message)
    return mac.digest()


@dataclass(frozen=True, slots=True)
class UrlKey:
    """A long random key in the address: /hooks/<slug>/<key>, or `?key=` where a program cannot change the path."""

    secret: str = "url_key"  # noqa: S105 -- the name of a setting
    is_optional: bool = False
    header: str = ""
    tolerance_seconds: int | None = None
    params: tuple[str, ...] = ("key",)  # names it may have in the query

    def verify(self, request: RawRequest, secrets: tuple[str, ...], _now: datetime) -> Verdict:
        """Whether the key in the path, else in the query, is one of the secrets."""
        if not any(secret.strip() for secret in secrets):
            return NO_SECRET
        given = request.url_key or next(filter(None, map(request.param, self.params)), "")
        return OK if is_same_token(given, secrets) else WRONG_KEY

    def sign(self, request: RawRequest, secret: str, _now: datetime) -> RawRequest:
        """The request with the key in its path."""
        return replace(request, url_key=secret)


def is_same_token(given: str, secrets: tuple[str, ...]) -> bool:
    """Whether `given` is one of the secrets, in constant time; empty secrets match nothing."""
    known = [secret.encode() for secret in secrets if secret.strip()]
    candidate = given.encode(errors="surrogatepass")
    matches = [hmac.compare_digest(candidate, secret) for secret in known]
    return any(matches)


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
