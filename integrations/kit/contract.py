"""The contract between Muster and a platform: frozen dataclasses and Protocols, nothing else.

An integration is pure: no database, no Flask, no queue; only `enrich`, `backfill` and `health` reach the
network, and they do it through the host-pinned client they are handed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request as received; nothing is decoded yet."""

    method: str
    url: str  # as the platform called it, scheme and host included, query included
    headers: tuple[
        tuple[str, str], ...
    ]  # names in lower case, values latin-1 decoded, order and repeats kept
    body: bytes
    query: tuple[tuple[str, str], ...] = ()
    url_key: str = ""  # what follows the slug: /hooks/<slug>/<url_key>
    received_at: datetime | None = None  # aware UTC

    def header(self, name: str) -> str | None:
        """The value of a header that stands there once; None when absent or repeated (repeats are never trusted)."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None

    def param(self, name: str) -> str | None:
        """The value of a query parameter that stands there once; None when absent or repeated."""
        found = [value for key, value in self.query if key == name]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """What an admin configured, as an integration sees it."""

    slug: str
    settings: Mapping[str, str] = field(default_factory=dict)
    # name -> every value that is valid now, newest first (two while a secret is being rotated)
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing an admin can or must set for a source: `--set name=value`."""

    name: str
    label: str
    help: str = ""
    is_secret: bool = False
    is_required: bool = False
    # Muster makes a value when none is given. `generated` names the form: "token" (url-safe, 256 bit) or "whsec".
    generated: str = ""
    default: str = ""
    # The one secret that `sources add` answers as "secret" and `sources rotate` renews.
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the platform gets back."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may come in. `reason` is a fixed phrase for counting, never a value from the request."""

    is_ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """What makes two requests the same delivery.

    With `window_seconds`, equal keys are one delivery only inside that time (a double click on a form);
    without it, for ever.
    """

    value: str
    window_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said: it becomes a timeline entry of whoever said it. `id` is the platform's, unique in the source.

    `change`: deleted = the platform took it away, and so do we, wherever its text is kept. The text of a private one
    reaches an event only where the source's switch `keeps_private_text` is on (`kit.messages`).
    """

    id: str
    kind: Literal["comment", "mention", "direct_message", "review", "post", "reaction"]
    text: str = ""
    is_private: bool = False
    change: Literal["said", "edited", "deleted"] = "said"
    url: str = ""
    thread_id: str = ""  # the post or conversation it belongs to
    rating: int | None = None  # of a review, 1 to 5
    influence: float | None = None  # of whoever said it: followers, or the platform's own score


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `key` is unique per source for ever, however events are grouped in deliveries."""

    key: str
    kind: str
    content: Mapping[str, Any]  # what the mapping reads; JSON values only
    occurred_at: datetime | None = None  # aware
    account: str = ""  # page, app, list or environment: the scope of platform ids
    needs_enrich: bool = False
    is_erasure: bool = False  # the platform deleted it: what we hold of it must go
    message: Message | None = None  # where somebody said something


@dataclass(frozen=True, slots=True)
class Ignored:
    """A part of a delivery that is known and of no concern: a test, an echo, a receipt."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """Everything in one delivery; nothing is dropped without a name."""

    events: tuple[Event, ...] = ()
    ignored: tuple[Ignored, ...] = ()


class Unreadable(Exception):  # noqa: N818 -- names what is true of the body
    """The body cannot be read; the delivery is kept and becomes a dead letter with this reason."""

    def __init__(self, reason: str, hint: str = "", path: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint, self.path, self.value = reason, hint, path, value[:80]


@dataclass(frozen=True, slots=True)
class BackfillPage:
    """A page of what a platform kept for us, each as the webhook would have brought it.

    `bodies` go through the same inbox as deliveries, so that `split`, replay and the keys of events are the same.
    `cursor` asks for the next page; "" after the last one.
    """

    bodies: tuple[bytes, ...] = ()
    cursor: str = ""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the platform still sends to us, as its API says. state "unknown" where nobody can be asked."""

    state: Literal["alive", "dead", "unknown"] = "unknown"
    reason: str = ""  # without personal data
    hint: str = ""  # the next step


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """How a platform hands out tokens (RFC 6749, authorization code). All hosts are https.

    The client's id and secret are the source's setting `client_id` and secret `client_secret`; the tokens are kept as the
    secrets `access_token` and `refresh_token`, and renewed before they expire.
    """

    authorize_url: str  # https://host/path
    token_url: str
    scopes: tuple[str, ...] = ()
    is_basic: bool = False  # the client proves itself by HTTP Basic, not in the form
    token_base_setting: str = ""  # the setting that names a stand-in for the token host on this machine


class EnrichError(Exception):
    """A platform's API did not give what was asked. `outcome` decides what becomes of the event.

    outcome: "waiting_enrich" (try later), "blocked_credentials" (pause the source, one alert), "gone" (erase),
    "invalid" (the answer makes no sense: dead letter).
    """

    def __init__(
        self, outcome: str, reason: str, hint: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(reason)
        self.outcome, self.reason, self.hint = outcome, reason, hint
        self.retry_after_seconds = retry_after_seconds


class Client(Protocol):
    """The host-pinned client handed to `enrich`: https only, fixed hosts, no redirects, bounded in size and time."""

    def get_json(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """GET on the pinned host; the parsed JSON, or EnrichError by kind of failure."""

    def post_json(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """POST JSON to the pinned host, for searches; the parsed JSON, or EnrichError by kind of failure."""


class Source(Protocol):
    """What a folder's `source.py` offers as `source`. Use `kit.base.BaseSource` for the defaults."""

    name: str  # = folder = slug of the preset
    label: str
    methods: frozenset[str]
    settings: tuple[Setting, ...]
    stored_headers: frozenset[str]  # the only headers kept with a delivery (lower case)
    api_host: str  # the one host `enrich` may reach; "" where nothing is fetched
    api_base_setting: str  # the setting that names a stand-in for it on this machine
    api_error_outcomes: Mapping[
        tuple[int, int | None], str
    ]  # (error code, subcode) -> outcome of EnrichError
    calls_per_minute: float  # of one source to the API; 0 = no limit known
    is_thin: bool  # deliveries carry ids only, or can be lost: `health` and `backfill` are written
    can_backfill: bool
    oauth: OAuthApp | None  # where the platform hands out tokens by a login page

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """Answer a handshake from configuration alone; None when the request is none."""

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """Check the raw bytes against every current secret, in constant time."""

    def refusal(self, request: RawRequest, verdict: Verdict) -> Reply | None:
        """What to answer a request that was not verified; None = the door's own 401."""

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:
        """What makes this request a repeat of another. Never raises."""

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The bytes to keep: the body, less a shared secret that a platform puts inside it, less private text unless
        the source keeps it. Never raises; what cannot be read is kept as it came.
        """

    def reply(self, request: RawRequest, config: SourceConfig) -> Reply:
        """What to answer once the delivery is stored (duplicates get the same)."""

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """Events in a stored delivery, or Unreadable. Runs in the worker, may run again on replay."""

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The event with its content fetched, or EnrichError."""

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """One page of what the platform kept since then ("" = the first), or EnrichError."""

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the platform still sends to us, or EnrichError."""
