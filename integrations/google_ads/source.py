"""Google Ads lead forms. https://developers.google.com/google-ads/webhook/docs/implementation (from public documentation as collected 2026-11)."""

from typing import Any, ClassVar

from integrations.google_ads.body_key import NAME, BodyKey, without_key
from integrations.kit.answers import simple_name
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
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.signing import Check
from integrations.kit.strict_json import dump_json, load_object
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, objects_in, text_of

_JSON = "application/json"
_HINT = "Google Ads sends one object with lead_id and user_column_data; check which program posts here."
_TEST = Ignored("test", "made by Send test data")
_LEAD = "lead"
_IDS = ("lead_id", "form_id", "campaign_id", "adgroup_id", "creative_id", "asset_group_id", "gcl_id")
_TEXTS = ("lead_submit_time", "lead_source", "lead_stage", "campaign_name", "source", "api_version")


class GoogleAds(BaseSource):
    """One lead in one delivery, whole; sent at least once, so known by its lead_id, which is unique over all forms."""

    name = "google_ads"
    label = "Google Ads lead forms"
    checks: ClassVar[tuple[Check, ...]] = (BodyKey("google_key"),)
    settings = (
        Setting(
            "google_key",
            "Key",
            "Typed into the lead form asset beside the webhook's URL; comes back in every delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
    )

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The lead's id; the bytes without the key where there is none (the key may be rotated between two tries)."""
        try:
            body = load_object(request.body, _HINT)
        except Unreadable:
            return DeliveryKey(digest_of_bytes(request.body))
        return DeliveryKey(identifier(body.get("lead_id")) or digest_of_bytes(without_key(request.body)))

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:  # noqa: ARG002
        """The body without google_key."""
        return without_key(request.body)

    def reply(self, request: RawRequest, config: SourceConfig) -> Reply:  # noqa: ARG002
        """200 and an empty object, as Google asks for."""
        return Reply(200, b"{}", _JSON)

    def refusal(self, request: RawRequest, verdict: Verdict) -> Reply:  # noqa: ARG002
        """401 with a message, which Google Ads shows to whoever presses Send test data; 4xx is not tried again."""
        return Reply(401, dump_json({"message": f"Not accepted: {verdict.reason}."}), _JSON)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The lead as one event; test data is ignored."""
        body = load_object(request.body, _HINT)
        if body.get("is_test") is True or text_of(body.get("is_test")).lower() == "true":
            return Split(ignored=(_TEST,))
        if not isinstance(body.get("user_column_data"), list):
            raise Unreadable("the lead has no user_column_data", _HINT, path="user_column_data")
        content = _read(body)
        key = identifier(body.get("lead_id")) or digest_of(content)
        occurred_at = find_time(body.get("lead_submit_time"))
        account = identifier(body.get("form_id"))
        return Split((Event(key, _LEAD, content, occurred_at, account),))


def _read(body: dict[str, Any]) -> dict[str, Any]:
    """The content for the mapping: `columns` by Google's id, `fields` by the question's name, and the ids as text.

    Entries that Google's contract does not know (a relay's) stay as they are, under `more`; the contract wants
    unknown ones to be ignored, so the mapping decides.
    """
    columns: dict[str, str] = {}
    fields: dict[str, str] = {}
    for each in objects_in(body.get("user_column_data")):
        value = text_of(each.get("string_value"))
        column, name = identifier(each.get("column_id")), text_of(each.get("column_name"))
        if column:
            columns.setdefault(column[:100].upper(), value)
        if name or column:
            fields.setdefault(simple_name(name or column), value)
    known = {NAME, "user_column_data", "is_test", *_IDS, *_TEXTS}
    made: dict[str, Any] = {name: identifier(body.get(name)) for name in _IDS}
    made |= {name: text_of(body.get(name)) for name in _TEXTS}
    more = {name: value for name, value in body.items() if name not in known}
    return filled({**made, "columns": filled(columns), "fields": filled(fields), "more": filled(more)})


source = GoogleAds()
