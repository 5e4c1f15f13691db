"""A Calendly delivery put into the form that the mapping reads. https://developer.calendly.com/api-docs (from public documentation as collected 2026-11)."""

from collections.abc import Mapping
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.values import filled, object_at, objects_in, text_of

CREATED, CANCELED, ROUTED = "invitee.created", "invitee.canceled", "routing_form_submission.created"
_COPIED = ("uri", "email", "name", "first_name", "last_name", "timezone", "status", "created_at")


def kind_of(body: Mapping[str, Any]) -> str:
    """The event's name; where a relay left it out, what the booking's status says."""
    name = text_of(body.get("event"))
    payload = object_at(body, "payload")
    if name or "uri" not in payload:
        return name
    if "routing_form" in payload:
        return ROUTED
    return CANCELED if payload.get("status") == "canceled" else CREATED


def read_booking(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The content for the mapping.

    `change`: booked, rescheduled (the new time), moved (the old time of a rescheduling, nothing new), canceled or routed.
    `fields` and `found` have the answers to the event type's questions.
    """
    answers = Answers()
    for each in objects_in(payload.get("questions_and_answers")):
        answers.add(text_of(each.get("question")), each.get("answer"))
    found = answers.content()
    made = {name: payload.get(name) for name in _COPIED}
    made |= {
        "change": _change(kind, payload),
        "phone": text_of(payload.get("text_reminder_number")),
        "event_name": text_of(object_at(payload, "scheduled_event").get("name")),
        "starts_at": text_of(object_at(payload, "scheduled_event").get("start_time")),
        "tracking": filled(object_at(payload, "tracking")),
        "old_invitee": payload.get("old_invitee"),
        "new_invitee": payload.get("new_invitee"),
    }
    return filled(made | found)


def _change(kind: str, payload: Mapping[str, Any]) -> str:
    if kind == ROUTED:
        return "routed"
    if kind == CREATED:
        return "rescheduled" if payload.get("old_invitee") else "booked"
    return "moved" if payload.get("rescheduled") is True else "canceled"
