"""The transport under the SDK: only a real answer is success, and every wait has an end."""

import logging
import pickle
import socket
import threading
import time

import pytest

from integrations.mailchimp.gateway import Gateway, base_url_for
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.slots import LocalSlots
from integrations.mailchimp.transport import check_base_url

ADA = "ada@lovelace.example"
BODY = {"email_address": ADA, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}


def _problem(call) -> MailchimpProblem:
    with pytest.raises(MailchimpProblem) as caught:
        call()
    return caught.value


def _fault(simulator, **rule) -> None:
    simulator.world.faults.add(Rule(**rule))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", "throttled"),
        ("429_empty", "throttled"),
        ("403_html", "throttled"),
        ("500", "outage"),
        ("500_html", "outage"),
        ("502_html", "outage"),
        ("503_html", "outage"),
        ("503_empty", "outage"),
        ("503_compliance", "disabled"),
        ("504_html", "outage"),
        ("200_html", "bad_answer"),
        ("200_empty", "bad_answer"),
        ("401", "credentials"),
        ("reset_before", "unknown_outcome"),
        ("reset_after", "unknown_outcome"),
        ("truncated", "unknown_outcome"),
        ("cut_body", "unknown_outcome"),
    ],
)
def test_a_fault_never_counts_as_success(simulator, gateway, list_id, fault, kind):
    _fault(simulator, kind=fault)

    problem = _problem(lambda: gateway.put_member(list_id, ADA, BODY))

    assert kind == problem.kind
    assert kind == pickle.loads(pickle.dumps(problem)).kind


@pytest.mark.parametrize("fault", ["reset_after", "cut_body", "truncated"])
def test_a_lost_answer_is_repeated_without_a_second_effect(simulator, gateway, list_id, fault):
    _fault(simulator, kind=fault, times=1)

    first = _problem(lambda: gateway.put_member(list_id, ADA, BODY))
    second = gateway.put_member(list_id, ADA, BODY)

    assert first.action == "reread"
    assert second.status == "subscribed"
    assert [note.outcome for entry in simulator.world.journal._entries for note in entry.notes] == [
        "created",
        "unchanged",
    ]


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_call_ends_at_its_deadline_however_slowly_bytes_arrive(simulator, list_id, fault):
    _fault(simulator, kind=fault, seconds=20)
    gateway = Gateway(simulator.url, simulator.config.api_key, deadline_seconds=0.6)
    started = time.monotonic()

    problem = _problem(lambda: gateway.put_member(list_id, ADA, BODY))

    assert problem.kind == "unknown_outcome"
    assert time.monotonic() - started < 2


def test_headers_that_trickle_do_not_outlive_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for _ in range(100):
                        connection.sendall(b"H")
                        time.sleep(0.05)
                except OSError:
                    return

        threading.Thread(target=trickle, daemon=True).start()
        gateway = Gateway(f"http://127.0.0.1:{listener.getsockname()[1]}/3.0", "k-us1", deadline_seconds=0.5)
        started = time.monotonic()
        problem = _problem(gateway.ping)

    assert problem.kind == "unknown_outcome"
    assert time.monotonic() - started < 2


def test_nobody_listening_is_an_outage_of_which_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    problem = _problem(Gateway(f"http://127.0.0.1:{port}/3.0", "k-us1", deadline_seconds=3).ping)

    assert (problem.kind, problem.status) == ("outage", None)


def test_no_free_connection_is_throttling_and_sends_nothing(simulator):
    slots = LocalSlots(1)
    gateway = Gateway(simulator.url, simulator.config.api_key, slots, deadline_seconds=0.2)

    with slots.hold(1, 1):
        problem = _problem(gateway.ping)

    assert (problem.kind, problem.status) == ("throttled", None)
    assert simulator.world.journal.counts() == {}


def test_slots_come_back_after_failures(simulator, list_id):
    _fault(simulator, kind="reset_before", times=3)
    gateway = Gateway(simulator.url, simulator.config.api_key, LocalSlots(1), deadline_seconds=2)

    kinds = [_problem(gateway.ping).kind for _ in range(3)]

    assert kinds == ["unknown_outcome"] * 3
    assert gateway.ping() == "Everything's Chimpy!"


def test_a_hundred_calls_use_one_connection(simulator, gateway):
    accepted = []
    get_request = simulator.server.get_request
    simulator.server.get_request = lambda: accepted.append(1) or get_request()

    for _ in range(100):
        gateway.ping()

    assert (gateway.call_count, len(accepted)) == (100, 1)


def test_calls_are_reported_without_ids(simulator, list_id):
    calls = []
    gateway = Gateway(simulator.url, simulator.config.api_key, on_call=calls.append)

    gateway.put_member(list_id, ADA, BODY)
    _problem(lambda: gateway.get_member("0000000000", ADA))

    assert [(call.method, call.resource, call.status, call.kind) for call in calls] == [
        ("PUT", "/lists/{list_id}/members/{subscriber_hash}", 200, ""),
        ("GET", "/lists/{list_id}/members/{subscriber_hash}", 404, "not_found"),
    ]


def test_the_key_stands_in_no_error_and_no_log(simulator, caplog):
    caplog.set_level(logging.DEBUG)
    key = "ffffffffffffffffffffffffffffffff-us1"

    problem = _problem(Gateway(simulator.url, key).ping)

    assert problem.kind == "credentials"
    assert key not in f"{problem!r} {problem} {problem.args} {caplog.text}"


def test_paths_are_quoted_and_booleans_are_lower_case(simulator, gateway, list_id):
    _problem(lambda: gateway.get_member(list_id, "a/b c"))
    gateway.put_member(list_id, ADA, BODY, skip_merge_validation=True)

    entries = simulator.world.journal.entries()

    assert entries[1]["query"] == "skip_merge_validation=true"
    assert f"/3.0/lists/{list_id}/members/a/b c" == entries[0]["path"]


def test_an_address_never_stands_in_a_path(simulator, gateway, list_id):
    gateway.put_member(list_id, ADA, BODY)

    assert "@" not in simulator.world.journal.entries()[0]["path"]


@pytest.mark.parametrize(
    "url",
    [
        "http://api.mailchimp.com/3.0",
        "ftp://x",
        "",
        "https://",
        "https://user:pw@api.mailchimp.com",
        "https://x/?a=1",
    ],
)
def test_a_base_url_that_would_leak_the_key_is_refused(url):
    with pytest.raises(ValueError, match="base URL"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url", ["https://us6.api.mailchimp.com/3.0/", "http://127.0.0.1:8090/3.0", "http://[::1]:1/3.0"]
)
def test_https_and_this_machine_are_fine_base_urls(url):
    assert url.rstrip("/") == check_base_url(url)


def test_the_data_centre_is_in_the_key():
    assert base_url_for("0123456789abcdef0123456789abcdef-us6") == "https://us6.api.mailchimp.com/3.0"


@pytest.mark.parametrize("key", ["", "nodash", "x-", "x-us6.evil.example/"])
def test_a_key_without_a_data_centre_is_refused(key):
    with pytest.raises(ValueError, match="data centre"):
        base_url_for(key)
