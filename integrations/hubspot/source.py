"""HubSpot: contact events of an app's webhooks, and contacts posted by a workflow."""

from dataclasses import replace
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

from integrations.hubspot.changes import split_events
from integrations.hubspot.contacts import ask_health, fetch_contact, fetch_page
from integrations.hubspot.signatures import TOO_OLD, HubSpotSignature, is_signed_with_v3
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    BackfillPage,
    Client,
    Event,
    Health,
    OAuthApp,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Verdict,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.signing import Check


class HubSpot(BaseSource):
    """Arrays of events, ids only, not in order; each contact is fetched as it is now."""

    name = "hubspot"
    label = "HubSpot"
    checks: ClassVar[tuple[Check, ...]] = (HubSpotSignature("client_secret"),)
    is_thin = True
    can_backfill = True
    api_host = "api.hubapi.com"
    calls_per_minute = 480  # 100 in ten seconds
    api_base_setting = "api_base_url"
    oauth = OAuthApp(
        authorize_url="https://app.hubspot.com/oauth/authorize",
        token_url="https://api.hubapi.com/oauth/v1/token",  # noqa: S106 -- an address
        scopes=("crm.objects.contacts.read",),
        token_base_setting="api_base_url",  # noqa: S106 -- the name of a setting
    )
    settings = (
        Setting(
            "client_secret",
            "Client secret",
            "Of the app, Auth tab. It signs every delivery.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
        Setting(
            "access_token",
            "Access token",
            "Of a private app with crm.objects.contacts.read, or got by connecting. Without it deliveries wait.",
            is_secret=True,
        ),
        Setting("refresh_token", "Refresh token", "Got by connecting; private apps have none.", is_secret=True),
        Setting("client_id", "Client id", "Of the app; only for connecting by login."),
        Setting("portal_id", "Hub ID", "Of your account; read from the token where it is not set."),
        Setting("properties", "More properties", "Internal names to fetch beside the usual ones, separated by commas."),
        Setting(
            "least_signature",
            "Oldest signature accepted",
            "v1 accepts all; v3 refuses the older ones, which have no time in them.",
            default="v1",
        ),
        Setting(
            "public_address",
            "Address as HubSpot calls it",
            "Only where a proxy changes it: the whole target URL, as it stands in HubSpot.",
        ),
        Setting("api_base_url", "API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."),
    )  # fmt: skip

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """The newest signature of the request, over the address as HubSpot called it."""
        if config.settings.get("least_signature", "v1").strip() == "v3" and not is_signed_with_v3(request):
            return TOO_OLD
        address = config.settings.get("public_address", "").strip()
        return super().verify(replace(request, url=address) if address else request, config, now)

    def sign(self, request: RawRequest, config: SourceConfig, now: datetime) -> RawRequest:
        """As HubSpot would: over the address it knows."""
        address = config.settings.get("public_address", "").strip()
        signed = super().sign(replace(request, url=address) if address else request, config, now)
        return replace(signed, url=request.url)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a change of a contact; other objects are ignored by name."""
        return split_events(request.body)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The contact's properties as they are now."""
        return fetch_contact(event, config, client)

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """Contacts changed since then, by search."""
        return fetch_page(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the token still reads contacts."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps contacts from being fetched, or signatures from being checked."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get("access_token", ())):
            problems.append(
                "Access token is not set; deliveries come in and wait, no contact can be fetched."
            )
        if config.settings.get("least_signature", "v1").strip() not in ("", "v1", "v3"):
            problems.append("Oldest signature accepted: write v1 or v3.")
        address = config.settings.get("public_address", "").strip()
        if address and urlsplit(address).scheme != "https":
            problems.append("Address as HubSpot calls it: write the whole address, starting with https://.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


source = HubSpot()
