"""What the official SDK gets wrong, measured on it (D17), and addresses that have one hash (D2)."""

import hashlib
import threading
from collections import Counter

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.slots import LocalSlots

ADA = "ada@lovelace.test"
BODY = {"email_address": ADA, "status_if_new": "subscribed"}


@pytest.mark.parametrize("fault", ["429_empty", "503_empty", "200_empty", "403_html", "200_html", "504_html"])
@pytest.mark.parametrize("method", ["ping", "push", "page", "put", "tags"])
def test_an_empty_or_strange_answer_raises_from_every_call(simulator, gateway, list_id, fault, method):
    calls = {
        "ping": gateway.ping,
        "push": lambda: gateway.push_members(list_id, [BODY]),
        "page": lambda: gateway.get_members_page(list_id),
        "put": lambda: gateway.put_member(list_id, ADA, BODY),
        "tags": lambda: gateway.update_tags(list_id, ADA, add=["x"]),
    }
    simulator.world.faults.add(Rule(kind=fault, times=1))

    with pytest.raises(MailchimpProblem) as caught:
        calls[method]()

    assert caught.value.action in {"retry", "slow_down"}
    assert caught.value.status == int(fault[:3])


def test_the_word_server_stays_in_ids_and_hosts(simulator, gateway):
    with pytest.raises(MailchimpProblem):
        gateway.get_member("server", "server-of-servers")

    assert simulator.world.journal.entries()[0]["path"] == "/3.0/lists/server/members/server-of-servers"


@pytest.mark.parametrize("spelling", [ADA, " Ada@Lovelace.Test ", "ADA@LOVELACE.TEST\n"])
def test_every_spelling_of_an_address_reaches_the_same_member(simulator, gateway, list_id, spelling):
    made = gateway.put_member(list_id, ADA, BODY)

    found = gateway.find_member(list_id, spelling)

    digest = hashlib.md5(ADA.encode(), usedforsecurity=False).hexdigest()
    assert found == made
    assert made.member_hash == digest
    assert {entry["path"].rpartition("/")[2] for entry in simulator.world.journal.entries()} == {digest}


def test_under_many_refusals_connections_stay_within_the_limit_and_calls_within_twice_the_need(
    simulator, list_id
):
    simulator.world.switches.latency_ms = 5
    simulator.world.faults.add(Rule(kind="429", probability=0.3))
    gateway = Gateway(simulator.url, simulator.config.api_key, LocalSlots())
    work = [f"p{n}@house.test" for n in range(120)]
    lock, ended = threading.Lock(), Counter()

    def push() -> None:
        while True:
            with lock:
                if not work:
                    return
                email = work.pop()
            try:
                gateway.put_member(list_id, email, {**BODY, "email_address": email})
            except MailchimpProblem as problem:
                assert problem.action == "slow_down"
                with lock:
                    work.append(email)
                    ended["refused"] += 1

    threads = [threading.Thread(target=push) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    entries = simulator.world.journal.entries()
    assert ended["refused"] > 0
    assert max(entry["in_flight"] for entry in entries) <= 8
    assert len(entries) <= 2 * 120
    assert gateway.get_audience(list_id).member_count == 120
