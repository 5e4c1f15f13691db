"""Calls on audiences and what furnishes them: merge fields, interests, tags, webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrations.mailchimp.answers import (
    AudienceInfo,
    MergeField,
    Webhook,
    read_audience,
    read_merge_field,
    read_webhook,
)
from integrations.mailchimp.answers_more import (
    Interest,
    InterestCategory,
    Tag,
    TagOutcome,
    read_category,
    read_interest,
    read_tag,
    read_tag_outcome,
)
from integrations.mailchimp.door import PAGE_SIZE, Door, expect, understand, understand_all

TAG_BATCH_SIZE = 500  # addresses to add, and as many to remove
WEBHOOK_EVENTS = ("subscribe", "unsubscribe", "profile", "upemail", "cleaned", "campaign")
WEBHOOK_SOURCES = ("user", "admin", "api")


class AudienceCalls(Door):
    """Every listing is whole: as many pages are read as there are."""

    def list_audiences(self) -> tuple[AudienceInfo, ...]:
        body = self._lists.get_all_lists(count=PAGE_SIZE, exclude_fields=["_links", "lists._links"])
        return understand_all(read_audience, body, "lists")

    def get_audience(self, list_id: str) -> AudienceInfo:
        answer = self._lists.get_list(list_id, exclude_fields=["_links"])
        return understand(read_audience, expect(answer, "id"))

    def list_merge_fields(self, list_id: str) -> tuple[MergeField, ...]:
        body = self._lists.get_list_merge_fields(
            list_id, count=PAGE_SIZE, exclude_fields=["_links", "merge_fields._links"]
        )
        return understand_all(read_merge_field, body, "merge_fields")

    def add_merge_field(
        self, list_id: str, tag: str, name: str, type_: str = "text", options: Mapping[str, Any] | None = None
    ) -> MergeField:
        body: dict[str, Any] = {"tag": tag, "name": name, "type": type_, "required": False, "public": False}
        if options:
            body["options"] = dict(options)
        return _merge_field(self._lists.add_list_merge_field(list_id, body))

    def update_merge_field(self, list_id: str, merge_id: int, name: str, **changes: Any) -> MergeField:
        """Change a merge field (tag, required, public, options, help_text, ...); its type cannot change.

        The definition wants the name with every change, so give the one it has where it stays.
        """
        body = {"name": name, **changes}
        return _merge_field(self._lists.update_list_merge_field(list_id, str(merge_id), body))

    def delete_merge_field(self, list_id: str, merge_id: int) -> None:
        """Take a merge field away, with every member's value of it. It cannot be undone."""
        self._lists.delete_list_merge_field(list_id, str(merge_id))

    # Interests

    def list_interest_categories(self, list_id: str) -> tuple[InterestCategory, ...]:
        """The groups of an audience, with the interests in each: one call, and one for each group."""
        body = self._lists.get_list_interest_categories(
            list_id, count=PAGE_SIZE, exclude_fields=["_links", "categories._links"]
        )
        groups = understand_all(lambda one: read_category(one, ()), body, "categories")
        return tuple(replace(one, interests=self.list_interests(list_id, one.category_id)) for one in groups)

    def list_interests(self, list_id: str, category_id: str) -> tuple[Interest, ...]:
        body = self._lists.list_interest_category_interests(
            list_id, category_id, count=PAGE_SIZE, exclude_fields=["_links", "interests._links"]
        )
        return understand_all(read_interest, body, "interests")

    def add_interest_category(self, list_id: str, title: str, type_: str = "checkboxes") -> InterestCategory:
        """A new group. `type_` is checkboxes, dropdown, radio or hidden."""
        body = {"title": title, "type": type_}
        answer = self._lists.create_list_interest_category(list_id, body)
        return understand(lambda made: read_category(made, ()), expect(answer, "id"))

    def add_interest(self, list_id: str, category_id: str, name: str) -> Interest:
        answer = self._lists.create_interest_category_interest(list_id, category_id, {"name": name})
        return understand(read_interest, expect(answer, "id"))

    # Tags of the audience

    def search_tags(self, list_id: str, name: str = "") -> tuple[Tag, ...]:
        """Tags whose name begins so; without a name, all."""
        more = {"name": name} if name else {}
        body = self._lists.tag_search(list_id, **more)
        return understand_all(read_tag, body, "tags")

    def change_tag_members(
        self, list_id: str, tag_id: int, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> TagOutcome:
        """Put a tag on members and take it from others, by their addresses: at most 500 of each, in one call."""
        if max(len(add), len(remove)) > TAG_BATCH_SIZE:
            raise ValueError(f"Mailchimp takes {TAG_BATCH_SIZE} addresses at a time.")
        body = {"members_to_add": list(add), "members_to_remove": list(remove)}
        answer = self._lists.batch_segment_members(
            body, list_id, str(tag_id), _request_timeout=self._in_bulk()
        )
        return understand(read_tag_outcome, expect(answer, "total_added", "total_removed"))

    def delete_tag(self, list_id: str, tag_id: int) -> None:
        """Take a tag from the audience and from all its members (a tag is a static segment)."""
        self._lists.delete_segment(list_id, str(tag_id))

    # Webhooks

    def list_webhooks(self, list_id: str) -> tuple[Webhook, ...]:
        body = self._lists.get_list_webhooks(list_id)
        return understand_all(read_webhook, body, "webhooks")

    def create_webhook(
        self,
        list_id: str,
        url: str,
        events: Sequence[str] = WEBHOOK_EVENTS[:5],
        sources: Sequence[str] = WEBHOOK_SOURCES[:2],
    ) -> Webhook:
        """Mailchimp calls `url` by GET at once and wants 200. Without "api" among the sources nothing echoes."""
        answer = self._lists.create_list_webhook(list_id, _webhook_body(url, events, sources))
        return understand(read_webhook, expect(answer, "id"))

    def update_webhook(
        self, list_id: str, webhook_id: str, url: str, events: Sequence[str], sources: Sequence[str]
    ) -> Webhook:
        body = _webhook_body(url, events, sources)
        answer = self._lists.update_list_webhook(list_id, webhook_id, body)
        return understand(read_webhook, expect(answer, "id"))

    def delete_webhook(self, list_id: str, webhook_id: str) -> None:
        self._lists.delete_list_webhook(list_id, webhook_id)


def _merge_field(answer: Any) -> MergeField:
    return understand(read_merge_field, expect(answer, "tag"))


def _webhook_body(url: str, events: Sequence[str], sources: Sequence[str]) -> dict[str, Any]:
    return {
        "url": url,
        "events": {name: name in events for name in WEBHOOK_EVENTS},
        "sources": {name: name in sources for name in WEBHOOK_SOURCES},
    }
