"""What staff sets up in an audience: marketing permissions, groups, and what goes with their removal."""

from collections.abc import Callable

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, new_hex_id, share
from integrations.mailchimp.simulator.world import World

# What Mailchimp's form proposes when the GDPR fields are switched on.
USUAL_PERMISSIONS = ("Email", "Direct Mail", "Customized Online Advertising")


def turn_permissions(audience: Audience, *, is_on: bool) -> None:
    """Switch the marketing permissions; ids are made once and stay the audience's own."""
    audience.has_permissions = is_on
    if is_on and not audience.permissions:
        audience.permissions = {new_hex_id(): text for text in USUAL_PERMISSIONS}


def remove_interests(world: World, audience: Audience, gone: set[str]) -> None:
    """Nobody has them any more."""
    for one in gone:
        del audience.interests[one]

    def take_off(member: Member) -> bool:
        if gone.isdisjoint(member.interests):
            return False
        member.interests = share(tuple(one for one in member.interests if one not in gone))
        return True

    _change_all(world, audience, take_off)


def remove_tag(world: World, audience: Audience, tag_id: int) -> None:
    """The tag and everybody's having it."""
    tag = audience.tags.pop(tag_id)
    audience.tag_ids.pop(tag.name.casefold(), None)
    audience.known_ids.clear()

    def take_off(member: Member) -> bool:
        if tag_id not in member.tag_ids:
            return False
        member.drop_tag(tag_id)
        return True

    _change_all(world, audience, take_off)


def _change_all(world: World, audience: Audience, change: Callable[[Member], bool]) -> None:
    for member in audience.members():
        if change(member):
            world.save_member(audience, member)
    world.save_audience(audience)
