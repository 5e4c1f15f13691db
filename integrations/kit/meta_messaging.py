"""Messages to a Page or an Instagram account, as Meta writes them in messaging[]: said, edited, unsent, reacted, pressed.

They are private: their texts reach an event only where the source keeps them. Facts from
https://developers.facebook.com/docs/messenger-platform/reference/webhook-events and
https://developers.facebook.com/docs/instagram-platform/webhooks/examples, seen 2026-11-22.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from integrations.kit.contract import Event, Ignored, Message, Setting, SourceConfig
from integrations.kit.gather import bounded_name
from integrations.kit.messages import private_text
from integrations.kit.meta_envelope import TEST, Part, find_entries, find_messaging
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

READS_STANDBY = Setting(
    "reads_standby",
    "Read messages that another app answers (yes or no)",
    "Where a second app (an inbox, a bot) has the conversation, its messages come marked as standby.",
    default="no",
)
_TEST_MESSAGE = "random_mid"  # every test message of the dashboard has this id
_STANDBY = "another app has the conversation (reads_standby is no)"
_OURS = "what the office itself sent"
_NO_ID = "a message without an id"
_UNKNOWN = "an event that is not known here"
_NO_OBJECT = "what stands there is no object"
# What is known and says nothing of a person: name in messaging[] -> why it is left aside.
_NOISE: Mapping[str, str] = {
    "delivery": "a receipt: delivered",
    "read": "a receipt: read",
    "optin": "a permission to be written to by Messenger, which Muster does not do",
    "referral": "a link to the conversation was followed; nothing was said",
    "account_linking": "an account was linked at another app",
    "pass_thread_control": "conversations handed over between apps",
    "take_thread_control": "conversations handed over between apps",
    "request_thread_control": "conversations handed over between apps",
    "app_roles": "conversations handed over between apps",
    "policy_enforcement": "a notice of the platform to the office",
    "messaging_feedback": "a survey of the platform",
    "game_play": "a game",
    "response_feedback": "a rating of a bot's answer",
}
_REFERRAL = ("source", "type", "ad_id", "ref")
_KEPT_OF_MESSAGE = ("mid", "is_echo", "is_deleted", "is_unsupported", "is_self", "app_id", "reply_to")
# What stays in the stored body where private texts are not kept: by name, the parts without words.
_KEPT: Mapping[str, tuple[str, ...]] = {
    "message": _KEPT_OF_MESSAGE,
    "message_edit": ("mid", "num_edit"),
    "reaction": ("mid", "action"),
    "postback": ("mid",),
}
_STRUCTURE = frozenset({"sender", "recipient", "timestamp", "id", "time", "delivery", "read"})
# Of an entry or a change that carries a message: its other parts are not words.
_AROUND = frozenset({"object", "entry", "field", "value", "changes", "messaging", "standby"})


def read_messaging(part: Part, config: SourceConfig) -> Event | Ignored:
    """One entry of messaging[] or standby[] as an event, or by its name why it is none."""
    item: Any = part.value
    if not isinstance(item, dict):
        return Ignored("messaging", _NO_OBJECT)
    name = next((known for known in _READERS if isinstance(item.get(known), dict)), "")
    if part.kind == "standby" and config.settings.get("reads_standby", "no").strip().lower() != "yes":
        return Ignored("standby", _STANDBY)
    if not name:
        return _left_aside(item)
    if part.is_test or item[name].get("mid") == _TEST_MESSAGE:
        return Ignored(name, TEST)
    said = _Said(part, item, name, config)
    if item[name].get("is_echo") is True or (said.sender and said.sender == said.account):
        return Ignored(f"{name}.echo", _OURS)
    return _READERS[name](said) if said.mid or name == "postback" else Ignored(name, _NO_ID)


def blank_messaging(body: Any) -> None:
    """Take the private words out of a parsed delivery, in place; what it means to `read_messaging` stays."""
    for entry in find_entries(body):
        for item in find_messaging(entry):
            for name in [name for name in item if name not in _STRUCTURE | _AROUND]:
                item[name] = _blanked(name, item[name])


def _blanked(name: str, found: Any) -> Any:
    if not isinstance(found, dict):
        return None
    kept: dict[str, Any] = {key: found[key] for key in _KEPT.get(name, ()) if key in found}
    if isinstance(found.get("attachments"), list):
        kept["attachments"] = [{"type": each.get("type")} for each in objects_in(found["attachments"])]
    if isinstance(found.get("referral"), dict):
        kept["referral"] = {key: found["referral"][key] for key in _REFERRAL if key in found["referral"]}
    if isinstance(kept.get("reply_to"), dict):
        kept["reply_to"] = {key: value for key, value in kept["reply_to"].items() if key == "mid"}
    return kept


class _Said:
    """The parts of one entry that every kind of message has."""

    def __init__(self, part: Part, item: Mapping[str, Any], name: str, config: SourceConfig) -> None:
        self.config, self.part, self.item = config, part, item
        self.content: dict[str, Any] = item[name]
        self.sender = identifier(object_at(item, "sender").get("id"))
        self.account = identifier(object_at(item, "recipient").get("id")) or part.account
        self.mid = identifier(self.content.get("mid"))
        self.at: datetime | None = find_time(item.get("timestamp")) or part.sent_at

    def event(self, key: str, kind: str, message: Message, **more: Any) -> Event:
        is_deleted = message.change == "deleted"
        author = {} if is_deleted else filled({"id": self.sender})
        content = filled({"type": kind, "change": message.change, "from": author, **more})
        return Event(key, kind, content, self.at, self.account, message=message)

    def message(
        self,
        kind: Literal["direct_message", "mention", "reaction"],
        text: Any = "",
        *,
        change: Literal["said", "edited", "deleted"] = "said",
        identity: str = "",
    ) -> Message:
        words = "" if change == "deleted" else private_text(text_of(text), self.config)
        return Message(
            identity or self.mid, kind, words, is_private=True, change=change, thread_id=self.sender
        )


def _message(said: _Said) -> Event:
    content = said.content
    if content.get("is_deleted") is True:
        return said.event(
            f"{said.mid}:deleted", "message.deleted", said.message("direct_message", change="deleted")
        )
    attachments = [text_of(each.get("type"))[:40] for each in objects_in(content.get("attachments"))]
    found = object_at(content, "referral")
    referral = {name: found[name] for name in _REFERRAL if isinstance(found.get(name), str | int)}
    if "story_mention" in attachments:
        return said.event(said.mid, "story_mention", said.message("mention"))
    message = said.message("direct_message", content.get("text"))
    return said.event(said.mid, "message", message, attachments=attachments, referral=referral)


def _edit(said: _Said) -> Event:
    number = identifier(said.content.get("num_edit")) or identifier(said.item.get("timestamp"))
    message = said.message("direct_message", said.content.get("text"), change="edited")
    return said.event(f"{said.mid}:edit:{number}", "message.edited", message)


def _reaction(said: _Said) -> Event:
    is_gone = said.content.get("action") == "unreact"
    text = text_of(said.content.get("emoji")) or said.content.get("reaction")
    identity = f"{said.mid}:reaction:{said.sender}"
    message = said.message("reaction", text, change="deleted" if is_gone else "said", identity=identity)
    stamp = identifier(said.item.get("timestamp"))
    kind = "reaction.deleted" if is_gone else "reaction"
    return said.event(f"{identity}:{'un' if is_gone else ''}react:{stamp}", kind, message)


def _postback(said: _Said) -> Event:
    identity = said.mid or f"postback:{said.account}:{said.sender}:{identifier(said.item.get('timestamp'))}"
    message = said.message("direct_message", said.content.get("title"), identity=identity)
    return said.event(identity, "postback", message)


_READERS: Mapping[str, Callable[[_Said], Event]] = {
    "message": _message,
    "message_edit": _edit,
    "reaction": _reaction,
    "postback": _postback,
}


def _left_aside(item: Mapping[str, Any]) -> Ignored:
    known = next((name for name in _NOISE if name in item), "")
    if known:
        return Ignored(known, _NOISE[known])
    other = next((name for name in item if name not in _STRUCTURE), "messaging")
    return Ignored(bounded_name("messaging", other) if other != "messaging" else other, _UNKNOWN)
