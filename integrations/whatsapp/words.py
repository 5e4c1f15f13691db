"""Taking private words out of a delivery before it is stored: what is not known to be without words goes."""

from collections.abc import Mapping
from typing import Any

from integrations.kit.meta_envelope import find_changes, find_entries
from integrations.kit.values import object_at, objects_in
from integrations.whatsapp.values import FIELDS

# Of each message, what says who, when and of which kind. `referral` is the office's own advertisement.
_KEPT = frozenset(
    {
        "id", "from", "from_user_id", "from_parent_user_id", "timestamp", "type", "group_id", "referral", "errors",
        "revoke", "to", "to_user_id",
    }
)  # fmt: skip
_KEPT_OF_SYSTEM = (
    "type", "wa_id", "new_wa_id", "customer", "user_id", "parent_user_id", "previous_user_id", "previous_parent_user_id",
)  # fmt: skip
_SOME_EMOJI = "*"  # that there was one: without any, the reaction was taken back


def blank_words(body: Any) -> None:
    """Empty the private texts of a parsed delivery in place; what it means to `split` stays."""
    for entry in find_entries(body):
        for change in find_changes(entry):
            value = change.get("value")
            if not isinstance(value, dict):
                continue
            if str(change.get("field")) in FIELDS:
                _blank_messages(value)
            else:
                _drop_parts(value)


def _blank_messages(value: dict[str, Any]) -> None:
    messages = value.get("messages")
    for message in objects_in(messages if isinstance(messages, list) else [messages]):
        kept = {name: found for name, found in message.items() if name in _KEPT} | _bones(message)
        message.clear()
        message.update(kept)


def _bones(message: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of a message's own part, by its type; nothing where the type is not known."""
    kind = message.get("type")
    made: dict[str, Any] = {}
    if isinstance(context := message.get("context"), dict):
        made["context"] = _only(context, ("id",))
    if kind == "system":
        made["system"] = _only(object_at(message, "system"), _KEPT_OF_SYSTEM)
    elif kind == "reaction":
        reaction = object_at(message, "reaction")
        emoji = {"emoji": _SOME_EMOJI} if isinstance(reaction.get("emoji"), str) and reaction["emoji"] else {}
        made["reaction"] = _only(reaction, ("message_id",)) | emoji
    elif kind == "edit":
        made["edit"] = _only(object_at(message, "edit"), ("original_message_id",))
    elif kind == "contacts":
        made["contacts"] = [{} for _ in objects_in(message.get("contacts"))]
    elif kind == "interactive":
        interactive = object_at(message, "interactive")
        made["interactive"] = _only(interactive, ("type",))
        if isinstance(reply := interactive.get("nfm_reply"), dict):
            made["interactive"]["nfm_reply"] = _only(reply, ("name", "response_json"))
    return made


def _drop_parts(value: dict[str, Any]) -> None:
    """A field that is not read may bring chats too (history, echoes): only its plain values stay."""
    for name in [name for name, found in value.items() if isinstance(found, dict | list)]:
        if name != "metadata":
            value[name] = None


def _only(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}
