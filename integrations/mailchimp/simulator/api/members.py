"""The members of an audience: pages of them, one of them, and the search through all audiences."""

import json
from typing import Any

from flask import Blueprint, Response, g, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    MEMBER,
    ROOT,
    account,
    answer,
    answer_member,
    answer_text,
    audience_of,
    member_of,
    names_in,
    nothing,
    read_body,
    shapes,
    world,
    writer,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.listing import list_members
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.members import archive_member, erase_member, update_member, write_member
from integrations.mailchimp.simulator.members import note as note_wish
from integrations.mailchimp.simulator.refusals import Refusal, not_validated
from integrations.mailchimp.simulator.wishes import read_wish

routes = Blueprint("members", __name__, url_prefix=ROOT)
LINKS = frozenset({"_links", "members._links"})
FOUND_SHOWN = 30


@routes.get(LIST + "/members")
def get_members(list_id: str) -> Response:
    audience, shape = audience_of(list_id), shapes()
    wanted, unwanted = names_in("fields"), names_in("exclude_fields")
    has_links = "members._links" not in unwanted and (
        not wanted or any(name in {"members", "members._links"} for name in wanted)
    )
    with world().lock:
        found, total = list_members(world(), audience, request.args)
        texts = shape.texts(audience)
        members = "[" + ", ".join([texts.full(one, has_links=has_links) for one in found]) + "]"
    links = [shape.link("self", f"/lists/{list_id}/members"), shape.link("parent", f"/lists/{list_id}")]
    rest: dict[str, Any] = {"list_id": list_id, "total_items": total, "_links": links}
    if wanted or not LINKS.issuperset(unwanted):
        return answer({"members": json.loads(members), **rest}, "Lists/Members/Collection")
    if "_links" in unwanted:
        del rest["_links"]
    return answer_text(f'{{"members": {members}, {json.dumps(rest)[1:]}', "Lists/Members/Collection")


@routes.post(LIST + "/members")
def post_member(list_id: str) -> Response:
    audience, wish = audience_of(list_id), read_wish(read_body(), ("email_address", "status"))
    with world().change() as change:
        g.notes = change.notes
        return answer_member(audience, write_member(world(), audience, None, wish, writer()))


@routes.get(MEMBER)
def get_member(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        return answer_member(audience, member_of(audience, key))


@routes.put(MEMBER)
def put_member(list_id: str, key: str) -> Response:
    audience, body = audience_of(list_id), read_body()
    # Recorded: {"status": ...} alone is taken for a member that exists.
    required = () if audience.find(key) else ("email_address",)
    wish = read_wish(body, required)
    with world().change() as change:
        g.notes = change.notes
        return answer_member(audience, write_member(world(), audience, key, wish, writer()))


@routes.patch(MEMBER)
def patch_member(list_id: str, key: str) -> Response:
    audience, body = audience_of(list_id), read_body()
    if isinstance(body, dict):
        body.pop("tags", None)  # no part of a PATCH, says the definition
    wish = read_wish(body)
    with world().change() as change:
        g.notes = change.notes
        member = member_of(audience, key)
        before = member.status
        try:
            return answer_member(audience, update_member(world(), audience, member, wish, writer()))
        except Refusal as problem:
            note_wish(world(), audience, wish, before, problem.title, email=member.email)
            raise


@routes.delete(MEMBER)
def delete_member(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        archive_member(world(), audience, member_of(audience, key), "api")
    return nothing()


@routes.post(MEMBER + "/actions/delete-permanent")
def erase(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        erase_member(world(), audience, member_of(audience, key), "api")
    return nothing()


@routes.get("/search-members")
def search_members() -> Response:
    """By address or name, in one audience or all of the account's; archived members are not found."""
    query, list_id = request.args.get("query", "").strip().casefold(), request.args.get("list_id")
    if not query:
        raise not_validated(("query", "Required fields were not provided: query"))
    audiences = [audience_of(list_id)] if list_id else world().list_audiences(account().api_key)
    exact: list[tuple[Audience, Member]] = []
    full: list[tuple[Audience, Member]] = []
    with world().lock:
        for audience in audiences:
            for member in audience.members():
                if member.status != "archived" and query in _searched_text(member):
                    full.append((audience, member))
                    if member.email.casefold() == query:
                        exact.append((audience, member))
        body = {"exact_matches": _found(exact), "full_search": _found(full)}
    body["_links"] = [shapes().link("self", "/search-members")]
    return answer(body, "SearchMembers/Collection")


def _searched_text(member: Member) -> str:
    named = dict(zip(member.merge_tags, member.merge_values, strict=True))
    return f"{member.email} {named.get('FNAME', '')} {named.get('LNAME', '')}".casefold()


def _found(found: list[tuple[Audience, Member]]) -> Any:
    shown = [json.loads(shapes().texts(audience).full(one)) for audience, one in found[:FOUND_SHOWN]]
    return {"members": shown, "total_items": len(found)}
