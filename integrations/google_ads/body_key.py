"""The proof that Google Ads sends: a key inside the JSON, compared in constant time and never kept."""

from dataclasses import dataclass, replace
from datetime import datetime

from integrations.kit.contract import RawRequest, Unreadable, Verdict
from integrations.kit.signing import NO_SECRET, OK, is_same_token
from integrations.kit.strict_json import dump_json, load_json

NAME = "google_key"
_MISSING = Verdict(False, "google_key missing in the body")
_WRONG = Verdict(False, "google_key is wrong")
_UNREADABLE = Verdict(False, "the body with the key cannot be read")


@dataclass(frozen=True, slots=True)
class BodyKey:
    """`google_key` of the body is one of the secrets."""

    secret: str
    is_optional: bool = False
    header: str = ""
    tolerance_seconds: int | None = None

    def verify(self, request: RawRequest, secrets: tuple[str, ...], _now: datetime) -> Verdict:
        """Whether the body is JSON with the right key in it."""
        if not any(secret.strip() for secret in secrets):
            return NO_SECRET
        try:
            body = load_json(request.body)
        except Unreadable:
            return _UNREADABLE
        given = body.get(NAME) if isinstance(body, dict) else None
        if not isinstance(given, str) or not given:
            return _MISSING
        return OK if is_same_token(given, secrets) else _WRONG

    def sign(self, request: RawRequest, secret: str, _now: datetime) -> RawRequest:
        """The request with the key in its body; a body that is no object stays as it is."""
        try:
            body = load_json(request.body)
        except Unreadable:
            return request
        return replace(request, body=dump_json({**body, NAME: secret})) if isinstance(body, dict) else request


def without_key(body: bytes) -> bytes:
    """The body less the key; what cannot be read is kept as it came (and was never let in)."""
    try:
        parsed = load_json(body)
    except Unreadable:
        return body
    if not isinstance(parsed, dict) or NAME not in parsed:
        return body
    return dump_json({name: value for name, value in parsed.items() if name != NAME})
