"""An Eventbrite delivery: which object changed. The address in it is a stranger's word and is checked before anything is asked.

https://www.eventbrite.com/platform/docs/webhooks (from public documentation as collected 2026-11).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from integrations.kit.contract import Event, Ignored, Unreadable
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import identifier, object_at, short_name, text_of

API_HOST = "www.eventbriteapi.com"
PLACED = "order.placed"
PERSON_ACTIONS = frozenset(
    {
        PLACED,
        "order.updated",
        "order.refunded",
        "attendee.updated",
        "attendee.checked_in",
        "attendee.checked_out",
        "barcode.checked_in",
        "barcode.un_checked_in",
    }
)
COALESCE_SECONDS = 60
_PATH = re.compile(
    r"/v3/(?:orders/(?P<order>\d{1,20})|events/(?P<event>\d{1,20})/attendees/(?P<attendee>\d{1,20}))/?"
)
_HINT = "Eventbrite sends one object with config and api_url; check which program posts here."
_TEST = Ignored("test", "the webhook's own test button")
_OTHER = "only orders and attendees make contacts here"


@dataclass(frozen=True, slots=True)
class Target:
    """An order, or an attendee of an event, at Eventbrite's API."""

    path: str
    order_id: str = ""
    event_id: str = ""
    attendee_id: str = ""


def find_target(api_url: Any) -> Target | None:
    """What the address leads to; None for any address but an order's or an attendee's at Eventbrite's own API."""
    try:
        parts = urlsplit(api_url) if isinstance(api_url, str) else None
    except ValueError:
        return None
    if parts is None or (parts.scheme, parts.netloc) != ("https", API_HOST) or parts.query or parts.fragment:
        return None
    found = _PATH.fullmatch(parts.path)
    if found is None or not parts.path.isascii():
        return None
    return Target(
        f"{parts.path.rstrip('/')}/", found["order"] or "", found["event"] or "", found["attendee"] or ""
    )


def read_signal(body: bytes, delivery: str, received_at: datetime | None) -> Event | Ignored:
    """The signal as an event to enrich, the name of one that is not about a person, or Unreadable."""
    parsed = load_object(body, _HINT)
    action = text_of(object_at(parsed, "config").get("action")).strip()
    if not action:
        raise Unreadable("the JSON has no action", _HINT, path="config.action")
    if action == "test":
        return _TEST
    if action not in PERSON_ACTIONS:
        return Ignored(short_name(action), _OTHER)
    target = find_target(parsed.get("api_url"))
    if target is None:
        hint = "Only https://www.eventbriteapi.com/v3/orders/... and .../attendees/... are asked, with the token or without."
        raise Unreadable("api_url does not lead to an order or attendee at Eventbrite", hint, path="api_url")
    changed = text_of(parsed.get("changed"))
    ids = {"order_id": target.order_id, "event_id": target.event_id, "attendee_id": target.attendee_id}
    content = {"action": action, "path": target.path, **{name: value for name, value in ids.items() if value}}
    key = _key(action, target, changed or identifier(delivery), received_at)
    return Event(key, action, content, find_time(changed), target.event_id, needs_enrich=True)


def _key(action: str, target: Target, mark: str, received_at: datetime | None) -> str:
    """An order is placed once. Any other signal says "this changed": told apart by its mark, else by the minute."""
    if action == PLACED:
        return f"{action}:{target.order_id or target.attendee_id}"
    minute = int(received_at.timestamp()) // COALESCE_SECONDS if received_at else 0
    return f"{action}:{target.path}:{mark or minute}"
