"""Members that a recording's pages only count: as many as the totals want, at the places that no page shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.comparing import Comparison
from integrations.mailchimp.simulator.listing import SORTS, find_members, read_moment
from integrations.mailchimp.simulator.member import Member, new_contact_id
from integrations.mailchimp.simulator.person import seconds_of
from integrations.mailchimp.simulator.recording import Exchange, objects_of
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
            place, offset = comparison.places.get(number), exchange.offset
            missing = min(short, max(0, offset - place)) if place is not None else 0
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
                _plant(
                    world,
                    exchanges[number],
                    count,
                    objects_of(exchanges[number].found, "members"),
                    is_before=True,
                )
            for number, count in self.after.items():
                _plant(world, exchanges[number], count, _shown_alike(exchanges, number), is_before=False)


def place_of(world: World, exchange: Exchange) -> int | None:
    """Where the page's first member stands among all that the simulator would list; None where it cannot be told."""
    members = objects_of(exchange.found, "members") if exchange.parts[2:] == ["members"] else None
    audience = world.audiences.get(exchange.parts[1]) if members else None
    if not members or audience is None:
        return None
    hashes = [one.hash for one in find_members(world, audience, exchange.query)]
    return hashes.index(members[0]["id"]) if members[0].get("id") in hashes else None


def _filters(exchange: Exchange) -> list[tuple[str, str]]:
    left_out = {"count", "offset", "fields", "exclude_fields"}
    return sorted((name, text) for name, text in exchange.query.items() if name not in left_out)


def _shown_alike(exchanges: list[Exchange], number: int) -> list[dict[str, Any]]:
    """All members on all pages of the same listing, in their order: whoever is not shown stands behind them."""
    wanted, path = _filters(exchanges[number]), exchanges[number].parts
    pages = [one for one in exchanges if one.parts == path and _filters(one) == wanted and one.is_fine]
    pages.sort(key=lambda one: one.offset)
    return [member for page in pages for member in objects_of(page.found, "members")]


def _plant(
    world: World, exchange: Exchange, count: int, members: list[dict[str, Any]], *, is_before: bool
) -> None:
    audience = world.audiences[exchange.parts[1]]
    query = exchange.query
    others = list(audience.members())
    web_id = _first_web_id(query, others, count, is_before=is_before)
    for number in range(count):
        email = f"filler{len(audience.by_contact)}.{number}@unknown.example"
        member = Member(new_contact_id(), web_id + number, email, query.get("status") or "subscribed")
        moment = _moment(query, members, is_before=is_before)
        member.changed_at = member.opt_at = member.signup_at = member.unsubscribed_at = moment
        world.save_member(audience, member)
    if is_before:
        # A dictionary keeps the order of entry: whoever was there comes again, behind the new ones.
        for member in others:
            del audience.by_contact[member.contact_id]
            audience.by_contact[member.contact_id] = member


def _first_web_id(query: Mapping[str, str], others: list[Member], count: int, *, is_before: bool) -> int:
    """Of `count` in a row that keep the place among members of the same moment: below all others or above."""
    known = [one.web_id for one in others] or [0]
    is_reversed = query.get("sort_dir", "").upper() == "DESC"
    return min(known) - count if is_before != is_reversed else max(known) + 1


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
