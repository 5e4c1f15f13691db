"""A mention as Zapier hands it on: everything is text, True and False too; read into a message and what surrounds it.

The fields are those of a captured delivery (zulip, zerver/webhooks/mention, seen 2026-11-22) and of
https://dev.mention.com/current/src/mention/mention.html.
"""

from collections.abc import Iterator
from typing import Any

from integrations.kit.contract import Event, Ignored, Message, Split, Unreadable
from integrations.kit.gather import gather
from integrations.kit.keys import digest_of
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, text_of

_WORDS = ("description", "description_medium", "description_short", "title")
_AROUND = (
    "title",
    "source_name",
    "source_type",
    "source_url",
    "language_code",
    "country",
    "alert_name",
    "tone",
)
_THROWN_AWAY = "somebody threw it away at mention.com"
_NO_MENTION = "there is no mention in it: no id, no address"
_REPEATED = "the same mention stands in this delivery already"
_LONGEST = 2_000


def split_mentions(value: Any) -> Split:
    """One event a mention; Zapier sends one, or a list."""
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in listed):
        raise Unreadable(
            "the JSON is no object", "Check the Zap's action: Webhooks by Zapier, POST, payload type json."
        )
    return gather(_parts(listed), _REPEATED)


def _parts(listed: list[dict[str, Any]]) -> Iterator[Event | Ignored]:
    if not listed:
        yield Ignored("empty", _NO_MENTION)
    for each in listed:
        number, address = identifier(each.get("id")), _address(each)
        if not number and not address:
            yield Ignored("unnamed", _NO_MENTION)
        elif _is_true(each.get("trashed")):
            yield Ignored("trashed", _THROWN_AWAY)
        else:
            yield _event(each, number, address)


def _event(mention: dict[str, Any], number: str, address: str) -> Event:
    alert = identifier(mention.get("alert_id"))
    score = _number(_of_author(mention, "score"))
    author = {"name": _of_author(mention, "name"), "url": _of_author(mention, "url"), "score": score}
    content = {
        "type": "mention",
        "id": number,
        "alert_id": alert,
        **{name: text_of(mention.get(name))[:_LONGEST] for name in _AROUND},
        "tone_score": _number(mention.get("tone_score")),
        "reach": _number(mention.get("domain_reach")),
        "is_important": _is_true(mention.get("important")) or None,
        "author": filled(author),
    }
    message = Message(
        id=number or digest_of(address),
        kind="mention",
        text=next((text for name in _WORDS if (text := text_of(mention.get(name)).strip())), ""),
        url=address,
        influence=score,
    )
    return Event(
        key=f"{alert}:{message.id}",
        kind="mention",
        content=filled(content),
        occurred_at=find_time(mention.get("published_at")) or find_time(mention.get("created_at")),
        account=alert,
        message=message,
    )


def _address(mention: dict[str, Any]) -> str:
    found = (text_of(mention.get(name)) for name in ("url", "original_url", "unique_id"))
    return next((text for text in found if text.startswith(("https://", "http://"))), "")[:_LONGEST]


def _of_author(mention: dict[str, Any], name: str) -> str:
    """Of author_influence; a Zap that sends a form writes author_influence__score."""
    nested = object_at(mention, "author_influence").get(name)
    return identifier(nested) or identifier(mention.get(f"author_influence__{name}"))


def _number(value: Any) -> float | None:
    try:
        found = float(identifier(value) or str(value if isinstance(value, float) else ""))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None  # noqa: PLR2004 -- keeps out inf and nan: neither is a score


def _is_true(value: Any) -> bool:
    return value is True or text_of(value).strip().lower() == "true"
