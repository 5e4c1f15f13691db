"""Whom a whole reading of an audience met at Mailchimp: counts, and whether a member was among them. Pure."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.audiences.valve import REACHABLE_THERE
from integrations.mailchimp.answers import MemberState

ARCHIVED = "archived"


def _no_hashes() -> "array[int]":
    return array("Q")


@dataclass(slots=True)
class Seen:
    """What was met. Hashes are kept as eight bytes each: a million people in eight megabytes."""

    read_count: int = 0
    our_count: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    hashes: "array[int]" = field(default_factory=_no_hashes)  # but of the archived
    archived: "array[int]" = field(default_factory=_no_hashes)

    @property
    def stranger_count(self) -> int:
        return self.read_count - self.our_count

    @property
    def member_count(self) -> int:
        return sum(self.statuses[status] for status in REACHABLE_THERE)

    def add(self, states: Sequence[MemberState], our_count: int) -> None:
        """Members that were read; `settle` before anybody is asked for."""
        self.read_count += len(states)
        self.our_count += our_count
        self.statuses.update(one.status for one in states)
        self.hashes.extend(_short(one.member_hash) for one in states if one.status != ARCHIVED)
        self.archived.extend(_short(one.member_hash) for one in states if one.status == ARCHIVED)

    def settle(self) -> None:
        """A part of the reading is over: what it met can be asked for."""
        self.hashes, self.archived = array("Q", sorted(self.hashes)), array("Q", sorted(self.archived))

    def knows(self, member_hash: str) -> bool:
        """Whether it was met, and is not archived."""
        return _has(self.hashes, member_hash)

    def is_archived(self, member_hash: str) -> bool:
        return _has(self.archived, member_hash)


def _has(hashes: "array[int]", member_hash: str) -> bool:
    wanted = _short(member_hash)
    place = bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted


def _short(member_hash: str) -> int:
    return int(member_hash[:16], 16)
