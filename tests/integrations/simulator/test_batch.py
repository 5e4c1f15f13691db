"""POST /lists/{id}: every member has an outcome of its own (contract item 18)."""

import pytest

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"


def _one(email: str, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def test_a_call_of_500_is_taken_and_one_of_501_refused(api):
    members = [_one(f"p{n}@people.example") for n in range(501)]

    assert api.batch(members[:500]).json["total_created"] == 500
    assert api.batch(members).status_code == 400


def test_new_updated_and_refused_are_told_apart(api):
    api.put(ADA)
    api.put(GRACE)
    api.sim("contact/unsubscribe", email=GRACE)

    answer = api.batch(
        [_one(ADA), _one("new@people.example"), _one(GRACE, status="subscribed"), _one("x@example.com")]
    )

    assert answer.status_code == 200
    assert tuple(answer.json[name] for name in ("total_created", "total_updated", "error_count")) == (1, 1, 2)
    assert [member["email_address"] for member in answer.json["updated_members"]] == [ADA]
    assert [(error["email_address"], error["error_code"]) for error in answer.json["errors"]] == [
        (GRACE, "ERROR_GENERIC"),
        ("x@example.com", "ERROR_GENERIC"),
    ]
    assert "compliance state" in answer.json["errors"][0]["error"]


def test_without_update_existing_who_is_there_is_an_error(api):
    api.put(ADA)

    answer = api.batch([_one(ADA)], update_existing=False)

    text = "is already a list member, do you want to update? please provide update_existing:true in the request body"
    assert [(error["error_code"], error["error"]) for error in answer.json["errors"]] == [
        ("ERROR_CONTACT_EXISTS", f"{ADA} {text}")
    ]


def test_a_bad_merge_value_names_its_field_and_spares_the_others(api):
    answer = api.batch([_one(ADA, merge_fields={"ADDRESS": {"addr1": "x"}}), _one(GRACE)])

    assert [(error["field"], error["field_message"]) for error in answer.json["errors"]] == [
        ("ADDRESS", "Please enter a complete address")
    ]
    assert answer.json["total_created"] == 1


def test_the_same_address_twice_is_an_error_unless_the_check_is_skipped(api):
    twice = [_one(ADA, merge_fields={"FNAME": "First"}), _one(ADA.upper(), merge_fields={"FNAME": "Second"})]

    checked = api.batch(twice).json
    skipped = api.batch(twice, "?skip_duplicate_check=true").json

    assert (checked["error_count"], skipped["error_count"]) == (1, 0)
    assert api.member("GET", ADA).json["merge_fields"]["FNAME"] == "First"


def test_null_means_not_mentioned(api):
    api.put(ADA, language="en", merge_fields={"FNAME": "Ada"})

    answer = api.batch(
        [_one(ADA, language=None, status=None, merge_fields={"FNAME": None, "LNAME": "King"}, tags=None)]
    )

    member = api.member("GET", ADA).json
    assert answer.json["errors"] == []
    assert tuple(member[name] for name in ("language", "full_name", "status")) == (
        "en",
        "Ada King",
        "subscribed",
    )


@pytest.mark.parametrize(("sync_tags", "left"), [(False, {"staff", "ours"}), (True, {"ours"})])
def test_sync_tags_takes_every_other_tag_off(api, sync_tags, left):
    api.put(ADA, tags=["staff"])

    api.batch([_one(ADA, tags=["ours"])], sync_tags=sync_tags)

    assert left == {tag["name"] for tag in api.member("GET", ADA).json["tags"]}


def test_neither_status_nor_status_if_new_is_an_error_of_that_member(api):
    answer = api.batch([{"email_address": ADA}, _one(GRACE)])

    assert (answer.json["error_count"], answer.json["total_created"]) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"members": {}}, [], {"members": None}])
def test_a_body_without_members_is_refused(api, body):
    assert api.call("POST", f"/lists/{api.list_id}", body).status_code == 400


def test_members_of_a_batch_are_as_by_get_but_for_what_the_real_ones_lack(api):
    lacking = {"contact_id", "source", "full_name", "web_id", "consents_to_one_to_one_messaging"}

    members = api.batch(
        [_one(ADA, tags=["x"], merge_fields={"FNAME": "Ada"}, location={"latitude": 1.5, "longitude": 2})]
    )

    full = api.member("GET", ADA).json
    expected = {name: value for name, value in full.items() if name not in lacking}
    del expected["location"]["region"]
    assert expected == members.json["new_members"][0]
    assert len(expected["_links"]) == 10
