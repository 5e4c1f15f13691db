"""A success that says something else than the definition promises is a problem of its own kind, never a crash."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.transport import Transport

ADA = "ada@lovelace.test"
BODY = {"email_address": ADA, "status_if_new": "subscribed"}
CALLS: dict[str, Callable[[Gateway], Any]] = {
    "ping": lambda one: one.ping(),
    "root": lambda one: one.get_root(),
    "push": lambda one: one.push_members("a", [BODY]),
    "page": lambda one: one.get_members_page("a"),
    "get": lambda one: one.get_member("a", ADA),
    "find": lambda one: one.find_member("a", ADA),
    "put": lambda one: one.put_member("a", ADA, BODY),
    "patch": lambda one: one.patch_member("a", ADA, BODY),
    "search": lambda one: one.search_members(ADA),
    "audiences": lambda one: one.list_audiences(),
    "audience": lambda one: one.get_audience("a"),
    "merge fields": lambda one: one.list_merge_fields("a"),
    "add merge field": lambda one: one.add_merge_field("a", "X", "X"),
    "update merge field": lambda one: one.update_merge_field("a", 1, "X"),
    "groups": lambda one: one.list_interest_categories("a"),
    "interests": lambda one: one.list_interests("a", "b"),
    "add group": lambda one: one.add_interest_category("a", "X"),
    "add interest": lambda one: one.add_interest("a", "b", "X"),
    "tags": lambda one: one.search_tags("a"),
    "change tag": lambda one: one.change_tag_members("a", 1, [ADA]),
    "webhooks": lambda one: one.list_webhooks("a"),
    "create webhook": lambda one: one.create_webhook("a", "https://muster.example/h"),
    "update webhook": lambda one: one.update_webhook("a", "b", "https://muster.example/h", (), ()),
    "member's tags": lambda one: one.list_member_tags("a", ADA),
    "activity": lambda one: one.list_member_activity("a", ADA),
    "events": lambda one: one.list_member_events("a", ADA),
    "notes": lambda one: one.list_member_notes("a", ADA),
    "add note": lambda one: one.add_member_note("a", ADA, "X"),
    "batch": lambda one: one.get_batch("a"),
    "start batch": lambda one: one.start_batch([]),
}


@pytest.fixture
def gateway_told(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bytes], Gateway]:
    """A gateway whose every call is answered so."""

    def make(status: int, content: bytes) -> Gateway:
        monkeypatch.setattr(Transport, "_send", lambda *_: (status, content, None))
        return Gateway("http://127.0.0.1:1/3.0", "k-us1")

    return make


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("status", "content"), [(204, b""), (200, b"null"), (200, b"[]"), (200, b'{"status":"maintenance"}')]
)
def test_every_call_that_wants_an_answer_says_that_it_got_another(
    gateway_told: Any, name: str, status: int, content: bytes
) -> None:
    with pytest.raises(MailchimpProblem) as caught:
        CALLS[name](gateway_told(status, content))

    assert ("bad_answer", "retry") == (caught.value.kind, caught.value.action)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("push", b'{"new_members":[{"id":"a","tags":[1]}],"updated_members":[],"errors":[]}'),
        ("page", b'{"members":[{"id":"a","tags":[1]}],"total_items":1}'),
        ("get", b'{"id":"a","email_address":"x","status":"y","tags":"strange"}'),
        ("search", b'{"exact_matches":"strange","full_search":[]}'),
        ("search", b'{"exact_matches":{"members":[{}]},"full_search":null}'),
        ("root", b'{"health_status":"x"}'),
        ("audiences", b'{"lists":[1]}'),
        ("audiences", b'{"lists":null}'),
        ("audience", b'{"id":"a","stats":[1]}'),
        ("merge fields", b'{"merge_fields":[{"merge_id":"x"}]}'),
        ("groups", b'{"categories":[null]}'),
        ("interests", b'{"interests":"strange"}'),
        ("tags", b'{"tags":[[]]}'),
        ("change tag", b'{"total_added":"x","total_removed":0}'),
        ("webhooks", b'{"webhooks":[{"events":7}]}'),
        ("member's tags", b'{"tags":[null]}'),
        ("notes", b'{"notes":[1]}'),
        ("batch", b'{"id":"a","status":"x","total_operations":"many"}'),
    ],
)
def test_a_part_of_another_shape_is_told_like_the_whole(gateway_told: Any, name: str, content: bytes) -> None:
    with pytest.raises(MailchimpProblem) as caught:
        CALLS[name](gateway_told(200, content))

    assert caught.value.kind == "bad_answer"


@pytest.mark.parametrize(
    "call", [lambda one: one.archive_member("a", ADA), lambda one: one.delete_member_permanently("a", ADA)]
)
@pytest.mark.parametrize("content", [b"{}", b'{"status":"maintenance"}', b""])
def test_nobody_is_archived_or_erased_by_an_answer_that_says_something_else(
    gateway_told: Any, call: Any, content: bytes
) -> None:
    with pytest.raises(MailchimpProblem) as caught:
        call(gateway_told(200, content))

    assert caught.value.kind == "bad_answer"


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ("Ada", rb"A\u0000da"),
        ("A\\u0000da", rb"A\\u0000da"),
        ("A\\da", rb"A\\\u0000da"),
        ("\U0001f600", rb"\uD83D\ude00"),
        ("\ufffdA", rb"\ud83dA"),
        ("\ufffd\ufffd", rb"\uDE00\uD83D"),
    ],
)
def test_what_no_database_keeps_is_taken_out_of_values(gateway_told: Any, wanted: str, sent: bytes) -> None:
    one = b'{"id":"a","email_address":"x","status":"y","merge_fields":{"FNAME":"%b"}}' % sent
    page = gateway_told(200, b'{"members":[%b],"total_items":1}' % one).get_members_page("a")
    outcome = gateway_told(200, b'{"new_members":[%b],"updated_members":[],"errors":[]}' % one).push_members(
        "a", []
    )
    member = gateway_told(200, one).get_member("a", "b")

    found = [state.merge_fields["FNAME"] for state in (*page.members, *outcome.members, member)]

    assert [wanted] * 3 == found


def test_a_count_of_tags_may_be_text(gateway_told: Any) -> None:
    content = b'{"members":[{"id":"a","email_address":"x","status":"y","tags_count":"3"}],"total_items":1}'

    assert [3] == [one.tag_count for one in gateway_told(200, content).get_members_page("a").members]


@pytest.mark.parametrize(
    "call",
    [
        lambda one: one.update_tags("a", ADA, add=["x"]),
        lambda one: one.archive_member("a", ADA),
        lambda one: one.delete_member_permanently("a", ADA),
        lambda one: one.delete_webhook("a", "b"),
        lambda one: one.add_member_event("a", ADA, "seen"),
    ],
)
def test_a_call_that_wants_no_answer_is_content_with_none(gateway_told: Any, call: Any) -> None:
    assert call(gateway_told(204, b"")) in {None, True}
