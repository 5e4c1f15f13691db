"""Tally: signed form submissions. https://tally.so/help/webhooks (from public documentation as collected 2026-11)."""

from typing import ClassVar

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
from integrations.kit.signing import Check, HmacScheme
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import identifier, object_at, short_name
from integrations.tally.submission import read_submission

_SIGNATURE = HmacScheme(
    secret="signing_secret",  # noqa: S106 -- the name of a setting
    header="tally-signature",
    encoding="base64",
)
_HINT = "Tally sends one object with eventType and data; check which program posts here."


class Tally(BaseSource):
    """One submission in one delivery, whole; known by its response id, which all tries share."""

    name = "tally"
    label = "Tally"
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    settings = (
        Setting(
            "signing_secret",
            "Signing secret",
            "Typed into the webhook's settings at Tally; it signs every delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The submission as one event; other types of event are ignored by name."""
        body = load_object(request.body, _HINT)
        kind, data = body.get("eventType"), object_at(body, "data")
        if not isinstance(kind, str):
            raise Unreadable("the JSON has no eventType", _HINT, path="eventType")
        if kind != "FORM_RESPONSE":
            return Split(ignored=(Ignored(short_name(kind), "a type of event Muster does not know"),))
        key = identifier(data.get("responseId")) or identifier(body.get("eventId"))
        if not key:
            raise Unreadable(
                "the submission has neither responseId nor eventId", _HINT, path="data.responseId"
            )
        occurred_at = find_time(data.get("createdAt")) or find_time(body.get("createdAt"))
        account = identifier(data.get("formId"))
        return Split((Event(key, kind, read_submission(data), occurred_at, account),))


source = Tally()
