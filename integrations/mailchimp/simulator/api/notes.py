"""Notes on members, and the events that a shop or site tells of them."""

from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api.answers import (
    MEMBER,
    ROOT,
    answer,
    answer_page,
    audience_of,
    member_of,
    nothing,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.listing import read_moment, read_order
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.refusals import not_found, not_validated

routes = Blueprint("notes", __name__, url_prefix=ROOT)
MAX_NOTE = 1000
EVENT_NAME_LENGTHS = range(2, 31)
KEPT_EVENTS = 1000
NOTES = MEMBER + "/notes"
NOTE = NOTES + "/<int:note_id>"
EVENTS = MEMBER + "/events"
AUTHOR = "Muster Simulator"
SORTS = {"created_at": "created_at", "updated_at": "updated_at", "note_id": "id"}


def _shape(audience: Audience, member: Member, note: dict[str, Any]) -> dict[str, Any]:
    own = f"/lists/{audience.list_id}/members/{member.hash}/notes/{note['id']}"
    return {
        "id": note["id"],
        "created_at": iso(note["created_at"]),
        "created_by": note["created_by"],
        "updated_at": iso(note["updated_at"]),
        "note": note["note"],
        "list_id": audience.list_id,
        "email_id": member.hash,
        "contact_id": member.contact_id,
        "_links": shapes().own_links(own),
    }


def _answer_note(audience: Audience, member: Member, note: dict[str, Any]) -> Response:
    return answer(_shape(audience, member, note), "Lists/Members/Notes/Instance")


def _note(audience: Audience, member: Member, note_id: int) -> dict[str, Any]:
    story = audience.stories.get(member.contact_id)
    for note in story.notes if story else ():
        if note["id"] == note_id:
            return note
    raise not_found()


def _read_note() -> str:
    text = read_object("note")["note"]
    if not isinstance(text, str) or not 0 < len(text) <= MAX_NOTE:
        raise not_validated(("note", f"A note has 1 to {MAX_NOTE} characters"))
    return text


@routes.get(NOTES)
def get_notes(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    sort, is_reversed = read_order(request.args, tuple(SORTS), "DESC")
    with world().lock:
        member = member_of(audience, key)
        story = audience.stories.get(member.contact_id)
        notes = list(story.notes) if story else []
    notes.sort(key=lambda note: (note[SORTS[sort or "created_at"]], note["id"]), reverse=is_reversed)
    shown = [_shape(audience, member, note) for note in notes]
    own, ids = f"/lists/{list_id}/members/{member.hash}/notes", {"email_id": member.hash, "list_id": list_id}
    return answer_page("notes", shown, own, "Lists/Members/Notes/Collection", **ids)


@routes.post(NOTES)
def post_note(list_id: str, key: str) -> Response:
    audience, text = audience_of(list_id), _read_note()
    with world().change():
        member, now = member_of(audience, key), world().clock.now()
        ids = (note["id"] for story in audience.stories.values() for note in story.notes)
        told = {"id": world().made_up("id", 1 + max(ids, default=0)), "created_at": now, "updated_at": now}
        told |= {"created_by": world().made_up("created_by", AUTHOR), "note": text}
        audience.story(member).notes.append(told)
        world().save_story(audience, member)
        return _answer_note(audience, member, told)


@routes.get(NOTE)
def get_note(list_id: str, key: str, note_id: int) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        member = member_of(audience, key)
        return _answer_note(audience, member, _note(audience, member, note_id))


@routes.patch(NOTE)
def patch_note(list_id: str, key: str, note_id: int) -> Response:
    audience, text = audience_of(list_id), _read_note()
    with world().change():
        member = member_of(audience, key)
        note = _note(audience, member, note_id)
        note |= {"note": text, "updated_at": world().clock.now()}
        world().save_story(audience, member)
        return _answer_note(audience, member, note)


@routes.delete(NOTE)
def delete_note(list_id: str, key: str, note_id: int) -> Response:
    audience = audience_of(list_id)
    with world().change():
        member = member_of(audience, key)
        audience.story(member).notes.remove(_note(audience, member, note_id))
        world().save_story(audience, member)
    return nothing()


@routes.get(EVENTS)
def get_events(list_id: str, key: str) -> Response:
    """The newest first."""
    audience = audience_of(list_id)
    with world().lock:
        member = member_of(audience, key)
        story = audience.stories.get(member.contact_id)
        events = sorted(story.events, key=lambda one: int(one["at"]), reverse=True) if story else []
    shown = [
        {"occurred_at": iso(one["at"]), "name": one["name"], "properties": one["properties"]}
        for one in events
    ]
    own = f"/lists/{list_id}/members/{member.hash}/events"
    return answer_page("events", shown, own, "Lists/Members/Events/Collection")


@routes.post(EVENTS)
def post_event(list_id: str, key: str) -> Response:
    audience, body = audience_of(list_id), read_object("name")
    name, properties = str(body["name"]), body.get("properties") or {}
    if len(name) not in EVENT_NAME_LENGTHS:
        raise not_validated(("name", "An event's name has 2 to 30 characters"))
    if not isinstance(properties, dict) or any(not isinstance(one, str) for one in properties.values()):
        raise not_validated(("properties", "Schema describes object of strings"))
    moment = read_moment("occurred_at", str(body["occurred_at"])) if body.get("occurred_at") else None
    with world().change():
        member = member_of(audience, key)
        events = audience.story(member).events
        at = world().clock.now() if moment is None else int(moment)
        events.append({"at": at, "name": name, "properties": properties})
        del events[:-KEPT_EVENTS]
        world().save_story(audience, member)
    return nothing()
