"""Tags: a member's own, and the search through those of an audience."""

from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    MEMBER,
    ROOT,
    answer,
    answer_page,
    audience_of,
    member_of,
    nothing,
    read_body,
    world,
)
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.refusals import not_accepted, not_validated
from integrations.mailchimp.simulator.tagging import change_tags, shown_tags
from integrations.mailchimp.simulator.wishes import mistyped

routes = Blueprint("tags", __name__, url_prefix=ROOT)
STATUSES = ("active", "inactive")
SHAPE = {"name": str, "status": str}


@routes.get(MEMBER + "/tags")
def get_tags(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        member = member_of(audience, key)
        tags = [
            {"id": tag_id, "name": audience.tags[tag_id].name, "date_added": iso(added_at)}
            for tag_id, added_at in shown_tags(audience, member)
        ]
    own = f"/lists/{list_id}/members/{member.hash}/tags"
    return answer_page("tags", tags, own, "Lists/Members/Tags/Collection")


@routes.post(MEMBER + "/tags")
def post_tags(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    member = member_of(audience, key)
    wanted = _read_tags(read_body())
    with world().change():
        change_tags(world(), audience, member, wanted)
    return nothing()


def _read_tags(body: Any) -> list[tuple[str, bool]]:
    tags = body.get("tags") if isinstance(body, dict) else None
    if not isinstance(tags, list):
        raise not_validated(("", "Required fields were not provided: tags"))
    wanted = []
    for place, tag in enumerate(tags):
        if not isinstance(tag, dict) or not str(tag.get("name") or "").strip():
            raise not_validated(("tags", "Required fields were not provided: name"))
        if odd := mistyped(tag, SHAPE, f"tags.item:{place}."):
            raise not_validated(*odd)
        if tag.get("status") not in STATUSES:
            raise not_validated((f"tags.item:{place}.status", not_accepted(STATUSES)))
        wanted.append((tag["name"], tag["status"] == "active"))
    return wanted


@routes.get(LIST + "/tag-search")
def search_tags(list_id: str) -> Response:
    """Tags whose name begins so, without regard to case; without a name all of them."""
    audience, start = audience_of(list_id), request.args.get("name", "").casefold()
    with world().lock:
        tags = [
            {"id": tag.tag_id, "name": tag.name}
            for tag in audience.tags.values()
            if tag.options is None and tag.name.casefold().startswith(start)
        ]
    return answer({"tags": tags, "total_items": len(tags)}, "Lists/TagSearch/Collection")
