"""A write is checked for shape in every part, and what is refused leaves no trace (the definition's types)."""

import json

import pytest

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"
NO_SCHEMA = "Data did not match any of the schemas described in anyOf."
ACCEPTED = "Data presented is not one of the accepted values: "
ODD = [
    (
        {"location": {"latitude": "north"}},
        "location.latitude",
        "Schema describes number, string found instead",
    ),
    (
        {"location": {"longitude": True}},
        "location.longitude",
        "Schema describes number, boolean found instead",
    ),
    ({"location": {"longitude": {}}}, "location.longitude", "Schema describes number, object found instead"),
    (
        {"location": {"latitude": 10**400}},
        "location.latitude",
        "Schema describes number, integer found instead",
    ),
    ({"tags": [{"name": "x"}]}, "tags.item:0", "Schema describes string, object found instead"),
    ({"tags": ["x", 5]}, "tags.item:1", "Schema describes string, integer found instead"),
    ({"tags": [None]}, "tags.item:0", "Schema describes string, NULL found instead"),
    ({"interests": {"zz": "yes"}}, "interests.zz", "Schema describes boolean, string found instead"),
    ({"email_type": "foo"}, "email_type", ACCEPTED + "html, text."),
    (
        {"status_if_new": "foo"},
        "status_if_new",
        ACCEPTED + "subscribed, unsubscribed, cleaned, pending, transactional.",
    ),
    ({"vip": "yes"}, "vip", "Schema describes boolean, string found instead"),
    ({"merge_fields": {"FNAME": True}}, "merge_fields.FNAME", NO_SCHEMA),
    ({"merge_fields": {"FNAME": ["Ada"]}}, "merge_fields.FNAME", NO_SCHEMA),
]
PERMISSIONS = [
    (
        [{"marketing_permission_id": 5, "enabled": True}],
        "marketing_permissions.item:0.marketing_permission_id",
        "Schema describes string, integer found instead",
    ),
    (
        [
            {"marketing_permission_id": "a", "enabled": True},
            {"marketing_permission_id": "b", "enabled": "no"},
        ],
        "marketing_permissions.item:1.enabled",
        "Schema describes boolean, string found instead",
    ),
]


def _wish(email: str = ADA, **more: object) -> dict[str, object]:
    return {"email_address": email, "status": "subscribed", **more}


def _post_text(api, part):
    """A member whose body json.dumps would not write."""
    text = f'{{"email_address": "{ADA}", "status": "subscribed", {part}}}'
    key = {"Authorization": f"Bearer {api.world.config.api_key}"}
    return api.client.post(f"/3.0/lists/{api.list_id}/members", data=text, headers=key)


@pytest.mark.parametrize(("odd", "field", "message"), ODD)
def test_a_misshapen_part_refuses_the_write_and_leaves_no_trace(api, odd, field, message):
    api.put(GRACE)

    refused = api.post(_wish(**odd))

    assert (refused.status_code, refused.json["title"]) == (400, "Invalid Resource")
    assert [{"field": field, "message": message}] == refused.json["errors"]
    assert [GRACE] == [one["email_address"] for one in api.members()["members"]]
    assert api.on_list("GET", "/tag-search").json["tags"] == []


@pytest.mark.parametrize(
    ("method", "odd", "field", "message"),
    [(method, *one) for method in ("PUT", "PATCH") for one in ODD if method == "PUT" or "tags" not in one[0]],
)
def test_a_misshapen_change_leaves_the_member_as_it_was(api, method, odd, field, message):
    api.put(ADA, location={"latitude": 1.5, "longitude": 2}, tags=["alumni"], merge_fields={"FNAME": "Ada"})
    before = api.member("GET", ADA).json

    refused = api.member(method, ADA, {"language": "en", **odd})

    assert [{"field": field, "message": message}] == refused.json["errors"]
    assert before == api.member("GET", ADA).json


@pytest.mark.parametrize("tags", [["new"], [{"name": "new"}], "new", None])
def test_tags_are_no_part_of_a_patch_whatever_they_are(api, tags):
    api.put(ADA, tags=["alumni"])

    answer = api.member("PATCH", ADA, {"language": "en", "tags": tags})

    assert (answer.status_code, answer.json["language"]) == (200, "en")
    assert ["alumni"] == [one["name"] for one in answer.json["tags"]]


@pytest.mark.parametrize(("odd", "field", "message"), ODD)
def test_in_a_batch_a_misshapen_part_refuses_that_member_only(api, odd, field, message):
    answer = api.batch([_wish(**odd), _wish(GRACE)])

    assert [GRACE] == [one["email_address"] for one in answer.json["new_members"]]
    assert [(ADA, "ERROR_GENERIC", field, message)] == [
        (one["email_address"], one["error_code"], one["field"], one["field_message"])
        for one in answer.json["errors"]
    ]
    assert api.members()["total_items"] == 1


@pytest.mark.parametrize("name", ["update_existing", "sync_tags"])
@pytest.mark.parametrize(("given", "found"), [("false", "string"), (1, "integer"), (None, "NULL")])
def test_a_batchs_switch_is_true_or_false(api, name, given, found):
    api.put(ADA, tags=["staff"])

    refused = api.batch([_wish(tags=["ours"])], **{name: given})

    said = f"Schema describes boolean, {found} found instead"
    assert [{"field": name, "message": said}] == refused.json["errors"]
    assert ["staff"] == [one["name"] for one in api.member("GET", ADA).json["tags"]]


@pytest.mark.parametrize(("told", "field", "message"), PERMISSIONS)
def test_a_permission_is_named_by_a_text_and_is_true_or_false(api, told, field, message):
    refused = api.post(_wish(marketing_permissions=told))

    assert [{"field": field, "message": message}] == refused.json["errors"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("part", ['"location": {"latitude": ?}', '"merge_fields": {"FNAME": ?}', '"vip": ?'])
def test_what_is_no_json_number_is_no_json(api, number, part):
    refused = _post_text(api, part.replace("?", number))

    assert (refused.status_code, refused.json["title"]) == (400, "JSON Parse Error")
    assert api.members()["total_items"] == 0


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_all_numbers_is_refused_and_everybody_can_be_read(api, number):
    refused = _post_text(api, f'"location": {{"latitude": {number}}}')
    page = api.on_list("GET", "/members").text

    assert refused.status_code == 400
    assert json.loads(page, parse_constant=pytest.fail)["total_items"] == 0


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"latitude": 1.5, "longitude": -2}, (1.5, -2)),
        ({"latitude": 0, "longitude": 0.0}, (0, 0)),
        ({"latitude": 3}, (3, 0)),
        ({}, (0, 0)),
    ],
)
def test_a_place_of_numbers_is_kept(api, told, place):
    made = api.post(_wish(location=told)).json["location"]

    assert place == (made["latitude"], made["longitude"])


@pytest.mark.parametrize("email_type", ["html", "text"])
def test_both_types_of_mail_are_taken(api, email_type):
    assert email_type == api.post(_wish(email_type=email_type)).json["email_type"]


@pytest.mark.parametrize(
    ("told", "field", "message"),
    [
        ({"name": {"a": 1}, "status": "active"}, "tags.item:1.name", "Schema describes string, object"),
        ({"name": "x", "status": "ACTIVE"}, "tags.item:1.status", ACCEPTED + "active, inactive."),
        ({"name": "x", "status": []}, "tags.item:1.status", "Schema describes string, array"),
    ],
)
def test_a_misshapen_tag_puts_none_of_its_call_on(api, told, field, message):
    api.put(ADA)

    refused = api.member("POST", ADA, {"tags": [{"name": "good", "status": "active"}, told]}, "/tags")

    error = refused.json["errors"][0]
    assert (field, True) == (error["field"], error["message"].startswith(message))
    assert api.member("GET", ADA).json["tags"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": {}, "type": "radio"}, "title"),
        ({"title": "x", "type": "odd"}, "type"),
        ({"title": "x", "type": "radio", "display_order": "a"}, "display_order"),
    ],
)
def test_a_misshapen_group_is_refused(api, body, field):
    refused = api.on_list("POST", "/interest-categories", body)

    assert (400, [field]) == (refused.status_code, [one["field"] for one in refused.json["errors"]])
    assert api.on_list("GET", "/interest-categories").json["total_items"] == 0
