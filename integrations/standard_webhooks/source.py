"""Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks, version 1.0.0, seen 2026-11-21."""

from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    DeliveryKey,
    Event,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
    Verdict,
)
from integrations.kit.keys import digest_of_bytes
from integrations.kit.signing import Check, HmacScheme, Listed, whsec_key
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time

_WEBHOOK = HmacScheme(
    secret="secret",  # noqa: S106 -- the name of a setting
    header="webhook-signature",
    layout=Listed("v1"),
    signed="{id}.{timestamp}.{body}",
    key=whsec_key,
    encoding="base64",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
    tolerance_seconds=300,
)
# The same scheme under the names Svix gave it before it became a standard.
_SVIX = replace(_WEBHOOK, header="svix-signature", id_header="svix-id", timestamp_header="svix-timestamp")
_FEWEST_KEY_BYTES = 24  # the standard asks for 24 to 64 random bytes


class StandardWebhooks(BaseSource):
    """Signed JSON; the whole body goes to the mapping."""

    name = "standard_webhooks"
    label = "Standard Webhooks (signed JSON)"
    stored_headers = frozenset(
        {"content-type", "webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"},
    )
    checks: ClassVar[tuple[Check, ...]] = (_WEBHOOK,)
    settings = (
        Setting(
            "secret",
            "Signing secret",
            "whsec_ and base64, the same on both sides.",
            is_secret=True,
            is_required=True,
            generated="whsec",
            is_primary=True,
        ),
    )

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """By the webhook-* headers, or by svix-* where those stand alone."""
        return _scheme(request).verify(request, config.secrets.get("secret", ()), now)

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The message's id: the sender keeps it over all its tries."""
        return DeliveryKey(_identifier(request))

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event; `type` and `timestamp` of the body are its kind and time where they stand there."""
        content = load_json(request.body)
        if not isinstance(content, dict):
            raise Unreadable(
                "the JSON is no object", "Standard Webhooks sends one object with type, timestamp and data."
            )
        kind = content.get("type")
        sent_at = find_time(request.header(_scheme(request).timestamp_header))
        event = Event(
            key=_identifier(request),
            kind=kind if isinstance(kind, str) and kind else "untyped",
            content=content,
            occurred_at=find_time(content.get("timestamp")) or sent_at,
        )
        return Split((event,))

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """Secrets that are no whsec_ secret accept nothing; say so before the first delivery."""
        problems = list(super().list_config_problems(config))
        keys = [whsec_key(secret) for secret in config.secrets.get("secret", ()) if secret.strip()]
        if any(len(key) < _FEWEST_KEY_BYTES for key in keys):
            problems.append(
                "Signing secret: write whsec_ and at least 24 random bytes in base64; "
                "`muster sources rotate` makes one."
            )
        return tuple(problems)


def _scheme(request: RawRequest) -> HmacScheme:
    names = {name for name, _ in request.headers}
    return _SVIX if _SVIX.id_header in names and _WEBHOOK.id_header not in names else _WEBHOOK


def _identifier(request: RawRequest) -> str:
    return request.header(_scheme(request).id_header) or digest_of_bytes(request.body)


source = StandardWebhooks()
