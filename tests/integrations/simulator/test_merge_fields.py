"""Merge fields: making them, and what each type takes (contract item 5)."""

import pytest

ADA = "ada@lovelace.example"
ADDRESS = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}


def _make(api, **body) -> dict:
    return api.call("POST", f"/lists/{api.list_id}/merge-fields", {"name": "Field", "tag": "F", **body})


def test_a_new_audience_has_the_usual_four_in_the_order_of_their_tags(api):
    found = api.call("GET", f"/lists/{api.list_id}/merge-fields").json

    assert [(field["merge_id"], field["tag"]) for field in found["merge_fields"]] == [
        (3, "ADDRESS"),
        (1, "FNAME"),
        (2, "LNAME"),
        (4, "PHONE"),
    ]
    assert (found["total_items"], found["merge_field_limit"]) == (4, 30)


@pytest.mark.parametrize(
    ("type_", "given", "kept"),
    [
        ("text", "x" * 255, "x" * 255),
        ("text", 5, "5"),
        ("number", "15.5", 15.5),
        ("number", 7, 7),
        ("number", "", ""),
        ("address", ADDRESS, {**ADDRESS, "addr2": "", "country": "US"}),
        ("address", "", ""),
        ("date", "1980-12-21", "1980-12-21"),
        ("birthday", "2/29", "02/29"),
        ("phone", "+5583999999999", "+5583999999999"),
        ("url", "https://people.example/x", "https://people.example/x"),
        ("zip", "62701", "62701"),
        ("dropdown", "red", "red"),
    ],
)
def test_each_type_keeps_what_fits(api, type_, given, kept):
    _make(api, type=type_, options={"choices": ["red", "blue"]})

    assert [kept] == [api.put(ADA, merge_fields={"F": given}).json["merge_fields"][tag] for tag in ("F",)]


@pytest.mark.parametrize(
    ("type_", "given", "message"),
    [
        ("text", "x" * 256, "Please limit your entry to 255 characters"),
        ("number", "AAAAA", "Please enter a number"),
        ("number", "nan", "Please enter a number"),
        ("number", "-Infinity", "Please enter a number"),
        ("number", 10**400, "Please enter a number"),
        ("address", {"addr1": "1 Main St"}, "Please enter a complete address"),
        ("address", "1 Main St", "Please enter a complete address"),
        ("date", "21.12.1980", "Please enter the date"),
        ("birthday", "1980-12-21", "Please enter a month (01-12) and a day (01-31)"),
        ("birthday", "13/01", "Please enter a month (01-12) and a day (01-31)"),
        ("url", "people", "That is not a valid URL"),
        ("zip", "ABC", "Please enter a zip code (5 digits)"),
        ("radio", "green", "Value must be one of: red, blue (not green)"),
    ],
)
def test_each_type_says_what_does_not_fit(api, type_, given, message):
    _make(api, type=type_, options={"choices": ["red", "blue"]})

    answer = api.put(ADA, merge_fields={"F": given})

    assert answer.json["detail"] == "Your merge fields were invalid."
    assert [{"field": "F", "message": message}] == answer.json["errors"]


@pytest.mark.parametrize("given", [True, False, ["a"], [], None])
@pytest.mark.parametrize("type_", ["text", "number", "dropdown"])
def test_a_value_is_a_text_a_number_or_an_address(api, type_, given):
    _make(api, type=type_, options={"choices": ["True", "False"]})

    answer = api.put(ADA, merge_fields={"F": given})

    said = "Data did not match any of the schemas described in anyOf."
    assert [{"field": "merge_fields.F", "message": said}] == answer.json["errors"]
    assert api.member("GET", ADA).status_code == 404


def test_no_act_of_a_contact_turns_a_boolean_into_a_text(api):
    api.put(ADA)

    edited = api.client.post(
        "/_sim/contact/edit", json={"email": ADA, "merge_fields": {"FNAME": True, "LNAME": False}}
    )

    assert edited.status_code == 400
    assert (api.member("GET", ADA).json["full_name"]) == ""


NO_CHOICES = ("options", "Required fields were not provided: choices")
TYPES = "text, number, address, phone, date, url, imageurl, radio, dropdown, birthday, zip"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "", "type": "text"}, [("name", "This value should not be blank.")]),
        ({"name": 5, "type": "text"}, [("name", "Schema describes string, integer found instead")]),
        ({"type": "odd"}, [("type", f"Data presented is not one of the accepted values: {TYPES}.")]),
        ({"type": ["text"]}, [("type", "Schema describes string, array found instead")]),
        ({"type": "radio"}, [NO_CHOICES]),
        (
            {"type": "dropdown", "options": {"choices": []}},
            [NO_CHOICES],
        ),
        (
            {"type": "dropdown", "options": {"choices": ["red", 2]}},
            [("options.choices.item:1", "Schema describes string, integer found instead")],
        ),
        (
            {"type": "dropdown", "options": {"choices": {"1": "red"}}},
            [("options.choices", "Schema describes array, object found instead")],
        ),
        (
            {"type": "text", "options": {"size": "25"}},
            [("options.size", "Schema describes integer, string found instead")],
        ),
        (
            {"type": "text", "display_order": "a", "required": 1},
            [
                ("required", "Schema describes boolean, integer found instead"),
                ("display_order", "Schema describes integer, string found instead"),
            ],
        ),
        ({"type": "text", "tag": None}, [("tag", "Schema describes string, NULL found instead")]),
    ],
)
def test_a_misshapen_field_is_told_what_is_wrong(api, body, errors):
    answer = _make(api, **body)

    assert (answer.status_code, answer.json["title"]) == (400, "Invalid Resource")
    assert errors == [(one["field"], one["message"]) for one in answer.json["errors"]]
    assert api.call("GET", f"/lists/{api.list_id}/merge-fields").json["total_items"] == 4


def test_a_change_of_a_field_is_checked_like_a_new_one(api):
    field = _make(api, type="radio", options={"choices": ["red"]}).json
    path = f"/lists/{api.list_id}/merge-fields/{field['merge_id']}"
    changes = [{"name": ""}, {"options": {"choices": []}}, {"options": {"choices": "red"}}, {"public": "yes"}]

    refused = [api.call("PATCH", path, {"name": "Colour", **one}).status_code for one in changes]

    assert refused == [400] * 4
    assert api.call("GET", path).json["options"] == {"choices": ["red"]}
    assert api.call("PATCH", path, {"name": "Colour"}).json["name"] == "Colour"


def test_an_american_phone_field_wants_ten_digits(api):
    _make(api, type="phone", options={"phone_format": "US"})

    assert api.put(ADA, merge_fields={"F": "+5583999999999"}).status_code == 400
    assert api.put(ADA, merge_fields={"F": "217-555-0100"}).status_code == 200


def test_a_required_field_is_wanted_unless_the_check_is_skipped(api):
    _make(api, type="text", required=True)
    body = {"email_address": ADA, "status_if_new": "subscribed"}

    refused = api.member("PUT", ADA, body)
    taken = api.member("PUT", ADA, body, query="?skip_merge_validation=true")

    assert refused.json["errors"] == [{"field": "F", "message": "Please enter a value"}]
    assert taken.status_code == 200
    assert api.member("PATCH", ADA, {"status": "unsubscribed"}).status_code == 200


def test_a_tag_is_short_unique_and_made_where_missing(api):
    assert _make(api, type="text", tag="").json["tag"] == "MMERGE5"
    assert _make(api, type="text", tag="FNAME").status_code == 400
    assert _make(api, type="text", tag="ELEVENCHARS").status_code == 400
    assert _make(api, type="odd").status_code == 400


def test_thirty_fields_are_the_limit(api):
    for number in range(26):
        assert _make(api, type="text", tag=f"T{number}").status_code == 200

    assert _make(api, type="text", tag="T26").status_code == 400


def test_renaming_keeps_values_and_deleting_takes_them(api):
    field = _make(api, type="text", tag="OLD").json
    api.put(ADA, merge_fields={"OLD": "kept"})
    path = f"/lists/{api.list_id}/merge-fields/{field['merge_id']}"

    api.call("PATCH", path, {"tag": "NEW", "name": "New"})
    renamed = api.member("GET", ADA).json["merge_fields"]
    deleted = api.call("DELETE", path)

    assert (renamed["NEW"], "OLD" in renamed) == ("kept", False)
    assert deleted.status_code == 204
    assert "NEW" not in api.member("GET", ADA).json["merge_fields"]
    assert api.call("GET", path).status_code == 404
