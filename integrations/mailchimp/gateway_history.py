"""Calls on what surrounds a member: all its tags, activity, events, notes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from integrations.mailchimp.answers_more import (
    Activity,
    MemberEvent,
    Note,
    Tag,
    read_activity,
    read_event,
    read_note,
    read_tag,
)
from integrations.mailchimp.door import (
    PAGE_SIZE,
    Door,
    expect,
    member_key,
    time_text,
    understand,
    understand_all,
)

Entry = TypeVar("Entry")
MOST_PAGES = 100  # a listing that does not end is a defect of whoever answers


class HistoryCalls(Door):
    """Members are addressed by hash, contact_id or e-mail address alike."""

    def list_member_tags(self, list_id: str, member: str) -> tuple[Tag, ...]:
        """All tags of a member; reading the member itself gives the first 50."""
        return self._read_all(read_tag, self._lists.get_list_member_tags, list_id, member, "tags")

    def list_member_activity(
        self, list_id: str, member: str, kinds: Sequence[str] = ()
    ) -> tuple[Activity, ...]:
        """What a member did and was sent, newest first; `kinds` such as open, click, bounce, sent, unsub.

        The definition allows a filter of one kind, so several are chosen here.
        """
        one_kind = {"activity_filters": list(kinds)} if len(kinds) == 1 else {}
        call = self._lists.get_list_member_activity_feed
        found = self._read_all(read_activity, call, list_id, member, "activity", **one_kind)
        return tuple(one for one in found if not kinds or one.kind in kinds)

    def list_member_events(self, list_id: str, member: str) -> tuple[MemberEvent, ...]:
        return self._read_all(read_event, self._lists.get_list_member_events, list_id, member, "events")

    def add_member_event(
        self,
        list_id: str,
        member: str,
        name: str,
        properties: Mapping[str, str] | None = None,
        *,
        occurred_at: datetime | None = None,
        is_syncing: bool = True,
    ) -> None:
        """Tell of something the member did; with `is_syncing` no automation starts. Names have 2 to 30 characters."""
        body: dict[str, Any] = {"name": name, "is_syncing": is_syncing}
        body |= {"properties": dict(properties)} if properties else {}
        body |= {"occurred_at": time_text(occurred_at)} if occurred_at else {}
        self._lists.create_list_member_event(list_id, member_key(member), body)

    def list_member_notes(self, list_id: str, member: str) -> tuple[Note, ...]:
        return self._read_all(read_note, self._lists.get_list_member_notes, list_id, member, "notes")

    def add_member_note(self, list_id: str, member: str, note: str) -> Note:
        """At most 1,000 characters, said by Mailchimp."""
        answer = self._lists.create_list_member_note(list_id, member_key(member), {"note": note})
        return understand(read_note, expect(answer, "id"))

    def delete_member_note(self, list_id: str, member: str, note_id: int) -> None:
        self._lists.delete_list_member_note(list_id, member_key(member), str(note_id))

    def _read_all(
        self,
        read: Callable[[Any], Entry],
        call: Callable[..., Any],
        list_id: str,
        member: str,
        key: str,
        **query: Any,
    ) -> tuple[Entry, ...]:
        """Every entry of a paged listing of a member's."""
        found: list[Entry] = []
        for page in range(MOST_PAGES):
            body = call(
                list_id,
                member_key(member),
                count=PAGE_SIZE,
                offset=page * PAGE_SIZE,
                exclude_fields=["_links"],
                **query,
            )
            entries = understand_all(read, body, key)
            found += entries
            if len(entries) < PAGE_SIZE:
                break
        return tuple(found)
