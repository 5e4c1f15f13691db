"""What all routes share: the world, who asks, what was sent, and answers with Mailchimp's headers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from flask import Response, current_app, g, request

from integrations.mailchimp.simulator.audience import Account, Audience
from integrations.mailchimp.simulator.choice import choose_fields
from integrations.mailchimp.simulator.listing import read_count
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.members import Writer
from integrations.mailchimp.simulator.refusals import bad_json, not_found, not_validated
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.tagging import settle_tags
from integrations.mailchimp.simulator.wishes import type_name
from integrations.mailchimp.simulator.world import World

ROOT = "/3.0"
JSON = "application/json; charset=utf-8"
LIST = "/lists/<list_id>"
MEMBER = "/lists/<list_id>/members/<key>"


def world() -> World:
    return cast("World", current_app.extensions["world"])


def account() -> Account:
    return cast("Account", g.account)


def shapes() -> Shapes:
    return Shapes(account())


def audience_of(list_id: str) -> Audience:
    audience = world().get_audience(list_id, account().api_key)
    settle_tags(world(), audience)
    return audience


def member_of(audience: Audience, key: str) -> Member:
    member = audience.find(key)
    if member is None:
        raise not_found()
    return member


def _no_json(constant: str) -> None:
    """NaN and Infinity, which Python would read and write, and other readers of JSON refuse."""
    raise ValueError(constant)


def read_body() -> Any:
    try:
        return json.loads(request.get_data() or b"null", parse_constant=_no_json)
    except (ValueError, RecursionError):
        raise bad_json() from None


def read_object(*required: str) -> Mapping[str, Any]:
    """The body as an object that has what is required, or a refusal."""
    body = read_body()
    if not isinstance(body, dict):
        raise not_validated(("", f"Schema describes object, {type_name(body)} found instead"))
    missing = [name for name in required if body.get(name) is None]
    if missing:
        raise not_validated(("", "Required fields were not provided: " + ", ".join(missing)))
    return body


def is_on(name: str) -> bool:
    """A query parameter that says true."""
    return request.args.get(name, "").lower() == "true"


def writer() -> Writer:
    return Writer("api", request.remote_addr or "", is_on("skip_merge_validation"))


def names_in(parameter: str) -> list[str]:
    return [name for name in request.args.get(parameter, "").split(",") if name]


def answer(body: dict[str, Any], schema: str, *, web_id: int | None = None) -> Response:
    """200 with the chosen fields and Mailchimp's headers."""
    chosen = choose_fields(body, names_in("fields"), names_in("exclude_fields"))
    return answer_text(json.dumps(chosen), schema, web_id=web_id)


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


def answer_page(name: str, found: Sequence[Any], path: str, schema: str, **more: Any) -> Response:
    """A collection: one page of `found`, and how many there are."""
    count, offset = read_count(request.args)
    body = {name: list(found[offset : offset + count]), **more, "total_items": len(found)}
    body["_links"] = [shapes().link("self", path)]
    return answer(body, schema)


def answer_member(audience: Audience, member: Member) -> Response:
    text = shapes().texts(audience).full(member)
    if not (request.args.get("fields") or request.args.get("exclude_fields")):
        return answer_text(text, "Lists/Members/Instance", web_id=member.web_id)
    return answer(json.loads(text), "Lists/Members/Instance", web_id=member.web_id)
