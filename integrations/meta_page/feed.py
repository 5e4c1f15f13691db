"""What people do on a Page in public: posts, comments, reactions, mentions, reviews; own posts are left out.

Items and verbs from https://developers.facebook.com/docs/graph-api/webhooks/reference/page, seen 2026-11-22.
"""

from collections.abc import Mapping
from typing import Any, Literal

from integrations.kit.contract import Event, Ignored, Message
from integrations.kit.gather import bounded_name
from integrations.kit.keys import digest_of
from integrations.kit.meta_envelope import TEST, Part
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, text_of

Kind = Literal["comment", "mention", "review", "post", "reaction"]
Change = Literal["said", "edited", "deleted"]

FIELDS = frozenset({"feed", "mention", "ratings"})
# What an item of the feed is as a message; items that are not here say nothing of a person.
_KINDS: Mapping[str, Kind] = {
    "comment": "comment",
    "post": "post",
    "status": "post",
    "photo": "post",
    "photo-album": "post",
    "album": "post",
    "video": "post",
    "share": "post",
    "link": "post",
    "note": "post",
    "story": "post",
    "question": "post",
    "mention": "mention",
    "reaction": "reaction",
    "like": "reaction",
    "rating": "review",
    "recommendation": "review",
    "review": "review",
}
# Both spellings of each verb stand in Meta's list; what is hidden from the public is taken away here too.
_CHANGES: Mapping[str, Change] = {
    "add": "said",
    "edit": "edited",
    "edited": "edited",
    "update": "edited",
    "remove": "deleted",
    "delete": "deleted",
    "hide": "deleted",
}
_OWN = "the Page's own"
_NO_OBJECT = "a change without a value"
_NO_ID = "a change without an id of what it is about"
_OTHER_ITEM = "this item says nothing of a person"
_OTHER_VERB = "this verb changes nothing that is kept; what was taken away stays away"
_COPIED = ("post_id", "comment_id", "parent_id", "reaction_type", "recommendation_type")
_MOST_STARS = 5


def read_change(part: Part) -> Event | Ignored:
    """One change of the fields feed, mention and ratings as an event, or by its name why it is none."""
    value: Any = part.value
    if not isinstance(value, dict):
        return Ignored(part.field, _NO_OBJECT)
    item, verb = text_of(value.get("item")), text_of(value.get("verb"))
    name = bounded_name(part.field, item or part.field, verb)
    kind, change = _kind(part.field, item), _CHANGES.get(verb or "add")
    if part.is_test:
        return Ignored(name, TEST)
    if kind is None:
        return Ignored(name, _OTHER_ITEM)
    if change is None:
        return Ignored(name, _OTHER_VERB)
    account, author = _account(part, value), _author(value)
    if change != "deleted" and author.get("id") and author["id"] == account:
        return Ignored(name, _OWN)
    identity = _identity(kind, value, author, account)
    return _event(part, value, kind, change, identity) if identity else Ignored(name, _NO_ID)


def _kind(field: str, item: str) -> Kind | None:
    if field == "mention":
        return "mention"
    return _KINDS.get(item or ("rating" if field == "ratings" else ""))


def _event(part: Part, value: dict[str, Any], kind: Kind, change: Change, identity: str) -> Event:
    account, author = _account(part, value), _author(value)
    message = Message(
        identity,
        kind,
        _text(value) if change != "deleted" else "",
        change=change,
        url=_link(value),
        thread_id=identifier(value.get("post_id")) or identifier(value.get("open_graph_story_id")),
        rating=_stars(value.get("rating")),
    )
    ids = {name: identifier(value.get(name)) for name in _COPIED}
    content = filled({"type": kind, "change": change, **ids, "rating": message.rating})
    if change != "deleted" and author:
        content["from"] = author
    name = f"{part.field}.{kind}" if change == "said" else f"{part.field}.{kind}.{change}"
    at = find_time(value.get("created_time")) or part.sent_at
    return Event(_key(part, value, account, author), name, content, at, account, message=message)


def _key(part: Part, value: dict[str, Any], account: str, author: dict[str, str]) -> str:
    """Unique for ever: Meta gives changes no id. Edits are told apart by their words, which are public."""
    names = ("item", "verb", "post_id", "comment_id", "open_graph_story_id", "created_time", "reaction_type")
    parts = [part.field, account, author.get("id", ""), *(identifier(value.get(name)) for name in names)]
    words = _text(value) if _CHANGES.get(text_of(value.get("verb"))) == "edited" else ""
    return f"{part.field}:{digest_of([*parts, words])}"


def _identity(kind: Kind, value: dict[str, Any], author: dict[str, str], account: str) -> str:
    """The id of what was said; a reaction has none of its own, so it is known by its place and its author."""
    place = identifier(value.get("comment_id")) or identifier(value.get("post_id"))
    if kind == "reaction":
        return f"reaction:{place or account}:{author['id']}" if author.get("id") else ""
    if kind == "review":
        story = identifier(value.get("open_graph_story_id"))
        return story or place or (f"review:{account}:{author['id']}" if author.get("id") else "")
    return place


def _author(value: dict[str, Any]) -> dict[str, str]:
    """Who did it: `from`, or the flat names that mentions, ratings and some items of the feed use."""
    found = object_at(value, "from")
    pairs = [(found.get("id"), found.get("name"))]
    pairs += [(value.get(f"{who}_id"), value.get(f"{who}_name")) for who in ("sender", "reviewer")]
    known = next(((one, name) for one, name in pairs if identifier(one) or text_of(name)), (None, None))
    return filled({"id": identifier(known[0]), "name": text_of(known[1])[:200]})


def _account(part: Part, value: dict[str, Any]) -> str:
    """The Page: the entry's id, or the first half of the post's where a change stands alone."""
    return part.account or identifier(value.get("post_id")).partition("_")[0]


def _text(value: dict[str, Any]) -> str:
    return text_of(value.get("message")) or text_of(value.get("review_text"))


def _link(value: dict[str, Any]) -> str:
    found = text_of(value.get("permalink_url")) or text_of(object_at(value, "post").get("permalink_url"))
    return found[:1000] if found.startswith("https://") else ""


def _stars(rating: Any) -> int | None:
    is_number = isinstance(rating, int) and not isinstance(rating, bool)
    return rating if is_number and 1 <= rating <= _MOST_STARS else None
