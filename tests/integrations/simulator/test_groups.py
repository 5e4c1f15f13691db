"""Groups and marketing permissions (contract item 16)."""

import pytest

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"
CATEGORIES = "/interest-categories"


def _category(api, title="Interests", type_="checkboxes"):
    return api.on_list("POST", CATEGORIES, {"title": title, "type": type_}).json["id"]


def _interest(api, category, name):
    return api.on_list("POST", f"{CATEGORIES}/{category}/interests", {"name": name}).json["id"]


def test_a_member_has_no_interests_until_the_audience_has_groups(api):
    api.put(ADA)

    assert "interests" not in api.member("GET", ADA).json


def test_a_member_shows_every_interest_and_what_is_not_mentioned_stays(api):
    category = _category(api)
    music, chess = _interest(api, category, "Music"), _interest(api, category, "Chess")

    api.put(ADA, interests={music: True})
    api.member("PATCH", ADA, {"interests": {chess: True}})
    found = api.member("PATCH", ADA, {"interests": {music: False}}).json["interests"]

    assert found == {music: False, chess: True}


def test_an_unknown_interest_refuses_the_whole_write(api):
    api.put(ADA)

    refused = api.member("PATCH", ADA, {"interests": {"ffffffffff": True}, "vip": True})

    assert (refused.status_code, refused.json["title"]) == (400, "Invalid Resource")
    assert api.member("GET", ADA).json["vip"] is False


def test_the_batch_takes_interests_and_shows_them(api):
    music = _interest(api, _category(api), "Music")

    found = api.batch([{"email_address": ADA, "status": "subscribed", "interests": {music: True}}]).json

    assert found["new_members"][0]["interests"] == {music: True}


def test_categories_and_interests_are_read_changed_and_listed(api):
    category = _category(api)
    music = _interest(api, category, "Music")
    own = f"{CATEGORIES}/{category}"
    api.put(ADA, interests={music: True})
    api.on_list("PATCH", own, {"title": "Hobbies", "type": "hidden"})
    api.on_list("PATCH", f"{own}/interests/{music}", {"name": "Song", "display_order": 7})

    assert api.on_list("GET", own).json["title"] == "Hobbies"
    assert [one["id"] for one in api.on_list("GET", f"{CATEGORIES}?type=hidden").json["categories"]] == [
        category
    ]
    assert api.on_list("GET", f"{CATEGORIES}?type=radio").json["total_items"] == 0
    found = api.on_list("GET", f"{own}/interests").json["interests"][0]
    assert ("Song", 7, "1") == (found["name"], found["display_order"], found["subscriber_count"])


@pytest.mark.parametrize("tail", ["", "/interests/{music}"])
def test_what_is_deleted_nobody_has_any_more(api, tail):
    category = _category(api)
    music = _interest(api, category, "Music")
    api.put(ADA, interests={music: True})

    deleted = api.on_list("DELETE", f"{CATEGORIES}/{category}" + tail.format(music=music))

    assert deleted.status_code == 204
    assert "interests" not in api.member("GET", ADA).json
    assert api.on_list("GET", f"{CATEGORIES}/{category}/interests/{music}").status_code == 404


@pytest.mark.parametrize("body", [{"title": "x"}, {"type": "radio"}, {"title": "x", "type": "odd"}])
def test_a_category_needs_a_title_and_a_known_type(api, body):
    assert api.on_list("POST", CATEGORIES, body).status_code == 400


def test_the_same_name_twice_is_refused(api):
    category = _category(api)
    _interest(api, category, "Music")

    twice = api.on_list("POST", f"{CATEGORIES}/{category}/interests", {"name": "Music"})

    assert "already exists" in twice.json["detail"]
    assert api.on_list("POST", CATEGORIES, {"title": "Interests", "type": "radio"}).status_code == 400


def test_no_more_than_sixty_interests(api):
    category = _category(api)
    for number in range(60):
        _interest(api, category, f"Number {number}")

    refused = api.on_list("POST", f"{CATEGORIES}/{category}/interests", {"name": "One more"})

    assert "more than 60" in refused.json["detail"]


def test_members_are_found_by_their_interests(api):
    category = _category(api)
    music, chess = _interest(api, category, "Music"), _interest(api, category, "Chess")
    api.put(ADA, interests={music: True, chess: True}), api.put(GRACE, interests={music: True})
    query = f"?interest_category_id={category}&interest_ids={music},{chess}&interest_match="

    found = {
        match: [one["email_address"] for one in api.members(query + match)["members"]]
        for match in ("any", "all", "none")
    }

    assert found == {"any": [ADA, GRACE], "all": [ADA], "none": []}


def test_interest_filters_need_each_other(api):
    assert api.on_list("GET", "/members?interest_ids=ffffffffff").status_code == 400


def test_permissions_are_only_there_when_the_audience_asks_for_them(api):
    before = api.put(ADA).json
    permissions = api.sim("lists", has_permissions=True)["permissions"]
    after = api.member("GET", ADA).json["marketing_permissions"]
    api.sim("lists", has_permissions=False)

    assert "marketing_permissions" not in before
    assert [one["marketing_permission_id"] for one in after] == list(permissions)
    assert {one["enabled"] for one in after} == {False}
    assert "marketing_permissions" not in api.member("GET", ADA).json


@pytest.mark.parametrize("how", ["POST", "PUT", "PATCH"])
def test_permissions_are_given_by_single_writes(api, how):
    first = next(iter(api.sim("lists", has_permissions=True)["permissions"]))
    given = [{"marketing_permission_id": first, "enabled": True}]
    if how == "POST":
        api.post({"email_address": ADA, "status": "subscribed", "marketing_permissions": given})
    else:
        api.put(ADA)
        api.member(how, ADA, {"email_address": ADA, "marketing_permissions": given})

    shown = api.member("GET", ADA).json["marketing_permissions"]

    assert [True, False, False] == [one["enabled"] for one in shown]


def test_the_batch_does_not_take_permissions(api):
    first = next(iter(api.sim("lists", has_permissions=True)["permissions"]))
    given = [{"marketing_permission_id": first, "enabled": True}]

    api.batch([{"email_address": ADA, "status": "subscribed", "marketing_permissions": given}])

    assert {one["enabled"] for one in api.member("GET", ADA).json["marketing_permissions"]} == {False}


def test_an_unknown_permission_is_refused(api):
    api.sim("lists", has_permissions=True)

    refused = api.put(ADA, marketing_permissions=[{"marketing_permission_id": "x", "enabled": True}])

    assert refused.status_code == 400


def test_a_contact_gives_and_takes_away_permissions_in_the_preferences(api):
    first, second, *_ = api.sim("lists", has_permissions=True)["permissions"]
    api.put(ADA, marketing_permissions=[{"marketing_permission_id": first, "enabled": True}])
    api.sim("clock", advance_seconds=60)
    before = api.member("GET", ADA).json["last_changed"]

    choices = {first: False, second: True}
    told = [{"marketing_permission_id": one, "enabled": is_given} for one, is_given in choices.items()]
    api.sim("contact/edit", email=ADA, marketing_permissions=told)

    found = api.member("GET", ADA).json
    stands = {one["marketing_permission_id"]: one["enabled"] for one in found["marketing_permissions"]}
    assert choices.items() <= stands.items()
    assert found["last_changed"] > before


def test_permission_ids_are_the_audiences_own_and_stay(api):
    mine = api.sim("lists", has_permissions=True)["permissions"]
    other = api.sim("lists", list_id="bbbbbbbbbb", has_permissions=True)["permissions"]
    api.sim("lists", has_permissions=False)

    assert set(mine).isdisjoint(other)
    assert mine == api.sim("lists", has_permissions=True)["permissions"]
    assert api.on_list("GET", "").json["marketing_permissions"] is True


def test_groups_go_out_with_webhooks(api, ear):
    category = _category(api, "Topics")
    music = _interest(api, category, "Music, old")
    api.on_list(
        "POST",
        "/webhooks",
        {
            "url": ear.url,
            "events": {"subscribe": True},
            "sources": {"user": True, "admin": True, "api": True},
        },
    )

    api.put(ADA, interests={music: True})
    heard = ear.wait_for(1)[0]

    assert heard["data[merges][INTERESTS]"] == "Music\\, old"
    assert (category, "Topics") == (
        heard["data[merges][GROUPINGS][0][unique_id]"],
        heard["data[merges][GROUPINGS][0][name]"],
    )
