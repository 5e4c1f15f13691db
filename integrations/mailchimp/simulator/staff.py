"""What staff does on Mailchimp's screens: add, import, edit, tag, unsubscribe, archive, delete, send a campaign."""

from collections.abc import Mapping
from typing import Any

from integrations.mailchimp.simulator.acts import Act, get_member
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, new_hex_id
from integrations.mailchimp.simulator.members import (
    Writer,
    archive_member,
    erase_member,
    update_member,
    write_member,
)
from integrations.mailchimp.simulator.parts import Campaign
from integrations.mailchimp.simulator.refusals import Refusal
from integrations.mailchimp.simulator.tagging import change_tags
from integrations.mailchimp.simulator.telling import say_campaign
from integrations.mailchimp.simulator.wishes import Wish, read_wish
from integrations.mailchimp.simulator.world import World

STAFF_IP = "203.0.113.8"  # a documentation address (RFC 5737)
ADDING = Writer("admin", STAFF_IP, source="Admin Add")
IMPORTING = Writer("admin", STAFF_IP, source="Import")
IMPORT_SHAPE = (
    'Send {"members": [{"email": ...}, ...]}, each with status, merge_fields and tags where they are wanted.'
)
EDITABLE = (
    "merge_fields",
    "status",
    "vip",
    "language",
    "interests",
    "marketing_permissions",
    "email_address",
)


def _edit(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    body = {name: wants[name] for name in EDITABLE if name in wants}
    return update_member(world, audience, get_member(audience, wants), read_wish(body), ADDING)


def _wish(wants: Mapping[str, Any]) -> Wish:
    return Wish(
        email=str(wants.get("email", "")).strip(),
        status=str(wants.get("status") or "subscribed"),
        merge_fields=dict(wants.get("merge_fields") or {}),
        tags=tuple(str(one) for one in wants.get("tags") or ()),
    )


def _add(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    return write_member(world, audience, None, _wish(wants), ADDING)


def import_members(world: World, audience: Audience, wants: Mapping[str, Any]) -> dict[str, Any]:
    """A file of `members` (email, status, merge_fields, tags): who is there already is updated, who may not is left out."""
    refused: list[str] = []
    rows = wants.get("members")
    if not isinstance(rows, list) or not all(isinstance(one, dict) and one.get("email") for one in rows):
        raise Refusal(400, "Bad Request", IMPORT_SHAPE)
    for row in rows:
        wish = _wish(row)
        try:
            known = audience.find(wish.email or "")
            if known is not None and "status" not in row:
                wish.status = None
            member = write_member(world, audience, wish.email if known else None, wish, IMPORTING)
            if known is not None and wish.tags:
                change_tags(world, audience, member, [(name, True) for name in wish.tags])
        except Refusal as problem:
            refused.append(f"{wish.email}: {problem.detail}")
    return {"imported": len(rows) - len(refused), "refused": refused}


def _unsubscribe(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    return update_member(world, audience, get_member(audience, wants), Wish(status="unsubscribed"), ADDING)


def _archive(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = get_member(audience, wants)
    archive_member(world, audience, member, "admin")
    return member


def _delete(world: World, audience: Audience, wants: Mapping[str, Any]) -> None:
    erase_member(world, audience, get_member(audience, wants), "admin")


def _tag(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = get_member(audience, wants)
    wanted = [(str(name), True) for name in wants.get("add") or ()]
    wanted += [(str(name), False) for name in wants.get("remove") or ()]
    change_tags(world, audience, member, wanted)
    return member


def send_campaign(world: World, audience: Audience, wants: Mapping[str, Any]) -> dict[str, Any]:
    """Send `title` to `emails`, or to everybody who is subscribed; tells the campaign webhooks."""
    emails, now = wants.get("emails"), world.clock.now()
    chosen = audience.members() if emails is None else (audience.find(str(one)) for one in emails)
    to = {one.contact_id for one in chosen if one is not None and one.status == "subscribed"}
    title = str(wants.get("title") or "News")
    campaign_id = str(wants.get("campaign_id") or new_hex_id())
    subject = str(wants.get("subject") or title)
    audience.campaigns[campaign_id] = Campaign(campaign_id, title, subject, now, to)
    world.save_audience(audience)
    world.tally(audience, "emails_sent", len(to))
    told = {
        "id": campaign_id,
        "subject": subject,
        "status": "sent",
        "reason": "",
        "list_id": audience.list_id,
    }
    say_campaign(world, audience, told)
    return {"campaign_id": campaign_id, "sent": len(to)}


STAFF_ACTS: Mapping[str, Act] = {
    "add": _add,
    "edit": _edit,
    "unsubscribe": _unsubscribe,
    "archive": _archive,
    "delete": _delete,
    "tag": _tag,
}
# These are about many members, and tell what came of it.
STAFF_TASKS = {"import": import_members, "campaign": send_campaign}
