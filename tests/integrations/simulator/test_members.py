"""What writes do to a member (contract items 6 to 11, 13 to 15)."""

import pytest

from integrations.mailchimp.simulator.member import md5_of

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"
COMPLIANCE = (
    "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
)


def _title(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["title"]


def test_a_new_member_has_every_field_and_empty_text_for_what_is_absent(api):
    body = api.post(
        {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada", "NOPE": "x"}}
    ).json

    assert body["merge_fields"] == {"FNAME": "Ada", "LNAME": "", "ADDRESS": "", "PHONE": ""}
    assert (md5_of(ADA), "Ada", "API - Generic", "") == tuple(
        body[name] for name in ("id", "full_name", "source", "timestamp_signup")
    )
    assert {"2026-01-01T00:00:00+00:00"} == {body["timestamp_opt"], body["last_changed"]}
    assert "unsubscribe_reason" not in body


def test_post_refuses_who_is_there_and_leaves_out_the_type(api):
    api.put(ADA)

    answer = api.post({"email_address": ADA.upper(), "status": "subscribed"})

    assert _title(answer) == (400, "Member Exists")
    assert (
        f"{ADA.upper()} is already a list member. Use PUT to insert or update list members."
        == answer.json["detail"]
    )
    assert "type" not in answer.json


def test_put_uses_status_if_new_only_for_somebody_new(api):
    api.put(ADA, "unsubscribed")

    assert api.put(ADA, "subscribed").json["status"] == "unsubscribed"
    assert api.put(GRACE, "subscribed", status="transactional").json["status"] == "transactional"


def test_put_needs_a_status_for_somebody_new_only(api):
    assert _title(api.member("PUT", ADA, {"email_address": ADA})) == (400, "Invalid Resource")
    api.put(ADA)
    assert api.member("PUT", ADA, {"email_address": ADA}).status_code == 200
    assert api.member("PUT", ADA, {"status": "unsubscribed"}).json["status"] == "unsubscribed"


def test_put_at_an_unknown_hash_goes_by_the_address_in_the_body(api):
    body = {"email_address": ADA, "status_if_new": "subscribed"}

    made = api.member("PUT", "nobody@people.example", body)
    again = api.member("PUT", "nobody@people.example", body)

    assert (200, md5_of(ADA)) == (made.status_code, made.json["id"])
    assert _title(again) == (400, "Member Exists")


@pytest.mark.parametrize("key", ["hash", "address", "contact_id"])
def test_a_member_answers_to_hash_address_and_contact_id(api, key):
    made = api.put(ADA).json
    keys = {"hash": made["id"], "address": ADA, "contact_id": made["contact_id"]}

    answer = api.call("GET", f"/lists/{api.list_id}/members/{keys[key]}")

    assert made["contact_id"] == answer.json["contact_id"]


def test_merge_fields_are_merged_and_an_empty_text_clears(api):
    api.put(ADA, merge_fields={"FNAME": "Ada", "LNAME": "King"})

    after = api.member("PATCH", ADA, {"merge_fields": {"LNAME": ""}}).json

    assert (after["merge_fields"]["FNAME"], after["merge_fields"]["LNAME"]) == ("Ada", "")


def test_one_bad_value_refuses_the_whole_write(api):
    api.put(ADA, merge_fields={"FNAME": "Ada"})

    answer = api.member("PATCH", ADA, {"merge_fields": {"FNAME": "Eve", "ADDRESS": {"addr1": "half"}}})

    assert answer.json["errors"] == [{"field": "ADDRESS", "message": "Please enter a complete address"}]
    assert api.member("GET", ADA).json["merge_fields"]["FNAME"] == "Ada"


def test_what_changes_nothing_leaves_the_time_of_change(api):
    api.put(ADA, merge_fields={"FNAME": "Ada"})
    before = api.member("GET", ADA).json["last_changed"]
    api.world.clock.advance(60)

    same = api.put(ADA, merge_fields={"FNAME": "Ada"}).json["last_changed"]
    changed = api.put(ADA, merge_fields={"FNAME": "Eve"}).json["last_changed"]

    assert (before, "2026-01-01T00:01:00+00:00") == (same, changed)


def test_patch_knows_nobody_new(api):
    assert _title(api.member("PATCH", ADA, {"status": "subscribed"})) == (404, "Resource Not Found")


def test_a_changed_address_keeps_the_person_and_not_the_hash(api):
    before = api.put(ADA, tags=["alumni"], merge_fields={"FNAME": "Ada"}).json

    after = api.member("PATCH", ADA, {"email_address": GRACE}).json

    assert md5_of(GRACE) == after["id"]
    assert before["unique_email_id"] != after["unique_email_id"]
    kept = ("contact_id", "web_id", "tags", "merge_fields", "timestamp_opt", "status")
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert api.member("GET", ADA).status_code == 404


def _move_error(api, method, body):
    answer = api.member(method, ADA, body)
    assert (answer.status_code, answer.json["title"], "type" in answer.json) == (
        400,
        "Invalid Resource",
        True,
    )
    (error,) = answer.json["errors"]
    assert error["field"] == "email address"
    return error["message"]


def test_an_address_that_somebody_else_has_is_refused(api):
    api.put(ADA), api.put(GRACE)

    assert _move_error(api, "PATCH", {"email_address": GRACE}) == (
        f'"{GRACE}" is already in this list with a status of "subscribed".'
    )


@pytest.mark.parametrize(
    ("method", "more", "word"),
    [("PUT", {"status": "subscribed"}, "subscribed"), ("PATCH", {}, "Deleted")],
)
def test_so_is_that_of_somebody_archived(api, method, more, word):
    """As recorded in 2021 (by PUT), and quoted in 2026 (by PATCH)."""
    api.put(ADA), api.put(GRACE)
    api.member("DELETE", GRACE)

    found = _move_error(api, method, {"email_address": GRACE, **more})

    assert found == f'"{GRACE}" is already in this list with a status of "{word}".'


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending"])
@pytest.mark.parametrize("is_only", [True, False])
def test_only_who_is_subscribed_is_given_another_address_unless_the_switch_says_everybody(
    api, status, is_only
):
    api.put(ADA, status)
    api.sim("switches", are_only_subscribed_moved=is_only)

    answer = api.member("PATCH", ADA, {"email_address": GRACE})

    if is_only:
        expected = f'This member\'s status is "{status}." You can only update email addresses for members with a status of "subscribed."'
        assert [{"field": "email address", "message": expected}] == answer.json["errors"]
    assert answer.status_code == (400 if is_only else 200)


def test_a_changed_address_does_not_restore_consent(api):
    api.sim("switches", are_only_subscribed_moved=False)
    api.put(ADA)
    api.sim("contact/unsubscribe", email=ADA)
    api.member("PATCH", ADA, {"email_address": GRACE})

    assert _title(api.member("PUT", GRACE, {"status": "subscribed"})) == (400, "Member In Compliance State")


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "transactional"])
def test_deleting_archives(api, status):
    api.put(ADA, status)

    assert api.member("DELETE", ADA).status_code == 204
    assert api.member("GET", ADA).json["status"] == "archived"


@pytest.mark.parametrize("status", ["pending", "cleaned", "archived"])
def test_some_cannot_be_archived(api, status):
    api.put(ADA, "subscribed" if status == "archived" else status)
    api.member("DELETE", ADA)

    answer = api.member("DELETE", ADA)

    assert _title(answer) == (405, "Method Not Allowed")
    assert answer.headers["Allow"] == "GET, PUT"
    assert "Can not archive a contact that is bounced, pending or archived" in answer.json["detail"]


def test_posting_somebody_archived_revives_with_everything_kept(api):
    before = api.put(ADA, tags=["alumni"], merge_fields={"FNAME": "Ada"}).json
    api.member("DELETE", ADA)
    api.world.clock.advance(60)

    after = api.post({"email_address": ADA, "status": "subscribed"}).json

    assert [before[name] for name in ("contact_id", "tags", "merge_fields")] == [
        after[name] for name in ("contact_id", "tags", "merge_fields")
    ]
    assert (after["status"], after["timestamp_opt"]) == ("subscribed", "2026-01-01T00:01:00+00:00")


@pytest.mark.parametrize("status", ["subscribed", "pending", "unsubscribed"])
def test_who_was_erased_comes_back_by_the_hosted_form_only(api, status):
    api.put(ADA)
    assert api.member("POST", ADA, tail="/actions/delete-permanent").status_code == 204

    posted, put = api.post({"email_address": ADA, "status": status}), api.put(ADA, status)

    assert api.member("GET", ADA).status_code == 404
    assert {(400, "Forgotten Email Not Subscribed")} == {_title(posted), _title(put)}
    api.sim("contact/signup", email=ADA)
    assert api.member("GET", ADA).json["status"] == "subscribed"


def test_an_unsubscribe_by_the_api_is_undone_by_the_api(api):
    before = api.put(ADA).json
    gone = api.member("PUT", ADA, {"status": "unsubscribed"}).json
    api.world.clock.advance(60)

    back = api.member("PUT", ADA, {"status": "subscribed"}).json

    assert gone["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    assert ("subscribed", before["timestamp_opt"]) == (back["status"], back["timestamp_opt"])


@pytest.mark.parametrize("act", ["unsubscribe", "abuse", "bounce"])
@pytest.mark.parametrize(
    "detour", [[], ["unsubscribed"], ["pending"], ["transactional"], ["pending", "unsubscribed"], ["archive"]]
)
def test_no_detour_of_the_api_subscribes_who_left(api, act, detour):
    api.put(ADA)
    api.sim(f"contact/{act}", email=ADA)
    for step in detour:
        if step == "archive":
            api.member("DELETE", ADA)
        else:
            api.member("PUT", ADA, {"status": step})

    answers = [api.member(method, ADA, {"status": "subscribed"}) for method in ("PUT", "PATCH")]

    assert {(400, "Member In Compliance State")} == {_title(answer) for answer in answers}
    assert f"{ADA} {COMPLIANCE}" == answers[0].json["detail"]
    assert "type" not in answers[0].json
    assert api.member("GET", ADA).json["status"] != "subscribed"


def test_who_left_comes_back_by_confirming(api):
    api.put(ADA)
    api.sim("contact/unsubscribe", email=ADA)

    pending = api.member("PUT", ADA, {"status": "pending"}).json
    mails = api.client.get("/_sim/outbox").json["messages"]
    api.sim("contact/confirm", email=ADA)

    assert pending["status"] == "pending"
    assert [(mail["kind"], mail["email"]) for mail in mails] == [("confirm", ADA)]
    assert api.member("GET", ADA).json["status"] == "subscribed"


@pytest.mark.parametrize(
    "email", ["x@example.com", "x@EXAMPLE.org", "x@example.net", "test@people.example", "fake@people.example"]
)
def test_a_fake_address_is_refused(api, email):
    answer = api.put(email)

    assert _title(answer) == (400, "Invalid Resource")
    assert f"{email} looks fake or invalid, please enter a real email address." == answer.json["detail"]


@pytest.mark.parametrize(
    "email", ["nobody", "a b@people.example", "a@b", "a@@people.example", "a..b@people.example"]
)
def test_what_is_no_address_is_refused(api, email):
    answer = api.post({"email_address": email, "status": "subscribed"})

    assert answer.json["detail"] == "Please provide a valid email address."


@pytest.mark.parametrize(
    "email", ["a+b@people.example", "o'hara@people.test", "ü@people.example", "A.B@sub.people.example"]
)
def test_unusual_addresses_are_welcome(api, email):
    assert api.put(email).status_code == 200


def test_an_address_that_signed_up_everywhere_waits(api):
    api.sim("signup_block", email=ADA, hours=24)

    assert "has signed up to a lot of lists very recently" in api.put(ADA).json["detail"]
    api.sim("clock", advance_seconds=24 * 3600)
    assert api.put(ADA).status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"status": "subscribed"}, "", "Required fields were not provided: email_address"),
        ({"email_address": ADA, "status": 1}, "status", "Schema describes string, integer found instead"),
        (
            {"email_address": ADA, "status": "archived"},
            "status",
            "Data presented is not one of the accepted values: subscribed, unsubscribed, cleaned, pending, transactional.",
        ),
        (
            {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": None}},
            "merge_fields.FNAME",
            "Data did not match any of the schemas described in anyOf.",
        ),
        ({"email_address": ADA, "status": "subscribed", "language": None}, "language", "NULL found"),
        ([], "", "Schema describes object"),
    ],
)
def test_a_misshapen_body_is_told_which_field(api, body, field, message):
    answer = api.post(body)

    assert _title(answer) == (400, "Invalid Resource")
    assert [field] == [error["field"] for error in answer.json["errors"]]
    assert message in answer.json["errors"][0]["message"]


def test_tags_compare_without_case_and_keep_the_first_spelling(api):
    api.put(ADA, tags=["Alumni"]), api.put(GRACE)

    api.member("POST", GRACE, {"tags": [{"name": "ALUMNI", "status": "active"}]}, "/tags")

    tags = [api.member("GET", email).json["tags"] for email in (ADA, GRACE)]
    assert tags[0] == tags[1] == [{"id": tags[0][0]["id"], "name": "Alumni"}]


def test_a_change_of_tags_is_a_change(api):
    api.put(ADA)
    for seconds, tags, expected in (
        (10, [{"name": "x", "status": "active"}], 10),
        (10, [], 10),
        (10, [{"name": "never", "status": "inactive"}], 10),
        (10, [{"name": "x", "status": "inactive"}], 40),
    ):
        api.world.clock.advance(seconds)
        assert api.member("POST", ADA, {"tags": tags}, "/tags").status_code == 204
        assert f"2026-01-01T00:00:{expected}+00:00" == api.member("GET", ADA).json["last_changed"]


def test_tags_of_nobody_are_not_found(api):
    assert api.member("POST", ADA, {"tags": []}, "/tags").status_code == 404


@pytest.mark.parametrize("is_on", [False, True])
def test_whether_put_applies_tags_on_update_is_a_switch(api, is_on):
    api.sim("switches", are_put_tags_applied_on_update=is_on)
    api.put(ADA)

    assert int(is_on) == api.put(ADA, tags=["alumni"]).json["tags_count"]


@pytest.mark.parametrize("is_on", [False, True])
def test_whether_archived_members_are_listed_is_a_switch(api, is_on):
    api.sim("switches", are_archived_listed=is_on)
    api.put(ADA)
    api.member("DELETE", ADA)

    assert (int(is_on), 1) == (api.members()["total_items"], api.members("?status=archived")["total_items"])
