"""The door: from a request's first line to its answer, whatever server carries it.

A port reads the body and waits for the commit in its server's own way; the order of things stands here, once.
"""

import time
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, unquote

from app.core.bell import BellRinger
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.errors import BusyError
from app.core.log import get_log
from app.core.secretbox import open_box
from app.inbox.receive import Inbox
from app.inbox.received import NewDelivery, Outcome
from app.sources.catalogue import Catalogue
from app.sources.loaded import LoadedSource
from app.web.answers import (
    BAD_REQUEST,
    CUT_OFF,
    ENCODED,
    METHOD,
    NO_LENGTH,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    UNAVAILABLE,
    Answer,
    answer_with,
)
from app.web.crowd import Crowd, client_address
from app.web.disk import DiskGate
from app.web.kept import to_delivery
from integrations.kit.contract import RawRequest

PREFIX = "/hooks/"
MOST_PARAMETERS = 200

log = get_log(__name__)


class BodyTooLarge(Exception):  # noqa: N818 - it says what happened
    """The body went over the source's limit while it was read."""


class BodyTooSlow(Exception):  # noqa: N818 - it says what happened
    """The body did not arrive in time."""


class BodyLengthUnknown(Exception):  # noqa: N818 - it says what happened
    """The server in front of the door cannot say where the body ends."""


class BodyCutOff(Exception):  # noqa: N818 - it says what happened
    """Fewer bytes came than were announced."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request before its body. Names of headers in lower case; `path` and `query` as they stood on the line."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    peer: str = ""  # "address:port" of the other end of the connection

    def find(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key == name), None)


class Port(Protocol):
    """What a server does for the door."""

    async def read_body(self, head: RequestHead, limit: int) -> bytes:
        """The whole body, BodyTooLarge above `limit` bytes, BodyTooSlow after its time, BodyCutOff, BodyLengthUnknown."""

    async def store(self, inbox: Inbox, delivery: NewDelivery) -> Outcome:
        """Wait until the delivery is committed, or BusyError."""

    async def ask_again(self, catalogue: Catalogue) -> bool:
        """Wait for a fresh catalogue; False when the database does not answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """/hooks/<slug>[/<url_key>]"""

    slug: str
    url_key: str = ""


def find_route(path: str) -> Route | None:
    """The route of a path below /hooks/; None for anything else."""
    parts = path.removeprefix(PREFIX).split("/") if path.startswith(PREFIX) else []
    if not parts or len(parts) > 2:  # noqa: PLR2004 - slug and key
        return None
    key = parts[1] if len(parts) > 1 else ""
    return Route(parts[0], unquote(key) if "%" in key else key)


class Door:
    """The live parts of one web process, and the way through them."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, inbox: Inbox, disk: DiskGate, bell: BellRinger
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.inbox = inbox
        self._disk = disk
        self._bell = bell
        self._crowd = Crowd()

    async def attend(self, head: RequestHead, port: Port) -> Answer:
        """The answer to a request. A fault of our own is logged and answered 503: what was sent is sent again."""
        try:
            return await self._attend(head, port)
        except BusyError:
            return UNAVAILABLE
        except Exception:  # the outermost loop of a request
            log.exception("door.fault", path=head.path.split("/")[:3])
            return UNAVAILABLE

    async def _attend(self, head: RequestHead, port: Port) -> Answer:
        route = find_route(head.path)
        if route is None:
            return NOT_FOUND
        source = self.catalogue.find(route.slug)
        if source is None:
            is_reached = await port.ask_again(self.catalogue)
            source = self.catalogue.find(route.slug)
            if source is None:
                return NOT_FOUND if is_reached else UNAVAILABLE
        if not source.is_enabled or source.trouble:
            return UNAVAILABLE
        refusal = self._find_refusal(source, head)
        if refusal is not None:
            return self._refuse(source, refusal)
        try:
            body = await port.read_body(head, source.max_body_bytes)
        except BodyTooLarge:
            return self._refuse(source, TOO_LARGE)
        except BodyTooSlow:
            return self._refuse(source, TOO_SLOW)
        except BodyLengthUnknown:
            return self._refuse(source, NO_LENGTH)
        except BodyCutOff:
            return self._refuse(source, CUT_OFF)
        return await self._judge(source, head, route, body, port)

    def _find_refusal(self, source: LoadedSource, head: RequestHead) -> Answer | None:
        """Why the body need not even be read."""
        methods = source.source.methods
        if head.method not in methods:
            return METHOD.with_header("allow", ", ".join(sorted(methods)))
        return TOO_MANY if source.per_minute and not self._admits(source, head) else None

    def _admits(self, source: LoadedSource, head: RequestHead) -> bool:
        """Whether this address may post once more to a source whose key anybody can see."""
        if head.method != "POST":
            return True
        forwarded = head.find("x-forwarded-for")
        address = client_address(head.peer, forwarded, is_proxied=self.settings.is_proxied)
        return self._crowd.admits(source.id, address, source.per_minute, time.monotonic())

    async def _judge(
        self, source: LoadedSource, head: RequestHead, route: Route, body: bytes, port: Port
    ) -> Answer:
        request = self._raw_request(head, route, body)
        if request is None:
            return self._refuse(source, BAD_REQUEST)
        reply = source.source.challenge(request, source.config)
        if reply is not None:
            return answer_with(reply)
        if (head.find("content-encoding") or "identity").strip().lower() != "identity":
            return self._refuse(source, ENCODED)
        assert request.received_at is not None
        verdict = source.source.verify(request, source.config, request.received_at)
        if not verdict.is_ok:
            self.inbox.rejections.count(source.id, verdict.reason or "not verified", body)
            refusal = source.source.refusal(request, verdict)
            return REFUSED if refusal is None else answer_with(refusal)
        if self._disk.is_full:
            return UNAVAILABLE
        await port.store(self.inbox, to_delivery(source, request))
        return answer_with(source.source.reply(request, source.config))

    def _raw_request(self, head: RequestHead, route: Route, body: bytes) -> RawRequest | None:
        """None when the query has more parameters than anybody needs."""
        try:
            query = (
                parse_qsl(
                    head.query, keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS
                )
                if head.query
                else []
            )
        except ValueError:
            return None
        mark = f"?{head.query}" if head.query else ""
        return RawRequest(
            method=head.method,
            url=f"{self.settings.public_url}{head.path}{mark}",
            headers=head.headers,
            body=body,
            query=tuple(query),
            url_key=route.url_key,
            received_at=utc_now(),
        )

    def _refuse(self, source: LoadedSource, answer: Answer) -> Answer:
        self.inbox.rejections.count(source.id, answer.reason)
        return answer

    def close(self) -> None:
        """Commit what waits, then let go of everything."""
        self.inbox.close()
        self.catalogue.close()
        self._disk.close()
        self._bell.close()


def open_door(settings: Settings) -> Door:
    """Start the catalogue, the writer and the bell of this process. Works while database and Redis are down."""
    bell = BellRinger(settings.valkey_url)
    catalogue = Catalogue(settings, open_box(settings))
    inbox = Inbox(settings.postgres_url, lambda: bell.ring("inbox"))
    disk = DiskGate(settings)
    disk.open()
    inbox.open()
    catalogue.open()
    return Door(settings, catalogue, inbox, disk, bell)
