"""One message to the business number as an event: every type, edits, revokes, reactions, a changed number.

Types from https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages, seen 2026-11-22.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from integrations.kit.contract import Event, Ignored, Message, SourceConfig, Unreadable
from integrations.kit.gather import bounded_name
from integrations.kit.messages import private_text
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of
from integrations.whatsapp.people import digits_of, name_of, person_of

Change = Literal["said", "edited", "deleted"]
_NO_ID = "a message without an id"
_OURS = "what the office itself sent"
_OPENED = "a chat was opened; nothing was said"
_NO_CHANGE = "the same person and number, on another telephone"
_REFERRAL = ("source_type", "source_id", "source_url", "headline", "ctwa_clid")
# Form answers that say nothing of the person.
_NOT_ANSWERS = frozenset({"flow_token"})
_RENAMES = frozenset({"user_changed_number", "customer_changed_number", "user_changed_user_id"})


@dataclass(frozen=True)
class Sent:
    """A message with what surrounds it: the change's value, the business account, the source's configuration."""

    message: Mapping[str, Any]
    value: Mapping[str, Any]
    account: str
    config: SourceConfig

    @cached_property
    def id(self) -> str:
        return identifier(self.message.get("id"))

    @cached_property
    def type(self) -> str:
        return bounded_name(self.message.get("type"))

    @cached_property
    def at(self) -> datetime | None:
        return find_time(self.message.get("timestamp"))

    @cached_property
    def author(self) -> dict[str, Any]:
        names = ("from", "from_user_id", "from_parent_user_id")
        return person_of(self.value, *(self.message.get(name) for name in names))


def read_message(sent: Sent) -> Event | Ignored:
    """The event that one message makes, or by its name why it makes none."""
    number = digits_of(sent.message.get("from"))
    if number and number == _business_number(sent.value):
        return Ignored(f"{sent.type}.echo", _OURS)
    if not sent.id:
        return Ignored(sent.type, _NO_ID)
    if sent.type == "request_welcome":
        return Ignored(sent.type, _OPENED)
    if sent.type == "system":
        return _system(sent)
    if sent.type == "revoke":
        return _revoked(sent)
    return _edited(sent) if sent.type == "edit" else _said(sent)


def _said(sent: Sent) -> Event:
    """A message of any type; one that is not known says only that somebody wrote."""
    found = sent.message.get(sent.type)
    is_reaction = sent.type == "reaction"
    is_gone = is_reaction and not text_of(object_at(sent.message, "reaction").get("emoji"))
    more: dict[str, Any] = {"referral": _referral(sent), "reply_to": _reply_to(sent)}
    if sent.type == "contacts":
        # Cards are about somebody else: how many there are is all that is said of the sender.
        more["card_count"] = len(objects_in(found))
    if sent.type == "interactive":
        kind = text_of(object_at(sent.message, "interactive").get("type"))
        more |= {"interactive_type": kind[:40], "answers": _answers(sent.message)}
    about = sent.id
    if is_reaction:
        reacted_to = identifier(object_at(sent.message, "reaction").get("message_id"))
        about, more["reply_to"] = f"{reacted_to}:reaction:{name_of(sent.author)}", reacted_to
    change: Change = "deleted" if is_gone else "said"
    words = "" if is_gone else private_text(_words(sent.type, found), sent.config)
    thread = identifier(sent.message.get("group_id")) or name_of(sent.author)
    message = Message(
        about,
        "reaction" if is_reaction else "direct_message",
        words,
        is_private=True,
        change=change,
        thread_id=thread,
    )
    return _event(sent, sent.type, message, more)


def _edited(sent: Sent) -> Event | Ignored:
    edit = object_at(sent.message, "edit")
    original, inner = identifier(edit.get("original_message_id")), object_at(edit, "message")
    if not original:
        return Ignored("edit", _NO_ID)
    kind = text_of(inner.get("type"))
    words = private_text(_words(kind, inner.get(kind)), sent.config)
    message = Message(
        original, "direct_message", words, is_private=True, change="edited", thread_id=name_of(sent.author)
    )
    return _event(sent, "edit", message, {})


def _revoked(sent: Sent) -> Event | Ignored:
    original = identifier(object_at(sent.message, "revoke").get("original_message_id"))
    if not original:
        return Ignored("revoke", _NO_ID)
    message = Message(
        original, "direct_message", is_private=True, change="deleted", thread_id=name_of(sent.author)
    )
    return _event(sent, "revoke", message, {})


def _event(sent: Sent, kind: str, message: Message, more: Mapping[str, Any]) -> Event:
    author = {} if message.change == "deleted" else sent.author
    content = filled({"type": kind, "change": message.change, "from": author, **more})
    return Event(sent.id, f"message.{kind}", content, sent.at, sent.account, message=message)


def _system(sent: Sent) -> Event | Ignored:
    """A changed number or user id: both belong to the same person. Everything else of the system is named."""
    system = object_at(sent.message, "system")
    kind = text_of(system.get("type"))
    if kind not in _RENAMES:
        return Ignored(bounded_name("system", kind), _NO_CHANGE)
    old = identifier(sent.message.get("from")) or identifier(system.get("customer"))
    new = identifier(system.get("wa_id")) or identifier(system.get("new_wa_id"))
    content = filled(
        {
            "type": "rename",
            "from": person_of({}, new, system.get("user_id"), system.get("parent_user_id")),
            "previous": person_of(
                {}, old if new else "", system.get("previous_user_id"), system.get("previous_parent_user_id")
            ),
        }
    )
    return Event(sent.id, bounded_name("system", kind), content, sent.at, sent.account)


def _words(kind: str, found: Any) -> str:
    """What somebody wrote, by type; media count with what is written under them."""
    if not isinstance(found, dict):
        return ""
    if kind in _WORDS:
        return _WORDS[kind](found)
    return text_of(found.get("caption"))


def _interactive(found: Mapping[str, Any]) -> str:
    replies = (object_at(found, name) for name in ("button_reply", "list_reply"))
    return next((text for reply in replies if (text := text_of(reply.get("title")))), "")


def _location(found: Mapping[str, Any]) -> str:
    return ", ".join(text for name in ("name", "address") if (text := text_of(found.get(name))))


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "text": lambda found: text_of(found.get("body")),
    "button": lambda found: text_of(found.get("text")),
    "interactive": _interactive,
    "location": _location,
    "order": lambda found: text_of(found.get("text")),
    "reaction": lambda found: text_of(found.get("emoji")),
}


def _answers(message: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody filled into a flow (a form of the office's own), by the names of its fields."""
    written = text_of(object_at(message, "interactive", "nfm_reply").get("response_json"))
    try:
        found = load_json(written.encode("utf-8", "replace")) if written else None
    except Unreadable:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in _NOT_ANSWERS}


def _referral(sent: Sent) -> dict[str, Any]:
    """The advertisement or post through which somebody came: the office's own words."""
    found = object_at(sent.message, "referral")
    return {name: text[:500] for name in _REFERRAL if (text := text_of(found.get(name)))}


def _reply_to(sent: Sent) -> str:
    return identifier(object_at(sent.message, "context").get("id"))


def _business_number(value: Mapping[str, Any]) -> str:
    written = text_of(object_at(value, "metadata").get("display_phone_number"))
    return "".join(letter for letter in written if letter.isdecimal())
