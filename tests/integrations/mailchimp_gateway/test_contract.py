"""Every request the gateway sends, and every answer the simulator gives, is valid by Mailchimp's own definition."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from integrations.mailchimp.problems import MailchimpProblem

pytestmark = pytest.mark.shared


def _member(email: str, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def test_every_request_of_the_gateway_and_every_answer_to_it_is_valid(simulator, gateway, list_id, contract):
    ada, hook = "ada@lovelace.example", f"{simulator.origin}/"
    gateway.ping(), gateway.get_root(), gateway.list_audiences(), gateway.get_audience(list_id)
    gateway.add_merge_field(list_id, "BIRTH", "Birthday", "birthday")
    gateway.list_merge_fields(list_id)
    gateway.put_member(list_id, ada, _member(ada, merge_fields={"FNAME": "Ada", "BIRTH": "12/10"}))
    gateway.get_member(list_id, ada)
    gateway.patch_member(list_id, ada, {"merge_fields": {"LNAME": "King"}}, skip_merge_validation=True)
    gateway.update_tags(list_id, ada, add=["alumni"], remove=["guest"])
    gateway.push_members(list_id, [_member(f"p{n}@people.example", tags=["x"]) for n in range(20)])
    list(gateway.iterate_members(list_id, since=datetime.now(UTC) - timedelta(days=1), page_size=7))
    list(gateway.iterate_members(list_id, fields=("id", "email_address", "status"), status="subscribed"))
    webhook = gateway.create_webhook(list_id, hook)
    gateway.list_webhooks(list_id)
    gateway.update_webhook(list_id, webhook.webhook_id, hook, ["unsubscribe"], ["user"])
    gateway.delete_webhook(list_id, webhook.webhook_id)
    gateway.archive_member(list_id, ada)
    gateway.archive_member(list_id, ada)
    gateway.delete_member_permanently(list_id, ada)

    assert contract.violations == []
    assert gateway.call_count == contract.check_count


def test_every_refusal_of_the_simulator_is_a_valid_problem(simulator, gateway, list_id, contract):
    refused = [
        lambda: gateway.get_member(list_id, "nobody@people.example"),
        lambda: gateway.get_audience("0000000000"),
        lambda: gateway.put_member(list_id, "x@example.com", _member("x@example.com")),
        lambda: gateway.put_member(list_id, "x@people.example", {"email_address": "x@people.example"}),
        lambda: gateway.push_members(list_id, [_member("no address")]),
    ]
    for call in refused:
        with contextlib.suppress(MailchimpProblem):
            call()

    assert contract.violations == []
    assert len(refused) == contract.check_count


def test_the_check_notices_a_request_that_the_definition_forbids(gateway, list_id, contract):
    ada = "ada@lovelace.example"
    gateway.put_member(list_id, ada, _member(ada))
    gateway.put_member(list_id, ada, {"status": "unsubscribed"})

    assert [text[-38:] for text in contract.violations] == ["'email_address' is a required property"]
