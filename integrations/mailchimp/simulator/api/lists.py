"""The account, its audiences, and the bulk write to one of them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, g, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    ROOT,
    account,
    answer,
    answer_text,
    audience_of,
    is_on,
    nothing,
    read_body,
    read_object,
    shapes,
    world,
    writer,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.batch import Outcomes, write_batch
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.furnish import turn_permissions
from integrations.mailchimp.simulator.listing import read_count, read_moment, read_order
from integrations.mailchimp.simulator.member import md5_of, new_hex_id
from integrations.mailchimp.simulator.refusals import not_validated
from integrations.mailchimp.simulator.shapes import count_stats
from integrations.mailchimp.simulator.wishes import mistyped

routes = Blueprint("lists", __name__, url_prefix=ROOT)
MAX_LISTS = 100
REQUIRED = ("name", "permission_reminder", "email_type_option", "contact", "campaign_defaults")
# setting of a list -> its JSON type
SETTINGS: Mapping[str, type] = {
    "name": str,
    "contact": dict,
    "permission_reminder": str,
    "use_archive_bar": bool,
    "campaign_defaults": dict,
    "notify_on_subscribe": str,
    "notify_on_unsubscribe": str,
    "email_type_option": bool,
    "double_optin": bool,
    "marketing_permissions": bool,
}


def _last_sent_at(audience: Audience) -> int:
    """When the last campaign was sent; 0 where none was."""
    return max((one.sent_at for one in audience.campaigns.values()), default=0)


def _created_at(audience: Audience) -> int:
    return audience.created_at


# parameter -> what is compared, whether the bound is the lower one
DATE_BOUNDS: Mapping[str, tuple[Callable[[Audience], int], bool]] = {
    "since_date_created": (_created_at, True),
    "before_date_created": (_created_at, False),
    "since_campaign_last_sent": (_last_sent_at, True),
    "before_campaign_last_sent": (_last_sent_at, False),
}


@routes.get("/ping")
def ping() -> Response:
    return answer({"health_status": "Everything's Chimpy!"}, "Ping/Instance")


@routes.get("/")
def root() -> Response:
    who = account()
    parts = ("company", "addr1", "addr2", "city", "state", "zip", "country")
    contact = {**dict.fromkeys(parts, ""), "company": who.name, "country": "US"}
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
            one.counts.get("subscribed", 0) for one in world().list_audiences(who.api_key)
        ),
        "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        "_links": [shapes().link("self", "/")],
        **who.about,
    }
    return answer(body, "Root/Instance")


def _stats(audience: Audience) -> dict[str, Any]:
    """Counted afresh, or as old as the switch lets them become."""
    age, now = world().switches.stats_age_seconds, world().clock.elapsed()
    if audience.stale_stats is None or now - audience.stale_stats[0] >= age:
        audience.stale_stats = (now, count_stats(audience))
    stats = dict(audience.stale_stats[1])
    if not is_on("include_total_contacts"):
        del stats["total_contacts"]
    return stats


def _list_answer(audience: Audience) -> Response:
    return answer(shapes().audience(audience, _stats(audience)), "Lists/Instance")


@routes.get("/lists")
def lists() -> Response:
    count, offset = read_count(request.args)
    sort, is_reversed = read_order(request.args, ("date_created",))
    with world().lock:
        found = [one for one in world().list_audiences(account().api_key) if _fits(one)]
        if sort is not None:
            found.sort(key=lambda one: one.created_at, reverse=is_reversed)
        shown = [shapes().audience(one, _stats(one)) for one in found[offset : offset + count]]
    mine = len(world().list_audiences(account().api_key))
    body = {
        "lists": shown,
        "total_items": len(found),
        "constraints": {
            "may_create": mine < MAX_LISTS,
            "max_instances": MAX_LISTS,
            "current_total_instances": mine,
            **account().constraints,
        },
        "_links": [shapes().link("self", "/lists")],
    }
    return answer(body, "Lists/Collection")


def _fits(audience: Audience) -> bool:
    """The filters of GET /lists: by a member's address, by date, by having a shop (the simulator has none)."""
    email = request.args.get("email")
    if (email and md5_of(email) not in audience.by_hash) or is_on("has_ecommerce_store"):
        return False
    for name, (at, is_lower) in DATE_BOUNDS.items():
        moment = read_moment(name, request.args[name]) if request.args.get(name) else None
        if moment is not None and (not at(audience) or (at(audience) >= moment) != is_lower):
            return False
    return True


@routes.post("/lists")
def post_list() -> Response:
    body = read_object(*REQUIRED)
    _check_settings(body)
    with world().change():
        audience = world().make_audience(
            world().made_up("id", new_hex_id()), str(body["name"]), account().api_key
        )
        _settle(audience, body)
    return _list_answer(audience)


@routes.get(LIST)
def get_list(list_id: str) -> Response:
    with world().lock:
        return _list_answer(audience_of(list_id))


@routes.patch(LIST)
def patch_list(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_object()
    _check_settings(body)
    with world().change():
        _settle(audience, body)
    return _list_answer(audience)


@routes.delete(LIST)
def delete_list(list_id: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        world().save_deleted_audience(audience)
    return nothing()


def _check_settings(body: Mapping[str, Any]) -> None:
    if errors := mistyped(body, SETTINGS):
        raise not_validated(*errors)


def _settle(audience: Audience, body: Mapping[str, Any]) -> None:
    told = {name: body[name] for name in SETTINGS if name in body}
    audience.name = str(told.pop("name", audience.name))
    audience.is_double_optin = bool(told.pop("double_optin", audience.is_double_optin))
    turn_permissions(audience, is_on=bool(told.pop("marketing_permissions", audience.has_permissions)))
    audience.about = {**audience.about, **told}
    world().save_audience(audience)


@routes.post(LIST)
def post_batch(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_body()
    skips = is_on("skip_duplicate_check")
    with world().change() as change:
        g.notes = change.notes
        outcomes = write_batch(world(), audience, body, writer(), skip_duplicate_check=skips)
        text = _batch_text(audience, outcomes)
    return answer_text(text, "Lists/BatchPOST-Response")


def _batch_text(audience: Audience, outcomes: Outcomes) -> str:
    texts = shapes().texts(audience)
    new, updated = (
        ", ".join([texts.batch(one) for one in members]) for members in (outcomes.created, outcomes.updated)
    )
    rest = {
        "errors": outcomes.errors,
        "total_created": len(outcomes.created),
        "total_updated": len(outcomes.updated),
        "error_count": len(outcomes.errors),
        "_links": [],
    }
    return f'{{"new_members": [{new}], "updated_members": [{updated}], {json.dumps(rest)[1:]}'
