"""What the real API leaves undecided is a switch, and what happens by itself is told (items 11 to 13, 20, 23)."""

import threading
import time

import pytest
import requests

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"
ALL = {"user": True, "admin": True, "api": True}


def _webhook(api, ear, *events):
    body = {"url": ear.url, "events": dict.fromkeys(events, True), "sources": ALL}
    return api.on_list("POST", "/webhooks", body).json


@pytest.mark.parametrize(("is_on", "tags"), [(True, ["late"]), (False, [])])
def test_tags_in_a_put_are_applied_on_update_or_not(api, is_on, tags):
    api.sim("switches", are_put_tags_applied_on_update=is_on)
    api.put(ADA)

    api.put(ADA, tags=["late"])

    assert tags == [tag["name"] for tag in api.member("GET", ADA).json["tags"]]


@pytest.mark.parametrize(("is_on", "count"), [(True, 1), (False, 0)])
def test_archived_members_are_listed_or_not(api, is_on, count):
    api.sim("switches", are_archived_listed=is_on)
    api.put(ADA), api.member("DELETE", ADA)

    assert count == api.members()["total_items"]


def test_the_texts_of_the_batch_can_be_others(api):
    api.sim("switches", batch_limit_text="Too many", duplicate_text="{email} twice")
    one = {"email_address": ADA, "status": "subscribed"}

    refused = api.batch([{"email_address": f"p{n}@people.example"} for n in range(501)])
    doubled = api.batch([one, one]).json["errors"][0]

    assert refused.json["errors"][0]["message"] == "Too many"
    assert doubled["error"] == f"{ADA} twice"


@pytest.mark.parametrize(("is_on", "signed_up"), [(True, "2026-01-01T01:00:00+00:00"), (False, "")])
def test_the_time_of_signing_up_is_renewed_or_not(api, is_on, signed_up):
    api.sim("switches", is_signup_time_renewed=is_on)
    api.put(ADA), api.member("PATCH", ADA, {"status": "unsubscribed"})
    api.sim("clock", advance_seconds=3600)

    assert api.member("PATCH", ADA, {"status": "subscribed"}).json["timestamp_signup"] == signed_up


@pytest.mark.parametrize("wants", [{"odd": 1}, {"latency_ms": "x"}, {"are_archived_listed": "false"}])
def test_a_switch_takes_what_it_is_made_for(api, wants):
    before = api.client.get("/_sim/switches").json

    assert api.client.post("/_sim/switches", json={"latency_ms": 7, **wants}).status_code == 400
    assert before == api.client.get("/_sim/switches").json


@pytest.mark.parametrize(
    ("act", "cause"),
    [("contact/unsubscribe", "contact"), ("contact/abuse", "abuse"), ("contact/bounce", "bounce")],
)
@pytest.mark.parametrize(
    "detour", [[], ["pending"], ["pending", "unsubscribed"], ["transactional"], ["DELETE"]]
)
def test_who_left_by_themselves_is_not_subscribed_by_any_detour(api, act, cause, detour):
    api.put(ADA)
    api.sim(act, email=ADA)
    for step in detour:
        api.member("DELETE", ADA) if step == "DELETE" else api.member("PUT", ADA, {"status": step})

    refused = api.member("PUT", ADA, {"email_address": ADA, "status": "subscribed"})

    assert (refused.status_code, refused.json["title"]) == (400, "Member In Compliance State")
    assert cause == api.client.get("/_sim/members").json["members"][0]["cause"]


@pytest.mark.parametrize("by", ["api", "admin"])
def test_who_was_taken_out_by_others_may_be_put_back(api, by):
    api.put(ADA)
    if by == "api":
        api.member("PATCH", ADA, {"status": "unsubscribed"})
    else:
        api.sim("staff/unsubscribe", email=ADA)

    assert api.member("PATCH", ADA, {"status": "subscribed"}).status_code == 200


def test_the_confirmation_is_in_the_outbox_and_its_link_subscribes(api, ear):
    _webhook(api, ear, "subscribe")
    api.put(ADA, "pending")
    api.sim("clock", advance_seconds=60)

    message = api.client.get("/_sim/outbox").json["messages"][0]
    asked = api.client.get(message["link"])
    before = api.member("GET", ADA).json["status"]
    followed = api.client.post(message["link"])
    member, heard = api.member("GET", ADA).json, ear.wait_for(1)[0]

    assert (message["email"], asked.status_code, before, followed.status_code) == (ADA, 200, "pending", 200)
    assert (member["status"], member["timestamp_opt"], member["ip_opt"]) == (
        "subscribed",
        "2026-01-01T00:01:00+00:00",
        "203.0.113.7",
    )
    assert (heard["type"], heard["data[email]"]) == ("subscribe", ADA)


def test_pending_again_mails_again_only_after_an_unsubscribe(api):
    api.put(ADA, "pending")
    api.member("PUT", ADA, {"status": "pending"})
    once = len(api.client.get("/_sim/outbox").json["messages"])
    api.member("PUT", ADA, {"status": "unsubscribed"}), api.member("PUT", ADA, {"status": "pending"})

    assert (once, len(api.client.get("/_sim/outbox").json["messages"])) == (1, 2)


def test_a_lot_of_lists_holds_off_for_so_many_hours_also_the_archived(api):
    api.put(GRACE), api.member("DELETE", GRACE)
    for email in (ADA, GRACE):
        api.sim("signup_block", email=email, hours=5)

    refused = [
        api.post({"email_address": email, "status": "subscribed"}).json["detail"] for email in (ADA, GRACE)
    ]
    api.sim("clock", advance_seconds=5 * 3600)

    assert all("signed up to a lot of lists" in detail for detail in refused)
    assert api.post({"email_address": ADA, "status": "subscribed"}).status_code == 200


def test_a_campaign_is_told_whatever_the_sources_say(api, ear):
    body = {"url": ear.url, "events": {"campaign": True}, "sources": {}}
    api.on_list("POST", "/webhooks", body)
    api.put(ADA)

    sent = api.sim("staff/campaign", title="News", subject="Hello")
    heard = ear.wait_for(1)[0]

    assert (sent["sent"], heard["type"], heard["data[status]"], heard["data[subject]"]) == (
        1,
        "campaign",
        "sent",
        "Hello",
    )


def test_the_campaign_of_an_unsubscribe_is_named(api, ear):
    _webhook(api, ear, "unsubscribe")
    api.put(ADA)

    api.sim("contact/unsubscribe", email=ADA, campaign_id="c0ffee")

    assert ear.wait_for(1)[0]["data[campaign_id]"] == "c0ffee"


def test_an_import_by_staff_adds_updates_and_leaves_out(api, ear):
    _webhook(api, ear, "subscribe")
    api.put(ADA), ear.wait_for(1)
    rows = [
        {"email": ADA, "merge_fields": {"FNAME": "Ada"}, "tags": ["old"]},
        {"email": GRACE, "tags": ["new"]},
        {"email": "x@example.com"},
    ]

    done = api.sim("staff/import", members=rows)
    shown = [api.member("GET", email).json for email in (ADA, GRACE)]

    assert (done["imported"], len(done["refused"])) == (2, 1)
    assert [["old"], ["new"]] == [[tag["name"] for tag in one["tags"]] for one in shown]
    assert (shown[0]["full_name"], shown[1]["source"]) == ("Ada", "Import")
    assert ear.wait_for(2)[1]["data[email]"] == GRACE


def test_deliveries_are_swapped_doubled_and_late(api, ear):
    _webhook(api, ear, "subscribe")
    api.sim("switches", are_webhooks_swapped=True)
    api.put(ADA), api.put(GRACE)
    swapped = [one["data[email]"] for one in ear.wait_for(2)]
    api.sim("switches", are_webhooks_swapped=False, webhook_copies=2, webhook_delay_seconds=3600)
    api.put("late@people.example")
    time.sleep(0.1)
    before = len(ear.heard)
    api.sim("clock", advance_seconds=3601)

    assert (swapped, before) == ([GRACE, ADA], 2)
    assert ["late@people.example"] * 2 == [one["data[email]"] for one in ear.wait_for(4)[2:]]


def test_retries_follow_the_simulators_clock(api, ear):
    object.__setattr__(api.world.config, "webhook_retry_seconds", (600.0, 1200.0))
    _webhook(api, ear, "subscribe")
    ear.post_statuses = [500, 500]
    api.put(ADA)
    heard = [len(ear.wait_for(1))]
    for seconds in (601, 1201):
        time.sleep(0.1)
        api.sim("clock", advance_seconds=seconds)
        heard.append(len(ear.wait_for(len(heard) + 1)))

    assert heard == [1, 2, 3]


def test_while_a_secret_is_changed_over_both_sign(api, ear):
    webhook = _webhook(api, ear, "subscribe")
    api.sim("rotate_secret", webhook_id=webhook["id"])
    api.put(ADA), ear.wait_for(1)
    api.sim("rotate_secret", webhook_id=webhook["id"], is_over=True)
    api.put(GRACE), ear.wait_for(2)

    assert [2, 1] == [headers["X-Mailchimp-Signature"].count("v1=") for headers, _ in ear.heard]


def test_a_webhook_is_asked_again_when_its_url_changes(api, ear):
    webhook = _webhook(api, ear, "subscribe")
    ear.get_status = 404

    refused = api.on_list("PATCH", f"/webhooks/{webhook['id']}", {"url": ear.url + "2"})

    assert (refused.status_code, len(ear.agents)) == (400, 2)
    assert api.on_list("GET", f"/webhooks/{webhook['id']}").json["url"] == ear.url
    assert api.on_list("DELETE", f"/webhooks/{webhook['id']}").status_code == 204


def test_an_answer_that_drips_holds_its_slot_until_it_is_out(running):
    client, statuses = running.app.test_client(), []
    running.world.switches.connection_limit = 1
    client.post("/_sim/faults", json={"kind": "drip", "seconds": 0.8, "times": 1})

    def drip() -> None:
        with requests.Session() as session:
            session.trust_env = False
            with pytest.raises(requests.RequestException):
                session.get(f"{running.url}/ping", auth=("any", running.config.api_key), timeout=5)

    thread = threading.Thread(target=drip)
    thread.start()
    for _ in range(2):
        time.sleep(0.3)
        statuses.append(
            client.get("/3.0/ping", headers={"Authorization": f"Bearer {running.config.api_key}"}).status_code
        )
    thread.join(5)
    time.sleep(0.1)

    assert statuses == [429, 429]
    assert (
        client.get("/3.0/ping", headers={"Authorization": f"Bearer {running.config.api_key}"}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("method", "named", "status"), [("POST", "PATCH", 200), ("PUT", "PATCH", 422), ("GET", "DELETE", 422)]
)
def test_another_method_can_only_be_named_in_a_post(api, method, named, status):
    api.put(ADA)
    headers = {"Authorization": f"Bearer {api.world.config.api_key}", "X-HTTP-Method-Override": named}

    answer = api.client.open(
        f"/3.0/lists/{api.list_id}/members/{ADA}", method=method, headers=headers, json={"vip": True}
    )

    assert status == answer.status_code
    assert api.member("GET", ADA).json["vip"] is (status == 200)


def test_a_long_fraction_in_a_filter_is_not_understood_and_gives_everybody(api):
    api.put(ADA)

    assert api.members("?since_last_changed=2027-01-01T00:00:00.1234567Z")["total_items"] == 1
    assert api.members("?since_last_changed=2027-01-01T00:00:00.123Z")["total_items"] == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=unsubscribed&unsubscribed_since=2025-12-31T00:00:00Z", [GRACE]),
        ("?status=subscribed&since_timestamp_opt=2025-12-31T00:00:00Z", [ADA]),
        ("?since_timestamp_opt=2026-01-02T00:00:00Z", []),
        ("?vip_only=true", [ADA]),
        ("?email_type=text", [GRACE]),
        ("?sort_field=last_changed&sort_dir=DESC", [GRACE, ADA]),
        ("?sort_field=timestamp_signup&sort_dir=ASC", [ADA, GRACE]),
    ],
)
def test_members_are_filtered_and_sorted(api, query, found):
    api.put(ADA, vip=True)
    api.sim("clock", advance_seconds=1)
    api.put(GRACE, "unsubscribed", email_type="text", timestamp_signup="2025-06-01 00:00:00")

    assert found == [one["email_address"] for one in api.members(query)["members"]]


def test_since_the_last_campaign_needs_a_status(api):
    api.put(ADA)
    api.sim("clock", advance_seconds=5)
    api.sim("staff/campaign", title="News")
    api.sim("clock", advance_seconds=5)
    api.put(GRACE)

    found = api.members("?status=subscribed&since_last_campaign=true")["members"]

    assert [GRACE] == [one["email_address"] for one in found]
    assert api.on_list("GET", "/members?since_last_campaign=true").status_code == 400
