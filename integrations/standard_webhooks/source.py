"""Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks, version 1.0.0, seen 2026-11-21."""

import re
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
from integrations.kit.header_token import HeaderToken
from integrations.kit.keys import digest_of_bytes
from integrations.kit.signing import Check, HmacScheme, Listed, whsec_key
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.standard_webhooks.asymmetric import Ed25519Scheme, find_public_key

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
_FEWEST_TOKEN_CHARACTERS = 16
# What programs send that give each call a name without signing it.
_OTHER_ID_HEADER = "idempotency-key"
# Without an id the same body within ten minutes is one delivery: a second try.
REPEAT_SECONDS = 600
_HEADER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class StandardWebhooks(BaseSource):
    """JSON that is signed, or that carries a token in a header; the whole body goes to the mapping."""

    name = "standard_webhooks"
    label = "Standard Webhooks (signed JSON)"
    stored_headers = frozenset(
        {"content-type", "webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp", _OTHER_ID_HEADER},
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
        Setting(
            "public_key",
            "Sender's public key",
            "whpk_ and base64, where the sender signs with v1a (Ed25519) and keeps the private key to itself.",
            is_secret=True,
        ),
        Setting(
            "token",
            "Token",
            "For programs that cannot sign but can add a header. Taken only where no signature is sent.",
            is_secret=True,
        ),
        Setting(
            "token_header",
            "Header with the token",
            'Authorization takes the token with or without "Bearer "; any other header takes it bare.',
            default="Authorization",
        ),
    )

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """By the signature: v1 with the secret, v1a with the public key, either may match. Without one, by the token."""
        scheme = _scheme(request)
        tokens = config.secrets.get("token", ())
        is_signed = any(name == scheme.header for name, _ in request.headers)
        if not is_signed and any(tokens):
            return _token_check(config).verify(request, tokens, now)
        verdict = scheme.verify(request, config.secrets.get("secret", ()), now)
        public_keys = config.secrets.get("public_key", ())
        if verdict.is_ok or not any(public_keys):
            return verdict
        return Ed25519Scheme(replace(scheme, layout=Listed("v1a"))).verify(request, public_keys, now)

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The message's id: the sender keeps it over all its tries. Without one, the same bytes within ten minutes."""
        identifier = _find_identifier(request)
        if identifier:
            return DeliveryKey(identifier)
        return DeliveryKey(digest_of_bytes(request.body), REPEAT_SECONDS)

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
            key=_find_identifier(request) or _key_without_id(request),
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
        public_keys = [key for key in config.secrets.get("public_key", ()) if key.strip()]
        if any(find_public_key(key) is None for key in public_keys):
            problems.append(
                "Sender's public key: write whpk_ and 32 bytes in base64, as the sender shows it."
            )
        tokens = [token.strip() for token in config.secrets.get("token", ()) if token.strip()]
        if any(len(token) < _FEWEST_TOKEN_CHARACTERS for token in tokens):
            problems.append(f"Token: write at least {_FEWEST_TOKEN_CHARACTERS} characters nobody can guess.")
        if not _HEADER_NAME.fullmatch(_token_header(config)):
            problems.append("Header with the token: write the name of one header, such as Authorization.")
        return tuple(problems)


def _scheme(request: RawRequest) -> HmacScheme:
    names = {name for name, _ in request.headers}
    return _SVIX if _SVIX.id_header in names and _WEBHOOK.id_header not in names else _WEBHOOK


def _token_header(config: SourceConfig) -> str:
    return (config.settings.get("token_header") or "Authorization").strip().lower()


def _token_check(config: SourceConfig) -> HeaderToken:
    header = _token_header(config)
    return HeaderToken("token", header, "Bearer " if header == "authorization" else "")


def _find_identifier(request: RawRequest) -> str | None:
    return request.header(_scheme(request).id_header) or request.header(_OTHER_ID_HEADER)


def _key_without_id(request: RawRequest) -> str:
    moment = int(request.received_at.timestamp()) if request.received_at else 0
    return f"{digest_of_bytes(request.body)}.{moment // REPEAT_SECONDS}"


source = StandardWebhooks()
