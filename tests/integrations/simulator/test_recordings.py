"""Any recording of that form is replayed: other audiences, other beginnings, other files (hand-made from the wire's shapes)."""

from datetime import timedelta

import pytest

from tests.integrations.simulator.tape import ADA, EVE, GRACE, LIST, NOT_FOUND, OTHER, Tape, audience

LIMITS = {"may_create": False, "max_instances": 1, "current_total_instances": 3}


def test_members_that_were_there_before_are_met_on_their_pages(replayed):
    tape = Tape()
    ada = tape.member(ADA, merge_fields={"FNAME": "Ada"}, tags=["alumni"], member_rating=4)
    grace = tape.member(GRACE, "unsubscribed", opt="2021-02-01T00:00:00+00:00", reason="Not interested")
    tape.page("count=2&sort_field=last_changed&sort_dir=ASC", [ada, grace], 2)
    tape.on("GET", ADA, ada).page("count=2&offset=2&sort_field=last_changed&sort_dir=ASC", [], 2)
    tape.page("since_last_changed=2021-01-15T00:00:00%2B00:00", [grace], 1).page(
        "status=subscribed", [ada], 1
    )

    assert replayed(tape) == {}


def test_members_that_only_the_totals_count_are_there_too(replayed):
    tape = Tape()
    ada, grace = tape.member(ADA), tape.member(GRACE, opt="2021-02-01T00:00:00+00:00")
    tape.page("count=1&offset=3&sort_field=last_changed&sort_dir=ASC", [ada], 9)
    tape.page("count=1&offset=4&sort_field=last_changed&sort_dir=ASC", [grace], 9)

    assert replayed(tape) == {}


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_members_of_one_moment_stand_by_their_web_ids_or_exactly_backwards(replayed, order):
    tape = Tape()
    tied = [tape.member(email, web_id=number) for number, email in enumerate((GRACE, EVE, ADA), start=4)]
    tape.on("GET", EVE, tied[1]).on("GET", GRACE, tied[0])
    tied = tied if order == "ASC" else tied[::-1]
    tape.page(f"sort_field=last_changed&sort_dir={order}", tied, 3)
    tape.page(f"count=1&offset=2&sort_field=timestamp_opt&sort_dir={order}", tied[2:], 3)

    assert replayed(tape) == {}


def test_somebody_new_stands_behind_everybody_of_the_same_moment(replayed):
    tape = Tape()
    now = tape.time
    ada = tape.member(ADA, web_id=900_000_004, merge_fields={"FNAME": "Ada"}, last_changed=now)
    tape.on("PATCH", ADA, ada, 200, {"merge_fields": {"FNAME": "Ada"}})
    tape.now -= timedelta(seconds=1)
    new = tape.member(GRACE, opt=now, web_id=900_000_008)
    tape.on_list("POST", "/members", new, 200, {"email_address": GRACE, "status": "subscribed"})
    tape.page("sort_field=last_changed&sort_dir=DESC", [new, ada], 2)

    assert replayed(tape) == {}


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_members_of_one_moment_that_only_the_totals_count_stand_before_and_behind(replayed, order):
    tape = Tape()
    tied = [tape.member(email, web_id=number) for number, email in enumerate((GRACE, ADA), start=4)]
    tied = tied if order == "ASC" else tied[::-1]
    tape.page(f"count=2&offset=3&sort_field=last_changed&sort_dir={order}", tied, 9)

    assert replayed(tape) == {}


def test_audiences_stand_as_the_first_answer_lists_them(replayed):
    tape = Tape()
    shown, other = audience(LIST, "Guests"), audience(OTHER, "Others")
    tape.on_list("GET", "", shown)
    tape.add(
        "GET", "/3.0/lists", {"lists": [other, shown], "total_items": 2, "constraints": LIMITS, "_links": []}
    )
    tape.add(
        "GET", "/3.0/lists?count=1", {"lists": [other], "total_items": 2, "constraints": LIMITS, "_links": []}
    )

    assert replayed(tape) == {}


def test_the_audiences_and_their_fields_are_those_of_the_answers(replayed):
    tape = Tape()
    shown = audience(LIST, "Guests", double_optin=True)
    second = audience(OTHER, "Others")
    tape.add(
        "GET",
        "/3.0/lists?count=2",
        {"lists": [second, shown], "total_items": 3, "constraints": LIMITS, "_links": []},
    )
    age = {
        "merge_id": 5, "tag": "AGE", "name": "Age", "type": "number", "required": False, "default_value": "", "public": False,
        "display_order": 9, "options": {}, "help_text": "", "list_id": LIST, "_links": [],
    }  # fmt: skip
    city = {**age, "merge_id": 3, "tag": "CITY", "name": "Another", "type": "text", "display_order": 2}
    tape.on_list(
        "GET",
        "/merge-fields?count=10",
        {"merge_fields": [age, city], "list_id": LIST, "total_items": 2, "_links": []},
    )
    tape.on_list("GET", "", shown)
    tape.add("GET", "/3.0/lists/ffffffffff", NOT_FOUND, 404)

    assert replayed(tape) == {}


def test_audiences_that_share_an_id_because_the_recorder_wrote_over_them_are_told_apart(replayed):
    """As the recordings of grouparoo's import have it, which know no address of the account's owner, too."""
    tape = Tape()
    others = [
        audience(LIST, name, web_id=number, marketing_permissions=is_on)
        for number, (name, is_on) in enumerate([("First", False), ("Second", True), ("Third", False)])
    ]
    for one in others:
        del one["contact"]
    ada = tape.member(ADA)
    tape.add(
        "GET",
        "/3.0/lists?count=1000",
        {"lists": others, "total_items": 3, "constraints": LIMITS, "_links": []},
    )
    tape.page("count=4&offset=0", [ada], 1).on("GET", ADA, ada)

    assert replayed(tape) == {}


def test_ping_login_and_refused_keys_are_asked_for_as_they_must_have_been(replayed):
    tape = Tape()
    tape.add("GET", "/3.0/ping", {"health_status": "Everything's Chimpy!"})
    bad = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    tape.add("GET", "/3.0/", {"title": "API Key Invalid", "detail": bad}, 401)
    tape.add(
        "GET",
        "/3.0/",
        {"title": "API Key Missing", "detail": "Your request did not include an API key."},
        401,
    )
    busy = "You have exceeded the limit of 10 simultaneous connections."
    tape.add("GET", "/3.0/lists", {"title": "Too Many Requests", "detail": busy}, 429)
    login = {
        "dc": "us9",
        "role": "admin",
        "accountname": "A",
        "user_id": 7,
        "login_url": "https://login.mailchimp.com",
    }
    login |= {
        "login": {"email": "a@people.example", "login_id": 9},
        "api_endpoint": "https://us9.api.mailchimp.com",
    }
    tape.add("GET", "/oauth2/metadata", login)
    tape.lines[-1] |= {
        "host": "https://login.mailchimp.com:443",
        "headers": ["Content-Type", "application/json"],
    }
    tape.add("GET", "/oauth2/metadata", {"error": "invalid_token"})
    tape.lines[-1] |= {
        "host": "https://login.mailchimp.com:443",
        "headers": ["Content-Type", "application/json"],
    }

    assert replayed(tape) == {}


def test_who_is_only_written_to_was_there(replayed):
    tape = Tape()
    tape.on("POST", ADA, "", 204, {"tags": [{"name": "old", "status": "inactive"}]}, tail="/tags")
    changed = tape.time
    tape.on(
        "PATCH",
        ADA,
        tape.member(ADA, last_changed=changed, merge_fields={"FNAME": "Ada"}),
        200,
        {"merge_fields": {"FNAME": "Ada"}},
    )
    tape.on("DELETE", ADA, "", 204)
    removed = (
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
    )
    tape.on("DELETE", ADA, {"title": "Method Not Allowed", "detail": removed}, 405)
    tape.on("DELETE", GRACE, {"title": "Method Not Allowed", "detail": removed}, 405)
    tape.on("POST", EVE, "", 204, tail="/actions/delete-permanent").missing("GET", EVE)

    assert replayed(tape) == {}


def test_somebody_archived_before_the_first_line_comes_back(replayed):
    tape = Tape()
    tape.on("GET", ADA, tape.member(ADA, "archived", tags=["old"], merge_fields={"LNAME": "King"}))
    now = tape.time
    back = tape.member(ADA, opt=now, tags=["old"], merge_fields={"FNAME": "Ada", "LNAME": "King"})
    body = {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    tape.on_list("POST", "/members", back, 200, body)
    tape.on("GET", ADA, back)

    assert replayed(tape) == {}


def test_refusals_tell_what_had_happened_before(replayed):
    tape, body = Tape(), {"email_address": ADA, "status": "subscribed"}
    state = f"{ADA} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    tape.on("PUT", ADA, {"title": "Member In Compliance State", "detail": state}, 400, body)
    erased = f"{GRACE} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list."
    tape.on_list(
        "POST",
        "/members",
        {"title": "Forgotten Email Not Subscribed", "detail": erased},
        400,
        {**body, "email_address": GRACE},
    )
    exists = f"{EVE} is already a list member. Use PUT to insert or update list members."
    tape.on(
        "PUT",
        "nobody@people.example",
        {"title": "Member Exists", "detail": exists},
        400,
        {**body, "email_address": EVE},
    )
    for line in tape.lines:
        del line["resp"]["type"]
    lots = "lots@people.example has signed up to a lot of lists very recently; we're not allowing more signups for now"
    tape.on_list(
        "POST",
        "/members",
        {"title": "Invalid Resource", "detail": lots},
        400,
        {**body, "email_address": "lots@people.example"},
    )

    assert replayed(tape) == {}


def test_a_put_at_an_unknown_hash_makes_the_member_of_its_body(replayed):
    tape = Tape().missing("GET", ADA)
    made = tape.member(GRACE, opt=tape.time)
    tape.on("PUT", ADA, made, 200, {"email_address": GRACE, "status_if_new": "subscribed"})
    tape.missing("GET", ADA).on("GET", GRACE, made)

    assert replayed(tape) == {}


def test_each_file_is_a_world_of_its_own(replayed):
    one, two = Tape(), Tape(file="two.js", host="us3")
    for tape in (one, two):
        tape.missing("GET", ADA)
        made = tape.member(ADA, opt=tape.time)
        tape.on_list("POST", "/members", made, 200, {"email_address": ADA, "status": "subscribed"})
        tape.on("GET", ADA, made)
    mixed = Tape()
    mixed.lines = [line for pair in zip(one.lines, two.lines, strict=True) for line in pair]

    assert replayed(mixed) == {}


def test_groups_and_permissions_of_those_who_were_there_are_kept(replayed):
    tape = Tape()
    given = [{"marketing_permission_id": "p1", "text": "Email", "enabled": True}]
    ada = tape.member(ADA, interests={"i1": True, "i2": False}, marketing_permissions=given)
    tape.on("GET", ADA, ada)
    changed = tape.time
    after = {**ada, "interests": {"i1": False, "i2": False}, "last_changed": changed}
    tape.on("PATCH", ADA, after, 200, {"interests": {"i1": False}})

    assert replayed(tape) == {}
