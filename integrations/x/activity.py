"""The X Activity API's envelope: one event a delivery, by its type.

Types and shapes from https://docs.x.com/x-api/activity/event-payloads (seen 2026-11-22).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from integrations.kit.contract import Event, Ignored, Message, SourceConfig
from integrations.kit.keys import digest_of
from integrations.kit.messages import private_text
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, short_name, text_of
from integrations.x.people import influence_of, known_person, own_ids, people_in, person_of
from integrations.x.private import CHAT_SECRETS

Part = Event | Ignored
Kind = Literal["comment", "mention", "direct_message", "review", "post", "reaction"]
OURS = "what our own account does is no news"

# Type -> what kind of message it brings. A post.create is looked at again: it may be a reply or a repost.
_SAID: Mapping[str, Kind] = {
    "post.create": "post",
    "post.mention.create": "mention",
    "post.reply.create": "comment",
    "post.quote.create": "mention",
    "post.repost.create": "reaction",
}
_REFERENCES: Mapping[str, Kind] = {"replied_to": "comment", "quoted": "mention", "retweeted": "reaction"}
# profile.update.<this> -> the name of the field of the person that changed.
_PROFILE = {"screenname": "name", "handle": "username", "geo": "location", "url": "url", "bio": "description"}
_IGNORED = {
    "dm.sent": OURS,
    "chat.sent": OURS,
    "chat.conversation_join": "nobody said anything",
    "dm.read": "a read receipt",
    "dm.indicate_typing": "somebody is typing",
    "news.new": "news is about nobody here",
    "oauth.revoke": "an account took its permission from the app: its private events end; log it in again",
}
_UNKNOWN = "a type of event Muster does not know"
_NO_PERSON = "X does not say who it was"
_NO_ID = "the post has no number"
_LOOKS_ONLY = "how a profile looks is not kept"


@dataclass(frozen=True, slots=True)
class _Envelope:
    kind: str
    key: str
    account: str  # the filtered user: the account the subscription is about
    content: dict[str, Any]  # X calls it payload
    people: dict[str, dict[str, Any]]
    direction: str
    tag: str

    def base(self, person: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return filled({"type": self.kind, "tag": self.tag, "user": dict(person), **more})


def split_activity(data: dict[str, Any], config: SourceConfig) -> Iterator[Part]:
    """The parts of one `data` of the X Activity API."""
    envelope = _open(data)
    yield from _reader(envelope.kind)(envelope, config)


def _open(data: dict[str, Any]) -> _Envelope:
    content = object_at(data, "payload")
    chosen = object_at(data, "filter")
    people = people_in(object_at(data, "includes").get("users")) | people_in(content.get("users"))
    return _Envelope(
        kind=short_name(data.get("event_type")),
        key=identifier(data.get("event_uuid")) or _digest_of_public(data),
        account=identifier(chosen.get("user_id")),
        content=content,
        people=people,
        direction=text_of(chosen.get("direction")) or text_of(data.get("direction")),
        tag=text_of(data.get("tag"))[:200],
    )


def _digest_of_public(data: dict[str, Any]) -> str:
    """The same before and after private parts are taken out."""
    content = {
        name: value
        for name, value in object_at(data, "payload").items()
        if name not in (*CHAT_SECRETS, "direct_message_events")
    }
    return digest_of({**data, "payload": content})


def _reader(kind: str) -> Callable[[_Envelope, SourceConfig], Iterator[Part]]:
    family = kind.partition(".")[0]
    if kind in _READERS:
        return _READERS[kind]
    if family == "post" and kind.endswith(".delete"):
        return _taken_back
    return _profile if family == "profile" else _nothing


def _nothing(envelope: _Envelope, _config: SourceConfig) -> Iterator[Part]:
    yield Ignored(envelope.kind, _IGNORED.get(envelope.kind, _UNKNOWN))


def _said(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    post = envelope.content
    post_id, author_id = identifier(post.get("id")), identifier(post.get("author_id"))
    if not post_id or not author_id:
        yield Ignored(envelope.kind, _NO_PERSON if post_id else _NO_ID)
        return
    if author_id in own_ids(config):
        yield Ignored(envelope.kind, OURS)
        return
    person = known_person(author_id, envelope.people)
    message = Message(
        id=post_id,
        kind=_kind_of(envelope.kind, post),
        text=text_of(object_at(post, "note_tweet").get("text")) or text_of(post.get("text")),
        url=f"https://x.com/{person.get('username', 'i')}/status/{post_id}",
        thread_id=identifier(post.get("conversation_id")),
        influence=influence_of(person),
    )
    about = filled({"id": post_id, "lang": text_of(post.get("lang"))})
    yield _event(envelope, envelope.base(person, post=about), message, post.get("created_at"))


def _kind_of(kind: str, post: Mapping[str, Any]) -> Kind:
    if kind != "post.create":
        return _SAID[kind]
    referred = [text_of(each.get("type")) for each in objects_in(post.get("referenced_tweets"))]
    return next((_REFERENCES[each] for each in referred if each in _REFERENCES), _SAID[kind])


def _taken_back(envelope: _Envelope, _config: SourceConfig) -> Iterator[Part]:
    """A deletion names a post and brings nobody: it makes no contact, and what we hold of the post goes."""
    post_id = identifier(envelope.content.get("id"))
    if not post_id:
        yield Ignored(envelope.kind, _NO_ID)
        return
    message = Message(id=post_id, kind="post", change="deleted")
    yield _event(envelope, {"type": envelope.kind, "post": {"id": post_id}}, message, None)


def _liked(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    like = envelope.content
    person = known_person(_liker(envelope), envelope.people)
    if not person or person["id"] in own_ids(config):
        yield Ignored(envelope.kind, OURS if person else _NO_PERSON)
        return
    post_id = identifier(like.get("liked_tweet_id"))
    like_id = identifier(like.get("id")) or f"{person['id']}:{post_id}"
    author_id = identifier(like.get("liked_tweet_author_id"))
    is_back = not envelope.kind.endswith(".create")
    message = Message(
        id=f"like:{like_id}",
        kind="reaction",
        change="deleted" if is_back else "said",
        url=f"https://x.com/i/status/{post_id}" if post_id else "",
        thread_id=post_id,
        influence=influence_of(person),
    )
    content = envelope.base(person, post=filled({"id": post_id, "author_id": author_id}))
    yield _event(envelope, content, message, like.get("timestamp_ms") or like.get("created_at"))


def _liker(envelope: _Envelope) -> str:
    """Who liked: named, or the filtered user unless it is their post that was liked, or the other user sent along."""
    like = envelope.content
    named = next((identifier(like.get(name)) for name in ("user_id", "liker_id") if like.get(name)), "")
    author_id = identifier(like.get("liked_tweet_author_id"))
    if named:
        return named
    if envelope.direction != "inbound" and envelope.account != author_id:
        return envelope.account
    others = [each for each in envelope.people if each not in (author_id, envelope.account)]
    return others[0] if len(others) == 1 else ""


def _followed(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    person, target = person_of(envelope.content.get("source")), person_of(envelope.content.get("target"))
    if "id" not in person or person["id"] in own_ids(config):
        yield Ignored(envelope.kind, OURS if "id" in person else _NO_PERSON)
        return
    content = envelope.base(
        person, target=filled({"id": target.get("id"), "username": target.get("username")})
    )
    if target.get("id") and target["id"] in (own_ids(config) or {envelope.account}):
        content["is_follower"] = envelope.kind == "follow.follow"
    yield _event(envelope, content, None, envelope.content.get("created_at"))


def _profile(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    name = _PROFILE.get(envelope.kind.removeprefix("profile.update."))
    if name is None or not envelope.account or envelope.account in own_ids(config):
        reason = _LOOKS_ONLY if name is None else _NO_PERSON
        yield Ignored(envelope.kind, OURS if name and envelope.account else reason)
        return
    person = known_person(envelope.account, envelope.people)
    changed = text_of(envelope.content.get("after"))
    yield _event(envelope, envelope.base(filled({**person, name: changed})), None, None)


def _written_privately(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    messages = objects_in(envelope.content.get("direct_message_events"))
    if not messages:
        yield Ignored(envelope.kind, _NO_ID)
    for each in messages:
        yield direct_message(each, envelope.people, envelope.account, config, envelope.kind)


def direct_message(
    each: dict[str, Any], people: dict[str, dict[str, Any]], account: str, config: SourceConfig, kind: str
) -> Part:
    """One direct message in the form both APIs send it in."""
    said = object_at(each, "message_create")
    sender_id, message_id = identifier(said.get("sender_id")), identifier(each.get("id"))
    if not sender_id or not message_id:
        return Ignored(kind, _NO_PERSON)
    if sender_id == account or sender_id in own_ids(config):
        return Ignored(kind, OURS)
    person = known_person(sender_id, people)
    message = Message(
        id=message_id,
        kind="direct_message",
        text=private_text(text_of(object_at(said, "message_data").get("text")), config),
        is_private=True,
        thread_id=f"{sender_id}:{identifier(object_at(said, 'target').get('recipient_id'))}",
        influence=influence_of(person),
    )
    return Event(
        key=f"dm:{message_id}",
        kind=kind,
        content={"type": kind, "user": person},
        occurred_at=find_time(each.get("created_timestamp")),
        account=account,
        message=message,
    )


def _encrypted(envelope: _Envelope, config: SourceConfig) -> Iterator[Part]:
    """Only the two who talk can read it; that somebody wrote is all there is to know."""
    sender_id = identifier(envelope.content.get("sender_id"))
    if not sender_id or sender_id == envelope.account or sender_id in own_ids(config):
        yield Ignored(envelope.kind, OURS if sender_id else _NO_PERSON)
        return
    person = known_person(sender_id, envelope.people)
    message = Message(
        id=identifier(envelope.content.get("id")) or envelope.key,
        kind="direct_message",
        is_private=True,
        thread_id=identifier(envelope.content.get("conversation_id")),
        influence=influence_of(person),
    )
    yield _event(envelope, envelope.base(person), message, envelope.content.get("created_at_msec"))


def _event(envelope: _Envelope, content: dict[str, Any], message: Message | None, moment: Any) -> Event:
    return Event(
        key=envelope.key,
        kind=envelope.kind,
        content=content,
        occurred_at=find_time(moment),
        account=envelope.account,
        message=message,
    )


_READERS: Mapping[str, Callable[[_Envelope, SourceConfig], Iterator[Part]]] = {
    **dict.fromkeys(_SAID, _said),
    "like.create": _liked,
    "like.delete": _liked,
    "follow.follow": _followed,
    "follow.unfollow": _followed,
    "dm.received": _written_privately,
    "chat.received": _encrypted,
}
