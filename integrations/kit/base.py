"""What every source does unless its platform does otherwise."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from integrations.kit.contract import (
    BackfillPage,
    Client,
    DeliveryKey,
    EnrichError,
    Event,
    Health,
    OAuthApp,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Verdict,
)
from integrations.kit.keys import digest_of_bytes
from integrations.kit.signing import NO_SECRET, Check


class BaseSource(ABC):
    """Defaults of `contract.Source`; a platform's source says what it is in tables and overrides what differs."""

    name: str
    label: str
    methods: frozenset[str] = frozenset({"POST"})
    settings: tuple[Setting, ...] = ()
    stored_headers: frozenset[str] = frozenset({"content-type"})
    checks: ClassVar[tuple[Check, ...]] = ()  # every one of them must pass

    api_host: str = ""
    # The setting with another base URL for the API: a stand-in on this machine, never another host.
    api_base_setting: str = ""
    # Other hosts of the same API (a region's), and the setting by which an admin chooses one of them.
    api_hosts: frozenset[str] = frozenset()
    api_host_setting: str = ""
    # (error code, subcode or None for any) in the API's answer -> outcome of `EnrichError`.
    api_error_outcomes: Mapping[tuple[int, int | None], str] = {}
    # Calls of one source to the API; what the platform allows an app or account, less a fifth for others. 0 = unknown.
    calls_per_minute: float = 0
    is_thin: bool = False
    can_backfill: bool = False
    oauth: OAuthApp | None = None

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:  # noqa: ARG002
        """No handshake."""
        return None

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """Every check passes; an optional one is left out while its secret is not configured."""
        verdict = NO_SECRET
        for check in self.checks:
            secrets = config.secrets.get(check.secret, ())
            if check.is_optional and not any(secrets):
                continue
            verdict = check.verify(request, secrets, now)
            if not verdict.is_ok:
                return verdict
        return verdict

    def sign(self, request: RawRequest, config: SourceConfig, now: datetime) -> RawRequest:
        """The request as the platform would send it, proved with the newest secrets."""
        for check in self.checks:
            for secret in config.secrets.get(check.secret, ())[:1]:
                request = check.sign(request, secret, now)
        return request

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The same bytes are the same delivery, for ever."""
        return DeliveryKey(digest_of_bytes(request.body))

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:  # noqa: ARG002
        """The body as it came."""
        return request.body

    def reply(self, request: RawRequest, config: SourceConfig) -> Reply:  # noqa: ARG002
        """200 with nothing in it."""
        return Reply()

    def refusal(self, request: RawRequest, verdict: Verdict) -> Reply | None:  # noqa: ARG002
        """None: the door's own 401. A platform that shows its admin our words gets them in its own form."""
        return None

    @abstractmethod
    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """What the delivery holds; each platform says it for itself."""

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:  # noqa: ARG002
        """The event as it is: it came whole."""
        return event

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:  # noqa: ARG002
        """Nothing: the platform keeps nothing that could be asked for again."""
        return BackfillPage()

    def health(self, config: SourceConfig, client: Client) -> Health:  # noqa: ARG002
        """Unknown: nobody can be asked; the silence alarm watches all the same."""
        return Health()

    def host_for(self, config: SourceConfig) -> str:
        """The API's host: the platform's, or the one of its list that the settings name; else EnrichError."""
        chosen = config.settings.get(self.api_host_setting, "").strip()
        if not chosen or chosen == self.api_host:
            return self.api_host
        if chosen not in self.api_hosts:
            known = ", ".join(sorted(self.api_hosts | {self.api_host}))
            hint = f"Set {self.api_host_setting} to one of: {known}."
            raise EnrichError("invalid", "the host set for the API is none of the platform's", hint)
        return chosen

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """Sentences about what is missing or wrong in the configuration; empty when deliveries can come in."""
        missing = [
            setting.label
            for setting in self.settings
            if setting.is_required and not any(_values(setting, config))
        ]
        return tuple(f"{label} is not set; without it nothing is accepted." for label in missing)


def _values(setting: Setting, config: SourceConfig) -> tuple[str, ...]:
    if setting.is_secret:
        return tuple(value.strip() for value in config.secrets.get(setting.name, ()))
    return (config.settings.get(setting.name, setting.default).strip(),)
