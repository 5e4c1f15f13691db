"""The Account Activity API's envelope, which X has deprecated: read so that old deliveries can be replayed.

Shapes from https://docs.x.com/x-api/account-activity/introduction (seen 2026-11-22). The same event comes once for each
subscribed account, so no key names the account.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.kit.contract import Event, Ignored, Message, SourceConfig
from integrations.kit.keys import digest_of
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, short_name, text_of
from integrations.x.activity import OURS, Kind, Part, direct_message
from integrations.x.people import influence_of, own_ids, people_in, person_of

_IGNORED = {
    "block_events": "blocking is nobody's business here",
    "unblock_events": "blocking is nobody's business here",
    "mute_events": "muting is nobody's business here",
    "unmute_events": "muting is nobody's business here",
    "direct_message_indicate_typing_events": "somebody is typing",
    "direct_message_mark_read_events": "a read receipt",
    "user_event": "an account took its permission from the app: its private events end; log it in again",
}
_AROUND = frozenset({"for_user_id", "user_has_blocked", "users", "apps", "is_blocked_by"})
_UNKNOWN = "a type of event Muster does not know"
_NO_PERSON = "X does not say who it was"
_TWITTER_TIME = "%a %b %d %H:%M:%S %z %Y"  # Mon May 19 14:01:46 +0000 2025


def is_account_activity(value: Mapping[str, Any]) -> bool:
    """Whether it is this API's envelope; a revocation comes without for_user_id."""
    return "for_user_id" in value or any(name in _READERS or name in _IGNORED for name in value)


def split_account_activity(value: dict[str, Any], config: SourceConfig) -> Iterator[Part]:
    """Every event of every list in the delivery."""
    account = identifier(value.get("for_user_id"))
    for name, listed in value.items():
        if name in _AROUND:
            continue
        if name not in _READERS:
            yield Ignored(short_name(name), _IGNORED.get(name, _UNKNOWN))
            continue
        for each in objects_in(listed):
            if name == "direct_message_events":
                yield direct_message(each, people_in(value.get("users")), account, config, "dm.received")
            else:
                yield _READERS[name](each, account, config)


def _posted(post: dict[str, Any], account: str, config: SourceConfig) -> Part:
    person, post_id = person_of(post.get("user")), _id_of(post)
    if "id" not in person or not post_id or person["id"] in own_ids(config):
        return Ignored("tweet_create_events", OURS if post_id and "id" in person else _NO_PERSON)
    whole = object_at(post, "extended_tweet")
    message = Message(
        id=post_id,
        kind=_kind_of(post, account),
        text=text_of(whole.get("full_text")) or text_of(post.get("full_text")) or text_of(post.get("text")),
        url=f"https://x.com/{person.get('username', 'i')}/status/{post_id}",
        thread_id=identifier(post.get("in_reply_to_status_id_str")),
        influence=influence_of(person),
    )
    content = _content("tweet_create_events", person, post=_about(post, post_id))
    moment = post.get("timestamp_ms") or post.get("created_at")
    return _event(f"post:{post_id}", content, moment, account, message)


def _about(post: Mapping[str, Any], post_id: str) -> dict[str, Any]:
    return filled({"id": post_id, "lang": text_of(post.get("lang"))})


def _kind_of(post: Mapping[str, Any], account: str) -> Kind:
    """A repost, a reply, a mention of the subscribed account, or a post."""
    entities = (object_at(post, "extended_tweet", "entities"), object_at(post, "entities"))
    mentioned = {_id_of(each) for holder in entities for each in objects_in(holder.get("user_mentions"))}
    if object_at(post, "retweeted_status"):
        return "reaction"
    if identifier(post.get("in_reply_to_status_id_str")):
        return "comment"
    return "mention" if account in mentioned or object_at(post, "quoted_status") else "post"


def _deleted(each: dict[str, Any], account: str, _config: SourceConfig) -> Part:
    status = object_at(each, "status")
    post_id = _id_of(status)
    if not post_id:
        return Ignored("tweet_delete_events", _NO_PERSON)
    message = Message(id=post_id, kind="post", change="deleted")
    content = {"type": "tweet_delete_events", "post": {"id": post_id}}
    moment = each.get("timestamp_ms")
    return _event(f"delete:{post_id}", content, moment, account, message)


def _followed(each: dict[str, Any], account: str, config: SourceConfig) -> Part:
    """A follow, or an unfollow: both come under follow_events, told apart by `type`."""
    person, target = person_of(each.get("source")), person_of(each.get("target"))
    if "id" not in person or person["id"] in own_ids(config):
        return Ignored("follow_events", OURS if "id" in person else _NO_PERSON)
    kind = "follow.unfollow" if each.get("type") == "unfollow" else "follow.follow"
    content = _content(
        kind, person, target={name: target[name] for name in ("id", "username") if name in target}
    )
    if target.get("id") in (own_ids(config) or {account}):
        content["is_follower"] = kind == "follow.follow"
    moment = identifier(each.get("created_timestamp"))
    key = f"{kind}:{person['id']}:{target.get('id', '')}:{moment}"
    return _event(key, content, moment, account, None)


def _liked(each: dict[str, Any], account: str, config: SourceConfig) -> Part:
    person, post = person_of(each.get("user")), object_at(each, "favorited_status")
    if "id" not in person or person["id"] in own_ids(config):
        return Ignored("favorite_events", OURS if "id" in person else _NO_PERSON)
    like_id = identifier(each.get("id")) or digest_of([person["id"], _id_of(post)])
    message = Message(
        id=f"like:{like_id}", kind="reaction", thread_id=_id_of(post), influence=influence_of(person)
    )
    content = _content("favorite_events", person, post=filled({"id": _id_of(post)}))
    moment = each.get("timestamp_ms") or each.get("created_at")
    return _event(f"like:{like_id}", content, moment, account, message)


def _private(_each: dict[str, Any], _account: str, _config: SourceConfig) -> Part:
    return Ignored("direct_message_events", _UNKNOWN)


def _content(kind: str, person: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return filled({"type": kind, "user": dict(person), **more})


def _event(key: str, content: dict[str, Any], moment: Any, account: str, message: Message | None) -> Event:
    kind, occurred_at = content["type"], _time(moment)
    return Event(key, kind, content, occurred_at, account, message=message)


def _id_of(value: Mapping[str, Any]) -> str:
    """id_str where it stands: X's own sample has id 1924465506158879000 for id_str 1924465506158878979."""
    return identifier(value.get("id_str")) or identifier(value.get("id"))


def _time(moment: Any) -> datetime | None:
    found = find_time(moment)
    if found is not None or not isinstance(moment, str):
        return found
    try:
        return datetime.strptime(moment, _TWITTER_TIME).astimezone(UTC)
    except ValueError:
        return None


_READERS = {
    "tweet_create_events": _posted,
    "tweet_delete_events": _deleted,
    "follow_events": _followed,
    "favorite_events": _liked,
    "direct_message_events": _private,  # with the users beside them: read where the delivery is taken apart
}
