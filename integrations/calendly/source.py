"""Calendly: signed bookings. https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures (from public documentation as collected 2026-11)."""

from typing import ClassVar

from integrations.calendly.bookings import CANCELED, CREATED, ROUTED, kind_of, read_booking
from integrations.calendly.subscription import ask_health
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
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
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.signing import Check, HmacScheme, Pairs
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import identifier, object_at, short_name, text_of

_SIGNATURE = HmacScheme(
    secret="signing_key",  # noqa: S106 -- the name of a setting
    header="calendly-webhook-signature",
    layout=Pairs("v1"),
    signed="{timestamp}.{body}",
    tolerance_seconds=180,
)
_HINT = "Calendly sends one object with event and payload; check which program posts here."
_OTHER = "says nothing about who booked"


class Calendly(BaseSource):
    """One booking, cancellation or routing form in one delivery, whole."""

    name = "calendly"
    label = "Calendly"
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    is_thin = True
    api_host = "api.calendly.com"
    api_base_setting = "api_base_url"
    settings = (
        Setting(
            "signing_key",
            "Signing key",
            "Given as signing_key when the subscription is made; it signs every delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "access_token",
            "Personal access token",
            "Asks whether the subscription is still on. Without it nobody can be asked.",
            is_secret=True,
        ),
        Setting(
            "api_base_url", "API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."
        ),
    )

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:
        """The event's key: there is no id, but event, booking and time stay the same over all tries."""
        try:
            events = self.split(request, config).events
        except Unreadable:
            events = ()
        return DeliveryKey(events[0].key if events else digest_of_bytes(request.body))

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The booking as one event; other kinds are ignored by name."""
        body = load_object(request.body, _HINT)
        kind, payload = kind_of(body), object_at(body, "payload")
        if not kind:
            raise Unreadable("the JSON has no event", _HINT, path="event")
        if kind not in (CREATED, CANCELED, ROUTED):
            return Split(ignored=(Ignored(short_name(kind), _OTHER),))
        uri = identifier(payload.get("uri"))
        if not uri:
            raise Unreadable("the booking has no uri", _HINT, path="payload.uri")
        sent_at = text_of(body.get("created_at"))
        key = digest_of([kind, uri, sent_at])
        occurred_at = find_time(sent_at) or find_time(payload.get("created_at"))
        return Split((Event(key, kind, read_booking(kind, payload), occurred_at),))

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the subscription to this source is there and active."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """An API address nobody may be sent to."""
        problems = list(super().list_config_problems(config))
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


source = Calendly()
