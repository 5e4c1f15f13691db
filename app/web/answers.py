"""What the door answers when it turns a request away, and how an integration's reply becomes an answer. Pure."""

from dataclasses import dataclass, replace
from functools import lru_cache

from integrations.kit.contract import Reply

RETRY_SECONDS = 5
# Both for what a browser would do with it and for what a proxy would keep of it.
EVERY_ANSWER = (("x-content-type-options", "nosniff"), ("cache-control", "no-store"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `reason` is a fixed phrase for counting."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reason: str = ""

    def with_header(self, name: str, value: str) -> "Answer":
        """The same answer with one more header."""
        return replace(self, headers=(*self.headers, (name, value)))


def _turn_away(status: int, reason: str, hint: str = "", *more: tuple[str, str]) -> Answer:
    text = f"{reason}. {hint}".strip() + "\n"
    headers = (("content-type", "text/plain; charset=utf-8"), *EVERY_ANSWER, *more)
    return Answer(status, headers, text.encode(), reason)


_CLOSE = ("connection", "close")
NOT_FOUND = _turn_away(404, "no such hook", "Check the address: /hooks/ and the slug of a source.")
METHOD = _turn_away(405, "method not allowed")
BAD_REQUEST = _turn_away(400, "too many query parameters")
REFUSED = _turn_away(
    401, "not verified", "The signature or key is missing or wrong; `muster sources show` counts why."
)
TOO_SLOW = _turn_away(408, "body too slow", "The body did not arrive in time.", _CLOSE)
TOO_LARGE = _turn_away(
    413, "body too large", "The source accepts less; `muster sources set` changes it.", _CLOSE
)
NO_LENGTH = _turn_away(
    411, "length required", "Send Content-Length; this server passes no chunked bodies.", _CLOSE
)
CUT_OFF = _turn_away(400, "body cut off", "Fewer bytes came than Content-Length says. Send it again.", _CLOSE)
ENCODED = _turn_away(415, "body is encoded", "Send it without Content-Encoding.")
TOO_MANY = _turn_away(
    429,
    "too many posts",
    "Too many posts came from your address. Try again in a minute.",
    ("retry-after", "60"),
)
UNAVAILABLE = _turn_away(503, "not now", "Send it again.", ("retry-after", str(RETRY_SECONDS)))


@lru_cache(maxsize=256)
def answer_with(reply: Reply) -> Answer:
    """The integration's own reply, with the headers every answer carries."""
    given = {name.lower() for name, _ in reply.headers}
    base = tuple((name, value) for name, value in EVERY_ANSWER if name not in given)
    own = tuple((name.lower(), value) for name, value in reply.headers)
    return Answer(reply.status, (("content-type", reply.content_type), *base, *own), reply.body)
