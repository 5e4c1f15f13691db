"""Reading a whole audience once: everything into the mirror, and what is in the mirror but no longer there.

One call a thousand members, one a thousand archived, and a few.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.mirror import MirrorWrite, forget_members, write_members
from app.audiences.models import Audience
from app.audiences.pull import apply_member_states
from app.audiences.runs import RunWatch, Wish, watched
from app.audiences.seen import ARCHIVED, Seen
from app.audiences.views import AudienceView
from app.core.clock import database_now
from app.core.db import transaction
from app.core.secretbox import SecretBox
from integrations.mailchimp.answers import MemberState
from integrations.mailchimp.gateway import PAGE_SIZE, Gateway

ASKED_MOST = 200  # so many that are missing are asked for one by one

# Rows written while reading belong to people whom a push just made.
IN_MIRROR = text("""
    SELECT contact_id, subscriber_hash, email_address, status FROM members
    WHERE audience_id = :audience_id AND status NOT IN ('', 'archived', 'forgotten') AND updated_at < :before
""")


@dataclass(frozen=True, slots=True)
class Reading:
    """A comparison under way: from where it reads, and the run that is told of its people and its calls."""

    sessions: sessionmaker[Session]
    gateway: Gateway
    audience: AudienceView
    watch: RunWatch
    box: SecretBox
    calls_before: int

    def tell(self, done: int = 0) -> Wish:
        """So many people more, and every call made since; the answer is what an admin asks for."""
        calls = self.gateway.call_count - self.calls_before - self.watch.call_count
        return self.watch.note(done=done, calls=calls)

    def keep(self, states: Sequence[MemberState]) -> Counter[str]:
        """Members into mirror and ledger."""
        with transaction(self.sessions) as session:
            return apply_member_states(session, self.audience, states, self.box)


@contextmanager
def comparing(reading: Reading) -> Iterator[None]:
    """The run of a comparison: closed at its end, however it comes, with every call it made."""
    with watched(reading.watch):
        try:
            yield
        except BaseException:
            reading.tell()
            raise


@dataclass(frozen=True, slots=True)
class Gone:
    """Contacts who were members and are not listed any more; of them, who was not asked for: too many are gone."""

    contact_ids: Sequence[int] = ()
    unasked: Collection[int] = frozenset()


def read_everybody(reading: Reading) -> Seen:
    """Every member but the archived into the mirror; people who are no contacts of ours are counted and left alone.

    Whether Mailchimp lists the archived among all is not known: they are read by `settle_gone`, by their status.
    """
    seen = Seen()
    with transaction(reading.sessions) as session:
        started_at = database_now(session)
    for page in _list_pages(reading):
        members = [one for one in page if one.status != ARCHIVED]
        seen.add(members, reading.keep(members)["ours"])
        if reading.tell(done=len(page)):
            return seen
    seen.settle()
    with transaction(reading.sessions) as session:
        session.execute(
            update(Audience)
            .where(Audience.id == reading.audience.audience_id)
            .values(pulled_until=started_at)
        )
    return seen


def settle_gone(reading: Reading, seen: Seen, before: datetime) -> Gone:
    """Reads the archived, and finds whom the mirror knows and Mailchimp no longer lists: archived, or asked for again.

    Pages drift while members change, so that somebody may be missing by accident; who is there after all is read. Whoever
    is not there at all is forgotten. Ends early, with nobody, when an admin asks the run to stop.
    """
    gone = _find_missing(reading, seen, before)
    found = _read_archived(reading, seen, gone)
    if reading.watch.wish:
        return Gone()
    missing = [member_hash for member_hash in gone if member_hash not in found]
    for member_hash in missing[:ASKED_MOST]:
        state = reading.gateway.find_member(reading.audience.list_id, member_hash)
        if state is None:
            with transaction(reading.sessions) as session:
                for row in gone[member_hash]:
                    _let_go(session, reading.audience.audience_id, row)
        else:
            reading.keep([state])
        if state is not None and state.status != ARCHIVED:
            del gone[member_hash]
        if reading.tell():
            return Gone()
    unasked = {row.contact_id for member_hash in missing[ASKED_MOST:] for row in gone[member_hash]}
    return Gone(sorted(row.contact_id for lost in gone.values() for row in lost), frozenset(unasked))


def _find_missing(reading: Reading, seen: Seen, before: datetime) -> dict[str, list[Row[Any]]]:
    """Rows by member hash: of people who share an address, both may speak of its member."""
    missing: dict[str, list[Row[Any]]] = {}
    with transaction(reading.sessions) as session:
        asked = {"audience_id": reading.audience.audience_id, "before": before}
        for row in session.execute(IN_MIRROR, asked):
            if not seen.knows(row.subscriber_hash):
                missing.setdefault(row.subscriber_hash, []).append(row)
    return missing


def _read_archived(reading: Reading, seen: Seen, missing: Collection[str]) -> set[str]:
    """Into the mirror, but who was archived since they were met; those of the missing who are there, by hash."""
    found: set[str] = set()
    for page in _list_pages(reading, ARCHIVED):
        archived = [one for one in page if not seen.knows(one.member_hash)]
        seen.add(archived, reading.keep(archived)["ours"])
        found |= {one.member_hash for one in archived if one.member_hash in missing}
        if reading.tell(done=len(page)):
            break
    seen.settle()
    return found


def _let_go(session: Session, audience_id: int, lost: Row[Any]) -> None:
    """Not there at all: deleted for good, or under an address that we do not know. Who was being asked is not asked twice."""
    if lost.status != "pending":
        forget_members(session, audience_id, [lost.contact_id])
        return
    write = MirrorWrite(lost.contact_id, lost.email_address, lost.subscriber_hash, "archived")
    write_members(session, audience_id, [write])


def count_by_status(gateway: Gateway, list_id: str, statuses: Sequence[str]) -> dict[str, int]:
    """How many members Mailchimp has in each status; one small call each."""
    return {
        status: gateway.get_members_page(list_id, count=1, status=status, fields=("id",)).total_count
        for status in statuses
    }


def _list_pages(reading: Reading, status: str | None = None) -> Iterator[list[MemberState]]:
    listing = reading.gateway.iterate_members(
        reading.audience.list_id, status=status, page_size=PAGE_SIZE, on_count=reading.watch.expect
    )
    while page := list(islice(listing, PAGE_SIZE)):
        yield page
