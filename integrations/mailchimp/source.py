"""Mailchimp audience webhooks: what happened to a member at Mailchimp's side.

Facts from Mailchimp's guide on syncing audience data with webhooks (https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/,
seen 2026-11-21): form-encoded with bracket keys, a GET when the address is saved, no event id, no order, 10 seconds
for the answer and about 75 minutes of tries. A webhook is a hint: opt-outs are believed at once, the rest is read again.
"""

from datetime import datetime
from typing import Any, ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    DeliveryKey,
    Event,
    Ignored,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
    Verdict,
)
from integrations.kit.forms import strict_form
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.signing import Check, HmacScheme, Pairs, UrlKey
from integrations.kit.times import find_time

KINDS = frozenset({"subscribe", "unsubscribe", "profile", "cleaned", "upemail"})
# Known and of no concern: neither is about one person.
IGNORED = {
    "campaign": "a campaign was sent; it names no member",
    "batch_operation_completed": "a batch of ours is done; the gateway follows its own batches",
}
# What `data` may hold for the mapping; absent ones stay absent. email_type and the addresses of computers
# (ip_opt, ip_signup) are of no use here and stay in the raw delivery.
CONTENT_NAMES = (
    "list_id", "email", "id", "web_id", "merges", "reason", "action", "campaign_id", "old_email", "new_email", "new_id",
)  # fmt: skip
_URL_KEY = UrlKey()
_SIGNATURE = HmacScheme(
    secret="signing_secret",  # noqa: S106 -- the name of a setting
    header="x-mailchimp-signature",
    layout=Pairs("v1"),
    signed="{timestamp}.{body}",
    tolerance_seconds=300,
    is_optional=True,
)
_NO = frozenset({"no", "false", "0", "off"})


class MailchimpWebhooks(BaseSource):
    """Known by the key in the URL, and by the signature where the webhook has a signing secret."""

    name = "mailchimp"
    label = "Mailchimp audience webhooks"
    methods = frozenset({"GET", "HEAD", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (_URL_KEY, _SIGNATURE)
    settings = (
        Setting(
            "url_key",
            "Key in the webhook's address",
            "The last part of the hook's URL: the only proof that an unsigned webhook has.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "signing_secret",
            "Signing secret",
            "Mailchimp shows it once, when the webhook is made. Webhooks made before signing have none.",
            is_secret=True,
        ),
        Setting(
            "require_signature",
            "Refuse unsigned deliveries",
            "With a signing secret: yes refuses what is not signed; no lets it pass while an old webhook is replaced. "
            "A wrong signature is refused either way.",
            default="yes",
        ),
    )

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """Mailchimp asks by GET when the address is saved and wants 200; a wrong key learns nothing."""
        if request.method not in ("GET", "HEAD"):
            return None
        verdict = _URL_KEY.verify(request, config.secrets.get("url_key", ()), datetime.min)  # noqa: DTZ901 -- a key has no time
        return Reply() if verdict.is_ok else Reply(401)

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """Every check, less the signature for an unsigned delivery that the admin lets pass."""
        is_signed = any(name == _SIGNATURE.header for name, _ in request.headers)
        if not is_signed and config.settings.get("require_signature", "yes").strip().lower() in _NO:
            return _URL_KEY.verify(request, config.secrets.get("url_key", ()), now)
        return super().verify(request, config, now)

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """There is no event id: the same type, second and data are the same event."""
        try:
            return DeliveryKey(_key(_read(request)))
        except Unreadable:
            return DeliveryKey(digest_of_bytes(request.body))

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event, or a named Ignored."""
        form = _read(request)
        kind, data = form.get("type"), form.get("data")
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise Unreadable(
                "the form is not from Mailchimp: it has no type or no data[...] fields",
                "Mailchimp sends type, fired_at and data[...]; check which program posts to this address.",
            )
        if kind not in KINDS:
            return Split(
                ignored=(Ignored(kind[:40], IGNORED.get(kind, "a type of event Muster does not know")),)
            )
        occurred_at = find_time(form.get("fired_at"))
        account = data.get("list_id")
        event = Event(
            _key(form),
            kind,
            _content(kind, form, data),
            occurred_at,
            account if isinstance(account, str) else "",
        )
        return Split((event,))


def _read(request: RawRequest) -> dict[str, Any]:
    return strict_form(request.body, request.header("content-type") or "application/x-www-form-urlencoded")


def _key(form: dict[str, Any]) -> str:
    return digest_of([form.get("type"), form.get("fired_at"), form.get("data")])


def _content(kind: str, form: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    found = {name: data[name] for name in CONTENT_NAMES if name in data}
    return {"type": kind, "fired_at": form.get("fired_at", ""), **found}


source = MailchimpWebhooks()
