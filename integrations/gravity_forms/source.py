"""Gravity Forms, Webhooks add-on 1.7.0. https://docs.gravityforms.com/category/add-ons-gravity-forms/webhooks-add-on/ (from public documentation as collected 2026-11)."""

from typing import Any, ClassVar

from integrations.gravity_forms.entry import read_entry
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    DeliveryKey,
    Event,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.forms import strict_form
from integrations.kit.header_token import HeaderToken
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.multipart import media_type
from integrations.kit.signing import Check
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import identifier, text_of

# Without an id the same answers within ten minutes are one entry: a second click, or a second try.
REPEAT_SECONDS = 600
_HINT = "Gravity Forms sends an entry as JSON or as a form; check which program posts here."
_UNWANTED = {"spam": "Gravity Forms marked the entry as spam", "trash": "the entry is in the trash"}
_EMPTY = Ignored("empty", "the entry has no field with a value")


class GravityForms(BaseSource):
    """One entry in one delivery, as JSON or a form, raw or with chosen names."""

    name = "gravity_forms"
    label = "Gravity Forms (WordPress)"
    checks: ClassVar[tuple[Check, ...]] = (HeaderToken("token"),)
    settings = (
        Setting(
            "token",
            "Token",
            "Sent by the webhook in the request header Authorization, as: Bearer <token>.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
    )

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The entry by its id and answers; without an id the same bytes within ten minutes."""
        try:
            entry = _read(request)
        except Unreadable:
            return DeliveryKey(digest_of_bytes(request.body), REPEAT_SECONDS)
        key = _find_key(entry, read_entry(entry))
        return DeliveryKey(key) if key else DeliveryKey(digest_of_bytes(request.body), REPEAT_SECONDS)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The entry as one event; spam and what is in the trash are ignored."""
        entry = _read(request)
        status = text_of(entry.get("status"))
        if status in _UNWANTED:
            return Split(ignored=(Ignored(status, _UNWANTED[status]),))
        content = read_entry(entry)
        if not content.get("fields"):
            return Split(ignored=(_EMPTY,))
        moment = int(request.received_at.timestamp()) if request.received_at else 0
        key = _find_key(entry, content) or f"{digest_of(content)}.{moment // REPEAT_SECONDS}"
        occurred_at = find_time(entry.get("date_created"))
        return Split((Event(key, "entry", content, occurred_at, identifier(entry.get("form_id"))),))


def _read(request: RawRequest) -> dict[str, Any]:
    content_type = request.header("content-type") or ""
    kind, _ = media_type(content_type)
    is_form = kind in ("application/x-www-form-urlencoded", "multipart/form-data")
    if is_form and not request.body.lstrip().startswith(b"{"):
        return strict_form(request.body, content_type)
    return load_object(request.body, _HINT)


def _find_key(entry: dict[str, Any], content: dict[str, Any]) -> str | None:
    """The form's id, the entry's, and its answers: an edited entry sent again is news. None without an id."""
    entry_id = identifier(entry.get("id"))
    if not entry_id:
        return None
    return f"{identifier(entry.get('form_id'))}.{entry_id}.{digest_of(content)[:16]}"


source = GravityForms()
