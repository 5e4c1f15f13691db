"""What people do on a Page in public: posts, comments, reactions, mentions, reviews; own posts are left out.

Items and verbs from https://developers.facebook.com/docs/graph-api/webhooks/reference/page, seen 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
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
_IDS = (*_COPIED, "item", "open_graph_story_id", "created_time")
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
    ids = {name: identifier(value[name]) for name in _IDS if name in value}
    done = _Done(part.field, kind, change, _account(part, ids), _author(value), ids)
    if change != "deleted" and done.author_id and done.author_id == done.account:
        return Ignored(name, _OWN)
    return _event(part, value, done) if done.identity else Ignored(name, _NO_ID)


def _kind(field: str, item: str) -> Kind | None:
    if field == "mention":
        return "mention"
    return _KINDS.get(item or ("rating" if field == "ratings" else ""))


@dataclass(frozen=True)
class _Done:
    """What was done, by whom, to what; ids by Meta's names."""

    field: str
    kind: Kind
    change: Change
    account: str
    author: Mapping[str, str]
    ids: Mapping[str, str]

    @property
    def author_id(self) -> str:
        return self.author.get("id", "")

    @cached_property
    def identity(self) -> str:
        """The id of what was said; a reaction has none of its own, so it is known by its place and its author."""
        place = self.ids.get("comment_id") or self.ids.get("post_id") or ""
        if self.kind == "reaction":
            return f"reaction:{place or self.account}:{self.author_id}" if self.author_id else ""
        if self.kind == "review":
            story = self.ids.get("open_graph_story_id") or place
            return story or (f"review:{self.account}:{self.author_id}" if self.author_id else "")
        return place

    def key(self, verb: str, words: str) -> str:
        """Unique for ever: Meta gives changes no id. Edits are told apart by their words, which are public."""
        told = words if self.change == "edited" else ""
        parts = (self.field, self.account, self.author_id, verb, told, sorted(self.ids.items()))
        return f"{self.field}:{digest_of(parts)}"


def _event(part: Part, value: dict[str, Any], done: _Done) -> Event:
    words, is_deleted = _text(value), done.change == "deleted"
    message = Message(
        done.identity,
        done.kind,
        "" if is_deleted else words,
        change=done.change,
        url=_link(value),
        thread_id=done.ids.get("post_id") or done.ids.get("open_graph_story_id") or "",
        rating=_stars(value.get("rating")),
    )
    content: dict[str, Any] = {"type": done.kind, "change": done.change}
    content |= {name: found for name in _COPIED if (found := done.ids.get(name))}
    if message.rating:
        content["rating"] = message.rating
    if done.author and not is_deleted:
        content["from"] = dict(done.author)
    name = f"{part.field}.{done.kind}" if done.change == "said" else f"{part.field}.{done.kind}.{done.change}"
    at = find_time(value.get("created_time")) or part.sent_at
    key = done.key(text_of(value.get("verb")), words)
    return Event(key, name, content, at, done.account, message=message)


def _author(value: dict[str, Any]) -> dict[str, str]:
    """Who did it: `from`, or the flat names that mentions, ratings and some items of the feed use."""
    found = object_at(value, "from")
    pairs = [(found.get("id"), found.get("name"))]
    pairs += [(value.get(f"{who}_id"), value.get(f"{who}_name")) for who in ("sender", "reviewer")]
    for one, name in pairs:
        if known := filled({"id": identifier(one), "name": text_of(name)[:200]}):
            return known
    return {}


def _account(part: Part, ids: Mapping[str, str]) -> str:
    """The Page: the entry's id, or the first half of the post's where a change stands alone."""
    return part.account or ids.get("post_id", "").partition("_")[0]


def _text(value: dict[str, Any]) -> str:
    return text_of(value.get("message")) or text_of(value.get("review_text"))


def _link(value: dict[str, Any]) -> str:
    found = text_of(value.get("permalink_url")) or text_of(object_at(value, "post").get("permalink_url"))
    return found[:1000] if found.startswith("https://") else ""


def _stars(rating: Any) -> int | None:
    is_number = isinstance(rating, int) and not isinstance(rating, bool)
    return rating if is_number and 1 <= rating <= _MOST_STARS else None
