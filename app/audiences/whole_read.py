"""Reading a whole audience once: everything into the mirror, and what is in the mirror but no longer there.

One call a thousand members, and a few.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.mirror import MirrorWrite, forget_members, write_members
from app.audiences.models import Audience
from app.audiences.pull import apply_member_states
from app.audiences.runs import RunWatch
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import AudienceView
from app.core.clock import database_now
from app.core.db import transaction
from app.core.secretbox import SecretBox
from integrations.mailchimp.answers import MemberState
from integrations.mailchimp.gateway import PAGE_SIZE, Gateway

FEW = 20  # so many are asked for one by one
ASKED_MOST = 200

# Rows written while reading belong to people whom a push just made.
IN_MIRROR = text("""
    SELECT contact_id, subscriber_hash, email_address, status FROM members
    WHERE audience_id = :audience_id AND status NOT IN ('', 'archived', 'forgotten') AND updated_at < :before
""")


@dataclass(slots=True)
class Seen:
    """What a whole reading met. Hashes are kept as eight bytes each: a million people in eight megabytes."""

    read_count: int = 0
    our_count: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    hashes: "array[int]" = field(default_factory=lambda: array("Q"))
    is_whole: bool = False

    @property
    def stranger_count(self) -> int:
        return self.read_count - self.our_count

    @property
    def member_count(self) -> int:
        return sum(self.statuses[status] for status in REACHABLE_THERE)

    def knows(self, member_hash: str) -> bool:
        """Whether it was met; only once reading is over."""
        wanted = int(member_hash[:16], 16)
        place = bisect_left(self.hashes, wanted)
        return place < len(self.hashes) and self.hashes[place] == wanted


def read_everybody(
    sessions: sessionmaker[Session],
    gateway: Gateway,
    audience: AudienceView,
    watch: RunWatch,
    *,
    box: SecretBox,
) -> Seen:
    """Every member into the mirror; people who are no contacts of ours are counted and left alone."""
    seen = Seen()
    with transaction(sessions) as session:
        started_at = database_now(session)
    for page in _pages(gateway.iterate_members(audience.list_id, page_size=PAGE_SIZE), PAGE_SIZE):
        with transaction(sessions) as session:
            counts = apply_member_states(session, audience, page, box)
        seen.read_count += len(page)
        seen.our_count += counts["ours"]
        seen.statuses.update(one.status for one in page)
        seen.hashes.extend(int(one.member_hash[:16], 16) for one in page)
        if watch.note(done=len(page), calls=1):
            return seen
    seen.hashes = array("Q", sorted(seen.hashes))
    seen.is_whole = True
    with transaction(sessions) as session:
        session.execute(
            update(Audience).where(Audience.id == audience.audience_id).values(pulled_until=started_at)
        )
    return seen


def settle_gone(
    sessions: sessionmaker[Session],
    gateway: Gateway,
    audience: AudienceView,
    seen: Seen,
    before: datetime,
    *,
    box: SecretBox,
) -> list[int]:
    """Contacts whose member the mirror knows and Mailchimp no longer lists: asked for again, then archived or forgotten.

    Pages drift while members change, so that somebody may be missing by accident; who is there after all is read.
    """
    with transaction(sessions) as session:
        rows = session.execute(IN_MIRROR, {"audience_id": audience.audience_id, "before": before})
        gone: dict[str, list[Row[Any]]] = {}  # of people who share an address, both may speak of its member
        for row in rows:
            if not seen.knows(row.subscriber_hash):
                gone.setdefault(row.subscriber_hash, []).append(row)
    found = _find_archived(sessions, gateway, audience, gone, box=box) if len(gone) > FEW else set()
    missing = [member_hash for member_hash in gone if member_hash not in found][:ASKED_MOST]
    for member_hash in missing:
        state = gateway.find_member(audience.list_id, member_hash)
        with transaction(sessions) as session:
            if state is None:
                for row in gone[member_hash]:
                    _let_go(session, audience.audience_id, row)
            else:
                apply_member_states(session, audience, [state], box)
        if state is not None and state.status != "archived":
            del gone[member_hash]
    return sorted(row.contact_id for lost in gone.values() for row in lost)


def _let_go(session: Session, audience_id: int, lost: Row[Any]) -> None:
    """Not there at all: deleted for good, or under an address that we do not know. Who was being asked is not asked twice."""
    if lost.status != "pending":
        forget_members(session, audience_id, [lost.contact_id])
        return
    write = MirrorWrite(lost.contact_id, lost.email_address, lost.subscriber_hash, "archived")
    write_members(session, audience_id, [write])


def _find_archived(
    sessions: sessionmaker[Session],
    gateway: Gateway,
    audience: AudienceView,
    gone: Collection[str],
    *,
    box: SecretBox,
) -> set[str]:
    found: set[str] = set()
    listing = gateway.iterate_members(audience.list_id, status="archived", page_size=PAGE_SIZE)
    for page in _pages(listing, PAGE_SIZE):
        ours = [one for one in page if one.member_hash in gone]
        if ours:
            with transaction(sessions) as session:
                apply_member_states(session, audience, ours, box)
        found |= {one.member_hash for one in ours}
    return found


def count_by_status(gateway: Gateway, list_id: str, statuses: Sequence[str]) -> dict[str, int]:
    """How many members Mailchimp has in each status; one small call each."""
    return {
        status: gateway.get_members_page(list_id, count=1, status=status, fields=("id",)).total_count
        for status in statuses
    }


def _pages(members: Iterable[MemberState], size: int) -> Iterator[list[MemberState]]:
    iterator = iter(members)
    while page := list(islice(iterator, size)):
        yield page
