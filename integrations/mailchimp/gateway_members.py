"""Calls on members: one by one, by the batch, by the page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.mailchimp.answers import (
    BatchOutcome,
    MemberPage,
    MemberState,
    read_batch,
    read_member,
    read_page,
)
from integrations.mailchimp.door import (
    PAGE_SIZE,
    Door,
    expect,
    expect_nothing,
    member_key,
    time_text,
    understand,
)
from integrations.mailchimp.problems import REFUSED_ARCHIVE, MailchimpProblem
from integrations.mailchimp.reading import decode_batch, decode_page

# Pages are sorted by the last change, so a member that changes between two of them moves to the end, and all behind it
# one place forward, into what was read. A page that does not begin with somebody of the one before left a gap: then it
# goes back by a page, as often as this in one listing.
PAGE_OVERLAP, MOST_STEPS_BACK = 20, 20
BATCH_SIZE = 500  # members in one POST /lists/{id}


class MemberCalls(Door):
    """Members are addressed by hash, contact_id or e-mail address alike. Times are aware."""

    def get_member(self, list_id: str, member: str) -> MemberState:
        body = self._lists.get_list_member(list_id, member_key(member), exclude_fields=["_links"])
        return _state(body)

    def find_member(self, list_id: str, member: str) -> MemberState | None:
        """The member, or None where Mailchimp says that it knows none (never was, or erased).

        Only its own 404 says so: a limit, an outage, a time-out or a page of some proxy is raised.
        """
        try:
            return self.get_member(list_id, member)
        except MailchimpProblem as problem:
            if problem.kind == "not_found":
                return None
            raise

    def put_member(
        self,
        list_id: str,
        member: str,
        body: Mapping[str, Any],
        *,
        skip_merge_validation: bool = False,
    ) -> MemberState:
        """Create or update. `body` needs email_address and status_if_new; `status` only for a decided change."""
        answer = self._lists.set_list_member(
            list_id, member_key(member), dict(body), skip_merge_validation=skip_merge_validation
        )
        return _state(answer)

    def patch_member(
        self, list_id: str, member: str, body: Mapping[str, Any], *, skip_merge_validation: bool = False
    ) -> MemberState:
        """Update a member that exists; tags are not among what it takes."""
        answer = self._lists.update_list_member(
            list_id, member_key(member), dict(body), skip_merge_validation=skip_merge_validation
        )
        return _state(answer)

    def archive_member(self, list_id: str, member: str) -> bool:
        """Take out of the audience, keeping what it is. False where it was out already."""
        try:
            expect_nothing(self._lists.delete_list_member(list_id, member_key(member)))
        except MailchimpProblem as problem:
            if problem.classification is REFUSED_ARCHIVE or problem.kind == REFUSED_ARCHIVE.kind:
                return False
            raise
        return True

    def delete_member_permanently(self, list_id: str, member: str) -> None:
        """Erase. It cannot be undone: only the person can come back, by the hosted form."""
        expect_nothing(self._lists.delete_list_member_permanent(list_id, member_key(member)))

    def update_tags(
        self,
        list_id: str,
        member: str,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        *,
        is_syncing: bool = True,
    ) -> None:
        """Add and remove tags by name; with `is_syncing` no automation of Mailchimp's starts from it."""
        tags = [{"name": name, "status": "active"} for name in add]
        tags += [{"name": name, "status": "inactive"} for name in remove]
        self._lists.update_list_member_tags(
            list_id, member_key(member), {"tags": tags, "is_syncing": is_syncing}
        )

    def push_members(
        self,
        list_id: str,
        members: Sequence[Mapping[str, Any]],
        *,
        skip_merge_validation: bool = False,
        update_existing: bool = True,
    ) -> BatchOutcome:
        """POST /lists/{id} with at most 500 members; each ends in `members` or in `errors`. Tags only ever grow."""
        if len(members) > BATCH_SIZE:
            raise ValueError(f"{len(members)} members in one call; Mailchimp takes {BATCH_SIZE}.")
        body = {
            "members": [dict(member) for member in members],
            "update_existing": update_existing,
            "sync_tags": False,
        }
        answer = self._lists.batch_list_members(
            list_id,
            body,
            skip_merge_validation=skip_merge_validation,
            _request_timeout=self._in_bulk(decode_batch),
        )
        return understand(read_batch, answer)

    def get_members_page(
        self,
        list_id: str,
        *,
        offset: int = 0,
        count: int = PAGE_SIZE,
        since: datetime | None = None,
        before: datetime | None = None,
        status: str | None = None,
        fields: Sequence[str] = (),
    ) -> MemberPage:
        """One page, oldest change first. `fields` are names of a member's keys (email_address, status, ...)."""
        query: dict[str, Any] = {"count": count, "offset": offset}
        query |= {"sort_field": "last_changed", "sort_dir": "ASC"}
        query |= {"since_last_changed": time_text(since)} if since else {}
        query |= {"before_last_changed": time_text(before)} if before else {}
        query |= {"status": status} if status else {}
        if fields:
            query["fields"] = ["total_items", *(f"members.{name}" for name in fields)]
        else:
            query["exclude_fields"] = ["_links", "members._links"]
        answer = self._lists.get_list_members_info(
            list_id, **query, _request_timeout=self._in_bulk(decode_page)
        )
        return understand(read_page, answer)

    def iterate_members(
        self,
        list_id: str,
        *,
        since: datetime | None = None,
        before: datetime | None = None,
        status: str | None = None,
        fields: Sequence[str] = (),
        page_size: int = PAGE_SIZE,
        on_count: Callable[[int], None] | None = None,
    ) -> Iterator[MemberState]:
        """All members that changed at or after `since` (and before `before`), page by page; nobody who has no address.

        `on_count` is told once, by the first page, how many there are. Offsets drift while members change: pages overlap, so that nobody falls between two. Take repeats calmly.
        """
        offset, total, last, steps_back, tell = 0, 1, frozenset[str](), 0, on_count
        while offset < total:
            page = self.get_members_page(
                list_id,
                offset=offset,
                count=page_size,
                since=since,
                before=before,
                status=status,
                fields=fields,
            )
            if tell:
                tell(page.total_count)
                tell = None
            yield from (one for one in page.members if _is_member(one, fields) and _key(one) not in last)
            keys = [key for one in page.members if (key := _key(one))]
            if last and last.isdisjoint(keys[:1]) and offset and steps_back < MOST_STEPS_BACK:
                offset, steps_back = max(offset - page_size, 0), steps_back + 1
                continue
            last, total = frozenset(keys), page.total_count
            if offset + page_size >= total:
                return
            offset += page_size - min(PAGE_OVERLAP, page_size // 2)

    def search_members(self, query: str, list_id: str = "") -> tuple[MemberState, ...]:
        """Members by address or name: exact matches first, then the rest; Mailchimp gives the first 30 of each."""
        more = {"list_id": list_id} if list_id else {}
        body = self._search.search(query, exclude_fields=["_links"], **more)
        return understand(_found, expect(body, "exact_matches", "full_search"))


def _key(one: MemberState) -> str:
    return one.member_hash or one.email or one.contact_id


def _is_member(one: MemberState, fields: Sequence[str]) -> bool:
    """Whoever is a contact for SMS alone (2026) stands in the listing without an address, and is nobody's member here."""
    return bool(one.email) or (bool(fields) and "email_address" not in fields)


def _is_for_sms(one: Mapping[str, Any]) -> bool:
    return bool(one.get("contact_id")) and not one.get("email_address")


def _state(answer: Any) -> MemberState:
    return understand(read_member, expect(answer, "id", "email_address", "status"))


def _found(body: Mapping[str, Any]) -> tuple[MemberState, ...]:
    """Each member once, in the order of the answer."""
    found = [(body[key] or {}).get("members") or () for key in ("exact_matches", "full_search")]
    states = {one["id"]: read_member(one) for members in found for one in members if not _is_for_sms(one)}
    return tuple(states.values())
