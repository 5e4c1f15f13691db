"""Tags of a member: put on, taken off, and seen by the next reader at once or a little later."""

from collections.abc import Sequence

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.world import World

REMEMBERED_NAMES = 1000


def change_tags(world: World, audience: Audience, member: Member, tags: Sequence[tuple[str, bool]]) -> None:
    """Put on (True) and take off (False) by name. Recorded: putting on a tag that is on already still counts as a change."""
    before = member.tag_ids, member.tag_times
    is_changed = False
    for name, is_active in tags:
        tag_id = audience.tag_ids.get(name.strip().casefold())
        if not is_active and tag_id is not None and tag_id in member.tag_ids:
            member.drop_tag(tag_id)
            member.dropped_tags += (tag_id,)
            is_changed = True
    names = [name for name, is_active in tags if is_active]
    add_tags(world, audience, member, names)
    if names or is_changed:
        member.changed_at = world.clock.now()
        _lag(world, audience, member, before)
        world.save_member(audience, member)


def add_tags(world: World, audience: Audience, member: Member, names: Sequence[str]) -> bool:
    """Newest first, as recorded: those put on again before the new ones, the last taken off first."""
    known_count, now = len(audience.tags), world.clock.now()
    ids = audience.known_ids.get(tuple(names)) or _ids(audience, names, now)
    if not member.tag_ids and not member.dropped_tags:
        member.set_tags(ids, (now,) * len(ids))
        fresh = list(ids)
    elif fresh := [tag_id for tag_id in ids if tag_id not in member.tag_ids]:
        again = [tag_id for tag_id in reversed(member.dropped_tags) if tag_id in fresh]
        block = (*again, *(tag_id for tag_id in fresh if tag_id not in again))
        member.dropped_tags = tuple(tag_id for tag_id in member.dropped_tags if tag_id not in block)
        member.set_tags(block + member.tag_ids, (now,) * len(block) + member.tag_times)
    if len(audience.tags) > known_count:
        world.save_audience(audience)
    return bool(fresh)


def _ids(audience: Audience, names: Sequence[str], now: int) -> tuple[int, ...]:
    """Ids of the names, without repetition; remembered, as the same few names come with everybody."""
    ids = tuple(dict.fromkeys([audience.tag_id(name.strip(), now) for name in names if name.strip()]))
    if len(audience.known_ids) >= REMEMBERED_NAMES:
        audience.known_ids.clear()
    audience.known_ids[tuple(names)] = ids
    return ids


def _lag(
    world: World, audience: Audience, member: Member, before: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    """Keep showing the tags as they were for the time that the switch says."""
    seconds = world.switches.tag_delay_seconds
    if seconds > 0:
        until = world.clock.elapsed() + seconds
        audience.lagging_tags.setdefault(member.contact_id, []).append((until, *before))


def settle_tags(world: World, audience: Audience) -> None:
    """Let go of the delays that are over; readers call it first."""
    if not audience.lagging_tags:
        return
    now = world.clock.elapsed()
    for contact_id, delays in list(audience.lagging_tags.items()):
        left = [delay for delay in delays if delay[0] > now]
        if left:
            audience.lagging_tags[contact_id] = left
        else:
            del audience.lagging_tags[contact_id]


def shown_tags(audience: Audience, member: Member) -> list[tuple[int, int]]:
    """Tag ids with the times when they were put on, as a reader sees them now."""
    delays = audience.lagging_tags.get(member.contact_id)
    ids, times = (delays[0][1], delays[0][2]) if delays else (member.tag_ids, member.tag_times)
    return [(one, at) for one, at in zip(ids, times, strict=True) if one in audience.tags]
