"""Tags as static segments (contract item 17)."""

import pytest

from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.parts import Tag

ADA, GRACE, EVE = "ada@lovelace.example", "grace@hopper.example", "eve@people.example"


def _segment(api, name="alumni", emails=()):
    return api.on_list("POST", "/segments", {"name": name, "static_segment": list(emails)})


def _tags(api, email):
    return [tag["name"] for tag in api.member("GET", email).json["tags"]]


def test_a_new_segment_is_a_tag_on_the_members_named(api):
    api.put(ADA), api.put(GRACE)

    made = _segment(api, emails=[ADA, "nobody@people.example"]).json

    assert (made["type"], made["member_count"], made["name"]) == ("static", 1, "alumni")
    assert (_tags(api, ADA), _tags(api, GRACE)) == (["alumni"], [])


def test_segments_are_listed_with_what_tags_made(api):
    api.put(ADA, tags=["guest"])
    _segment(api)

    found = api.on_list("GET", "/segments?type=static").json

    assert [("guest", 1), ("alumni", 0)] == [(one["name"], one["member_count"]) for one in found["segments"]]
    assert api.on_list("GET", "/segments?type=saved").json["total_items"] == 0


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["alumni", "Donors of May"]),
        ("?type=static", ["alumni"]),
        ("?type=saved", ["Donors of May"]),
        ("?type=fuzzy", []),
    ],
)
def test_segments_are_found_by_their_type(api, query, names):
    _segment(api)
    conditions = {"match": "any", "conditions": []}
    api.world.audiences[api.list_id].put_tag(Tag(4_000, "Donors of May", options=conditions))

    found = api.on_list("GET", f"/segments{query}").json

    assert (names, len(names)) == ([one["name"] for one in found["segments"]], found["total_items"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": {"a": 1}, "static_segment": []}, "name"),
        ({"name": "x", "static_segment": [ADA, 5]}, "static_segment.item:1"),
        ({"name": "x", "static_segment": ADA}, "static_segment"),
    ],
)
def test_a_misshapen_segment_is_refused(api, body, field):
    refused = api.on_list("POST", "/segments", body)

    assert (400, [field]) == (refused.status_code, [one["field"] for one in refused.json["errors"]])
    assert api.on_list("GET", "/segments").json["total_items"] == 0


def test_segments_are_found_by_date(api):
    _segment(api)
    api.sim("clock", advance_seconds=3600)
    _segment(api, "later")

    found = api.on_list("GET", "/segments?since_created_at=2026-01-01T00:30:00Z").json["segments"]
    former = api.on_list("GET", "/segments?before_updated_at=2026-01-01T00:30:00Z").json["segments"]

    assert (["later"], ["alumni"]) == ([one["name"] for one in found], [one["name"] for one in former])


def test_a_segment_is_renamed_emptied_and_deleted(api):
    api.put(ADA), api.put(GRACE)
    own = f"/segments/{_segment(api, emails=[ADA]).json['id']}"

    renamed = api.on_list("PATCH", own, {"name": "Graduates", "static_segment": [GRACE]}).json
    assert (renamed["name"], renamed["member_count"]) == ("Graduates", 1)
    assert (_tags(api, ADA), _tags(api, GRACE)) == ([], ["Graduates"])

    assert api.on_list("PATCH", own, {"name": "Graduates", "static_segment": []}).json["member_count"] == 0
    assert api.on_list("DELETE", own).status_code == 204
    assert api.on_list("GET", own).status_code == 404
    assert _tags(api, GRACE) == []


def test_a_deleted_tag_comes_back_as_another(api):
    api.put(ADA, tags=["alumni"])
    first = api.member("GET", ADA).json["tags"][0]["id"]
    api.on_list("DELETE", f"/segments/{first}")

    api.member("POST", ADA, {"tags": [{"name": "alumni", "status": "active"}]}, "/tags")

    assert api.member("GET", ADA).json["tags"][0]["name"] == "alumni"


def test_the_same_name_in_other_letters_is_refused(api):
    _segment(api)

    assert _segment(api, "ALUMNI").status_code == 400


def test_many_are_added_and_removed_at_once(api):
    api.put(ADA), api.put(GRACE), api.put(EVE)
    own = f"/segments/{_segment(api, emails=[EVE, GRACE]).json['id']}"

    found = api.on_list(
        "POST", own, {"members_to_add": [ADA, GRACE, "nobody@people.example"], "members_to_remove": [EVE]}
    ).json

    assert [ADA] == [one["email_address"] for one in found["members_added"]]
    assert [EVE] == [one["email_address"] for one in found["members_removed"]]
    assert (found["total_added"], found["total_removed"], found["error_count"]) == (1, 1, 1)
    assert found["errors"][0]["email_addresses"] == ["nobody@people.example"]


@pytest.mark.parametrize("name", ["members_to_add", "members_to_remove"])
def test_more_than_five_hundred_are_refused(api, name):
    own = f"/segments/{_segment(api).json['id']}"
    emails = [f"p{number}@people.example" for number in range(501)]

    assert api.on_list("POST", own, {name: emails}).status_code == 400
    assert api.on_list("POST", own, {name: emails[:500]}).status_code == 200


def test_members_of_a_segment_are_listed_added_and_taken_off(api):
    api.put(ADA), api.put(GRACE, "unsubscribed")
    own = f"/segments/{_segment(api, emails=[GRACE]).json['id']}/members"

    api.on_list("POST", own, {"email_address": ADA})

    assert [ADA] == [one["email_address"] for one in api.on_list("GET", own).json["members"]]
    assert api.on_list("GET", own + "?include_unsubscribed=true").json["total_items"] == 2
    assert api.on_list("DELETE", f"{own}/{md5_of(ADA)}").status_code == 204
    assert api.on_list("DELETE", f"{own}/{md5_of(ADA)}").status_code == 404
    assert api.on_list("POST", own, {"email_address": "nobody@people.example"}).status_code == 404


def test_a_segment_by_conditions_is_said_not_to_be_known(api):
    refused = api.on_list("POST", "/segments", {"name": "x", "options": {"match": "any", "conditions": []}})

    assert "static segments only" in refused.json["detail"]


def test_tags_are_searched_by_their_beginning_in_any_case(api):
    api.put(ADA, tags=["Alumni", "alum", "guest"])

    found = api.on_list("GET", "/tag-search?name=ALU").json

    assert ["Alumni", "alum"] == [tag["name"] for tag in found["tags"]]
    assert api.on_list("GET", "/tag-search").json["total_items"] == 3


def test_a_member_shows_fifty_tags_and_the_rest_by_asking(api):
    api.put(ADA, tags=[f"tag {number}" for number in range(60)])

    member, all_of_them = (
        api.member("GET", ADA).json,
        api.member("GET", ADA, tail="/tags", query="?count=100").json,
    )

    assert (len(member["tags"]), member["tags_count"]) == (50, 60)
    assert (len(all_of_them["tags"]), all_of_them["total_items"]) == (60, 60)
    assert {tag["date_added"] for tag in all_of_them["tags"]} == {"2026-01-01T00:00:00+00:00"}


def test_changed_tags_are_seen_when_the_delay_is_over(api):
    api.put(ADA, tags=["one"])
    api.sim("switches", tag_delay_seconds=3)

    api.member("POST", ADA, {"tags": [{"name": "two", "status": "active"}]}, "/tags")
    api.member("POST", ADA, {"tags": [{"name": "one", "status": "inactive"}]}, "/tags")
    before = _tags(api, ADA), api.member("GET", ADA, tail="/tags").json["total_items"]
    api.sim("clock", advance_seconds=4)

    assert (before, _tags(api, ADA)) == ((["one"], 1), ["two"])
