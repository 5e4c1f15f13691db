"""Notes, events, activity, complaints, growth, and the search (contract item 19)."""

import pytest

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"


def test_notes_are_written_changed_listed_and_deleted(api):
    api.put(ADA)
    first = api.member("POST", ADA, {"note": "Called."}, "/notes").json
    api.sim("clock", advance_seconds=60)
    second = api.member("POST", ADA, {"note": "Called back."}, "/notes").json
    api.member("PATCH", ADA, {"note": "Called once."}, f"/notes/{first['id']}")

    listed = api.member("GET", ADA, tail="/notes").json

    assert ["Called back.", "Called once."] == [one["note"] for one in listed["notes"]]
    assert api.member("GET", ADA).json["last_note"]["note"] == "Called back."
    assert second["contact_id"] == api.member("GET", ADA).json["contact_id"]
    assert api.member("DELETE", ADA, tail=f"/notes/{second['id']}").status_code == 204
    assert api.member("GET", ADA, tail=f"/notes/{second['id']}").status_code == 404
    assert api.member("GET", ADA).json["last_note"]["note_id"] == first["id"]


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": "x" * 1001}, {"note": 1}])
def test_a_note_has_one_to_a_thousand_characters(api, body):
    api.put(ADA)

    assert api.member("POST", ADA, body, "/notes").status_code == 400


def test_events_are_listed_the_newest_first(api):
    api.put(ADA)
    answer = api.member("POST", ADA, {"name": "bought", "properties": {"what": "cup"}}, "/events")
    api.member("POST", ADA, {"name": "came", "occurred_at": "2025-05-01T10:00:00+00:00"}, "/events")

    found = api.member("GET", ADA, tail="/events").json

    assert (answer.status_code, found["total_items"]) == (204, 2)
    assert [("bought", {"what": "cup"}), ("came", {})] == [
        (one["name"], one["properties"]) for one in found["events"]
    ]
    assert found["events"][1]["occurred_at"] == "2025-05-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "body", [{}, {"name": "x"}, {"name": "x" * 31}, {"name": "ok", "properties": {"a": 1}}]
)
def test_an_event_has_a_name_of_two_to_thirty_characters_and_texts(api, body):
    api.put(ADA)

    assert api.member("POST", ADA, body, "/events").status_code == 400


def test_what_campaigns_did_is_in_the_feed(api):
    api.put(ADA), api.put(GRACE, "unsubscribed")
    campaign = api.sim("staff/campaign", title="News of May")["campaign_id"]
    for number, (act, more) in enumerate(
        [("open", {}), ("click", {"url": "https://people.example/x"}), ("unsubscribe", {})]
    ):
        api.sim("clock", advance_seconds=number + 1)
        api.sim(f"contact/{act}", email=ADA, campaign_id=campaign, **more)

    feed = api.member("GET", ADA, tail="/activity-feed").json["activity"]
    opened = api.member("GET", ADA, tail="/activity-feed", query="?activity_filters=open").json["activity"]
    short = api.member("GET", ADA, tail="/activity").json

    kinds = [one["activity_type"] for one in feed]
    assert ["unsub", "click", "open"] == kinds[:3]
    assert {"sent", "generic_signup"} == set(kinds[3:])
    assert {"News of May"} == {one["campaign_title"] for one in feed if "campaign_title" in one}
    assert [one["activity_type"] for one in opened] == ["open"]
    assert ["unsub", "click", "open", "sent"] == [one["action"] for one in short["activity"]]
    assert api.member("GET", GRACE, tail="/activity").json["total_items"] == 0


@pytest.mark.parametrize(("type_", "status"), [("soft", "subscribed"), ("hard", "cleaned")])
def test_a_soft_bounce_leaves_a_trace_and_a_hard_one_cleans(api, type_, status):
    api.put(ADA)
    api.sim("contact/bounce", email=ADA, type=type_, campaign_id="c1")

    feed = api.member("GET", ADA, tail="/activity-feed").json["activity"]

    assert [type_] == [one["bounce_type"] for one in feed if one["activity_type"] == "bounce"]
    assert api.member("GET", ADA).json["status"] == status


def test_notes_and_events_are_in_the_feed_too(api):
    api.put(ADA)
    api.member("POST", ADA, {"note": "Called."}, "/notes")
    api.member("POST", ADA, {"name": "bought", "properties": {"what": "cup"}}, "/events")

    kinds = {one["activity_type"] for one in api.member("GET", ADA, tail="/activity-feed").json["activity"]}

    assert {"note", "event", "generic_signup"} == kinds


def test_complaints_are_reported(api):
    api.put(ADA, merge_fields={"FNAME": "Ada"})
    api.sim("contact/abuse", email=ADA, campaign_id="c1")

    found = api.on_list("GET", "/abuse-reports").json

    assert [(ADA, "c1", "Ada")] == [
        (one["email_address"], one["campaign_id"], one["merge_fields"]["FNAME"])
        for one in found["abuse_reports"]
    ]
    assert api.on_list("GET", "/abuse-reports/1").json["email_address"] == ADA
    assert api.on_list("GET", "/abuse-reports/2").status_code == 404


def test_the_days_are_counted(api):
    api.put(ADA), api.sim("contact/signup", email=GRACE)
    api.sim("staff/campaign", title="News", emails=[ADA])
    api.sim("contact/unsubscribe", email=ADA)
    api.sim("clock", advance_seconds=86_400)
    api.member("DELETE", GRACE)

    days = api.on_list("GET", "/activity").json["activity"]

    assert ["2026-01-02", "2026-01-01"] == [one["day"] for one in days]
    counted = {name: days[1][name] for name in ("subs", "other_adds", "emails_sent", "unsubs")}
    assert counted == {"subs": 1, "other_adds": 1, "emails_sent": 1, "unsubs": 1}
    assert days[0]["other_removes"] == 1


def test_the_months_grow(api):
    api.put(ADA), api.put(GRACE, "pending")
    api.sim("clock", advance_seconds=40 * 86_400)
    api.sim("contact/confirm", email=GRACE)
    api.member("PATCH", ADA, {"status": "unsubscribed"})

    months = api.on_list("GET", "/growth-history?sort_dir=ASC").json["history"]

    shown = [(one["month"], one["subscribed"], one["unsubscribed"], one["pending"]) for one in months]
    assert shown == [("2026-01", 1, 0, 1), ("2026-02", 1, 1, 0)]


def test_members_are_searched_by_address_and_name(api):
    api.put(ADA, merge_fields={"FNAME": "Ada", "LNAME": "King"}), api.put(GRACE)
    api.sim("lists", list_id="bbbbbbbbbb")
    api.call(
        "PUT", "/lists/bbbbbbbbbb/members/x@people.example", {"email_address": ADA, "status": "subscribed"}
    )

    exact = api.call("GET", f"/search-members?query={ADA}").json
    by_name = api.call("GET", f"/search-members?query=king&list_id={api.list_id}").json

    assert (exact["exact_matches"]["total_items"], exact["full_search"]["total_items"]) == (2, 2)
    assert by_name["exact_matches"]["members"] == []
    assert [ADA] == [one["email_address"] for one in by_name["full_search"]["members"]]
    assert api.call("GET", "/search-members").status_code == 400


def test_the_story_of_a_member_outlives_the_state_file(api, tmp_path):
    api.put(ADA)
    api.member("POST", ADA, {"note": "Called."}, "/notes")
    api.member("POST", ADA, {"name": "bought"}, "/events")
    api.sim("contact/open", email=ADA, campaign_id="c1")
    lines = api.client.get("/_sim/snapshot").json["lines"]

    api.sim("reset")
    emptied = api.member("GET", ADA).status_code
    api.sim("snapshot", lines=lines)

    kinds = {one["activity_type"] for one in api.member("GET", ADA, tail="/activity-feed").json["activity"]}
    assert (404, {"note", "event", "open", "generic_signup"}) == (emptied, kinds)
    assert api.on_list("GET", "/growth-history").json["history"][0]["subscribed"] == 1
