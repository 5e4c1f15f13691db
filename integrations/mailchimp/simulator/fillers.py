"""Members that a recording's pages only count: as many as the totals want, at the places that no page shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.comparing import Comparison
from integrations.mailchimp.simulator.listing import DEFAULT_COUNT, SORTS, read_moment
from integrations.mailchimp.simulator.member import Member, new_contact_id
from integrations.mailchimp.simulator.people import seconds_of
from integrations.mailchimp.simulator.recording import Exchange
from integrations.mailchimp.simulator.world import World

TOTAL = re.compile(r"^\.total_items is (\d+) instead of (\d+)$")
LONG_AGO = 946_684_800  # 2000-01-01


@dataclass(slots=True)
class Fillers:
    """For each page (by its number) how many members come before it and after it, seen by nobody."""

    before: dict[int, int] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)

    def adjust(self, exchanges: list[Exchange], comparison: Comparison) -> bool:
        """Take the first page that is short into account; False where there is nothing to be done."""
        for number, told in comparison.differences.items():
            exchange = exchanges[number]
            short = next((int(found[2]) - int(found[1]) for found in map(TOTAL.match, told) if found), 0)
            is_page = exchange.method == "GET" and exchange.parts[2:] == ["members"]
            if not is_page or short <= 0:
                continue
            offset = int(exchange.query.get("offset") or 0)
            missing = _missing_before(exchange, told, offset, short)
            if missing:
                self.before[number] = self.before.get(number, 0) + missing
            if short > missing:
                self.after[number] = self.after.get(number, 0) + short - missing
            return True
        return False

    def plant(self, world: World, exchanges: list[Exchange]) -> None:
        """Put them in: those before first of all, those after behind everybody."""
        with world.change():
            for number, count in self.before.items():
                _plant(world, exchanges[number], count, is_before=True)
            for number, count in self.after.items():
                _plant(world, exchanges[number], count, is_before=False)


def _missing_before(exchange: Exchange, told: list[str], offset: int, short: int) -> int:
    """How many of the missing come before the page: as many places as its first member stands too far in front."""
    if not offset:
        return 0
    count = int(exchange.query.get("count") or DEFAULT_COUNT)
    shown = exchange.found.get("members") or []
    total = int(exchange.found.get("total_items") or 0)
    left = max(0, total - offset - len(shown)) if len(shown) == count else 0
    return max(0, short - left) if any("members" in one for one in told) else 0


def _plant(world: World, exchange: Exchange, count: int, *, is_before: bool) -> None:
    audience = world.audiences[exchange.parts[1]]
    query, members = exchange.query, exchange.found.get("members") or []
    others = list(audience.members())
    for number in range(count):
        email = f"filler{len(audience.by_contact)}.{number}@unknown.example"
        member = Member(new_contact_id(), world.next_web_id(), email, query.get("status") or "subscribed")
        moment = _moment(query, members, is_before=is_before)
        member.changed_at = member.opt_at = member.signup_at = member.unsubscribed_at = moment
        world.save_member(audience, member)
    if is_before:
        # A dictionary keeps the order of entry: whoever was there comes again, behind the new ones.
        for member in others:
            del audience.by_contact[member.contact_id]
            audience.by_contact[member.contact_id] = member


def _moment(query: Mapping[str, str], members: list[dict[str, Any]], *, is_before: bool) -> int:
    """A time that keeps the place: that of the page's first or last member, or else within the bounds."""
    sort = query.get("sort_field", "")
    if members and sort in SORTS:
        return seconds_of(members[0 if is_before else -1].get(sort)) or LONG_AGO
    for name in ("since_last_changed", "since_timestamp_opt", "unsubscribed_since"):
        moment = read_moment(name, query[name]) if query.get(name) else None
        if moment is not None:
            return int(moment) + 1
    return LONG_AGO
