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
        ("number", True, "Please enter a number"),
        ("address", {"addr1": "1 Main St"}, "Please enter a complete address"),
        ("address", "1 Main St", "Please enter a complete address"),
        ("date", "21.12.1980", "Please enter a valid date"),
        ("birthday", "1980-12-21", "Please enter a month (01-12) and a day (01-31)"),
        ("birthday", "13/01", "Please enter a month (01-12) and a day (01-31)"),
        ("url", "people", "Please enter a valid url"),
        ("zip", "ABC", "Please enter a valid zip code"),
        ("radio", "green", "Value must be one of: red, blue"),
    ],
)
def test_each_type_says_what_does_not_fit(api, type_, given, message):
    _make(api, type=type_, options={"choices": ["red", "blue"]})

    answer = api.put(ADA, merge_fields={"F": given})

    assert answer.json["detail"] == "Your merge fields were invalid."
    assert [{"field": "F", "message": message}] == answer.json["errors"]


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
