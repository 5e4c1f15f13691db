"""Eventbrite: orders and attendees, fetched. https://www.eventbrite.com/platform/api (from public documentation as collected 2026-11)."""

from datetime import datetime
from typing import ClassVar

from integrations.eventbrite.orders import ask_health, fetch_page, fetch_people
from integrations.eventbrite.signals import API_HOST, COALESCE_SECONDS, read_signal
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    BackfillPage,
    Client,
    DeliveryKey,
    Event,
    Health,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.keys import digest_of_bytes
from integrations.kit.signing import Check, UrlKey
from integrations.kit.strict_json import dump_json, load_json


class Eventbrite(BaseSource):
    """Unsigned signals: what came is only a hint; what counts is what Eventbrite's API answers."""

    name = "eventbrite"
    label = "Eventbrite"
    stored_headers = frozenset({"content-type", "x-eventbrite-delivery", "x-eventbrite-event"})
    checks: ClassVar[tuple[Check, ...]] = (UrlKey(),)
    is_thin = True
    can_backfill = True
    api_host = API_HOST
    calls_per_minute = 27  # 2,000 an hour and token
    api_base_setting = "api_base_url"
    settings = (
        Setting(
            "url_key",
            "Key in the webhook's address",
            "The last part of the hook's URL: the only proof that Eventbrite's unsigned webhook has.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "private_token",
            "Private token",
            "Fetches orders and attendees. Without it deliveries wait.",
            is_secret=True,
        ),
        Setting(
            "organization_id", "Organization", "Whose orders are read again and whose webhook is watched."
        ),
        Setting(
            "api_base_url", "API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."
        ),
    )

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:
        """The signal's key: the same object and action within a minute are one delivery."""
        try:
            events = self.split(request, config).events
        except Unreadable:
            events = ()
        if events:
            return DeliveryKey(events[0].key)
        return DeliveryKey(digest_of_bytes(request.body), COALESCE_SECONDS)

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:  # noqa: ARG002
        """The body without config.endpoint_url, which is this hook's own address with its key."""
        try:
            body = load_json(request.body)
        except Unreadable:
            return request.body
        asked = body.get("config") if isinstance(body, dict) else None
        if not isinstance(asked, dict) or "endpoint_url" not in asked:
            return request.body
        asked["endpoint_url"] = ""
        return dump_json(body)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The signal as one event to be fetched; what is not about a person is ignored by name."""
        delivery = request.header("x-eventbrite-delivery") or ""
        found = read_signal(request.body, delivery, request.received_at)
        return Split(ignored=(found,)) if isinstance(found, Ignored) else Split((found,))

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The order with its attendees, or the attendee."""
        return fetch_people(event, config, client)

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """The organization's orders changed since then."""
        return fetch_page(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the organization has a webhook to this source."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps orders from being fetched."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get("private_token", ())):
            problems.append("Private token is not set; deliveries come in and wait, none can be fetched.")
        if not config.settings.get("organization_id", "").strip():
            problems.append("Organization is not set; orders that a delivery lost cannot be read again.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


source = Eventbrite()
