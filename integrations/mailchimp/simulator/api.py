"""The routes under /3.0: read the request, do one thing to the world, answer as Mailchimp does."""

import json
from typing import Any, cast

from flask import Blueprint, Response, current_app, g, request

from integrations.mailchimp.simulator.batch import Outcomes, write_batch
from integrations.mailchimp.simulator.choice import choose_fields
from integrations.mailchimp.simulator.listing import list_members, read_count
from integrations.mailchimp.simulator.members import (
    Writer,
    archive_member,
    erase_member,
    update_member,
    write_member,
)
from integrations.mailchimp.simulator.members import note as note_wish
from integrations.mailchimp.simulator.refusals import Refusal, bad_json, not_found
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.state import Account, Audience, Member, iso
from integrations.mailchimp.simulator.wishes import read_wish
from integrations.mailchimp.simulator.world import World

api = Blueprint("api", __name__, url_prefix="/3.0")
JSON = "application/json; charset=utf-8"
MEMBER = "/lists/<list_id>/members/<key>"


def world() -> World:
    return cast("World", current_app.extensions["world"])


def account() -> Account:
    return cast("Account", g.account)


def shapes() -> Shapes:
    return Shapes(account())


def audience_of(list_id: str) -> Audience:
    return world().get_audience(list_id, account().api_key)


def member_of(audience: Audience, key: str) -> Member:
    member = audience.find(key)
    if member is None:
        raise not_found()
    return member


def read_body() -> Any:
    try:
        return json.loads(request.get_data() or b"null")
    except (ValueError, RecursionError):
        raise bad_json() from None


def writer() -> Writer:
    skips = request.args.get("skip_merge_validation") == "true"
    return Writer("api", request.remote_addr or "", skips)


def answer(body: dict[str, Any], schema: str, *, web_id: int | None = None) -> Response:
    """200 with the chosen fields and Mailchimp's headers."""
    wanted = [name for name in request.args.get("fields", "").split(",") if name]
    unwanted = [name for name in request.args.get("exclude_fields", "").split(",") if name]
    return answer_text(json.dumps(choose_fields(body, wanted, unwanted)), schema, web_id=web_id)


def answer_text(text: str, schema: str, *, web_id: int | None = None) -> Response:
    response = Response(text, 200, content_type=JSON)
    links = [f'<{shapes().root}/schema/3.0/{schema}.json>; rel="describedBy"']
    if web_id is not None:
        dashboard = f"https://{account().centre}.admin.mailchimp.com/lists/members/view?id={web_id}"
        links.append(f'<{dashboard}>; rel="dashboard"')
    response.headers["Link"] = ", ".join(links)
    response.headers["Vary"] = "Accept-Encoding"
    return response


def nothing() -> Response:
    return Response(status=204, content_type=JSON)


def answer_member(audience: Audience, member: Member) -> Response:
    body = shapes().member(audience, audience.fields_by_tag(), member)
    return answer(body, "Lists/Members/Instance", web_id=member.web_id)


@api.get("/ping")
def ping() -> Response:
    return answer({"health_status": "Everything's Chimpy!"}, "Ping/Instance")


@api.get("/")
def root() -> Response:
    who = account()
    contact = {
        "company": who.name,
        "addr1": "",
        "addr2": "",
        "city": "",
        "state": "",
        "zip": "",
        "country": "US",
    }
    body = {
        "account_id": who.account_id,
        "login_id": "1",
        "account_name": who.name,
        "email": "office@muster.example",
        "first_name": "Muster",
        "last_name": "Simulator",
        "username": "muster",
        "avatar_url": "",
        "role": "owner",
        "member_since": iso(1_500_000_000),
        "pricing_plan_type": "monthly",
        "first_payment": "",
        "account_timezone": "UTC",
        "account_industry": "",
        "contact": contact,
        "pro_enabled": False,
        "last_login": iso(world().clock.now()),
        "total_subscribers": sum(
            member.status == "subscribed"
            for one in world().audiences.values()
            if one.api_key == who.api_key
            for member in one.members()
        ),
        "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        "_links": [shapes().link("self", "/")],
        **who.about,
    }
    return answer(body, "Root/Instance")


@api.get("/lists")
def lists() -> Response:
    count, offset = read_count(request.args)
    mine = [one for one in world().audiences.values() if one.api_key == account().api_key]
    body = {
        "lists": [shapes().audience(one) for one in mine[offset : offset + count]],
        "total_items": len(mine),
        "constraints": {
            "may_create": False,
            "max_instances": len(mine),
            "current_total_instances": len(mine),
        },
        "_links": [shapes().link("self", "/lists")],
    }
    return answer(body, "Lists/Collection")


@api.get("/lists/<list_id>")
def get_list(list_id: str) -> Response:
    has_total = request.args.get("include_total_contacts") == "true"
    with world().lock:
        return answer(shapes().audience(audience_of(list_id), has_total=has_total), "Lists/Instance")


@api.post("/lists/<list_id>")
def post_batch(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_body()
    skips = request.args.get("skip_duplicate_check") == "true"
    with world().change() as change:
        g.notes = change.notes
        outcomes = write_batch(world(), audience, body, writer(), skip_duplicate_check=skips)
        text = _batch_text(audience, outcomes)
    return answer_text(text, "Lists/BatchPOST-Response")


def _batch_text(audience: Audience, outcomes: Outcomes) -> str:
    shape, fields = shapes(), audience.fields_by_tag()
    texts = [
        ", ".join(shape.batch_member_text(audience, fields, one) for one in members)
        for members in (outcomes.created, outcomes.updated)
    ]
    rest = {
        "errors": outcomes.errors,
        "total_created": len(outcomes.created),
        "total_updated": len(outcomes.updated),
        "error_count": len(outcomes.errors),
        "_links": [],
    }
    return f'{{"new_members": [{texts[0]}], "updated_members": [{texts[1]}], {json.dumps(rest)[1:]}'


@api.get("/lists/<list_id>/members")
def get_members(list_id: str) -> Response:
    audience, shape = audience_of(list_id), shapes()
    fields, unwanted = request.args.get("fields", ""), request.args.get("exclude_fields", "").split(",")
    has_links = "members._links" not in unwanted and (
        not fields or "_links" in fields or "members," in f"{fields},"
    )
    with world().lock:
        found, total = list_members(world(), audience, request.args)
        by_tag = audience.fields_by_tag()
        members = [shape.member(audience, by_tag, one, has_links=has_links) for one in found]
    links = [shape.link("self", f"/lists/{list_id}/members"), shape.link("parent", f"/lists/{list_id}")]
    body = {"members": members, "list_id": list_id, "total_items": total, "_links": links}
    return answer(body, "Lists/Members/Collection")


@api.post("/lists/<list_id>/members")
def post_member(list_id: str) -> Response:
    audience, wish = audience_of(list_id), read_wish(read_body(), ("email_address", "status"))
    with world().change() as change:
        g.notes = change.notes
        return answer_member(audience, write_member(world(), audience, None, wish, writer()))


@api.get(MEMBER)
def get_member(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        return answer_member(audience, member_of(audience, key))


@api.put(MEMBER)
def put_member(list_id: str, key: str) -> Response:
    audience, body = audience_of(list_id), read_body()
    # Recorded: {"status": ...} alone is taken for a member that exists.
    required = () if audience.find(key) else ("email_address",)
    wish = read_wish(body, required)
    with world().change() as change:
        g.notes = change.notes
        return answer_member(audience, write_member(world(), audience, key, wish, writer()))


@api.patch(MEMBER)
def patch_member(list_id: str, key: str) -> Response:
    audience, wish = audience_of(list_id), read_wish(read_body())
    with world().change() as change:
        g.notes = change.notes
        member = member_of(audience, key)
        before = member.status
        try:
            return answer_member(audience, update_member(world(), audience, member, wish, writer()))
        except Refusal as problem:
            note_wish(world(), audience, wish, before, problem.title, email=member.email)
            raise


@api.delete(MEMBER)
def delete_member(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        archive_member(world(), audience, member_of(audience, key), "api")
    return nothing()


@api.post(MEMBER + "/actions/delete-permanent")
def erase(list_id: str, key: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        erase_member(world(), audience, member_of(audience, key), "api")
    return nothing()
