"""The one door to Mailchimp: typed calls over the official SDK, whose transport is ours."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mailchimp_marketing import Client

from integrations.mailchimp.answers import (
    AccountInfo,
    AudienceInfo,
    BatchOutcome,
    MemberPage,
    MemberState,
    MergeField,
    Webhook,
    read_account,
    read_audience,
    read_batch,
    read_member,
    read_merge_field,
    read_webhook,
    subscriber_hash,
)
from integrations.mailchimp.problems import REFUSED_ARCHIVE, MailchimpProblem
from integrations.mailchimp.slots import ConnectionSlots, LocalSlots
from integrations.mailchimp.transport import Call, Transport

BATCH_SIZE = 500  # members in one POST /lists/{id}
PAGE_SIZE = 1000  # the largest `count`
DEADLINE_SECONDS = 30.0
BULK_DEADLINE_SECONDS = 110.0  # Mailchimp gives up by itself after 120 s
WEBHOOK_EVENTS = ("subscribe", "unsubscribe", "profile", "upemail", "cleaned", "campaign")
WEBHOOK_SOURCES = ("user", "admin", "api")


def base_url_for(api_key: str) -> str:
    """https://<data centre>.api.mailchimp.com/3.0; ValueError for a key that does not end in -<data centre>."""
    _, dash, centre = api_key.rpartition("-")
    if not dash or not centre.isalnum():
        raise ValueError(
            "A Mailchimp API key ends in a dash and the data centre, like ...-us6. Copy it again, whole."
        )
    return f"https://{centre}.api.mailchimp.com/3.0"


class Gateway:
    """Calls on one account. Every method raises MailchimpProblem for anything but a success.

    Members are addressed by hash, contact_id or e-mail address alike. Times are aware. Safe to share by threads.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        slots: ConnectionSlots | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        bulk_deadline_seconds: float = BULK_DEADLINE_SECONDS,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self._transport = Transport(
            base_url, api_key, slots or LocalSlots(), deadline_seconds=deadline_seconds, on_call=on_call
        )
        self._bulk_seconds = bulk_deadline_seconds
        client = Client()
        # All 27 parts of the SDK hold the same client object; handing each ours replaces the transport wholly.
        for part in vars(client).values():
            if hasattr(part, "api_client"):
                part.api_client = self._transport
        self._lists, self._root, self._ping = client.lists, client.root, client.ping

    @property
    def call_count(self) -> int:
        """Calls made since this gateway was built, successful or not."""
        return self._transport.call_count

    def close(self) -> None:
        self._transport.close()

    # Account and audiences

    def ping(self) -> str:
        return str(self._ping.get()["health_status"])

    def get_root(self) -> AccountInfo:
        return read_account(self._root.get_root(exclude_fields=["_links"]))

    def list_audiences(self) -> tuple[AudienceInfo, ...]:
        body = self._lists.get_all_lists(count=PAGE_SIZE, exclude_fields=["_links", "lists._links"])
        return tuple(read_audience(one) for one in body.get("lists") or ())

    def get_audience(self, list_id: str) -> AudienceInfo:
        return read_audience(self._lists.get_list(list_id, exclude_fields=["_links"]))

    def list_merge_fields(self, list_id: str) -> tuple[MergeField, ...]:
        body = self._lists.get_list_merge_fields(
            list_id, count=PAGE_SIZE, exclude_fields=["_links", "merge_fields._links"]
        )
        return tuple(read_merge_field(one) for one in body.get("merge_fields") or ())

    def add_merge_field(
        self, list_id: str, tag: str, name: str, type_: str = "text", options: Mapping[str, Any] | None = None
    ) -> MergeField:
        body: dict[str, Any] = {"tag": tag, "name": name, "type": type_, "required": False, "public": False}
        if options:
            body["options"] = dict(options)
        return read_merge_field(self._lists.add_list_merge_field(list_id, body))

    # One member

    def get_member(self, list_id: str, member: str) -> MemberState:
        body = self._lists.get_list_member(list_id, _key(member), exclude_fields=["_links"])
        return read_member(body)

    def find_member(self, list_id: str, member: str) -> MemberState | None:
        """The member, or None where Mailchimp knows none (never was, or erased)."""
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
            list_id, _key(member), dict(body), skip_merge_validation=skip_merge_validation
        )
        return read_member(answer)

    def patch_member(
        self, list_id: str, member: str, body: Mapping[str, Any], *, skip_merge_validation: bool = False
    ) -> MemberState:
        """Update a member that exists; tags are not among what it takes."""
        answer = self._lists.update_list_member(
            list_id, _key(member), dict(body), skip_merge_validation=skip_merge_validation
        )
        return read_member(answer)

    def archive_member(self, list_id: str, member: str) -> bool:
        """Take out of the audience, keeping what it is. False where it was out already."""
        try:
            self._lists.delete_list_member(list_id, _key(member))
        except MailchimpProblem as problem:
            if problem.classification is REFUSED_ARCHIVE or problem.kind == REFUSED_ARCHIVE.kind:
                return False
            raise
        return True

    def delete_member_permanently(self, list_id: str, member: str) -> None:
        """Erase. It cannot be undone: only the person can come back, by the hosted form."""
        self._lists.delete_list_member_permanent(list_id, _key(member))

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
        self._lists.update_list_member_tags(list_id, _key(member), {"tags": tags, "is_syncing": is_syncing})

    # Many members

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
            list_id, body, skip_merge_validation=skip_merge_validation, _request_timeout=self._bulk_seconds
        )
        return read_batch(answer)

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
        query |= {"since_last_changed": _time_text(since)} if since else {}
        query |= {"before_last_changed": _time_text(before)} if before else {}
        query |= {"status": status} if status else {}
        if fields:
            query["fields"] = ["total_items", *(f"members.{name}" for name in fields)]
        else:
            query["exclude_fields"] = ["_links", "members._links"]
        body = self._lists.get_list_members_info(list_id, **query, _request_timeout=self._bulk_seconds)
        members = tuple(read_member(one) for one in body.get("members") or ())
        return MemberPage(members, int(body.get("total_items") or 0))

    def iterate_members(
        self,
        list_id: str,
        *,
        since: datetime | None = None,
        before: datetime | None = None,
        status: str | None = None,
        fields: Sequence[str] = (),
        page_size: int = PAGE_SIZE,
    ) -> Iterator[MemberState]:
        """All members that changed at or after `since` (and before `before`), page by page.

        Offsets drift while members change: give `before`, overlap the windows, and take repeats calmly.
        """
        offset, total = 0, 1
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
            yield from page.members
            offset, total = offset + page_size, page.total_count

    # Webhooks

    def list_webhooks(self, list_id: str) -> tuple[Webhook, ...]:
        body = self._lists.get_list_webhooks(list_id)
        return tuple(read_webhook(one) for one in body.get("webhooks") or ())

    def create_webhook(
        self,
        list_id: str,
        url: str,
        events: Sequence[str] = WEBHOOK_EVENTS[:5],
        sources: Sequence[str] = WEBHOOK_SOURCES[:2],
    ) -> Webhook:
        """Mailchimp calls `url` by GET at once and wants 200. Without "api" among the sources nothing echoes."""
        return read_webhook(self._lists.create_list_webhook(list_id, _webhook_body(url, events, sources)))

    def update_webhook(
        self, list_id: str, webhook_id: str, url: str, events: Sequence[str], sources: Sequence[str]
    ) -> Webhook:
        body = _webhook_body(url, events, sources)
        return read_webhook(self._lists.update_list_webhook(list_id, webhook_id, body))

    def delete_webhook(self, list_id: str, webhook_id: str) -> None:
        self._lists.delete_list_webhook(list_id, webhook_id)


def wait_until_up(gateway: Gateway, seconds: float) -> bool:
    """Ping until it answers; False when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            gateway.ping()
        except MailchimpProblem:
            time.sleep(0.05)
        else:
            return True
    return False


def _key(member: str) -> str:
    """An e-mail address is hashed here, so that no address ever stands in a path (and in a log)."""
    return subscriber_hash(member) if "@" in member else member


def _time_text(moment: datetime) -> str:
    # Whole seconds: a 7-digit fraction was ignored and gave everyone (MailChimp.Net issue 525).
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def _webhook_body(url: str, events: Sequence[str], sources: Sequence[str]) -> dict[str, Any]:
    return {
        "url": url,
        "events": {name: name in events for name in WEBHOOK_EVENTS},
        "sources": {name: name in sources for name in WEBHOOK_SOURCES},
    }
