"""What happened: with one member, in an audience by day and by month, and the complaints."""

from collections.abc import Iterator
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
    names_in,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.listing import read_count, read_order
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.parts import Story
from integrations.mailchimp.simulator.refusals import not_found

routes = Blueprint("activity", __name__, url_prefix=ROOT)
SHOWN_DAYS = 180
SHOWN_ACTIVITY = 50
DAY_KEYS = (
    "emails_sent",
    "unique_opens",
    "recipient_clicks",
    "hard_bounce",
    "soft_bounce",
    "subs",
    "unsubs",
    "other_adds",
    "other_removes",
)
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")


def _campaign_acts(audience: Audience, member: Member) -> Iterator[dict[str, Any]]:
    """Sent, opened, clicked, bounced, left: each with its campaign."""
    for campaign in audience.campaigns.values():
        if member.contact_id in campaign.recipients:
            yield {"kind": "sent", "at": campaign.sent_at, "campaign_id": campaign.campaign_id}
    yield from audience.stories.get(member.contact_id, Story()).acts


def _title(audience: Audience, campaign_id: str) -> str:
    campaign = audience.campaigns.get(campaign_id)
    return campaign.title if campaign else ""


@routes.get(MEMBER + "/activity")
def get_activity(list_id: str, key: str) -> Response:
    """The last 50 things campaigns did with the member."""
    audience, wanted = audience_of(list_id), names_in("action")
    with world().lock:
        member = member_of(audience, key)
        acts = sorted(_campaign_acts(audience, member), key=lambda act: int(act["at"]), reverse=True)
    shown = [
        {
            "action": act["kind"],
            "timestamp": iso(act["at"]),
            "url": act.get("url", ""),
            "type": act.get("type", ""),
            "campaign_id": act["campaign_id"],
            "title": _title(audience, act["campaign_id"]),
            "parent_campaign": "",
        }
        for act in acts
        if not wanted or act["kind"] in wanted
    ][:SHOWN_ACTIVITY]
    body = {
        "activity": shown,
        "email_id": member.hash,
        "contact_id": member.contact_id,
        "list_id": list_id,
        "total_items": len(shown),
        "_links": [shapes().link("self", f"/lists/{list_id}/members/{member.hash}/activity")],
    }
    return answer(body, "Lists/Members/Activity/Collection")


@routes.get(MEMBER + "/activity-feed")
def get_feed(list_id: str, key: str) -> Response:
    """Everything about the member, the newest first."""
    audience, wanted = audience_of(list_id), names_in("activity_filters")
    count, offset = read_count(request.args)
    with world().lock:
        member = member_of(audience, key)
        found = sorted(_feed(audience, member), key=lambda pair: pair[0], reverse=True)
    shown = [entry for _, entry in found if not wanted or entry["activity_type"] in wanted]
    body = {
        "activity": shown[offset : offset + count],
        "email_id": member.hash,
        "list_id": list_id,
        "_links": [shapes().link("self", f"/lists/{list_id}/members/{member.hash}/activity-feed")],
    }
    return answer(body, "Lists/Members/ActivityFeed/Collection")


def _feed(audience: Audience, member: Member) -> Iterator[tuple[int, dict[str, Any]]]:
    for at, told in _feed_entries(audience, member):
        yield at, {**told, "created_at_timestamp": iso(at)}


def _feed_entries(audience: Audience, member: Member) -> Iterator[tuple[int, dict[str, Any]]]:
    story = audience.stories.get(member.contact_id, Story())
    for act in _campaign_acts(audience, member):
        yield act["at"], _feed_act(audience, act)
    for note in story.notes:
        entry = {"activity_type": "note", "note_id": str(note["id"]), "note_text": note["note"]}
        entry |= {"created_by": note["created_by"], "updated_at_timestamp": iso(note["updated_at"])}
        yield note["created_at"], {**entry, "avatar_url": ""}
    for event in story.events:
        properties = [f"{name}: {value}" for name, value in event["properties"].items()]
        entry = {"activity_type": "event", "event_name": event["name"]}
        yield event["at"], {**entry, "event_properties": properties}
    if member.signup_at or member.opt_at:
        entry = {"activity_type": "generic_signup", "signup_category": member.source}
        yield member.signup_at or member.opt_at, entry
    if member.status == "unsubscribed" and all(act["kind"] != "unsub" for act in story.acts):
        entry = {"activity_type": "unsub", "campaign_id": "", "campaign_title": "", "unsubscribe_reason": ""}
        yield member.unsubscribed_at, {**entry, "is_admin_unsubscribed": member.cause in {"api", "admin"}}


def _feed_act(audience: Audience, act: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "activity_type": act["kind"],
        "campaign_id": act["campaign_id"],
        "campaign_title": _title(audience, act["campaign_id"]),
    }
    if act["kind"] == "click":
        entry["link_clicked"] = act.get("url", "")
    elif act["kind"] == "bounce":
        entry |= {"bounce_type": act.get("type", "hard"), "bounce_has_open_activity": False}
    elif act["kind"] == "unsub":
        entry |= {"is_admin_unsubscribed": False, "unsubscribe_reason": act.get("reason", "")}
    return entry


@routes.get(LIST + "/activity")
def get_list_activity(list_id: str) -> Response:
    """By day, the newest first; no day without any."""
    audience = audience_of(list_id)
    with world().lock:
        days = sorted(audience.days.items(), reverse=True)[:SHOWN_DAYS]
    shown = [{"day": day, **{name: counts.get(name, 0) for name in DAY_KEYS}} for day, counts in days]
    return answer_page(
        "activity", shown, f"/lists/{list_id}/activity", "Lists/Activity/Collection", list_id=list_id
    )


@routes.get(LIST + "/growth-history")
def get_growth(list_id: str) -> Response:
    """How many of each status there were at the end of each month; "deleted" counts the month's own."""
    audience = audience_of(list_id)
    _, is_reversed = read_order(request.args, ("month",), "DESC")
    with world().lock:
        shown = _growth(audience)
    shown.sort(key=lambda one: str(one["month"]), reverse=is_reversed)
    own = f"/lists/{list_id}/growth-history"
    return answer_page("history", shown, own, "Lists/GrowthHistory/Collection", list_id=list_id)


def _growth(audience: Audience) -> list[dict[str, Any]]:
    totals, shown = dict.fromkeys(STATUSES, 0), []
    for month, changes in sorted(audience.months.items()):
        for status in STATUSES:
            totals[status] += changes.get(status, 0)
        entry: dict[str, Any] = {
            "list_id": audience.list_id,
            "month": month,
            "existing": 0,
            "imports": 0,
            "optins": 0,
        }
        removed = sum(
            counts.get("other_removes", 0) for day, counts in audience.days.items() if day.startswith(month)
        )
        shown.append({**entry, **totals, "reconfirm": 0, "deleted": removed})
    return shown


@routes.get(LIST + "/abuse-reports")
def get_abuse_reports(list_id: str) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        shown = [_abuse(audience, report) for report in audience.abuse_reports]
    own = f"/lists/{list_id}/abuse-reports"
    return answer_page("abuse_reports", shown, own, "Lists/Abuse/Collection", list_id=list_id)


@routes.get(LIST + "/abuse-reports/<int:report_id>")
def get_abuse_report(list_id: str, report_id: int) -> Response:
    audience = audience_of(list_id)
    with world().lock:
        for report in audience.abuse_reports:
            if report["id"] == report_id:
                return answer(_abuse(audience, report), "Lists/Abuse/Instance")
    raise not_found()


def _abuse(audience: Audience, report: dict[str, Any]) -> dict[str, Any]:
    member = audience.find(report["email_address"])
    values = dict.fromkeys(audience.fields_by_tag(), "") | (member.merge_fields if member else {})
    own = f"/lists/{audience.list_id}/abuse-reports/{report['id']}"
    return {
        "id": report["id"],
        "campaign_id": report["campaign_id"],
        "list_id": audience.list_id,
        "email_id": report["email_id"],
        "email_address": report["email_address"],
        "merge_fields": values,
        "vip": bool(member and member.is_vip),
        "date": iso(report["at"]),
        "_links": [shapes().link("self", own)],
    }
