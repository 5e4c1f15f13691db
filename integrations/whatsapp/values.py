"""One change of the business account taken apart: messages, statuses, preferences, errors, told by their keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.kit.contract import Event, Ignored, SourceConfig
from integrations.kit.gather import bounded_name
from integrations.kit.meta_envelope import TEST, Part
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, objects_in, text_of
from integrations.whatsapp.messages import Sent, read_message
from integrations.whatsapp.people import name_of, person_of

FIELDS = frozenset({"messages", "user_preferences"})
_RECEIPT = "a receipt for what the office sent"
_PLATFORM_TROUBLE = "trouble that the platform reports"
_OTHER_FIELD = "this field is not read here"
_NOTHING = "a change with nothing in it"
_NO_ID = "a status without an id"
_NO_PERSON = "a preference of nobody"
_NO_OBJECT = "what stands there is no object"


def read_value(part: Part, config: SourceConfig) -> Iterator[Event | Ignored]:
    """Every event of one change, and by its name every part that makes none."""
    if part.field not in FIELDS:
        yield Ignored(part.field, _OTHER_FIELD)
        return
    if part.is_test:
        yield Ignored(part.field, TEST)
        return
    value: Any = part.value
    found = [] if not isinstance(value, dict) else [name for name in _READERS if value.get(name)]
    if not found:
        yield Ignored(part.field, _NOTHING)
    for name in found:
        entries = value[name] if isinstance(value[name], list) else [value[name]]
        for entry in entries:
            yield _read(name, entry, value, part, config)


def _read(
    name: str, entry: Any, value: Mapping[str, Any], part: Part, config: SourceConfig
) -> Event | Ignored:
    if not isinstance(entry, dict):
        return Ignored(name, _NO_OBJECT)
    account = part.account or identifier(_metadata(value).get("phone_number_id"))
    return _READERS[name](Sent(entry, value, account, config))


def _metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    found = value.get("metadata")
    return found if isinstance(found, dict) else {}


def _status(sent: Sent) -> Event | Ignored:
    """A failed message is an event, because one reason for it is that somebody stopped; the rest are receipts."""
    status = bounded_name("status", sent.message.get("status"))
    if status != "status.failed":
        return Ignored(status, _RECEIPT)
    if not sent.id:
        return Ignored(status, _NO_ID)
    codes = [
        code for error in objects_in(sent.message.get("errors")) if (code := identifier(error.get("code")))
    ]
    names = ("recipient_id", "recipient_user_id", "recipient_parent_user_id")
    person = person_of(sent.value, *(sent.message.get(name) for name in names))
    content = filled({"type": "status", "status": "failed", "error_codes": codes, "from": person})
    stamp = identifier(sent.message.get("timestamp"))
    return Event(f"{sent.id}:failed:{stamp}", status, content, sent.at, sent.account)


def _preference(sent: Sent) -> Event | Ignored:
    """Somebody stopped or resumed marketing messages, or signed up for them: by their own act, in WhatsApp."""
    found = sent.message
    person = person_of(sent.value, *(found.get(name) for name in ("wa_id", "user_id", "parent_user_id")))
    if not name_of(person):
        return Ignored("user_preferences", _NO_PERSON)
    names = ("category", "value", "detail", "signup_id")
    preference = {name: text_of(found.get(name))[:500] for name in names}
    parts = (*(identifier(found.get(name)) for name in ("category", "value", "timestamp")),)
    who = identifier(found.get("wa_id")) or identifier(found.get("user_id")) or name_of(person)
    content = filled({"type": "preference", "from": person, "preference": filled(preference)})
    key = ":".join(("preference", who, *parts))
    return Event(key, "user_preferences", content, find_time(found.get("timestamp")), sent.account)


def _error(sent: Sent) -> Ignored:
    return Ignored(bounded_name("errors", identifier(sent.message.get("code"))), _PLATFORM_TROUBLE)


_READERS = {
    "messages": read_message,
    "statuses": _status,
    "user_preferences": _preference,
    "errors": _error,
}
