"""What the contact does, beyond the API's reach: confirm, open, click, leave, complain, bounce, edit, come back."""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, md5_of, new_contact_id
from integrations.mailchimp.simulator.members import checked_permissions, set_groups
from integrations.mailchimp.simulator.merge import check_values
from integrations.mailchimp.simulator.refusals import bad_merge_fields, member_exists, not_found
from integrations.mailchimp.simulator.telling import say_profile, say_status
from integrations.mailchimp.simulator.wishes import check_address, read_wish
from integrations.mailchimp.simulator.world import World

CONTACT_IP = "203.0.113.7"  # a documentation address (RFC 5737)
Act = Callable[[World, Audience, Mapping[str, Any]], Member | None]


def get_member(audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = audience.find(str(wants.get("email", "")))
    if member is None:
        raise not_found()
    return member


def _settle(
    world: World, audience: Audience, member: Member, status: str, cause: str, *, campaign_id: str = ""
) -> Member:
    before = member.status
    member.status, member.cause = status, cause
    if before != status:
        member.changed_at = world.clock.now()
        if status == "unsubscribed":
            member.unsubscribed_at = member.changed_at
    world.save_member(audience, member)
    say_status(world, audience, member, before, "user", campaign_id=campaign_id)
    return member


def _remember(world: World, audience: Audience, member: Member, kind: str, wants: Mapping[str, Any]) -> None:
    """Keep what a campaign led to, for the activity of the member; without a campaign nothing is kept."""
    campaign_id = str(wants.get("campaign_id") or "")
    if campaign_id:
        told = {name: str(wants[name]) for name in ("url", "type", "reason") if wants.get(name)}
        act = {"kind": kind, "at": world.clock.now(), "campaign_id": campaign_id, **told}
        audience.story(member).acts.append(act)
        world.save_story(audience, member)


def confirm(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Follow the link of the confirmation mail."""
    return confirm_member(world, audience, get_member(audience, wants))


def confirm_member(world: World, audience: Audience, member: Member) -> Member:
    if member.status == "pending":
        member.ip_opt, member.opt_at = CONTACT_IP, world.clock.now()
        _settle(world, audience, member, "subscribed", "")
    return member


def open_campaign(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Open a campaign: `campaign_id`."""
    member = get_member(audience, wants)
    _remember(world, audience, member, "open", wants)
    world.tally(audience, "unique_opens")
    return member


def click(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Follow a link (`url`) in a campaign."""
    member = get_member(audience, wants)
    _remember(world, audience, member, "click", wants)
    world.tally(audience, "recipient_clicks")
    return member


def unsubscribe(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Follow the unsubscribe link of a campaign (`campaign_id`, if one is to be named)."""
    member = get_member(audience, wants)
    _remember(world, audience, member, "unsub", wants)
    campaign_id = str(wants.get("campaign_id") or "")
    return _settle(world, audience, member, "unsubscribed", "contact", campaign_id=campaign_id)


def complain(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Press "this is spam"."""
    member, campaign_id = get_member(audience, wants), str(wants.get("campaign_id") or "")
    report = {"id": len(audience.abuse_reports) + 1, "at": world.clock.now(), "campaign_id": campaign_id}
    audience.abuse_reports.append({**report, "email_id": member.hash, "email_address": member.email})
    world.save_audience(audience)
    _remember(world, audience, member, "unsub", {**wants, "reason": "Abuse complaint"})
    return _settle(world, audience, member, "unsubscribed", "abuse", campaign_id=campaign_id)


def bounce(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """A bounce: hard, the address does not exist any more; `type` soft only leaves a trace."""
    member, is_soft = get_member(audience, wants), wants.get("type") == "soft"
    _remember(world, audience, member, "bounce", {**wants, "type": "soft" if is_soft else "hard"})
    if is_soft:
        world.tally(audience, "soft_bounce")
        return member
    campaign_id = str(wants.get("campaign_id") or "")
    return _settle(world, audience, member, "cleaned", "bounce", campaign_id=campaign_id)


def edit(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Change one's own profile in the preference centre: `merge_fields`, and `marketing_permissions` as the API takes them.

    Whether the real webhook tells of a permission is not documented: it does not here.
    """
    member = get_member(audience, wants)
    wish = read_wish({"marketing_permissions": wants.get("marketing_permissions") or []})
    permissions = checked_permissions(audience, wish)
    values, errors = check_values(audience.fields_by_tag(), dict(wants.get("merge_fields") or {}))
    if errors:
        raise bad_merge_fields(errors)
    before = member.merge_fields
    after = {tag: value for tag, value in {**before, **values}.items() if value != ""}
    if set_groups(member, None, permissions) or after != before:
        member.merge_fields, member.changed_at = after, world.clock.now()
        world.save_member(audience, member)
    if after != before:
        say_profile(world, audience, member, "user", member.email)
    return member


def change_email(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Change one's own address in the preference centre."""
    member, email = get_member(audience, wants), str(wants.get("new_email", "")).strip()
    check_address(email)
    other = audience.find(email)
    if other is not None and other is not member:
        raise member_exists(email)
    before = member.email
    audience.rename(member, email)
    member.unique_id, member.changed_at = "", world.clock.now()
    world.save_member(audience, member)
    say_profile(world, audience, member, "user", before)
    return member


def sign_up(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Fill in Mailchimp's hosted form: the one way back for everybody, the erased included."""
    email, now = str(wants.get("email", "")).strip(), world.clock.now()
    check_address(email)
    values, errors = check_values(audience.fields_by_tag(), dict(wants.get("merge_fields") or {}))
    if errors:
        raise bad_merge_fields(errors)
    world.save_forgotten(audience, md5_of(email), is_forgotten=False)
    member = audience.find(email)
    if member is None:
        member = Member(new_contact_id(), world.next_web_id(), email, "archived", source="Hosted Signup Form")
    given = {tag: value for tag, value in values.items() if value != ""}
    member.merge_fields = {**member.merge_fields, **given}
    if member.status == "subscribed":
        world.save_member(audience, member)
        return member
    member.ip_signup, member.signup_at = CONTACT_IP, now
    if audience.is_double_optin:
        return _settle(world, audience, member, "pending", member.cause)
    member.ip_opt, member.opt_at = CONTACT_IP, now
    return _settle(world, audience, member, "subscribed", "")


CONTACT_ACTS: Mapping[str, Act] = {
    "confirm": confirm,
    "open": open_campaign,
    "click": click,
    "unsubscribe": unsubscribe,
    "abuse": complain,
    "bounce": bounce,
    "edit": edit,
    "change_email": change_email,
    "signup": sign_up,
}
