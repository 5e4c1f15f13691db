"""A delivery of TikTok: an envelope whose content is JSON written into a text, so it is read twice.

Envelope, events and the tolerance from https://developers.tiktok.com/doc/webhooks-overview and .../webhooks-verification;
direct messages from https://business-api.tiktok.com/portal/docs?id=1832190670631937, as several public programs read
them (seen 2026-11-22).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.kit.contract import Event, Ignored, Message, SourceConfig, Split, Unreadable
from integrations.kit.gather import gather
from integrations.kit.keys import digest_of
from integrations.kit.messages import private_text
from integrations.kit.strict_json import dump_json, load_json
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, short_name, text_of
from integrations.tiktok.leads import lead_id_of, leads_in, moment_of, read_lead

Part = Event | Ignored
_OURS = "what becomes of our own posts and messages is no news"
_IGNORED = {
    "tiktok.ping": "a test of the webhook",
    "im_send_msg": _OURS,
    "im_mark_read_msg": "a read receipt",
    "im_receive_msg_eu": "TikTok names nobody in this event",
}
_OWN_FAMILIES = ("post.publish.", "video.publish.", "video.upload.", "portability.")
_UNKNOWN = "a type of event Muster does not know"
_NO_PERSON = "TikTok does not say who it was"
_NO_LEAD = "a lead event with nothing in it"
_REMOVED = "an account took its permission from the app: log it in again"
_ACCOUNT_DELETED = (
    "2"  # reasons: 1 disconnected, 2 account deleted, 3 age changed, 4 banned, 5 revoked by the developer
)
_DM = "im_receive_msg"


@dataclass(frozen=True, slots=True)
class _Envelope:
    kind: str
    content: Any  # parsed; the text itself where it is no JSON
    moment: Any
    openid: str
    app: str


def split_events(body: bytes, config: SourceConfig) -> Split:
    """Every event of the delivery; TikTok sends one, a list is read as well."""
    value = load_json(body)
    envelopes = value if isinstance(value, list) and value else [value]
    if not all(isinstance(each, dict) for each in envelopes):
        raise Unreadable(
            "the JSON is no object", "TikTok sends one object; check which program posts to this address."
        )
    return gather(part for each in envelopes for part in _parts(_open(each), config))


def blank_private_words(value: Any) -> None:
    """Take what is said in direct messages out of a parsed delivery, in place."""
    for each in value if isinstance(value, list) else [value]:
        envelope = object_at(each)
        if text_of(envelope.get("event")).startswith("im_"):
            content = object_at(_content(envelope.get("content")))
            kept = (
                "message_id",
                "conversation_id",
                "timestamp",
                "type",
                "from",
                "to",
                "from_user",
                "to_user",
            )
            bare = {name: content[name] for name in kept if name in content}
            envelope["content"] = dump_json(bare).decode()


def _open(envelope: dict[str, Any]) -> _Envelope:
    return _Envelope(
        kind=short_name(envelope.get("event")),
        content=_content(envelope.get("content")),
        moment=envelope.get("create_time"),  # seconds by the documents, milliseconds in a live ping
        openid=identifier(envelope.get("user_openid")),
        app=identifier(envelope.get("client_key")),
    )


def _content(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return load_json(text.encode(errors="replace"))
    except Unreadable:
        return text


def _parts(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    if envelope.kind in _READERS:
        yield _READERS[envelope.kind](envelope, config)
    elif "lead" in envelope.kind.lower() and envelope.kind not in _IGNORED:
        yield from _leads(envelope)
    else:
        reason = _OURS if envelope.kind.startswith(_OWN_FAMILIES) else _UNKNOWN
        yield Ignored(envelope.kind, _IGNORED.get(envelope.kind, reason))


def _leads(envelope: _Envelope) -> Iterator[Part]:
    leads = leads_in(envelope.content)
    if not leads:
        yield Ignored(envelope.kind, _NO_LEAD)
    for lead in leads:
        lead_id = lead_id_of(lead)
        yield Event(
            key=f"lead:{lead_id or digest_of(lead)}",
            kind="lead",
            content={"event": envelope.kind, **filled({"app": envelope.app}), **read_lead(lead)},
            occurred_at=find_time(moment_of(lead)) or find_time(envelope.moment),
            account=identifier(lead.get("advertiser_id")) or identifier(lead.get("page_id")),
        )


def _written_privately(envelope: _Envelope, config: SourceConfig) -> Part:
    content = object_at(envelope.content)
    sender, message_id = object_at(content, "from_user"), identifier(content.get("message_id"))
    sender_id = identifier(sender.get("id"))
    if not sender_id or not message_id or sender_id == envelope.openid:
        return Ignored(envelope.kind, _OURS if sender_id and message_id else _NO_PERSON)
    person = {"id": sender_id, "username": text_of(content.get("from"))}
    message = Message(
        id=message_id,
        kind="direct_message",
        text=private_text(text_of(object_at(content, "text").get("body")), config),
        is_private=True,
        thread_id=identifier(content.get("conversation_id")),
    )
    return Event(
        key=f"message:{message_id}",
        kind=envelope.kind,
        content={"event": envelope.kind, "user": filled(person)},
        occurred_at=find_time(content.get("timestamp")) or find_time(envelope.moment),
        account=envelope.openid,
        message=message,
    )


def _removed(envelope: _Envelope, _config: SourceConfig) -> Part:
    """Only an account that was deleted is erased; all other reasons are about our app."""
    reason = identifier(object_at(envelope.content).get("reason"))
    if reason != _ACCOUNT_DELETED or not envelope.openid:
        return Ignored(envelope.kind, _REMOVED)
    return Event(
        key=f"{envelope.kind}:{envelope.app}:{envelope.openid}",
        kind=envelope.kind,
        content=filled({"event": envelope.kind, "openid": envelope.openid, "app": envelope.app}),
        occurred_at=find_time(envelope.moment),
        is_erasure=True,
    )


_READERS: Mapping[str, Callable[[_Envelope, SourceConfig], Part]] = {
    _DM: _written_privately,
    "authorization.removed": _removed,
}
