"""Comments on an account's posts and mentions of it elsewhere, in both ways Meta writes them.

With Instagram Login the comment's id stands in `id`, with Facebook Login in `comment_id`; a mention brings ids only
(https://developers.facebook.com/docs/instagram-platform/webhooks/examples and
https://developers.facebook.com/docs/graph-api/webhooks/reference/instagram, seen 2026-11-22).
"""

from typing import Any

from integrations.kit.contract import Event, Ignored, Message
from integrations.kit.meta_envelope import TEST, Part
from integrations.kit.values import filled, identifier, object_at, text_of

COMMENTS = frozenset({"comments", "live_comments"})
MENTIONS = frozenset({"mentions"})
_OWN = "the account's own"
_NO_OBJECT = "a change without a value"
_NO_ID = "a change without an id of what it is about"


def read_comment(part: Part) -> Event | Ignored:
    """A comment on a post, reel or live video of the account."""
    value: Any = part.value
    if not isinstance(value, dict):
        return Ignored(part.field, _NO_OBJECT)
    author = object_at(value, "from")
    who = filled({"id": identifier(author.get("id")), "username": text_of(author.get("username"))[:100]})
    identity = identifier(value.get("id")) or identifier(value.get("comment_id"))
    if part.is_test:
        return Ignored(part.field, TEST)
    if not identity:
        return Ignored(part.field, _NO_ID)
    if _is_own(part, author):
        return Ignored(part.field, _OWN)
    media = object_at(value, "media")
    place = identifier(media.get("id")) or identifier(value.get("media_id"))
    message = Message(identity, "comment", text_of(value.get("text")), thread_id=place)
    ids = {"comment_id": identity, "parent_id": identifier(value.get("parent_id")), "media_id": place}
    ad = {"ad_id": identifier(media.get("ad_id")), "media_type": text_of(media.get("media_product_type"))}
    content = filled({"type": "comment", "from": who, **ids, **ad})
    return Event(f"comment:{identity}", part.field, content, part.sent_at, part.account, message=message)


def read_mention(part: Part, *, is_fetched: bool) -> Event | Ignored:
    """A mention in somebody's caption or comment: ids, to be fetched where the login allows it."""
    value: Any = part.value
    if not isinstance(value, dict):
        return Ignored(part.field, _NO_OBJECT)
    ids = {name: identifier(value.get(name)) for name in ("media_id", "comment_id")}
    identity = ids["comment_id"] or ids["media_id"]
    if part.is_test:
        return Ignored(part.field, TEST)
    if not identity:
        return Ignored(part.field, _NO_ID)
    message = Message(identity, "mention", thread_id=ids["media_id"])
    content = filled({"type": "mention", **ids})
    return Event(
        f"mention:{identity}",
        "mentions",
        content,
        part.sent_at,
        part.account,
        needs_enrich=is_fetched,
        message=message,
    )


def _is_own(part: Part, author: dict[str, Any]) -> bool:
    """The account's own comment carries its id, or its id in the form that other accounts have (self_ig_scoped_id)."""
    one = identifier(author.get("id"))
    return bool(one) and one in (part.account, identifier(author.get("self_ig_scoped_id")))
