"""Every request the gateway sends, and every answer the simulator gives, is valid by Mailchimp's own definition."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.gateway_batches import BatchOperation
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from tests.kit.contract import (
    Exchange,
    answer_violations,
    overheard,
    request_violations,
    small_definition,
    violations,
)

ADA = "ada@lovelace.example"


def _member(email: str, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def _call_everything(simulator, gateway: Gateway, list_id: str) -> None:
    """Each method of the gateway at least once, but for those around a member."""
    hook = f"{simulator.origin}/"
    gateway.ping(), gateway.get_root(), gateway.list_audiences(), gateway.get_audience(list_id)
    made = gateway.add_merge_field(list_id, "BIRTH", "Birthday", "birthday")
    gateway.update_merge_field(list_id, made.merge_id, "Day of birth", required=False)
    gateway.list_merge_fields(list_id)
    gateway.put_member(list_id, ADA, _member(ADA, merge_fields={"FNAME": "Ada", "BIRTH": "12/10"}))
    gateway.get_member(list_id, ADA)
    gateway.find_member(list_id, "nobody@people.example")
    gateway.patch_member(list_id, ADA, {"merge_fields": {"LNAME": "King"}}, skip_merge_validation=True)
    gateway.update_tags(list_id, ADA, add=["alumni"], remove=["guest"])
    gateway.push_members(list_id, [_member(f"p{n}@people.example", tags=["x"]) for n in range(20)])
    list(gateway.iterate_members(list_id, since=datetime.now(UTC) - timedelta(days=1), page_size=7))
    list(gateway.iterate_members(list_id, fields=("id", "email_address", "status"), status="subscribed"))
    webhook = gateway.create_webhook(list_id, hook)
    gateway.list_webhooks(list_id)
    gateway.update_webhook(list_id, webhook.webhook_id, hook, ["unsubscribe"], ["user"])
    gateway.delete_webhook(list_id, webhook.webhook_id)
    gateway.delete_merge_field(list_id, made.merge_id)
    gateway.archive_member(list_id, ADA)
    gateway.archive_member(list_id, ADA)
    gateway.delete_member_permanently(list_id, ADA)


def _call_around_a_member(gateway: Gateway, list_id: str) -> None:
    """Tags, interests, notes, events, activity, search."""
    gateway.put_member(list_id, ADA, _member(ADA))
    gateway.update_tags(list_id, ADA, add=["alumni"])
    gateway.list_member_tags(list_id, ADA), gateway.search_tags(list_id, "alu"), gateway.search_tags(list_id)
    category = gateway.add_interest_category(list_id, "Wishes", "checkboxes")
    interest = gateway.add_interest(list_id, category.category_id, "Concerts")
    gateway.list_interest_categories(list_id)
    gateway.put_member(list_id, ADA, _member(ADA, interests={interest.interest_id: True}))
    note = gateway.add_member_note(list_id, ADA, "Called on Monday")
    gateway.list_member_notes(list_id, ADA)
    gateway.delete_member_note(list_id, ADA, note.note_id)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    gateway.add_member_event(list_id, ADA, "visited", {"page": "home"}, occurred_at=at)
    gateway.list_member_events(list_id, ADA)
    gateway.list_member_activity(list_id, ADA), gateway.list_member_activity(list_id, ADA, ["open"])
    gateway.list_member_activity(list_id, ADA, ["open", "click"])
    gateway.search_members("ada", list_id)
    (tag,) = gateway.search_tags(list_id, "alumni")
    gateway.change_tag_members(list_id, tag.tag_id, remove=[ADA])
    gateway.delete_tag(list_id, tag.tag_id)
    path = f"/lists/{list_id}/members"
    operations = [
        BatchOperation("GET", path, query={"count": "5"}),
        BatchOperation("POST", path, {"email_address": "eve@lovelace.test", "status": "subscribed"}),
    ]
    state = gateway.start_batch(operations)
    gateway.delete_batch(gateway.wait_for_batch(state.batch_id, look_seconds=0.05).batch_id)


@pytest.mark.shared
def test_every_request_of_the_gateway_and_every_answer_to_it_is_valid(
    simulator, gateway, list_id, exchanges, definition
):
    _call_everything(simulator, gateway, list_id)

    assert violations(exchanges, definition) == []
    assert gateway.call_count == len(exchanges)


@pytest.mark.shared
def test_every_call_around_a_member_is_valid(gateway, list_id, exchanges, definition):
    _call_around_a_member(gateway, list_id)

    assert violations(exchanges, definition) == []
    assert gateway.call_count == len(exchanges)


def test_the_calls_made_most_keep_to_our_own_description(simulator, gateway, list_id, exchanges):
    _call_everything(simulator, gateway, list_id)

    assert violations(exchanges, small_definition()) == []


@pytest.mark.shared
def test_every_refusal_of_the_simulator_is_a_valid_problem(
    simulator, gateway, list_id, exchanges, definition
):
    refused = [
        lambda: gateway.get_member(list_id, "nobody@people.example"),
        lambda: gateway.get_audience("0000000000"),
        lambda: gateway.put_member(list_id, "x@example.com", _member("x@example.com")),
        lambda: gateway.put_member(list_id, "x@people.example", {"email_address": "x@people.example"}),
        lambda: gateway.push_members(list_id, [_member("no address")]),
        Gateway(simulator.url, "x-us1").ping,
    ]
    for call in refused:
        with contextlib.suppress(MailchimpProblem):
            call()

    assert answer_violations(exchanges, definition) == []
    assert len(refused) == len(exchanges)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body": b'{"status":"unsubscribed"}'}, "'email_address' is a required property"),
        ({"body": b'{"email_address":"a@b.test","status_if_new":"gone"}'}, "'gone' is not one of"),
        ({"body": b'{"email_address":"a@b.test","status_if_new":"pending","merge":{}}'}, ".merge is not"),
        ({"query": "skip=true"}, "?skip= is not in the definition"),
        ({"answer": b'{"id":7}'}, "is a required property"),
        ({"status": 400, "answer": b'{"title":7}', "content_type": "application/problem+json"}, "required"),
        ({"answer": b"<html>", "content_type": "text/html"}, "text/html"),
    ],
)
def test_the_check_notices_what_the_definition_forbids(gateway, list_id, exchanges, change, words):
    gateway.put_member(list_id, ADA, _member(ADA))
    spoilt = replace(exchanges[0], **change)

    assert violations(exchanges, small_definition()) == []
    found = violations([spoilt], small_definition())
    assert found
    assert words in found[0]


@pytest.mark.shared
def test_a_call_that_mailchimp_does_not_have_is_noticed(definition):
    strange = Exchange("GET", "/3.0/lists/abc/subscribers", "", b"", 200, b"{}")

    assert request_violations([strange], definition) == [
        "GET /3.0/lists/abc/subscribers 200: the definition has no such call"
    ]


def test_answers_that_were_spoilt_on_purpose_may_be_left_out(simulator, gateway, list_id, exchanges):
    simulator.world.faults.add(Rule(kind="403_html", times=1))
    with contextlib.suppress(MailchimpProblem):
        gateway.put_member(list_id, ADA, _member(ADA))

    assert violations(exchanges, small_definition(), are_faults_expected=True) == []
    assert len(violations(exchanges, small_definition())) == 1


def test_a_gateway_can_be_overheard_where_the_answers_come_from_elsewhere(
    simulator, gateway, list_id, exchanges
):
    with overheard(gateway) as heard:
        gateway.put_member(list_id, ADA, _member(ADA), skip_merge_validation=True)
        gateway.find_member(list_id, "nobody@people.example")

    assert [replace(one, content_type="") for one in exchanges] == [
        replace(one, content_type="") for one in heard
    ]
    assert violations(heard, small_definition()) == []
