"""Webflow: form submissions. https://developers.webflow.com/data/docs/working-with-webhooks (from public documentation as collected 2026-11)."""

from typing import Any, ClassVar

from integrations.kit.answers import Answers
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Event,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.keys import digest_of
from integrations.kit.signing import Check, HmacScheme, UrlKey
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, short_name, text_of

_SIGNATURE = HmacScheme(
    secret="signing_secret",  # noqa: S106 -- the name of a setting
    header="x-webflow-signature",
    signed="{timestamp}:{body}",
    timestamp_header="x-webflow-timestamp",
    units_per_second=1000,
    tolerance_seconds=300,
    is_optional=True,
)
_FORM = "form_submission"
_HINT = "Webflow sends one object with triggerType and payload; check which program posts here."


class Webflow(BaseSource):
    """One submission in one delivery, whole, under the designer's own labels."""

    name = "webflow"
    label = "Webflow"
    checks: ClassVar[tuple[Check, ...]] = (UrlKey(), _SIGNATURE)
    settings = (
        Setting(
            "url_key",
            "Key in the webhook's address",
            "The last part of the hook's URL: the only proof of webhooks made in the dashboard, which are not signed.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "signing_secret",
            "Signing secret",
            "Of a webhook made by the API: the secretKey in its answer, or the app's client secret. With it, what is not "
            "signed is refused.",
            is_secret=True,
        ),
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The submission as one event; other triggers are ignored by name."""
        body = load_object(request.body, _HINT)
        trigger = body.get("triggerType", _FORM if "data" in body else None)
        if not isinstance(trigger, str):
            raise Unreadable("the JSON has no triggerType", _HINT, path="triggerType")
        if trigger != _FORM:
            return Split(ignored=(Ignored(short_name(trigger), "only form submissions make contacts here"),))
        # Webhooks of the first API version send the payload itself, with _id and d for id and submittedAt.
        payload = body.get("payload", body)
        if not isinstance(payload, dict) or not isinstance(payload.get("data"), dict):
            raise Unreadable("the submission has no data", _HINT, path="payload.data")
        content = _read(payload)
        occurred_at = find_time(content.get("submitted_at"))
        key = content.get("submission_id") or digest_of(content)
        return Split((Event(key, _FORM, content, occurred_at, content.get("site_id", "")),))


def _read(payload: dict[str, Any]) -> dict[str, Any]:
    """The content for the mapping: `fields` by the designer's label, `found.email` the first answer that is an address."""
    answers = Answers()
    for label, value in object_at(payload, "data").items():
        answers.add(label, value)
    made = {
        "submission_id": identifier(payload.get("id")) or identifier(payload.get("_id")),
        "form_id": identifier(payload.get("formId")),
        "form_name": text_of(payload.get("name")),
        "site_id": identifier(payload.get("siteId")) or identifier(payload.get("site")),
        "page": text_of(payload.get("pageUrl")) or text_of(payload.get("publishedPath")),
        "submitted_at": text_of(payload.get("submittedAt")) or text_of(payload.get("d")),
    }
    return filled({**made, **answers.content()})


source = Webflow()
