"""The control plane: journal, clock, faults, limits, snapshot, reset, and the page (contract items 22 to 24)."""

import threading
import time

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import SHAPES
from integrations.mailchimp.slots import LocalSlots
from tests.kit.running import wait_until

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"


def test_the_journal_says_who_was_to_be_subscribed(api):
    api.put(ADA)
    api.put(ADA, merge_fields={"FNAME": "Ada"})
    api.member("PUT", ADA, {"status": "unsubscribed"})
    api.put(ADA, merge_fields={"FNAME": "Eve"})
    api.member("PUT", ADA, {"status": "subscribed"})
    api.batch(
        [
            {"email_address": ADA, "status_if_new": "subscribed"},
            {"email_address": GRACE, "status": "subscribed"},
        ]
    )

    notes = [
        (note["email"], note["is_subscribing"], note["outcome"])
        for entry in api.journal()["entries"]
        for note in entry["notes"]
    ]

    assert notes == [
        (ADA, True, "created"),
        (ADA, False, "updated"),
        (ADA, False, "updated"),
        (ADA, False, "updated"),
        (ADA, True, "updated"),
        (ADA, False, "unchanged"),
        (GRACE, True, "created"),
    ]


def test_a_refused_attempt_to_subscribe_is_in_the_journal_too(api):
    api.put(ADA)
    api.sim("contact/unsubscribe", email=ADA)
    api.member("PATCH", ADA, {"status": "subscribed"})

    found = api.client.get(f"/_sim/journal?subscribing=true&email={ADA}").json["entries"]

    assert [[note["outcome"] for note in entry["notes"]] for entry in found] == [
        ["created"],
        ["Member In Compliance State"],
    ]


def test_the_journal_counts_calls_by_resource(api):
    api.put(ADA), api.member("GET", ADA), api.member("GET", GRACE)

    counts = api.journal()["counts"]

    assert (counts["calls"], counts["GET /3.0/lists/<list_id>/members/<key>"], counts["status 404"]) == (
        3,
        2,
        1,
    )


def test_the_journal_pages_by_number(api):
    for _ in range(3):
        api.call("GET", "/ping")

    assert [one["number"] for one in api.client.get("/_sim/journal?since=1").json["entries"]] == [2, 3]


def test_the_clock_moves(api):
    api.sim("clock", freeze_at="2026-05-01T12:00:00+00:00")
    api.sim("clock", advance_seconds=3600)

    assert api.put(ADA).json["last_changed"] == "2026-05-01T13:00:00+00:00"


@pytest.mark.parametrize(
    ("rule", "failed"),
    [({"nth": 2}, [2]), ({"every": 2}, [2, 4]), ({"times": 1}, [1]), ({"path": "/nowhere"}, [])],
)
def test_a_rule_says_which_requests_fail(api, rule, failed):
    api.sim("faults", kind="503_empty", **rule)

    statuses = [api.call("GET", "/ping").status_code for _ in range(5)]

    assert failed == [number for number, status in enumerate(statuses, start=1) if status == 503]


def test_chances_repeat_with_their_seed(api):
    api.sim("faults", kind="500", probability=0.3, seed=1)
    first = [api.call("GET", "/ping").status_code for _ in range(50)]
    api.client.delete("/_sim/faults")
    api.sim("faults", kind="500", probability=0.3, seed=1)

    assert first == [api.call("GET", "/ping").status_code for _ in range(50)]
    assert {200, 500} == set(first)


@pytest.mark.parametrize("kind", [kind for kind, shape in SHAPES.items() if not shape.is_applied])
def test_a_fault_before_leaves_no_trace(api, kind):
    api.sim("faults", kind=kind)

    api.put(ADA)
    api.client.delete("/_sim/faults")

    assert api.member("GET", ADA).status_code == 404


@pytest.mark.parametrize("kind", [kind for kind, shape in SHAPES.items() if shape.is_applied])
def test_a_fault_after_has_made_the_change(api, kind):
    api.sim("faults", kind=kind)

    api.put(ADA)
    api.client.delete("/_sim/faults")

    assert api.member("GET", ADA).status_code == 200
    assert api.journal()["entries"][0]["is_applied"]


def test_an_unknown_fault_is_refused_with_the_known_ones(api):
    answer = api.client.post("/_sim/faults", json={"kind": "odd"})

    assert answer.status_code == 400
    assert "reset_after" in answer.json["detail"]


def test_the_eleventh_connection_at_once_is_refused(running):
    running.world.switches.latency_ms = 3000
    account = running.world.accounts[running.config.api_key]
    first_ten = Gateway(running.url, running.config.api_key, LocalSlots(20), deadline_seconds=20)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(first_ten.ping())) for _ in range(10)]
    for thread in threads:
        thread.start()
    wait_until(lambda: account.in_flight == 10, what="ten connections")

    with pytest.raises(MailchimpProblem) as caught:
        Gateway(running.url, running.config.api_key, deadline_seconds=20).ping()
    for thread in threads:
        thread.join(20)

    assert caught.value.kind == "throttled"
    assert answers == ["Everything's Chimpy!"] * 10
    assert running.app.test_client().get("/_sim/counts").json["max_in_flight"] == 10
    running.world.switches.latency_ms = 0
    assert first_ten.ping() == "Everything's Chimpy!"


def test_an_abandoned_slow_request_still_holds_its_slot(running):
    running.world.switches.connection_limit = 1
    account = running.world.accounts[running.config.api_key]
    impatient = Gateway(running.url, running.config.api_key, deadline_seconds=0.2)
    patient = Gateway(running.url, running.config.api_key)
    running.app.test_client().post("/_sim/faults", json={"kind": "slow", "seconds": 2, "times": 1})

    kinds = []
    for gateway in (impatient, patient):
        with pytest.raises(MailchimpProblem) as caught:
            gateway.ping()
        kinds.append(caught.value.kind)

    assert kinds == ["unknown_outcome", "throttled"]
    wait_until(lambda: account.in_flight == 0, what="the end of the slow request")
    assert patient.ping() == "Everything's Chimpy!"


def test_latency_is_waited_out(api):
    api.sim("switches", latency_ms=50)
    started = time.monotonic()

    api.call("GET", "/ping")

    assert time.monotonic() - started >= 0.05


def test_reset_is_as_at_the_first_start(api):
    api.put(ADA)

    counts = api.sim("reset")

    assert ({api.list_id: {}}, {}) == (counts["members"], counts["calls"])
    assert api.put(ADA).status_code == 200


def test_a_second_audience_is_made_and_deleted(api):
    api.sim("lists", list_id="bbbbbbbbbb", name="Donors", is_double_optin=True)
    found = api.call("GET", "/lists/bbbbbbbbbb").json
    api.client.delete("/_sim/lists/bbbbbbbbbb")

    assert (found["name"], found["double_optin"]) == ("Donors", True)
    assert api.call("GET", "/lists/bbbbbbbbbb").status_code == 404


def test_signing_up_on_a_double_optin_audience_asks_to_confirm(api):
    api.sim("lists", is_double_optin=True)

    pending = api.sim("contact/signup", email=ADA)
    confirmed = api.sim("contact/confirm", email=ADA)

    assert (pending["status"], pending["timestamp_opt"], confirmed["status"]) == ("pending", "", "subscribed")
    assert confirmed["timestamp_opt"]


def test_the_page_shows_members_and_does_what_its_buttons_say(api):
    api.put("<b>ada</b>@lovelace.example"), api.put(ADA, merge_fields={"FNAME": "<script>"})

    shown = api.client.get("/")
    done = api.client.post("/act/contact/unsubscribe", data={"email": ADA, "list_id": api.list_id})
    failed = api.client.post(
        "/act/contact/change_email", data={"email": ADA, "new_email": "x"}, follow_redirects=True
    )

    assert (shown.status_code, done.status_code) == (200, 303)
    assert "&lt;script&gt;" in shown.text
    assert "<script" not in shown.text
    assert api.member("GET", ADA).json["status"] == "unsubscribed"
    assert "Please provide a valid email address." in failed.text


@pytest.mark.parametrize("path", ["/_sim/reset", "/act/contact/unsubscribe"])
def test_another_site_cannot_press_the_buttons(api, path):
    answer = api.client.post(path, headers={"Origin": "https://elsewhere.example"})

    assert answer.status_code == 403


@pytest.mark.parametrize("act", ["contact/fly", "staff/fly", "contact/unsubscribe"])
def test_an_act_that_cannot_be_done_is_not_found(api, act):
    assert api.client.post(f"/_sim/{act}", json={"email": "nobody@people.example"}).status_code == 404


@pytest.mark.parametrize(("is_double_optin", "status"), [(False, "subscribed"), (True, "pending")])
def test_the_hosted_form_brings_back_who_was_erased(api, is_double_optin, status):
    api.sim("lists", is_double_optin=is_double_optin)
    api.put(ADA)
    api.member("POST", ADA, tail="/actions/delete-permanent")

    shown = api.client.get(f"/subscribe?id={api.list_id}")
    done = api.client.post(f"/subscribe?id={api.list_id}", data={"EMAIL": ADA, "FNAME": "Ada"})

    assert 'name="EMAIL"' in shown.text
    assert 'role="status"' in done.text
    assert (status, "Ada") == (
        api.member("GET", ADA).json["status"],
        api.member("GET", ADA).json["full_name"],
    )


def test_the_hosted_form_says_what_is_wrong(api):
    failed = api.client.post(f"/subscribe?id={api.list_id}", data={"EMAIL": "x@example.com"})

    assert "looks fake or invalid" in failed.text
    assert 'value="x@example.com"' in failed.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"emails": ["ann@house.test"]},
        {"members": "ann@house.test"},
        {"members": ["ann@house.test"]},
        {"members": [{"EMAIL": "ann@house.test"}]},
    ],
)
def test_an_import_that_is_not_understood_is_refused_with_what_is_expected(api, body):
    answer = api.client.post("/_sim/staff/import", json=body)

    assert (400, True) == (answer.status_code, '{"members": [{"email"' in answer.json["detail"])


def test_a_file_without_anybody_is_imported(api):
    assert {"imported": 0, "refused": []} == api.sim("staff/import", members=[])


def test_a_name_without_an_audience_renames_nobody(api):
    before = api.call("GET", f"/lists/{api.list_id}").json["name"]

    answer = api.client.post("/_sim/lists", json={"name": "Donors"})

    assert (400, True) == (answer.status_code, "list_id" in answer.json["detail"])
    assert before == api.call("GET", f"/lists/{api.list_id}").json["name"]
    assert "Donors" == api.sim("lists", list_id=api.list_id, name="Donors")["name"]
