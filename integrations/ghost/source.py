"""Ghost member webhooks: members added, updated and deleted.

The format as Ghost publishes it (https://ghost.org/docs/webhooks/); no real delivery was seen. The body names no event: which of `current` and `previous` is filled says what happened.
"""

from typing import Any, ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Event,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.keys import digest_of
from integrations.kit.signing import Check, HmacScheme, Pairs
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, short_name, text_of

# `sha256=<hex>, t=<milliseconds>` over the body followed directly by the time.
_SIGNATURE = HmacScheme(
    secret="secret",  # noqa: S106 -- the name of a setting
    header="x-ghost-signature",
    layout=Pairs("sha256"),
    signed="{body}{timestamp}",
    units_per_second=1000,
    tolerance_seconds=300,
)
ADDED, UPDATED, DELETED = "member.added", "member.updated", "member.deleted"
# Whose time says when it happened; a deletion says none.
_TIMES = {ADDED: "created_at", UPDATED: "updated_at"}
_HINT = "Ghost sends one object with member.current and member.previous; check which program posts here."


class Ghost(BaseSource):
    """One member in one delivery, whole, with the former values of what changed."""

    name = "ghost"
    label = "Ghost members"
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    settings = (
        Setting(
            "secret",
            "Webhook secret",
            "Typed into the webhook's form at Ghost; it signs every delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The member as one event; webhooks about anything else are ignored by name."""
        body = load_object(request.body, _HINT)
        if "member" not in body and body:
            return Split(ignored=(Ignored(short_name(next(iter(body))), "only members are read"),))
        current, previous = object_at(body, "member", "current"), object_at(body, "member", "previous")
        member = current or previous
        if not identifier(member.get("id")) and not text_of(member.get("email")).strip():
            raise Unreadable("the JSON has no member with an id or an address", _HINT, path="member.current")
        kind = _kind(current, previous)
        occurred_at = find_time(member.get(_TIMES.get(kind, "")))
        key = _key(kind, current, previous)
        content = _content(kind, current, previous)
        return Split((Event(key, kind, content, occurred_at, is_erasure=kind == DELETED),))


def _key(kind: str, current: dict[str, Any], previous: dict[str, Any]) -> str:
    """There is no event id. A member is added once and deleted once; the same change has the same values before and after."""
    member_id = identifier((current or previous).get("id"))
    is_once = kind in (ADDED, DELETED) and member_id
    return f"{kind}:{member_id}" if is_once else f"{kind}:{member_id}:{digest_of([current, previous])}"


def _kind(current: dict[str, Any], previous: dict[str, Any]) -> str:
    if not current:
        return DELETED
    return UPDATED if previous else ADDED


def _content(kind: str, current: dict[str, Any], previous: dict[str, Any]) -> dict[str, Any]:
    """What the mapping reads. Of a deleted member only what finds the person; the staff's note is never read."""
    member = current or previous
    found: dict[str, Any] = {
        "change": kind.removeprefix("member."),
        "id": identifier(member.get("id")),
        "email": text_of(member.get("email")),
    }
    if kind == DELETED:
        return filled(found)
    old_email = text_of(previous.get("email"))
    found |= {
        "uuid": identifier(member.get("uuid")),
        "old_email": old_email if old_email != found["email"] else "",
        "name": text_of(member.get("name")),
        "status": text_of(member.get("status")),
        "labels": _names(member.get("labels")),
        "newsletters": _names(member.get("newsletters")),
        "subscription": _subscription(kind, current, previous),
        "created_at": text_of(member.get("created_at")),
        "updated_at": text_of(member.get("updated_at")),
    }
    return filled(found)


def _subscription(kind: str, current: dict[str, Any], previous: dict[str, Any]) -> str:
    """Whether this very event "started" or "ended" it, else "" (who is subscribed still gives no new consent)."""
    is_now = current.get("subscribed")
    if kind == ADDED:
        return "started" if is_now is True else ""
    before = previous.get("newsletters")
    was = bool(before) if isinstance(before, list) else previous.get("subscribed")
    if not isinstance(is_now, bool) or not isinstance(was, bool) or is_now == was:
        return ""
    return "started" if is_now else "ended"


def _names(value: Any) -> list[str]:
    return [name for each in objects_in(value) if (name := text_of(each.get("name")).strip())]


source = Ghost()
