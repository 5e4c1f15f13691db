"""The SDK's way to the network, replaced: pooled, bounded in time, and honest about every answer.

mailchimp-marketing 3.0.80 takes an empty 429 or 503 for success, opens a connection per call, quotes paths
half and forgets time-outs (measured 2026-11); everything below `call_api` is therefore ours.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import requests
from mailchimp_marketing.api_client import ApiClient
from urllib3.exceptions import NewConnectionError

from integrations.kit.fetch import retry_after_seconds
from integrations.mailchimp.deadline import Deadline, bounded_adapter
from integrations.mailchimp.problems import (
    CREDENTIALS,
    OUTAGE,
    REVOKED,
    THROTTLED,
    UNKNOWN_OUTCOME,
    Classification,
    MailchimpProblem,
    problem_from_answer,
)
from integrations.mailchimp.reading import storable
from integrations.mailchimp.slots import ConnectionSlots, Hold, NoFreeSlotError

CONNECT_SECONDS = 5.0
# A call that ran out of time may still run at Mailchimp and hold its connection there, nobody says for how long. The slot
# is kept for as long again as the call's own deadline, a bound chosen by us, but never longer than Mailchimp itself lets
# a call run: 120 s after it began (https://mailchimp.com/developer/marketing/docs/fundamentals/, seen 2026-11).
LONGEST_CALL_SECONDS = 120.0
NEARLY_OVER_SECONDS = 0.02  # a socket's time-out may end a little before the deadline it was made from
MAX_ANSWER_BYTES = 64 * 1024 * 1024  # a page of 1,000 members with links is about 3.3 MB
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
NO_CONTENT = 204
PROTESTS = frozenset({403, 429})  # a 403 only without JSON: the error table knows
# Mailchimp names no Retry-After (recorded answers 2021-2022), but what stands before it may, with a refusal or an outage.
WAITS = PROTESTS | {503}
LONGEST_QUIET_SECONDS = 3600.0  # beyond it a wrong header is likelier than a wish: opt-outs wait meanwhile
Login = Literal["api_key", "oauth"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a call is allowed, handed through the SDK in its `_request_timeout`.

    `seconds` for the whole call; bulk calls let interactive ones go first; `read` turns the bytes of a success into
    what the caller wants, and raises ValueError where they are not that.
    """

    seconds: float
    is_bulk: bool = False
    read: Callable[[bytes], Any] | None = None


class _Bearer(requests.auth.AuthBase):
    """How an OAuth token is shown (an API key goes as the password of Basic)."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


@dataclass(frozen=True, slots=True)
class Call:
    """One finished call, for counting: no ids, no addresses."""

    method: str
    resource: str  # the path with names for ids, e.g. /lists/{list_id}/members/{subscriber_hash}
    status: int | None  # None where no answer came
    kind: str  # "" for success
    seconds: float


def check_base_url(base_url: str) -> str:
    """The base URL without a trailing slash; ValueError unless it is https, or http on this machine."""
    parts = urlsplit(base_url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        raise ValueError(
            "Mailchimp's base URL must start with https:// (or http:// on this machine for the simulator)."
        )
    if parts.username or parts.query or parts.fragment:
        raise ValueError("Mailchimp's base URL must hold no user name, question mark or fragment.")
    return base_url.rstrip("/")


class Transport(ApiClient):  # type: ignore[misc]  # the SDK is untyped
    """What the SDK's methods call instead of their own client."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        slots: ConnectionSlots,
        *,
        deadline_seconds: float,
        login: Login = "api_key",
        on_call: Callable[[Call], None] | None = None,
        pool_size: int = 10,
    ) -> None:
        super().__init__({"api_key": api_key, "server": "unused"})
        self.host = check_base_url(base_url)
        self.deadline_seconds = deadline_seconds
        self._slots, self._on_call, self._login = slots, on_call, login
        self._deadline = Deadline()
        self._session = requests.Session()
        self._session.auth = _Bearer(api_key) if login == "oauth" else ("muster", api_key)
        self._session.trust_env = (
            urlsplit(base_url).hostname not in LOOPBACK_HOSTS
        )  # no proxy to this machine
        adapter = bounded_adapter(self._deadline, pool_size)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._count_lock = threading.Lock()
        self.call_count = 0

    def close(self) -> None:
        self._session.close()

    def call_api(  # noqa: PLR0917 - the signature of the SDK
        self,
        resource_path: str,
        method: str,
        path_params: Mapping[str, str] | None = None,
        query_params: Iterable[tuple[str, Any]] | None = None,
        header_params: Mapping[str, str] | None = None,  # noqa: ARG002 - always JSON
        body: Any = None,
        collection_formats: Mapping[str, str] | None = None,  # noqa: ARG002 - always a comma list
        *,
        _request_timeout: Allowance | None = None,  # the SDK hands it on
        **_ignored: Any,
    ) -> Any:
        allowed = _request_timeout or Allowance(self.deadline_seconds)
        where = f"{method} {resource_path}"
        self._deadline.start(allowed.seconds)
        started = time.monotonic()
        status: int | None = None
        kind = ""
        try:
            with self._slots.hold(allowed.seconds / 2, allowed.seconds, is_bulk=allowed.is_bulk) as held:
                request = self._prepare(method, _fill(resource_path, path_params), query_params, body)
                status, content, wait = self._send_held(request, where, allowed, held)
                if status in WAITS:
                    held.quiet_seconds = min(retry_after_seconds(wait) or 0.0, LONGEST_QUIET_SECONDS)
                if status in PROTESTS:
                    held.is_throttled = self._problem(status, content, where).kind == THROTTLED.kind
            return self._read(status, content, where, allowed.read)
        except NoFreeSlotError:
            kind = THROTTLED.kind
            raise MailchimpProblem(THROTTLED, None, "No Free Connection", where=where) from None
        except MailchimpProblem as problem:
            kind = problem.kind
            raise
        finally:
            self._count(Call(method, resource_path, status, kind, time.monotonic() - started))

    def _prepare(
        self, method: str, path: str, query: Iterable[tuple[str, Any]] | None, body: Any
    ) -> requests.PreparedRequest:
        headers = {"Accept": "application/json, application/problem+json", "User-Agent": "Muster"}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        params = [(name, _query_text(value)) for name, value in query or ()]
        request = requests.Request(method, self.host + path, headers=headers, params=params, data=content)
        return self._session.prepare_request(request)

    def _send_held(
        self, request: requests.PreparedRequest, where: str, allowed: Allowance, held: Hold
    ) -> tuple[int, bytes, str | None]:
        """As `_send`; a call that ran out of time keeps its slot for a while."""
        began = time.monotonic()
        try:
            return self._send(request, where)
        except MailchimpProblem as problem:
            is_late = self._deadline.left() <= NEARLY_OVER_SECONDS
            if problem.classification is UNKNOWN_OUTCOME and is_late:
                left = LONGEST_CALL_SECONDS - (time.monotonic() - began)
                held.kept_seconds = max(min(allowed.seconds, left), 0.0)
            raise

    def _send(self, request: requests.PreparedRequest, where: str) -> tuple[int, bytes, str | None]:
        """Status, whole body and Retry-After. The chain is cut (`from None`): what requests says can hold ids and hosts."""
        left = max(self._deadline.left(), 0.001)
        settings = self._session.merge_environment_settings(request.url or "", {}, True, None, None)
        try:
            with self._session.send(
                request, timeout=(min(CONNECT_SECONDS, left), left), allow_redirects=False, **settings
            ) as answer:
                return answer.status_code, _whole_body(answer, where), answer.headers.get("Retry-After")
        except (requests.ConnectTimeout, requests.exceptions.SSLError):
            raise _no_answer(OUTAGE, "Not Connected", where) from None
        except requests.ConnectionError as problem:
            reason = getattr(problem.args[0], "reason", None) if problem.args else None
            never_sent = isinstance(reason, NewConnectionError)
            raise _no_answer(OUTAGE if never_sent else UNKNOWN_OUTCOME, "Connection Broken", where) from None
        except requests.RequestException:
            raise _no_answer(UNKNOWN_OUTCOME, "Timeout or Broken Answer", where) from None

    def _read(
        self, status: int, content: bytes, where: str, read: Callable[[bytes], Any] | None = None
    ) -> Any:
        """The parsed answer of a success, None for 204; anything else is a problem."""
        if status == NO_CONTENT:
            return None
        if not 200 <= status < 300:  # noqa: PLR2004
            raise self._problem(status, content, where)
        try:
            parsed = read(content) if read else json.loads(storable(content))
        except ValueError:
            parsed = None
        if parsed is not None and (read is not None or isinstance(parsed, dict)):
            return parsed
        is_cut = content[:1] == b"{" and not _is_whole(content)
        raise problem_from_answer(
            status, "cut short" if is_cut else content[:500].decode("utf-8", "replace"), where, self._clean
        )

    def _problem(self, status: int, content: bytes, where: str) -> MailchimpProblem:
        try:
            parsed = json.loads(content)
        except ValueError:
            parsed = None
        body = parsed if isinstance(parsed, dict) else content[:500].decode("utf-8", "replace")
        found = problem_from_answer(status, body, where, self._clean)
        # A token does not expire; one that is not accepted was withdrawn, and no repetition helps.
        if self._login == "oauth" and found.classification is CREDENTIALS:
            return MailchimpProblem(REVOKED, *found.args[1:])
        return found

    def _clean(self, text: str) -> str:
        return text.replace(self.api_key, "[key]") if self.api_key else text

    def _count(self, call: Call) -> None:
        was_made = call.status is not None or call.kind != THROTTLED.kind  # else it found no slot
        with self._count_lock:
            self.call_count += was_made
        if self._on_call is not None:
            self._on_call(call)


def _no_answer(classification: Classification, title: str, where: str) -> MailchimpProblem:
    return MailchimpProblem(classification, None, title, where=where)


def _is_whole(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _whole_body(answer: requests.Response, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_content(65536):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise _no_answer(UNKNOWN_OUTCOME, "Answer Too Long", where)
        parts.append(part)
    return b"".join(parts)


def _fill(resource_path: str, path_params: Mapping[str, str] | None) -> str:
    for name, value in (path_params or {}).items():
        resource_path = resource_path.replace("{" + name + "}", quote(str(value), safe=""))
    return resource_path


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return str(value)
