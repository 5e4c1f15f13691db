"""The routes under /3.0 for tags: a member's own, and the search through all of them."""

from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api import (
    MEMBER,
    answer,
    audience_of,
    member_of,
    nothing,
    read_body,
    shapes,
    world,
)
from integrations.mailchimp.simulator.listing import read_count
from integrations.mailchimp.simulator.members import change_tags
from integrations.mailchimp.simulator.refusals import not_validated
from integrations.mailchimp.simulator.state import iso

labels = Blueprint("labels", __name__, url_prefix="/3.0")


@labels.get(MEMBER + "/tags")
def get_tags(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    count, offset = read_count(request.args)
    with world().lock:
        member = member_of(audience, key)
        tags = [
            {"id": tag_id, "name": audience.tag_names[tag_id], "date_added": iso(added_at)}
            for tag_id, added_at in member.tags.items()
        ]
    own = f"/lists/{list_id}/members/{member.hash}"
    body = {
        "tags": tags[offset : offset + count],
        "total_items": len(tags),
        "_links": [shapes().link("self", own + "/tags")],
    }
    return answer(body, "Lists/Members/Tags/Collection")


@labels.post(MEMBER + "/tags")
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
    for tag in tags:
        if not isinstance(tag, dict) or not str(tag.get("name") or "").strip():
            raise not_validated(("tags", "Required fields were not provided: name"))
        if tag.get("status") not in {"active", "inactive"}:
            raise not_validated(("tags", "Value must be one of: active, inactive"))
        wanted.append((str(tag["name"]), tag["status"] == "active"))
    return wanted


@labels.get("/lists/<list_id>/tag-search")
def search_tags(list_id: str) -> Response:
    audience, start = audience_of(list_id), request.args.get("name", "").casefold()
    tags = [
        {"id": tag_id, "name": name}
        for tag_id, name in audience.tag_names.items()
        if name.casefold().startswith(start)
    ]
    return answer({"tags": tags, "total_items": len(tags)}, "Lists/TagSearch/Collection")
