"""What can be done to a member through the API or by staff: create, update, archive, erase."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.journal import Note
from integrations.mailchimp.simulator.member import Member, md5_of, new_contact_id, share
from integrations.mailchimp.simulator.merge import check_values, missing_values
from integrations.mailchimp.simulator.refusals import (
    Refusal,
    address_taken,
    bad_merge_fields,
    cannot_archive,
    forgotten,
    invalid,
    member_exists,
    not_found,
    only_subscribed_move,
    too_many_signups,
)
from integrations.mailchimp.simulator.tagging import add_tags
from integrations.mailchimp.simulator.telling import say_profile, say_removal, say_status
from integrations.mailchimp.simulator.wishes import (
    Wish,
    check_address,
    creation_status,
    decide_status,
    is_subscribing,
)
from integrations.mailchimp.simulator.world import World

# What a member is called whose address another one was to have, where that write named no status (quoted in 2026); a write's
# own status is what the recordings of 2021 have in that place, of an archived member.
TAKEN_BY = {"archived": "Deleted", "transactional": "Non-Subscribed"}
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


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes (as webhooks' sources name it, "api" or "admin"), from where, and how strictly it is checked."""

    by: str = "api"
    ip: str = ""
    skip_merge_validation: bool = False
    source: str = "API - Generic"


def write_member(world: World, audience: Audience, key: str | None, wish: Wish, writer: Writer) -> Member:
    """POST (key None) or PUT: create, revive or update; noted in the journal whatever comes of it."""
    known = audience.find(key) if key is not None else None
    same_address = audience.by_hash.get(md5_of(wish.email)) if wish.email else None
    before = known or same_address
    status_before = before.status if before else None
    try:
        return _written(world, audience, known, same_address, wish=wish, writer=writer)
    except Refusal as problem:
        note(world, audience, wish, status_before, problem.title)
        raise


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
    interests, permissions = _checked_groups(audience, wish), checked_permissions(audience, wish)
    member = Member(
        new_contact_id(), world.next_web_id(), email, status, changed_at=now, source=writer.source
    )
    member.merge_fields = values
    member.cause = writer.by if status == "unsubscribed" else "bounce" if status == "cleaned" else ""
    _set_opt_in(world, member, "", writer.ip)
    _set_plain(member, wish)
    set_groups(member, interests, permissions)
    if wish.tags:
        add_tags(world, audience, member, wish.tags)
    world.save_member(audience, member)
    note(world, audience, wish, None, "created")
    say_status(world, audience, member, "", writer.by)
    return member


def check_admission(world: World, audience: Audience, email: str) -> None:
    """Refuse an address that was erased, or that is held off for signing up everywhere."""
    if audience.forgotten and md5_of(email) in audience.forgotten:
        raise forgotten(email)
    if audience.signup_blocks and audience.signup_blocks.get(md5_of(email), 0) > world.clock.now():
        raise too_many_signups(email)


def update_member(world: World, audience: Audience, member: Member, wish: Wish, writer: Writer) -> Member:
    """Change what the wish mentions, all or nothing; a wish that changes nothing leaves `last_changed`."""
    status_before, email_before = member.status, member.email
    new_email = _new_email(world, audience, member, wish, writer.by)
    before = member.merge_fields
    values = _checked_values(audience, before, wish, writer, is_new=False)
    interests, permissions = _checked_groups(audience, wish), checked_permissions(audience, wish)
    status, cause = decide_status(member.email, member.status, member.cause, wish.status, writer.by)
    if status_before == "archived" and status == "subscribed":
        check_admission(world, audience, member.email)
    is_profile = values != before or bool(new_email)
    is_changed = status != status_before or is_profile
    if values != before:
        member.merge_fields = values
    member.status, member.cause = status, cause
    if is_changed:
        _set_opt_in(world, member, status_before, writer.ip)
    is_changed |= _set_plain(member, wish)
    is_changed |= set_groups(member, interests, permissions)
    if wish.tags and (status_before == "archived" or world.switches.are_put_tags_applied_on_update):
        is_changed |= add_tags(world, audience, member, wish.tags)
    if new_email:
        member.unique_id = member.unique_id if md5_of(new_email) == member.hash else ""
        audience.rename(member, new_email)
    if is_changed:
        member.changed_at = world.clock.now()
        world.save_member(audience, member)
    note(world, audience, wish, status_before, "updated" if is_changed else "unchanged", email=email_before)
    say_status(world, audience, member, status_before, writer.by)
    if is_profile:
        say_profile(world, audience, member, writer.by, email_before)
    return member


def _new_email(world: World, audience: Audience, member: Member, wish: Wish, by: str) -> str:
    """The address to change to, "" for none; another member's address is refused."""
    if wish.email is None or wish.email == member.email:
        return ""
    check_address(wish.email)
    if md5_of(wish.email) == member.hash:
        return wish.email
    is_subscribed = "subscribed" in {member.status, wish.status}
    if by == "api" and not is_subscribed and world.switches.are_only_subscribed_moved:
        raise only_subscribed_move(member.status)
    other = audience.find(wish.email)
    if other is not None:
        raise address_taken(wish.email, wish.status or TAKEN_BY.get(other.status, other.status))
    check_admission(world, audience, wish.email)
    return wish.email


def _checked_values(
    audience: Audience, before: Mapping[str, Any], wish: Wish, writer: Writer, *, is_new: bool
) -> dict[str, Any]:
    """Merge values after the write: what is not mentioned stays, "" clears. One bad value refuses the whole write."""
    fields = audience.fields_by_tag()
    if wish.merge_fields is None and not is_new:
        return dict(before)
    values, errors = check_values(fields, wish.merge_fields or {})
    after = {tag: value for tag, value in {**before, **values}.items() if value != ""}
    if not writer.skip_merge_validation:
        errors += missing_values(fields, after)
    if errors:
        raise bad_merge_fields(errors)
    return after


def _checked_groups(audience: Audience, wish: Wish) -> Mapping[str, bool] | None:
    for one in wish.interests or ():
        if one not in audience.interests:
            raise invalid(f"Invalid interest ID: '{one}'.")
    return wish.interests


def checked_permissions(audience: Audience, wish: Wish) -> Mapping[str, bool] | None:
    """Where the audience does not ask for permissions, they are ignored."""
    if not audience.has_permissions:
        return None
    for one in wish.permissions or ():
        if one not in audience.permissions:
            raise invalid(f"Invalid marketing permission ID: '{one}'.")
    return wish.permissions


def set_groups(
    member: Member, interests: Mapping[str, bool] | None, permissions: Mapping[str, bool] | None
) -> bool:
    """Interests and permissions: what is not mentioned stays. Whether anything changed."""
    is_changed = False
    for name, told in (("interests", interests), ("permissions", permissions)):
        if told:
            before = getattr(member, name)
            given = {one for one in before if told.get(one, True)} | {one for one in told if told[one]}
            if given != set(before):
                setattr(member, name, share(tuple(sorted(given))))
                is_changed = True
    return is_changed


def _set_plain(member: Member, wish: Wish) -> bool:
    is_changed = False
    for name in PLAIN_FIELDS:
        wanted = getattr(wish, name)
        if wanted is not None and wanted != getattr(member, name):
            setattr(member, name, wanted)
            is_changed = True
    return is_changed


def _set_opt_in(world: World, member: Member, status_before: str, ip: str) -> None:
    """Opt-in time: set when first subscribed and when revived, kept when an API unsubscribe is undone (recorded)."""
    if member.status == status_before:
        return
    now, is_back = world.clock.now(), status_before in {"unsubscribed", "archived"}
    if member.status == "subscribed" and (not member.opt_at or status_before in {"", "archived"}):
        member.ip_opt, member.opt_at = ip, now
    is_renewed = is_back and world.switches.is_signup_time_renewed
    if (member.status == "pending" and not member.signup_at) or (
        is_renewed and member.status in {"subscribed", "pending"}
    ):
        member.ip_signup, member.signup_at = ip, now
    if member.status == "unsubscribed":
        member.unsubscribed_at = now


def archive_member(world: World, audience: Audience, member: Member, by: str) -> None:
    if member.status in UNARCHIVABLE:
        raise cannot_archive()
    status_before = member.status
    member.status, member.changed_at = "archived", world.clock.now()
    world.save_member(audience, member)
    world.tally(audience, "other_removes")
    if status_before == "subscribed":
        say_removal(world, audience, member, by)


def erase_member(world: World, audience: Audience, member: Member, by: str) -> None:
    """Delete permanently: the address cannot come back but by the hosted form."""
    world.save_forgotten(audience, member.hash, is_forgotten=True)
    if member.status == "subscribed":
        say_removal(world, audience, member, by)
    world.tally(audience, "other_removes")
    world.save_dropped(audience, member)


def note(
    world: World, audience: Audience, wish: Wish, status_before: str | None, outcome: str, *, email: str = ""
) -> None:
    """Write the wish into the journal's entry of this request."""
    asked = wish.status or (wish.status_if_new if status_before is None else None)
    is_entry = asked == "subscribed" and is_subscribing(wish, status_before)
    world.current.notes.append(Note(wish.email or email, asked, is_entry, outcome, audience.list_id))
