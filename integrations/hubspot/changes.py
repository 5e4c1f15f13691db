"""A HubSpot delivery taken apart: an array of events, or one contact from a workflow.

https://developers.hubspot.com/docs/api/webhooks (from public documentation as collected 2026-11).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.kit.contract import Event, Ignored, Split, Unreadable
from integrations.kit.keys import digest_of
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, short_name, text_of

FETCHED = frozenset({"contact.creation", "contact.propertyChange", "contact.merge", "contact.restore"})
DELETED = frozenset({"contact.deletion", "contact.privacyDeletion"})
_HINT = "HubSpot sends a list of events with subscriptionType and objectId; check which program posts here."
_REPEATED = "the same change stands in this delivery already"
_OTHER = "only contacts are read"
_MERGED = "the contact lives on in the one it was merged into"
_CONTACT_TYPE = "0-1"  # the type of object that is a contact, where events are named object.*


def split_events(body: bytes) -> Split:
    """Every event of the array, in whatever order HubSpot put them."""
    value = load_json(body)
    if isinstance(value, dict) and "subscriptionType" not in value and "properties" in value:
        return Split((_from_workflow(value),))
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, dict) for each in listed):
        raise Unreadable("the JSON is no list of events", _HINT)
    events: dict[str, Event] = {}
    ignored: list[Ignored] = []
    for part in _parts(listed):
        if isinstance(part, Ignored):
            ignored.append(part)
        elif part.key in events:
            ignored.append(Ignored(part.kind, _REPEATED))
        else:
            events[part.key] = part
    return Split(tuple(events.values()), tuple(ignored))


def _parts(listed: list[dict[str, Any]]) -> Iterator[Event | Ignored]:
    for each in listed:
        kind = _kind(each)
        if kind not in FETCHED | DELETED:
            yield Ignored(short_name(kind), _OTHER)
            continue
        if kind in DELETED and "MERGE" in text_of(each.get("changeSource")).upper():
            yield Ignored(kind, _MERGED)
            continue
        contact_id = _contact_id(each)
        if not contact_id:
            yield Ignored(kind, "an event without the id of a contact")
            continue
        yield _event(kind, contact_id, each)


def _kind(each: Mapping[str, Any]) -> str:
    """The type of event; `object.creation` and its like are a contact's where the type of object says so."""
    kind = text_of(each.get("subscriptionType"))
    is_contact = identifier(each.get("objectTypeId")) == _CONTACT_TYPE
    return f"contact.{kind.removeprefix('object.')}" if is_contact and kind.startswith("object.") else kind


def _contact_id(each: Mapping[str, Any]) -> str:
    names = ("newObjectId", "primaryObjectId", "objectId")
    found = (identifier(each.get(name)) for name in names)
    return next((value for value in found if value.isascii() and value.isdecimal()), "")


def _event(kind: str, contact_id: str, each: Mapping[str, Any]) -> Event:
    portal, moment = identifier(each.get("portalId")), identifier(each.get("occurredAt"))
    merged = each.get("mergedObjectIds")
    content = {
        "contact_id": contact_id,
        "portal_id": portal,
        "change": kind.removeprefix("contact."),
        "merged_ids": [identifier(one) for one in merged] if isinstance(merged, list) else None,
        "deleted": kind in DELETED or None,
    }
    # A contact is made once. Several properties changed together share their moment: one event, one fetch.
    mark = "" if kind == "contact.creation" else moment or identifier(each.get("eventId"))
    return Event(
        key=f"{portal}:{kind}:{contact_id}:{mark}",
        kind=kind,
        content=filled(content),
        occurred_at=find_time(each.get("occurredAt")),
        account=portal,
        needs_enrich=kind in FETCHED,
        is_erasure=kind in DELETED,
    )


def _from_workflow(value: Mapping[str, Any]) -> Event:
    """What a workflow's "Send a webhook" posts: the contact itself; its properties are values, or objects that hold one."""
    listed = object_at(value, "properties")
    properties = {
        name: object_at(each).get("value") if isinstance(each, dict) else each
        for name, each in listed.items()
    }
    contact_id = next(
        (found for found in (identifier(value.get(name)) for name in ("vid", "objectId", "id")) if found),
        identifier(properties.get("hs_object_id")),
    )
    portal = identifier(value.get("portal-id")) or identifier(value.get("portalId"))
    content = filled(
        {
            "contact_id": contact_id,
            "portal_id": portal,
            "change": "workflow",
            "properties": filled(properties),
        }
    )
    occurred_at = find_time(properties.get("lastmodifieddate"))
    return Event(digest_of(content), "contact.workflow", content, occurred_at, portal)
