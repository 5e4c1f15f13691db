"""Blackbaud SKY API webhooks: unsigned CloudEvents with a key in the address; everything else is fetched."""

from datetime import datetime
from typing import ClassVar

from integrations.blackbaud.constituents import ask_health, backfill_constituents, fetch_constituent
from integrations.blackbaud.notices import FOLLOWED, split_notices
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    BackfillPage,
    Client,
    Event,
    Health,
    OAuthApp,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.signing import Check, UrlKey

# The query may name the key as in Blackbaud's example (webhookKey), or key.
_URL_KEY = UrlKey(params=("webhookKey", "key"))
_ORIGIN = "eventgrid.azure.net"


class Blackbaud(BaseSource):
    """Constituents by their number: added, changed, deleted, in any order and more than once."""

    name = "blackbaud"
    label = "Blackbaud SKY API (Raiser's Edge NXT)"
    methods = frozenset({"OPTIONS", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (_URL_KEY,)
    api_host = "api.sky.blackbaud.com"
    calls_per_minute = 480  # 10 a second
    api_base_setting = "api_base_url"
    is_thin = True
    can_backfill = True
    oauth = OAuthApp(
        authorize_url="https://oauth2.sky.blackbaud.com/authorization",
        token_url="https://oauth2.sky.blackbaud.com/token",  # noqa: S106 -- an address
        is_basic=True,
        token_base_setting="api_base_url",  # noqa: S106 -- the name of a setting
    )
    settings = (
        Setting(
            "url_key",
            "Key in the webhook's address",
            "The only proof of a delivery: /hooks/<slug>?webhookKey=<key>.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting("client_id", "Application ID (OAuth client ID)", "SKY developer account, My applications."),
        Setting(
            "client_secret",
            "Primary application secret",
            "SKY developer account, My applications.",
            is_secret=True,
        ),
        Setting(
            "subscription_key",
            "Subscription key",
            "SKY developer account, My subscriptions: sent with every question as Bb-Api-Subscription-Key.",
            is_secret=True,
        ),
        Setting(
            "access_token",
            "Access token",
            "By the Connect button. Lasts 60 minutes and is renewed.",
            is_secret=True,
        ),
        Setting("refresh_token", "Refresh token", "A new one comes with every renewal.", is_secret=True),
        Setting(
            "environment_id", "Environment ID", "Such as p-TTKClfLPKk2a_nZYGhwHdA; needed for the back-fill."
        ),
        Setting(
            "event_types",
            "Types to follow",
            "Beginnings, without com.blackbaud., separated by commas.",
            default=FOLLOWED,
        ),
        Setting(
            "fetch_preferences",
            "Fetch consents and solicit codes (yes or no)",
            "Needs the Communication Preference API on your subscription. With no, nobody knows who must not be mailed.",
            default="yes",
        ),
        Setting(
            "fetch_educations", "Fetch class years (yes or no)", "One more question each.", default="yes"
        ),
        Setting(
            "api_base_url", "SKY API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."
        ),
    )

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """The CloudEvents handshake: Event Grid asks by OPTIONS whether it may send; a wrong key learns nothing."""
        if request.method != "OPTIONS":
            return None
        verdict = _URL_KEY.verify(request, config.secrets.get(_URL_KEY.secret, ()), datetime.min)  # noqa: DTZ901 -- a key has no time
        if not verdict.is_ok:
            return Reply(401)
        if (request.header("webhook-request-origin") or "").strip().lower() != _ORIGIN:
            return Reply(403)
        allowed = [("WebHook-Allowed-Origin", _ORIGIN)]
        if request.header("webhook-request-rate") is not None:
            allowed.append(("WebHook-Allowed-Rate", "*"))
        return Reply(200, headers=tuple(allowed))

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event a CloudEvent about a constituent; everything else by its name."""
        return split_notices(request.body, config)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The constituent with all that belongs to it, with each current token until one is accepted."""
        return fetch_constituent(event, config, client)

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """A page of constituents changed since then, as events."""
        return backfill_constituents(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the subscriptions are still there and well."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps constituents from coming in, or from being fetched."""
        problems = list(super().list_config_problems(config))
        for name, label in (("subscription_key", "Subscription key"), ("access_token", "Access token")):
            if not any(config.secrets.get(name, ())):
                problems.append(f"{label} is not set; events come in and wait, nobody can be fetched.")
        if not config.settings.get("environment_id", "").strip():
            problems.append("Environment ID is not set; there is no back-fill.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("SKY API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


source = Blackbaud()
