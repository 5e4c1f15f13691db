"""Audiences: made, changed, found, deleted (contract item 4)."""

import pytest

ADA = "ada@lovelace.example"
SETTINGS = {
    "name": "Donors",
    "permission_reminder": "You gave.",
    "email_type_option": True,
    "contact": {
        "company": "C",
        "address1": "1 Street",
        "city": "Town",
        "state": "",
        "zip": "",
        "country": "US",
    },
    "campaign_defaults": {
        "from_name": "N",
        "from_email": "n@people.example",
        "subject": "",
        "language": "en",
    },
}


def test_an_audience_is_made_changed_and_shown(api):
    made = api.call("POST", "/lists", {**SETTINGS, "double_optin": True}).json
    changed = api.call(
        "PATCH", f"/lists/{made['id']}", {**SETTINGS, "name": "Givers", "marketing_permissions": True}
    )

    assert (made["name"], made["double_optin"], made["permission_reminder"]) == ("Donors", True, "You gave.")
    assert (changed.json["name"], changed.json["marketing_permissions"]) == ("Givers", True)
    assert api.call("GET", "/lists").json["total_items"] == 2


@pytest.mark.parametrize("missing", sorted(SETTINGS))
def test_an_audience_needs_its_settings(api, missing):
    body = {name: value for name, value in SETTINGS.items() if name != missing}

    assert api.call("POST", "/lists", body).status_code == 400


def test_a_setting_of_the_wrong_kind_is_refused(api):
    refused = api.on_list("PATCH", "", {"name": 3, "contact": "x"})

    assert {"name", "contact"} == {one["field"] for one in refused.json["errors"]}


def test_a_deleted_audience_is_gone_everywhere(api):
    api.put(ADA)

    deleted = api.on_list("DELETE", "").status_code

    tails = ("", "/members", f"/members/{ADA}", "/merge-fields", "/segments", "/webhooks", "/activity")
    assert (204, {404}) == (deleted, {api.on_list("GET", tail).status_code for tail in tails})
    assert api.on_list("POST", "", {"members": []}).status_code == 404
    assert api.call("GET", "/lists").json["lists"] == []
    assert api.client.get("/").status_code == 404


def test_audiences_are_found_by_a_member_and_by_date(api):
    api.put(ADA)
    api.client.delete(f"/_sim/lists/{api.call('POST', '/lists', SETTINGS).json['id']}")
    early = api.call("POST", "/lists", SETTINGS).json["id"]
    api.sim("clock", advance_seconds=86_400)
    late = api.call("POST", "/lists", SETTINGS).json["id"]

    def found(query):
        return [one["id"] for one in api.call("GET", f"/lists?{query}").json["lists"]]

    assert found(f"email={ADA}") == [api.list_id]
    assert early not in found("since_date_created=2026-01-01T12:00:00Z")
    assert found("before_date_created=2026-01-01T12:00:00Z") == [early]
    assert found("sort_field=date_created")[:2] == [early, late]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("since_campaign_last_sent=2026-01-01T00:30:00Z", ["late"]),
        ("before_campaign_last_sent=2026-01-01T00:30:00Z", ["early"]),
        ("since_campaign_last_sent=2000-01-01T00:00:00Z", ["early", "late"]),
        ("before_campaign_last_sent=2099-01-01T00:00:00Z", ["early", "late"]),
        ("has_ecommerce_store=true", []),
        ("has_ecommerce_store=false", ["early", "late", "never"]),
    ],
)
def test_audiences_are_found_by_their_last_campaign_and_by_having_a_shop(api, query, found):
    names = {api.list_id: "early"}
    names |= {api.call("POST", "/lists", SETTINGS).json["id"]: name for name in ("late", "never")}
    for list_id, name in names.items():
        if name != "never":
            api.sim("staff/campaign", list_id=list_id, title="News")
            api.sim("clock", advance_seconds=3600)

    answer = api.call("GET", f"/lists?{query}").json

    assert found == sorted(names[one["id"]] for one in answer["lists"])
    assert len(found) == answer["total_items"]


def test_stats_are_counted_afresh_or_stay_as_long_as_the_switch_says(api):
    api.on_list("GET", "")
    api.sim("switches", stats_age_seconds=300)
    api.put(ADA)

    stale = api.on_list("GET", "").json["stats"]["member_count"]
    api.sim("clock", advance_seconds=301)

    assert (stale, api.on_list("GET", "").json["stats"]["member_count"]) == (0, 1)


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned"])
def test_stats_follow_every_change_of_status(api, status):
    names = {"subscribed": "member_count", "unsubscribed": "unsubscribe_count", "cleaned": "cleaned_count"}
    api.put(ADA, "pending")
    api.member("PATCH", ADA, {"status": status})
    stats = api.on_list("GET", "?include_total_contacts=true").json["stats"]
    api.member("POST", ADA, tail="/actions/delete-permanent")

    assert {1} == {stats[names[status]], stats["total_contacts"]}
    assert api.on_list("GET", "").json["stats"][names[status]] == 0
