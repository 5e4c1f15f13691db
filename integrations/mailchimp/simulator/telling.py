"""What a change makes known: webhooks, the confirmation mail, and the day's counts."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.happenings import happening, member_fields
from integrations.mailchimp.simulator.member import Member, unique_id_of
from integrations.mailchimp.simulator.world import World

SUBSCRIBE_FIELDS = ("id", "list_id", "email", "email_type", "ip_opt", "ip_signup", "web_id", "merges")
PROFILE_FIELDS = ("id", "list_id", "email", "email_type", "ip_opt", "web_id", "merges")
UNSUBSCRIBE_FIELDS = ("id", "list_id", "email", "email_type", "ip_opt", "web_id")


def say_status(
    world: World,
    audience: Audience,
    member: Member,
    status_before: str,
    source: str,
    *,
    campaign_id: str = "",
) -> None:
    """Tell webhooks, and the contact, what a change of status means to them."""
    status = member.status
    if status == status_before:
        return
    if status == "pending":
        world.mail(audience, member, "confirm")
    elif status == "subscribed":
        world.tally(audience, "subs" if source == "user" else "other_adds")
        _say(
            world, audience, "subscribe", source, partial(member_fields, audience, member, *SUBSCRIBE_FIELDS)
        )
    elif status == "unsubscribed" and status_before == "subscribed":
        world.tally(audience, "unsubs")
        told = partial(_unsubscribe_fields, audience, member, "unsub", campaign_id)
        _say(world, audience, "unsubscribe", source, told)
    elif status == "cleaned" and status_before:
        world.tally(audience, "hard_bounce")
        _say(world, audience, "cleaned", source, partial(_cleaned_fields, audience, member, campaign_id))


def _say(world: World, audience: Audience, kind: str, source: str, told: Any) -> None:
    if audience.webhooks:
        world.say(happening(audience, kind, source, told, world.clock.now()))


def _unsubscribe_fields(audience: Audience, member: Member, action: str, campaign_id: str) -> dict[str, Any]:
    reason = "abuse" if member.cause == "abuse" else "manual"
    told = member_fields(audience, member, *UNSUBSCRIBE_FIELDS)
    merges = member_fields(audience, member, "merges")
    return {"action": action, "reason": reason, **told, "campaign_id": campaign_id, **merges}


def _cleaned_fields(audience: Audience, member: Member, campaign_id: str) -> dict[str, Any]:
    reason = "abuse" if member.cause == "abuse" else "hard"
    return {
        "list_id": audience.list_id,
        "campaign_id": campaign_id,
        "reason": reason,
        "email": member.email,
    }


def say_removal(world: World, audience: Audience, member: Member, source: str) -> None:
    """Archived or erased; whether the real API tells of it is undecided, so a switch says."""
    if world.switches.is_webhook_sent_on_archive:
        told = partial(_unsubscribe_fields, audience, member, "delete", "")
        _say(world, audience, "unsubscribe", source, told)


def say_profile(world: World, audience: Audience, member: Member, source: str, email_before: str) -> None:
    """A changed profile; a changed address makes two deliveries, profile and upemail."""
    _say(world, audience, "profile", source, partial(member_fields, audience, member, *PROFILE_FIELDS))
    if member.email != email_before:
        _say(
            world, audience, "upemail", source, partial(_upemail_fields, audience, member.email, email_before)
        )


def _upemail_fields(audience: Audience, email: str, email_before: str) -> Mapping[str, Any]:
    ids = {"list_id": audience.list_id, "new_id": unique_id_of(email)}
    return {**ids, "new_email": email, "old_email": email_before}


def say_campaign(world: World, audience: Audience, told: Mapping[str, Any]) -> None:
    """A campaign was sent (or cancelled): such webhooks do not go by source."""
    if audience.webhooks:
        world.say(happening(audience, "campaign", "", lambda: told, world.clock.now()))
