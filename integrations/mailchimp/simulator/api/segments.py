"""Static segments, which are the tags, and their members: one by one and up to 500 at a time."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    ROOT,
    answer,
    answer_page,
    answer_text,
    audience_of,
    is_on,
    member_of,
    nothing,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.furnish import remove_tag
from integrations.mailchimp.simulator.listing import read_moment
from integrations.mailchimp.simulator.member import Member, md5_of
from integrations.mailchimp.simulator.parts import Tag
from integrations.mailchimp.simulator.refusals import invalid, not_found, not_validated
from integrations.mailchimp.simulator.tagging import change_tags, shown_tags
from integrations.mailchimp.simulator.wishes import mistyped, mistyped_elements

routes = Blueprint("segments", __name__, url_prefix=ROOT)
MOST_AT_ONCE = 500
SEGMENT = LIST + "/segments/<int:tag_id>"
# Members of these statuses only count where they are asked for.
INCLUDED = ("cleaned", "transactional", "unsubscribed")
NOT_MEMBERS = "Email addresses do not exist as members of this list."  # of our own wording
# parameter -> attribute, whether the bound is the lower one
DATE_BOUNDS = {
    "since_created_at": ("created_at", True),
    "before_created_at": ("created_at", False),
    "since_updated_at": ("updated_at", True),
    "before_updated_at": ("updated_at", False),
}


def _tag(audience: Audience, tag_id: int) -> Tag:
    tag = audience.tags.get(tag_id)
    if tag is None:
        raise not_found()
    return tag


def _shown_statuses() -> set[str]:
    return {"subscribed", *(name for name in INCLUDED if is_on(f"include_{name}"))}


def _counts(audience: Audience) -> Counter[int]:
    """Members of every tag."""
    statuses, counts = _shown_statuses(), Counter[int]()
    for member in audience.members():
        if member.tag_ids and member.status in statuses:
            counts.update(tag_id for tag_id, _ in shown_tags(audience, member))
    return counts


def _answer_tag(audience: Audience, tag: Tag) -> Response:
    return answer(shapes().tag(audience, tag, _counts(audience)[tag.tag_id]), "Lists/Segments/Instance")


@routes.get(LIST + "/segments")
def get_segments(list_id: str) -> Response:
    audience, wanted_type = audience_of(list_id), request.args.get("type")
    with world().lock:
        counts = _counts(audience)
        found = [
            shapes().tag(audience, tag, counts[tag.tag_id])
            for tag in audience.tags.values()
            if wanted_type in {None, "static" if tag.options is None else "saved"} and _fits(tag)
        ]
    own = f"/lists/{list_id}/segments"
    return answer_page("segments", found, own, "Lists/Segments/Collection", list_id=list_id)


def _fits(tag: Tag) -> bool:
    for name, (attribute, is_lower) in DATE_BOUNDS.items():
        moment = read_moment(name, request.args[name]) if request.args.get(name) else None
        if moment is not None and (getattr(tag, attribute) >= moment) != is_lower:
            return False
    return True


@routes.post(LIST + "/segments")
def post_segment(list_id: str) -> Response:
    """A new tag, put on the given members at once; addresses that are no members are left out in silence."""
    audience, body = audience_of(list_id), read_object("name")
    name, emails = _name(body), _emails(body, "static_segment")
    if emails is None:
        raise invalid(
            "The simulator knows static segments only: send static_segment, an empty array if need be."
        )
    with world().change():
        if name.casefold() in audience.tag_ids:
            raise invalid("Sorry, that tag already exists.")
        tag = audience.tags[audience.tag_id(name, world().clock.now())]
        _put_on(audience, tag, emails)
        world().save_audience(audience)
        return _answer_tag(audience, tag)


@routes.get(SEGMENT)
def get_segment(list_id: str, tag_id: int) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        return _answer_tag(audience, _tag(audience, tag_id))


@routes.patch(SEGMENT)
def patch_segment(list_id: str, tag_id: int) -> Response:
    """Another name; or other members: those given take the place of all."""
    audience, body = audience_of(list_id), read_object()
    emails = _emails(body, "static_segment")
    with world().change():
        tag = _tag(audience, tag_id)
        name = _name(body) or tag.name
        if audience.tag_ids.get(name.casefold(), tag_id) != tag_id:
            raise invalid("Sorry, that tag already exists.")
        tag = Tag(tag_id, name, tag.created_at, world().clock.now())
        audience.put_tag(tag)
        if emails is not None:
            kept = {md5_of(email) for email in emails}
            _take_off(audience, tag, [one for one in audience.members() if one.hash not in kept])
            _put_on(audience, tag, emails)
        world().save_audience(audience)
        return _answer_tag(audience, tag)


@routes.delete(SEGMENT)
def delete_segment(list_id: str, tag_id: int) -> Response:
    audience = audience_of(list_id)
    with world().change():
        _tag(audience, tag_id)
        remove_tag(world(), audience, tag_id)
    return nothing()


@routes.post(SEGMENT)
def post_segment_batch(list_id: str, tag_id: int) -> Response:
    audience, body = audience_of(list_id), read_object()
    add, remove = _emails(body, "members_to_add") or [], _emails(body, "members_to_remove") or []
    for name, emails in (("members_to_add", add), ("members_to_remove", remove)):
        if len(emails) > MOST_AT_ONCE:
            raise not_validated((name, world().switches.batch_limit_text))
    with world().change():
        tag = _tag(audience, tag_id)
        unknown = [email for email in (*add, *remove) if audience.find(email) is None]
        added = _put_on(audience, tag, add)
        removed = _take_off(audience, tag, [one for one in map(audience.find, remove) if one is not None])
        texts = shapes().texts(audience)
        shown = [", ".join([texts.batch(one) for one in members]) for members in (added, removed)]
    errors = [{"email_addresses": unknown, "error": NOT_MEMBERS}] if unknown else []
    rest = {"errors": errors, "total_added": len(added), "total_removed": len(removed)}
    rest |= {"error_count": len(errors), "_links": []}
    text = f'{{"members_added": [{shown[0]}], "members_removed": [{shown[1]}], {json.dumps(rest)[1:]}'
    return answer_text(text, "Lists/Segments/BatchPOST-Response")


@routes.get(SEGMENT + "/members")
def get_segment_members(list_id: str, tag_id: int) -> Response:
    audience, statuses = audience_of(list_id), _shown_statuses()
    with world().lock:
        _tag(audience, tag_id)
        texts = shapes().texts(audience)
        found = [
            one
            for one in audience.members()
            if one.status in statuses and any(tag_id == shown for shown, _ in shown_tags(audience, one))
        ]
        members = [json.loads(texts.batch(one)) for one in found]
    own = f"/lists/{list_id}/segments/{tag_id}/members"
    return answer_page("members", members, own, "Lists/Segments/Members/Collection")


@routes.post(SEGMENT + "/members")
def post_segment_member(list_id: str, tag_id: int) -> Response:
    audience, body = audience_of(list_id), read_object("email_address")
    with world().change():
        member = member_of(audience, str(body["email_address"]))
        _put_on(audience, _tag(audience, tag_id), [member.email])
        return answer_text(shapes().texts(audience).batch(member), "Lists/Segments/Members/Instance")


@routes.delete(SEGMENT + "/members/<key>")
def delete_segment_member(list_id: str, tag_id: int, key: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        tag, member = _tag(audience, tag_id), member_of(audience, key)
        if tag_id not in member.tag_ids:
            raise not_found()
        _take_off(audience, tag, [member])
    return nothing()


def _name(body: Mapping[str, Any]) -> str:
    if odd := mistyped(body, {"name": str}):
        raise not_validated(*odd)
    return str(body.get("name", "")).strip()


def _emails(body: Mapping[str, Any], name: str) -> list[str] | None:
    told = body.get(name)
    if told is None:
        return None
    if not isinstance(told, list):
        raise not_validated(*mistyped(body, {name: list}))
    if odd := mistyped_elements(name, told, str):
        raise not_validated(*odd)
    return told


def _put_on(audience: Audience, tag: Tag, emails: Sequence[str]) -> list[Member]:
    """Those who did not have it yet."""
    found = [member for member in map(audience.find, dict.fromkeys(emails)) if member is not None]
    fresh = [member for member in found if tag.tag_id not in member.tag_ids]
    return _change(audience, tag, fresh, is_active=True)


def _take_off(audience: Audience, tag: Tag, members: Sequence[Member]) -> list[Member]:
    having = [member for member in members if tag.tag_id in member.tag_ids]
    return _change(audience, tag, having, is_active=False)


def _change(audience: Audience, tag: Tag, members: list[Member], *, is_active: bool) -> list[Member]:
    for member in members:
        change_tags(world(), audience, member, [(tag.name, is_active)])
    if members:
        tag.updated_at = world().clock.now()
        world().save_audience(audience)
    return members
