"""The client handed to `enrich`: one host, https, public addresses, no redirects, bounded in size and time."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from integrations.kit.base import BaseSource
from integrations.kit.contract import Client, EnrichError, Source, SourceConfig, Unreadable
from integrations.kit.dial import (
    Deadline,
    PinnedAdapter,
    Resolve,
    connect,
    is_allowed,
    look_up,
    look_up_within,
)
from integrations.kit.strict_json import dump_json, load_json

TOTAL_SECONDS = 10.0
MAX_BYTES = 5 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS = 86_400.0

_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_LOOPBACK_BASE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?/?")

# HTTP status -> (outcome, what to tell the admin). Statuses not here: 3xx and other 4xx are "invalid", 5xx wait.
_STATUS_OUTCOMES = {
    401: ("blocked_credentials", "The token was refused; make a new one and set it on the source."),
    403: (
        "blocked_credentials",
        "The token lacks a permission; check the app's permissions and the page role.",
    ),
    404: ("gone", "The object was deleted, or the token may not see it."),
    408: ("waiting_enrich", "The platform was slow."),
    410: ("gone", "The object was deleted."),
    425: ("waiting_enrich", "The platform asked to try later."),
    426: ("blocked_credentials", "The API version was retired; set a newer one on the source."),
    429: ("waiting_enrich", "The platform's rate limit was reached."),
}
_CREDENTIAL_HINT = "Make a new token and set it on the source."
_HINTS = {
    "blocked_credentials": _CREDENTIAL_HINT,
    "gone": "The object was deleted, or the token may not see it.",
    "waiting_enrich": "The platform is busy or out of order; Muster tries again by itself.",
    "invalid": "Check the API version and the ids set on the source.",
}
_HTTP_OK, _FIRST_REDIRECT, _FIRST_ERROR, _FORBIDDEN, _FIRST_SERVER_ERROR = 200, 300, 400, 403, 500

ErrorOutcomes = Mapping[tuple[int, int | None], str]


class Encoded(str):
    """A query value that is percent-encoded already: some platforms read brackets and colons as structure (Rest.li)."""

    __slots__ = ()


def client_for(source: Source, config: SourceConfig) -> Client:
    """The client for one configured source: its platform's host, or the stand-in its settings name.

    Never raises: with a setting that cannot be used, the client says so when it is asked for something.
    """
    base_setting = source.api_base_setting if isinstance(source, BaseSource) else ""
    outcomes = source.api_error_outcomes if isinstance(source, BaseSource) else {}
    try:
        host = source.host_for(config) if isinstance(source, BaseSource) else source.api_host
        return make_client(host, config.settings.get(base_setting, ""), error_outcomes=outcomes)
    except EnrichError as error:
        return RefusingClient(error)


def make_client_at(url: str, base_url_override: str = "") -> tuple["HostClient", str]:
    """A client for the host of `url` (https), or its stand-in on this machine, and the path to ask."""
    parts = urlsplit(url)
    client = make_client(parts.netloc, base_url_override)
    return client, parts.path


class RefusingClient:
    """What a source gets whose configuration leads nowhere: the same refusal for every question."""

    def __init__(self, refusal: EnrichError) -> None:
        self._refusal = refusal

    def get_json(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:  # noqa: ARG002
        """The refusal, made anew so that no trace of an earlier one hangs on it."""
        raise EnrichError(self._refusal.outcome, self._refusal.reason, self._refusal.hint)

    def post_json(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:  # noqa: ARG002
        """The same."""
        raise EnrichError(self._refusal.outcome, self._refusal.reason, self._refusal.hint)


def make_client(
    host: str, base_url_override: str = "", *, error_outcomes: ErrorOutcomes | None = None
) -> "HostClient":
    """A client for https://<host>, or for a stand-in on this machine (http on a loopback address, nothing else)."""
    if not is_stand_in(base_url_override):
        raise EnrichError(
            "invalid",
            "the base URL for the API is not on this machine",
            "Only http://127.0.0.1:<port> may replace the platform's own address; leave the setting empty otherwise.",
        )
    base_url = base_url_override.rstrip("/") or f"https://{host}"
    return HostClient(
        base_url, is_loopback_allowed=bool(base_url_override), error_outcomes=error_outcomes or {}
    )


def is_stand_in(base_url: str) -> bool:
    """Whether a setting may replace the platform's address: empty, or http on this machine."""
    return not base_url or bool(_LOOPBACK_BASE.fullmatch(base_url))


class HostClient:
    """GET and POST on one host; whatever goes wrong is an EnrichError with a fixed text, never with a token or an address."""

    def __init__(
        self,
        base_url: str,
        *,
        is_loopback_allowed: bool = False,
        error_outcomes: ErrorOutcomes | None = None,
        total_seconds: float = TOTAL_SECONDS,
        resolve: Resolve = look_up,
    ) -> None:
        self._base_url = base_url
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._is_loopback_allowed = is_loopback_allowed
        self._error_outcomes = error_outcomes or {}
        self._total_seconds = total_seconds
        self._resolve = resolve

    def get_json(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """GET `path` on the pinned host; the parsed JSON, or EnrichError by kind of failure."""
        return self._ask("GET", path, headers, params=_written(query))

    def post_json(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """POST `body` as JSON to `path` on the pinned host; the parsed JSON, or EnrichError by kind of failure."""
        written = {"Content-Type": "application/json", **headers}
        return self._ask("POST", path, written, data=dump_json(body))

    def post_form(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """POST a form to `path` on the pinned host, as token endpoints want it; the parsed JSON, or EnrichError."""
        return self._ask("POST", path, headers, data=dict(form))

    def _ask(self, method: str, path: str, headers: Mapping[str, str], **parts: Any) -> Any:
        if not _PATH.fullmatch(path) or ".." in path:
            raise EnrichError("invalid", "the path to fetch is not a plain path", _HINTS["invalid"])
        deadline = Deadline(self._total_seconds)
        with (
            _named_failures(self._host, deadline),
            deadline.enforced(),
            self._session(deadline) as session,
            session.request(
                method,
                self._base_url + path,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers},
                allow_redirects=False,
                stream=True,
                timeout=deadline.seconds_left(),
                **parts,
            ) as response,
        ):
            body = _read(response, deadline)
        return self._judge(response, body)

    def _session(self, deadline: Deadline) -> requests.Session:
        """A session whose one connection goes to the addresses that were looked up and checked here."""
        addresses = self._list_addresses(deadline)
        session = requests.Session()
        session.trust_env = False  # no proxy, no .netrc: nothing of the machine may change where a token goes
        adapter = PinnedAdapter(lambda: connect(addresses, self._port, deadline))
        session.mount("https://", adapter)
        if self._is_loopback_allowed:
            session.mount("http://", adapter)
        return session

    def _list_addresses(self, deadline: Deadline) -> list[str]:
        addresses = look_up_within(self._resolve, self._host, self._port, deadline.seconds_left())
        if all(is_allowed(address, is_loopback_allowed=self._is_loopback_allowed) for address in addresses):
            return addresses
        raise _later(f"{self._host} leads to an address that is not public")

    def _judge(self, response: requests.Response, body: bytes) -> Any:
        status = response.status_code
        if status == _HTTP_OK:
            return _parse(body)
        outcome, reason, hint = self._failure(status, body)
        wait_seconds = retry_after_seconds(response.headers.get("Retry-After"))
        if status == _FORBIDDEN and wait_seconds is not None and outcome == "blocked_credentials":
            outcome, hint = (
                "waiting_enrich",
                _HINTS["waiting_enrich"],
            )  # a quota: Blackbaud answers 403 for it
        raise EnrichError(outcome, reason, hint, wait_seconds)

    def _failure(self, status: int, body: bytes) -> tuple[str, str, str]:
        """(outcome, reason, hint): by the platform's own error code where it is known, else by status."""
        code, subcode = _error_code(body)
        known = self._error_outcomes.get((code, subcode)) or self._error_outcomes.get((code, None))
        if known:
            return known, f"{self._host} answered {status} with error code {code}", _HINTS[known]
        reason = f"{self._host} answered {status}"
        if status in _STATUS_OUTCOMES:
            outcome, hint = _STATUS_OUTCOMES[status]
            return outcome, reason, hint
        outcome = "waiting_enrich" if status >= _FIRST_SERVER_ERROR else "invalid"
        if _FIRST_REDIRECT <= status < _FIRST_ERROR:
            return outcome, f"{reason}, a redirect, which is never followed with a token", _HINTS[outcome]
        return outcome, reason, _HINTS[outcome]


def retry_after_seconds(text: str | None) -> float | None:
    """Seconds from a Retry-After header (a number, or an HTTP date), at most a day; None when it says nothing."""
    if not text:
        return None
    if text.strip().isdecimal() and text.isascii():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER_SECONDS)


def _written(query: Mapping[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='')}={value if isinstance(value, Encoded) else quote(value, safe='')}"
        for name, value in query.items()
    )


@contextmanager
def _named_failures(host: str, deadline: Deadline) -> Iterator[None]:
    """Turn what the network throws into EnrichError; `from None`, because their texts carry the whole URL."""
    try:
        yield
    except requests.exceptions.SSLError:
        raise _later(f"the certificate of {host} was not accepted") from None
    except UnicodeError:
        raise EnrichError(
            "invalid", "the token has characters that no header can carry", _CREDENTIAL_HINT
        ) from None
    except (requests.exceptions.RequestException, OSError) as error:
        is_late = deadline.has_passed() or isinstance(error, requests.exceptions.Timeout | TimeoutError)
        raise _later(
            f"{host} did not answer in time" if is_late else f"{host} could not be reached"
        ) from None


def _later(reason: str) -> EnrichError:
    return EnrichError("waiting_enrich", reason, _HINTS["waiting_enrich"])


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    """The body, given up beyond the size cap or the deadline."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise EnrichError(
            "invalid", "the answer is compressed although that was not asked for", _HINTS["invalid"]
        )
    body = bytearray()
    for chunk in response.iter_content(65_536):
        body += chunk
        if len(body) > MAX_BYTES:
            raise EnrichError("invalid", f"the answer is larger than {MAX_BYTES} bytes", _HINTS["invalid"])
    if deadline.has_passed():  # the connection was cut: what came is not the whole answer
        raise _later("the answer did not end in time")
    return bytes(body)


def _parse(body: bytes) -> Any:
    try:
        return load_json(body)
    except Unreadable as error:
        raise EnrichError(
            "invalid", f"the answer cannot be read: {error.reason}", _HINTS["invalid"]
        ) from None


def _error_code(body: bytes) -> tuple[int, int | None]:
    """`error.code` and `error.error_subcode` of an answer (Graph API's form, read where present); (0, None) else."""
    try:
        answer = load_json(body)
    except Unreadable:
        return 0, None
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return 0, None
    subcode = error.get("error_subcode")
    return error["code"], subcode if isinstance(subcode, int) else None
