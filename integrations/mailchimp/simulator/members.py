"""What can be done to a member through the API or by staff: create, update, archive, erase, tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from integrations.mailchimp.simulator.journal import Note
from integrations.mailchimp.simulator.merge import check_values, missing_values
from integrations.mailchimp.simulator.refusals import (
    Refusal,
    bad_merge_fields,
    cannot_archive,
    forgotten,
    member_exists,
    not_found,
    too_many_signups,
)
from integrations.mailchimp.simulator.state import Audience, Member, md5_of, new_contact_id, unique_id_of
from integrations.mailchimp.simulator.webhooks import happening, member_fields
from integrations.mailchimp.simulator.wishes import (
    Wish,
    check_address,
    creation_status,
    decide_status,
    is_subscribing,
)
from integrations.mailchimp.simulator.world import World

UNARCHIVABLE = frozenset({"archived", "pending", "cleaned"})
PLAIN_FIELDS = (
    "email_type",
    "language",
    "is_vip",
    "latitude",
    "longitude",
    "ip_signup",
    "signup_at",
    "ip_opt",
    "opt_at",
)
SUBSCRIBE_FIELDS = ("id", "list_id", "email", "email_type", "ip_opt", "ip_signup", "web_id", "merges")
PROFILE_FIELDS = ("id", "list_id", "email", "email_type", "ip_opt", "web_id", "merges")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes (as webhooks' sources name it, "api" or "admin"), from where, and how strictly it is checked."""

    by: str = "api"
    ip: str = ""
    skip_merge_validation: bool = False


def write_member(world: World, audience: Audience, key: str | None, wish: Wish, writer: Writer) -> Member:
    """POST (key None) or PUT: create, revive or update; noted in the journal whatever comes of it."""
    known = audience.find(key) if key is not None else None
    same_address = audience.find(wish.email) if wish.email else None
    before = known or same_address
    try:
        member = _written(world, audience, known, same_address, wish=wish, writer=writer)
    except Refusal as problem:
        note(world, audience, wish, before.status if before else None, problem.title)
        raise
    return member


def _written(
    world: World,
    audience: Audience,
    known: Member | None,
    same_address: Member | None,
    *,
    wish: Wish,
    writer: Writer,
) -> Member:
    if known is not None:
        return update_member(world, audience, known, wish, writer)
    if wish.email is None:
        raise not_found()
    check_address(wish.email)
    if same_address is None:
        return _create(world, audience, wish, writer)
    if same_address.status != "archived":
        # Recorded: PUT at an unknown hash with a known address is refused like POST.
        raise member_exists(wish.email)
    return update_member(world, audience, same_address, wish, writer)


def _create(world: World, audience: Audience, wish: Wish, writer: Writer) -> Member:
    email, now = wish.email or "", world.clock.now()
    status = creation_status(wish)
    check_admission(world, audience, email)
    values = _checked_values(audience, {}, wish, writer, is_new=True)
    member = Member(new_contact_id(), world.next_web_id(), email, status, merge_fields=values, changed_at=now)
    member.cause = writer.by if status == "unsubscribed" else "bounce" if status == "cleaned" else ""
    member.source = "API - Generic" if writer.by == "api" else "Admin Add"
    _set_opt_in(member, "", now, writer.ip)
    _set_plain(member, wish)
    add_tags(world, audience, member, wish.tags)
    world.save_member(audience, member)
    note(world, audience, wish, None, "created")
    say_status(world, audience, member, "", writer.by)
    return member


def check_admission(world: World, audience: Audience, email: str) -> None:
    """Refuse an address that was erased, or that is held off for signing up everywhere."""
    if md5_of(email) in audience.forgotten:
        raise forgotten(email)
    if audience.signup_blocks.get(md5_of(email), 0) > world.clock.now():
        raise too_many_signups(email)


def update_member(world: World, audience: Audience, member: Member, wish: Wish, writer: Writer) -> Member:
    """Change what the wish mentions, all or nothing; a wish that changes nothing leaves `last_changed`."""
    status_before, email_before, now = member.status, member.email, world.clock.now()
    new_email = _new_email(world, audience, member, wish)
    values = _checked_values(audience, member.merge_fields, wish, writer, is_new=False)
    status, cause = decide_status(member.email, member.status, member.cause, wish.status, writer.by)
    if status_before == "archived" and status == "subscribed":
        check_admission(world, audience, member.email)
    is_profile = values != member.merge_fields or bool(new_email)
    is_changed = status != status_before or is_profile
    member.merge_fields, member.status, member.cause = values, status, cause
    _set_opt_in(member, status_before, now, writer.ip)
    is_changed |= _set_plain(member, wish)
    if wish.tags and (status_before == "archived" or world.switches.are_put_tags_applied_on_update):
        is_changed |= add_tags(world, audience, member, wish.tags)
    if new_email:
        audience.rename(member, new_email)
        member.unique_id = ""
    if is_changed:
        member.changed_at = now
        world.save_member(audience, member)
    note(world, audience, wish, status_before, "updated" if is_changed else "unchanged", email=email_before)
    say_status(world, audience, member, status_before, writer.by)
    if is_profile:
        say_profile(world, audience, member, writer.by, email_before)
    return member


def _new_email(world: World, audience: Audience, member: Member, wish: Wish) -> str:
    """The address to change to, "" for none; another member's address is refused."""
    if wish.email is None or wish.email == member.email:
        return ""
    check_address(wish.email)
    if md5_of(wish.email) != member.hash:
        if audience.find(wish.email) is not None:
            raise member_exists(wish.email)
        check_admission(world, audience, wish.email)
    return wish.email


def _checked_values(
    audience: Audience, before: Mapping[str, Any], wish: Wish, writer: Writer, *, is_new: bool
) -> dict[str, Any]:
    """Merge values after the write: what is not mentioned stays, "" clears. One bad value refuses the whole write."""
    fields = audience.fields_by_tag()
    values, errors = check_values(fields, wish.merge_fields or {})
    after = {tag: value for tag, value in {**before, **values}.items() if value != ""}
    if (is_new or wish.merge_fields is not None) and not writer.skip_merge_validation:
        errors += missing_values(fields, after)
    if errors:
        raise bad_merge_fields(errors)
    return after


def _set_plain(member: Member, wish: Wish) -> bool:
    is_changed = False
    for name in PLAIN_FIELDS:
        wanted = getattr(wish, name)
        if wanted is not None and wanted != getattr(member, name):
            setattr(member, name, wanted)
            is_changed = True
    return is_changed


def _set_opt_in(member: Member, status_before: str, now: int, ip: str) -> None:
    """Opt-in time: set when first subscribed and when revived, kept when an API unsubscribe is undone (recorded)."""
    if member.status == status_before:
        return
    if member.status == "subscribed" and (not member.opt_at or status_before in {"", "archived"}):
        member.ip_opt, member.opt_at = ip, now
    if member.status == "pending" and not member.signup_at:
        member.ip_signup, member.signup_at = ip, now
    if member.status == "unsubscribed":
        member.unsubscribed_at = now


def archive_member(world: World, audience: Audience, member: Member, by: str) -> None:
    if member.status in UNARCHIVABLE:
        raise cannot_archive()
    status_before = member.status
    member.status, member.changed_at = "archived", world.clock.now()
    world.save_member(audience, member)
    if status_before == "subscribed":
        _say_removal(world, audience, member, by)


def erase_member(world: World, audience: Audience, member: Member, by: str) -> None:
    """Delete permanently: the address cannot come back but by the hosted form."""
    world.save_forgotten(audience, member.hash, is_forgotten=True)
    if member.status == "subscribed":
        _say_removal(world, audience, member, by)
    world.save_dropped(audience, member)


def change_tags(world: World, audience: Audience, member: Member, tags: Sequence[tuple[str, bool]]) -> None:
    """Put on (True) and take off (False) by name. Recorded: putting on a tag that is on already still counts as a change."""
    now = world.clock.now()
    is_changed = False
    for name, is_active in tags:
        if not is_active and (tag_id := audience.tag_ids.get(name.casefold())) in member.tags:
            del member.tags[tag_id]
            member.dropped_tags.append(tag_id)
            is_changed = True
    names = [name for name, is_active in tags if is_active]
    add_tags(world, audience, member, names)
    if names or is_changed:
        member.changed_at = now
        world.save_member(audience, member)


def add_tags(world: World, audience: Audience, member: Member, names: Sequence[str]) -> bool:
    """Newest first, as recorded: those put on again before the new ones, the last taken off first."""
    known_count = len(audience.tag_names)
    ids = [audience.tag_id(name.strip()) for name in names if name.strip()]
    fresh = [tag_id for tag_id in dict.fromkeys(ids) if tag_id not in member.tags]
    again = [tag_id for tag_id in reversed(member.dropped_tags) if tag_id in fresh]
    block = [*again, *(tag_id for tag_id in fresh if tag_id not in again)]
    member.dropped_tags = [tag_id for tag_id in member.dropped_tags if tag_id not in block]
    member.tags = {**dict.fromkeys(block, world.clock.now()), **member.tags}
    if len(audience.tag_names) > known_count:
        world.save_audience(audience)
    return bool(block)


def note(
    world: World, audience: Audience, wish: Wish, status_before: str | None, outcome: str, *, email: str = ""
) -> None:
    """Write the wish into the journal's entry of this request."""
    asked = wish.status or (wish.status_if_new if status_before is None else None)
    is_entry = is_subscribing(wish, status_before)
    world.current.notes.append(Note(wish.email or email, asked, is_entry, outcome, audience.list_id))


def say_status(world: World, audience: Audience, member: Member, status_before: str, source: str) -> None:
    """Tell webhooks, and the contact, what a change of status means to them."""
    if member.status == status_before:
        return
    now = world.clock.now()
    if member.status == "pending":
        world.mail(audience, member, "confirm")
    elif member.status == "subscribed":
        told = partial(member_fields, audience, member, *SUBSCRIBE_FIELDS)
        world.say(happening(audience, "subscribe", source, told, now))
    elif member.status == "unsubscribed" and status_before == "subscribed":
        told = partial(_unsubscribe_fields, audience, member, "unsub")
        world.say(happening(audience, "unsubscribe", source, told, now))
    elif member.status == "cleaned" and status_before:
        world.say(happening(audience, "cleaned", source, partial(_cleaned_fields, audience, member), now))


def _unsubscribe_fields(audience: Audience, member: Member, action: str) -> dict[str, Any]:
    reason = "abuse" if member.cause == "abuse" else "manual"
    told = member_fields(audience, member, "id", "list_id", "email", "email_type", "ip_opt", "web_id")
    merges = member_fields(audience, member, "merges")
    return {"action": action, "reason": reason, **told, "campaign_id": "", **merges}


def _cleaned_fields(audience: Audience, member: Member) -> dict[str, Any]:
    reason = "abuse" if member.cause == "abuse" else "hard"
    return {"list_id": audience.list_id, "campaign_id": "", "reason": reason, "email": member.email}


def _say_removal(world: World, audience: Audience, member: Member, source: str) -> None:
    if world.switches.is_webhook_sent_on_archive:
        told = partial(_unsubscribe_fields, audience, member, "delete")
        world.say(happening(audience, "unsubscribe", source, told, world.clock.now()))


def say_profile(world: World, audience: Audience, member: Member, source: str, email_before: str) -> None:
    """A changed profile; a changed address makes two deliveries, profile and upemail."""
    now = world.clock.now()
    told = partial(member_fields, audience, member, *PROFILE_FIELDS)
    world.say(happening(audience, "profile", source, told, now))
    if member.email != email_before:
        told = partial(_upemail_fields, audience, member.email, email_before)
        world.say(happening(audience, "upemail", source, told, now))


def _upemail_fields(audience: Audience, email: str, email_before: str) -> dict[str, Any]:
    ids = {"list_id": audience.list_id, "new_id": unique_id_of(email)}
    return {**ids, "new_email": email, "old_email": email_before}
