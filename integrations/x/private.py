"""What of a delivery of X is not kept: words of direct messages, unless the source keeps them, and keys of chats."""

from typing import Any

from integrations.kit.values import object_at, objects_in

# A chat's token opens the conversation, and the rest is readable with the right keys: neither is ever kept.
CHAT_SECRETS = (
    "conversation_token",
    "encoded_event",
    "conversation_key_change_event",
    "message_event_signature",
)
_SECRET_NAMES = tuple(name.encode() for name in CHAT_SECRETS)


def has_secrets(body: bytes) -> bool:
    """Whether the bytes may hold the keys of a chat."""
    return any(name in body for name in _SECRET_NAMES)


def has_private_words(body: bytes) -> bool:
    """Whether the bytes may hold the words of a direct message."""
    return b"direct_message_events" in body


def blank_secrets(value: Any) -> None:
    """Take the keys of chats out of a parsed delivery, in place."""
    for data in _envelopes(value):
        content = object_at(data, "payload")
        for name in CHAT_SECRETS:
            content.pop(name, None)


def blank_words(value: Any) -> None:
    """Take what is said in direct messages out of a parsed delivery of either API, in place."""
    for holder in (*(object_at(data, "payload") for data in _envelopes(value)), object_at(value)):
        for each in objects_in(holder.get("direct_message_events")):
            said = object_at(each, "message_create")
            if "message_data" in said:
                said["message_data"] = {"text": ""}


def _envelopes(value: Any) -> list[dict[str, Any]]:
    data = object_at(value).get("data")
    return objects_in(data if isinstance(data, list) else [data])
