"""One member as a recording tells of it, and what a single answer says about whoever it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.recording import Exchange, elements_of, tags_of

TOLERANCE_SECONDS = 2
MEMBER_PARTS = 4  # /lists/{id}/members/{key}
OLD_MEMBER = frozenset({"id", "email_address", "status", "merge_fields", "last_changed"})


@dataclass(slots=True)
class Person:
    """One member as the recording tells of it; `start_hash` is the key under which it was there at the start."""

    start_hash: str
    is_created: bool = False
    status: str = ""  # at the start, where a refusal or archiving tells it
    cause: str = ""
    writes: list[Exchange] = field(default_factory=list)  # until first seen
    seen: dict[str, Any] | None = None
    tags: list[dict[str, Any]] | None = None  # where only the tags were seen
    parts: dict[str, Any] = field(default_factory=dict)  # seen of it before anything was written


def seconds_of(text: Any) -> int:
    return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) and text else 0


def unknown_name(tag_id: object) -> str:
    """Of a tag of which only the id is known."""
    return f"Not recorded {tag_id}"


def handle(key: str) -> str:
    """An address as its hash; hashes and contact ids as they are."""
    return md5_of(key) if "@" in key else key.lower()


def is_member(body: Mapping[str, Any]) -> bool:
    """Whether a member is shown whole: `fields=` leaves only parts of it."""
    is_whole = body.keys() >= OLD_MEMBER and isinstance(body["merge_fields"], dict)
    return is_whole and all(isinstance(body[name], str) for name in ("id", "email_address", "status"))


def keys_of(body: Mapping[str, Any]) -> list[str]:
    """What a member is found by: its contact_id, where it is told, and the hash of its address."""
    keys = [str(body[name]) for name in ("contact_id", "id") if name in body]
    return keys or ([md5_of(body["email_address"])] if body.get("email_address") else [])


def is_tagging(write: Exchange) -> bool:
    return write.method == "POST" and (write.parts[2:3] == ["segments"] or write.parts[-1:] == ["tags"])


def is_fresh(exchange: Exchange) -> bool:
    """Whether the member looks as if it had come in by this very request."""
    body, since = exchange.found, exchange.at - TOLERANCE_SECONDS
    if seconds_of(body.get("last_changed")) < since:
        return False
    came_at = seconds_of(body.get("timestamp_opt"))
    if "timestamp_opt" in exchange.told:
        return True
    return came_at >= since or (not came_at and body.get("status") != "subscribed")


def needs_member(exchange: Exchange) -> bool:
    """Nobody is created without a status."""
    is_write = exchange.method == "PATCH" or (
        exchange.method == "PUT" and len(exchange.parts) == MEMBER_PARTS
    )
    return is_write and not (exchange.told.get("status") or exchange.told.get("status_if_new"))


def is_creation(exchange: Exchange, key: str, gone: set[str]) -> bool:
    """POST or PUT for somebody unknown: created, unless it brought along more than the request said."""
    if needs_member(exchange) or not exchange.told.get("email_address"):
        return False
    if exchange.method not in {"POST", "PUT"} or not is_fresh(exchange):
        return exchange.method == "PUT" and key in gone and key == exchange.found["id"]
    body, told = exchange.found, exchange.told
    values = told.get("merge_fields") or {}
    told_tags = {str(tag).casefold() for tag in elements_of(told, "tags")}
    is_more = any(value != "" for tag, value in (body.get("merge_fields") or {}).items() if tag not in values)
    is_more |= any(tag["name"].casefold() not in told_tags for tag in tags_of(body))
    is_more |= bool(body.get("vip")) and not told.get("vip")
    return not is_more and has_told_status(exchange)


def has_told_status(exchange: Exchange) -> bool:
    """Whether somebody new, or back again, would have this status: of those who were there it may be another."""
    status = exchange.found.get("status")
    return status == "pending" or status in (exchange.told.get("status"), exchange.told.get("status_if_new"))
