"""A mention fetched from the Graph API: the caption or the comment, and who wrote it where Meta says so.

https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/mentioned_media and
.../mentioned_comment, seen 2026-11-22: a comment's author is not among the fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.kit.contract import Client, EnrichError, Event, Message, SourceConfig
from integrations.kit.graph import ask_graph, is_object_id
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, text_of

TOKEN = "access_token"  # noqa: S105 -- the name of a setting


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a mention stands: the field of the account that answers for it, and the parts that are asked for."""

    field: str
    argument: str
    parts: str
    words: str

    def query(self, identity: str) -> str:
        return f"{self.field}.{self.argument}({identity}){{{self.parts}}}"


_CAPTION = _Place("mentioned_media", "media_id", "id,caption,media_type,timestamp,username", "caption")
_COMMENT = _Place("mentioned_comment", "comment_id", "id,text,timestamp,media", "text")


def fetch_mention(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with the words and the author of the mention, or EnrichError."""
    content = event.content
    place = _COMMENT if content.get("comment_id") else _CAPTION
    identity = str(content.get(place.argument, ""))
    if not is_object_id(identity) or not is_object_id(event.account):
        raise EnrichError(
            "invalid", "an id of the mention is no number", "Meta's ids are digits; check who posts here."
        )
    answer = ask_graph(event.account, {"fields": place.query(identity)}, config, client, TOKEN)
    found = object_at(answer, place.field)
    account = identifier(answer.get("id")) if isinstance(answer, dict) else ""
    if identifier(found.get("id")) != identity or account not in ("", event.account):
        raise EnrichError(
            "invalid", "the answer is about another mention", "Ask again; if it stays so, tell Meta."
        )
    return _whole(event, place, identity, found)


def _whole(event: Event, place: _Place, identity: str, found: Mapping[str, Any]) -> Event:
    media_id = identifier(event.content.get("media_id")) or identifier(object_at(found, "media").get("id"))
    message = Message(identity, "mention", text_of(found.get(place.words)), thread_id=media_id)
    more = {
        "from": filled({"username": text_of(found.get("username"))[:100]}),
        "media_id": media_id,
        "media_type": text_of(found.get("media_type"))[:40],
    }
    return replace(
        event,
        content={**event.content, **filled(more)},
        occurred_at=find_time(found.get("timestamp")) or event.occurred_at,
        needs_enrich=False,
        message=message,
    )
