"""A limit, an outage or a broken answer is never taken for "this person is not there" (a defect seen elsewhere: D1)."""

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import SHAPES, Rule

ADA = "ada@lovelace.test"
LEFT = {"email_address": ADA, "status_if_new": "unsubscribed", "status": "unsubscribed"}
FAULTS = sorted(set(SHAPES) - {"slow"})  # a slow answer is an answer


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_that_failed_is_raised(simulator, list_id, fault):
    gateway = Gateway(simulator.url, simulator.config.api_key, deadline_seconds=1.5)
    gateway.put_member(list_id, ADA, LEFT)
    simulator.world.faults.add(Rule(kind=fault, seconds=5 if fault in {"hang", "drip"} else 0, times=1))

    with pytest.raises(MailchimpProblem) as caught:
        gateway.find_member(list_id, ADA)

    assert caught.value.kind != "not_found"
    assert gateway.find_member(list_id, ADA).status == "unsubscribed"
    gateway.close()


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"id": "x"}', b'"subscribed"'])
def test_an_answer_that_is_no_member_is_raised(simulator, gateway, list_id, body):
    _answer_with(simulator, body)

    with pytest.raises(MailchimpProblem) as caught:
        gateway.find_member(list_id, ADA)

    assert caught.value.kind == "bad_answer"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"new_members": [], "updated_members": []}'])
def test_an_answer_that_is_no_batch_is_raised(simulator, gateway, list_id, body):
    _answer_with(simulator, body)

    for call in (
        lambda: gateway.push_members(list_id, [LEFT]),
        lambda: gateway.get_members_page(list_id),
        lambda: gateway.list_member_tags(list_id, ADA),
        lambda: gateway.search_tags(list_id),
    ):
        with pytest.raises(MailchimpProblem) as caught:
            call()
        assert caught.value.kind == "bad_answer"


def test_an_empty_page_of_a_failed_read_is_not_taken_for_the_end(simulator, gateway, list_id):
    gateway.push_members(list_id, [{**LEFT, "email_address": f"p{n}@house.test"} for n in range(30)])
    simulator.world.faults.add(Rule(kind="200_empty", path="/members", nth=2))

    with pytest.raises(MailchimpProblem):
        list(gateway.iterate_members(list_id, page_size=10))


def _answer_with(simulator, body: bytes) -> None:
    """Whatever is asked, a proxy says so with status 200."""

    def answer(_environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    simulator.server.RequestHandlerClass.application = staticmethod(answer)
