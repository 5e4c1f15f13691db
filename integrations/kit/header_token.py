"""A shared token in a request header: the proof of programs that cannot sign but can add a header."""

from dataclasses import dataclass, replace
from datetime import datetime

from integrations.kit.contract import RawRequest, Verdict
from integrations.kit.signing import NO_SECRET, OK, TWICE, is_same_token

_MISSING = Verdict(False, "token header missing")
_WRONG = Verdict(False, "token header is wrong")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class HeaderToken:
    """`<header>: <prefix><token>`; the prefix (`Bearer `) may be written in any case, or be left out."""

    secret: str
    header: str = "authorization"
    prefix: str = "Bearer "
    is_optional: bool = False
    tolerance_seconds: int | None = None

    def verify(self, request: RawRequest, secrets: tuple[str, ...], _now: datetime) -> Verdict:
        """Whether the header stands there once and holds one of the secrets."""
        if not any(secret.strip() for secret in secrets):
            return NO_SECRET
        found = [value for name, value in request.headers if name == self.header]
        if len(found) != 1:
            return TWICE if found else _MISSING
        given = found[0].strip()[:_LONGEST]
        if self.prefix and given[: len(self.prefix)].lower() == self.prefix.lower():
            given = given[len(self.prefix) :].strip()
        return OK if is_same_token(given, secrets) else _WRONG

    def sign(self, request: RawRequest, secret: str, _now: datetime) -> RawRequest:
        """The request with the token in its header."""
        kept = tuple((name, value) for name, value in request.headers if name != self.header)
        return replace(request, headers=(*kept, (self.header, self.prefix + secret)))
