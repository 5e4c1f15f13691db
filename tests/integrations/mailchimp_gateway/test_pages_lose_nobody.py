"""A listing of many pages while members change, and with contacts in it who have no address."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.mailchimp.answers import MemberPage, MemberState
from integrations.mailchimp.gateway import Gateway


class Listing:
    """Members by their last change; `between` is called after each page with the page's number."""

    def __init__(
        self, count: int, between: Callable[["Listing", int], None] = lambda _listing, _number: None
    ) -> None:
        self.members = [
            MemberState(f"{number:032x}", f"p{number}@house.test", "subscribed") for number in range(count)
        ]
        self.calls, self._between = 0, between

    def change(self, *places: int) -> None:
        """Whoever stands there moves to the end."""
        moved = [self.members[place] for place in places]
        self.members = [one for one in self.members if one not in moved] + moved

    def page(self, _list_id: str, *, offset: int, count: int, **_more: Any) -> MemberPage:
        self.calls += 1
        found = MemberPage(tuple(self.members[offset : offset + count]), len(self.members))
        self._between(self, self.calls)
        return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[MemberState]]:
    def read(listing: Listing, **more: Any) -> list[MemberState]:
        gateway = Gateway("http://127.0.0.1:9", "key-us1")
        monkeypatch.setattr(gateway, "get_members_page", listing.page)
        return list(gateway.iterate_members("a", **more))

    return read


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (100_000, 103)])
def test_a_quiet_audience_is_read_once_with_few_calls_more(read: Any, count: int, calls: int) -> None:
    listing = Listing(count)

    found = read(listing)

    assert (calls, listing.members) == (listing.calls, found)


def test_the_first_page_alone_says_how_many_there_are(read: Any) -> None:
    counts: list[int] = []
    listing = Listing(2_500, lambda listing, _number: listing.members.pop())

    read(listing, on_count=counts.append)

    assert (counts, listing.calls > 1) == ([2_500], True)


@pytest.mark.parametrize("moved_count", [1, 19, 30, 250])
def test_whoever_moves_to_the_end_between_two_pages_hides_nobody(read: Any, moved_count: int) -> None:
    def move(listing: Listing, number: int) -> None:
        if number in {1, 3}:
            listing.change(*range(moved_count))

    listing = Listing(1_000, move)

    found = read(listing, page_size=100)

    assert {one.email for one in found} == {one.email for one in listing.members}


def test_an_audience_that_never_rests_is_read_with_bounded_calls(read: Any) -> None:
    listing = Listing(1_000, lambda listing, _number: listing.change(*range(150)))

    read(listing, page_size=100)

    assert listing.calls <= 13 + 2 * 20


@pytest.mark.parametrize("fields", [(), ("id", "email_address")])
def test_contacts_for_sms_alone_are_passed_over(read: Any, fields: tuple[str, ...]) -> None:
    listing = Listing(45)
    for place in (0, 9, 10, 44):
        listing.members[place] = MemberState("", "", "subscribed", contact_id=f"c{place}")

    found = read(listing, page_size=10, fields=fields)

    assert [one for one in listing.members if one.email] == found


def test_a_listing_without_addresses_asked_for_is_whole(read: Any) -> None:
    listing = Listing(0)
    listing.members = [MemberState("", "", "subscribed")] * 25

    assert len(read(listing, page_size=10, fields=("status",))) >= 25
