"""What the contact does, beyond the API's reach: confirm, leave, complain, bounce, edit, come back by the form."""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.mailchimp.simulator.members import (
    Writer,
    archive_member,
    change_tags,
    erase_member,
    say_profile,
    say_status,
    update_member,
    write_member,
)
from integrations.mailchimp.simulator.merge import check_values
from integrations.mailchimp.simulator.refusals import bad_merge_fields, member_exists, not_found
from integrations.mailchimp.simulator.state import Audience, Member, md5_of, new_contact_id
from integrations.mailchimp.simulator.wishes import Wish, check_address, read_wish
from integrations.mailchimp.simulator.world import World

CONTACT_IP = "203.0.113.7"  # a documentation address (RFC 5737)
Act = Callable[[World, Audience, Mapping[str, Any]], Member | None]


def _get(audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = audience.find(str(wants.get("email", "")))
    if member is None:
        raise not_found()
    return member


def _settle(world: World, audience: Audience, member: Member, status: str, cause: str) -> Member:
    before = member.status
    member.status, member.cause = status, cause
    if before != status:
        member.changed_at = world.clock.now()
        if status == "unsubscribed":
            member.unsubscribed_at = member.changed_at
    world.save_member(audience, member)
    say_status(world, audience, member, before, "user")
    return member


def confirm(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Follow the link of the confirmation mail."""
    member = _get(audience, wants)
    if member.status == "pending":
        member.ip_opt, member.opt_at = CONTACT_IP, world.clock.now()
        _settle(world, audience, member, "subscribed", "")
    return member


def unsubscribe(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Follow the unsubscribe link of a campaign."""
    return _settle(world, audience, _get(audience, wants), "unsubscribed", "contact")


def complain(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Press "this is spam"."""
    return _settle(world, audience, _get(audience, wants), "unsubscribed", "abuse")


def bounce(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """The address does not exist any more: a hard bounce."""
    return _settle(world, audience, _get(audience, wants), "cleaned", "bounce")


def edit(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Change one's own profile in the preference centre."""
    member = _get(audience, wants)
    values, errors = check_values(audience.fields_by_tag(), dict(wants.get("merge_fields") or {}))
    if errors:
        raise bad_merge_fields(errors)
    after = {tag: value for tag, value in {**member.merge_fields, **values}.items() if value != ""}
    if after != member.merge_fields:
        member.merge_fields, member.changed_at = after, world.clock.now()
        world.save_member(audience, member)
        say_profile(world, audience, member, "user", member.email)
    return member


def change_email(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    """Change one's own address in the preference centre."""
    member, email = _get(audience, wants), str(wants.get("new_email", "")).strip()
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
    member.merge_fields |= {tag: value for tag, value in values.items() if value != ""}
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
    "unsubscribe": unsubscribe,
    "abuse": complain,
    "bounce": bounce,
    "edit": edit,
    "change_email": change_email,
    "signup": sign_up,
}


def _staff_edit(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    body = {name: wants[name] for name in ("merge_fields", "status", "vip", "language") if name in wants}
    return update_member(world, audience, _get(audience, wants), read_wish(body), Writer("admin"))


def _staff_add(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    wish = Wish(
        email=str(wants.get("email", "")).strip(),
        status=str(wants.get("status") or "subscribed"),
        merge_fields=dict(wants.get("merge_fields") or {}),
    )
    return write_member(world, audience, None, wish, Writer("admin", CONTACT_IP))


def _staff_unsubscribe(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    return update_member(world, audience, _get(audience, wants), Wish(status="unsubscribed"), Writer("admin"))


def _staff_archive(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = _get(audience, wants)
    archive_member(world, audience, member, "admin")
    return member


def _staff_delete(world: World, audience: Audience, wants: Mapping[str, Any]) -> None:
    erase_member(world, audience, _get(audience, wants), "admin")


def _staff_tag(world: World, audience: Audience, wants: Mapping[str, Any]) -> Member:
    member = _get(audience, wants)
    wanted = [(str(name), True) for name in wants.get("add") or ()]
    wanted += [(str(name), False) for name in wants.get("remove") or ()]
    change_tags(world, audience, member, wanted)
    return member


STAFF_ACTS: Mapping[str, Act] = {
    "add": _staff_add,
    "edit": _staff_edit,
    "unsubscribe": _staff_unsubscribe,
    "archive": _staff_archive,
    "delete": _staff_delete,
    "tag": _staff_tag,
}
