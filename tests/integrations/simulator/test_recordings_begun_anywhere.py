"""Whatever the first line of a recording is, what it shows or takes for granted was there before."""

import pytest

from integrations.mailchimp.simulator.member import md5_of
from tests.integrations.simulator.tape import ADA, EVE, GRACE, LIST, NOT_FOUND, START, Tape, audience

CATEGORY, INTEREST = "a1134cf2d3", "9143cf3bd1"
LONG_AGO = "2021-05-01T00:00:00+00:00"
SEGMENT = {
    "id": 103, "name": "One", "member_count": 1, "type": "static", "created_at": LONG_AGO, "updated_at": LONG_AGO,
    "options": {"match": "any", "conditions": []}, "list_id": LIST, "_links": [],
}  # fmt: skip
SAVED = {
    **SEGMENT, "id": 104, "name": "Active", "type": "saved",
    "options": {"match": "all", "conditions": [{"condition_type": "TextMerge", "op": "is", "field": "FNAME", "value": "x"}]},
}  # fmt: skip
FIELD = {
    "merge_id": 9, "tag": "LTV", "name": "Worth", "type": "number", "required": True, "default_value": "", "public": True,
    "display_order": 4, "options": {}, "help_text": "in euros", "list_id": LIST, "_links": [],
}  # fmt: skip
GROUP = {
    "list_id": LIST, "id": CATEGORY, "title": "Topics", "display_order": 3, "type": "radio", "_links": [],
}  # fmt: skip
CHOICE = {
    "category_id": CATEGORY, "list_id": LIST, "id": INTEREST, "name": "News", "subscriber_count": "7",
    "display_order": 2, "_links": [],
}  # fmt: skip
FLAGS = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True)
HOOK = {
    "id": "4f8d2e7a1b", "url": "https://hooks.example/x", "events": FLAGS,
    "sources": dict.fromkeys(("user", "admin", "api"), False), "list_id": LIST, "_links": [],
}  # fmt: skip
GROUPS = f"/interest-categories/{CATEGORY}/interests"


def _page(name: str, *shown: object, **more: object) -> dict[str, object]:
    return {name: list(shown), "list_id": LIST, "total_items": len(shown), "_links": [], **more}


FIRST_LINES = {
    "a merge field": ("GET", "/merge-fields/9", FIELD, None),
    "a merge field changed": ("PATCH", "/merge-fields/9", FIELD, {"name": "Worth"}),
    "a segment": ("GET", "/segments/103", SEGMENT, None),
    "a segment renamed": ("PATCH", "/segments/103", {**SEGMENT, "updated_at": START.isoformat()}, {"name": "One"}),
    "saved segments": ("GET", "/segments?type=saved", _page("segments", SAVED), None),
    "a search for tags": ("GET", "/tag-search?name=o", {"tags": [{"id": 103, "name": "One"}], "total_items": 1}, None),
    "interests without their category": ("GET", GROUPS, _page("interests", CHOICE, category_id=CATEGORY), None),
    "one interest": ("GET", f"{GROUPS}/{INTEREST}", CHOICE, None),
    "one category": ("GET", f"/interest-categories/{CATEGORY}", GROUP, None),
    "a webhook": ("GET", "/webhooks/4f8d2e7a1b", HOOK, None),
    "events": (
        "GET", f"/members/{md5_of(ADA)}/events",
        {"events": [{"occurred_at": LONG_AGO, "name": "bought", "properties": {"a": "b"}}], "total_items": 1, "_links": []},
        None,
    ),
    "notes": (
        "GET", f"/members/{md5_of(ADA)}/notes",
        _page("notes", {
            "id": 9, "created_at": LONG_AGO, "created_by": "Grace", "updated_at": LONG_AGO, "note": "hi",
            "list_id": LIST, "email_id": md5_of(ADA), "_links": [],
        }, email_id=md5_of(ADA)),
        None,
    ),
    "a member's activity": (
        "GET", f"/members/{md5_of(ADA)}/activity",
        _page("activity", {
            "action": "sent", "timestamp": LONG_AGO, "type": "regular", "campaign_id": "abc", "title": "News",
        }, email_id=md5_of(ADA)),
        None,
    ),
    "an audience's activity": (
        "GET", "/activity",
        _page("activity", {
            "day": "2022-02-28", "emails_sent": 2, "unique_opens": 1, "recipient_clicks": 0, "hard_bounce": 0,
            "soft_bounce": 0, "subs": 1, "unsubs": 0, "other_adds": 3, "other_removes": 0, "_links": [],
        }),
        None,
    ),
    "an audience's growth": (
        "GET", "/growth-history",
        _page("history", *[{
            "list_id": LIST, "month": month, "existing": 5, "imports": 0, "optins": 0, "subscribed": count,
            "unsubscribed": 1, "reconfirm": 0, "cleaned": 0, "pending": 0, "deleted": 2, "transactional": 0, "_links": [],
        } for month, count in (("2022-02", 4), ("2022-01", 7))]),
        None,
    ),
    "a member, two parts of it": (
        "GET", f"/members/{md5_of(ADA)}?fields=email_address,status", {"email_address": ADA, "status": "unsubscribed"}, None,
    ),
    "members, two parts of each": (
        "GET", "/members?fields=members.email_address,members.status,total_items",
        {"members": [{"email_address": ADA, "status": "pending"}, {"email_address": EVE, "status": "unsubscribed"}],
         "total_items": 2},
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST_LINES)
def test_a_recording_may_begin_with(replayed, name):
    method, tail, answer, body = FIRST_LINES[name]
    tape = Tape().on_list(method, tail, answer, 200, body)

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    "tail", ["/segments/103", "/merge-fields/9", "/webhooks/4f8d2e7a1b", f"{GROUPS}/{INTEREST}", GROUPS[:-10]]
)
def test_what_is_taken_away_was_there(replayed, tail):
    tape = Tape().on_list("DELETE", tail, "", 204).on_list("GET", tail, NOT_FOUND, 404)

    assert replayed(tape) == {}


def test_a_search_for_members_shows_an_audience_and_who_is_in_it(replayed):
    tape = Tape()
    found = {"members": [tape.member(ADA, "unsubscribed")], "total_items": 1}
    nobody = {"members": [], "total_items": 0}
    answer = {"exact_matches": found, "full_search": found, "_links": []}
    tape.add("GET", f"/3.0/search-members?query={ADA}&list_id={LIST}", answer)
    tape.add(
        "GET",
        f"/3.0/search-members?query={GRACE}",
        {"exact_matches": nobody, "full_search": nobody, "_links": []},
    )

    assert replayed(tape) == {}


def test_the_account_may_be_shown_in_part(replayed):
    tape = Tape().add("GET", "/3.0/?fields=account_name", {"account_name": "Grouparoo"})

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "/members", None),
        ("GET", "/merge-fields", None),
        ("GET", "/interest-categories", None),
        ("GET", "/segments", None),
        ("POST", "", {"members": []}),
        ("POST", "/members", {"email_address": ADA, "status": "subscribed"}),
        ("PUT", f"/members/{md5_of(ADA)}", {"email_address": ADA, "status_if_new": "subscribed"}),
    ],
)
def test_an_audience_that_answers_404_was_not_there(replayed, method, tail, body):
    tape = Tape().on_list(method, tail, NOT_FOUND, 404, body).missing("GET", ADA)

    assert replayed(tape) == {}


def test_an_audience_that_is_deleted_in_the_recording_was_there(replayed):
    tape = Tape().on_list("GET", "", audience(LIST, "Guests")).on_list("DELETE", "", "", 204)
    tape.on_list("GET", "", NOT_FOUND, 404).on_list("GET", "/members", NOT_FOUND, 404)

    assert replayed(tape) == {}


def _refused(tape: Tape, tail: str, detail: str, body: object, *errors: dict[str, str]) -> Tape:
    answer = {"title": "Invalid Resource", "detail": detail} | ({"errors": list(errors)} if errors else {})
    return tape.on_list("POST", tail, answer, 400, body)


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        ("LNAME", "", "Please enter a value"),
        ("WEB", "x", "That is not a valid URL"),
        ("ZIP", "x", "Please enter a zip code (5 digits)"),
        ("PHONE", "x", "Please enter a phone number"),
        ("COLOUR", "x", "Value must be one of: red, blue (not x)"),
    ],
)
def test_a_refused_value_tells_the_field(replayed, tag, value, message):
    told = {
        "email_address": ADA,
        "status": "subscribed",
        "merge_fields": {tag: value} if value else {"FNAME": "A"},
    }
    wrong = {"field": tag, "message": message}
    tape = _refused(Tape(), "/members", "Your merge fields were invalid.", told, wrong)

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    ("tail", "detail", "body"),
    [
        ("/merge-fields", 'A Merge Field with the tag "LTV" already exists for this list.',
         {"name": "Worth", "type": "text", "tag": "LTV"}),
        ("/segments", "Sorry, that tag already exists.", {"name": "VIPs", "static_segment": []}),
        ("/interest-categories", 'Cannot add "Topics" because it already exists on the list.',
         {"title": "Topics", "type": "checkboxes"}),
        (GROUPS, 'Cannot add "News" because it already exists on the list.', {"name": "News"}),
        ("/webhooks", "Sorry, you can't set up multiple WebHooks for one URL", {"url": "https://hooks.example/x"}),
    ],
)  # fmt: skip
def test_what_is_refused_as_known_was_there(replayed, tail, detail, body):
    assert replayed(_refused(Tape(), tail, detail, body)) == {}


def test_members_of_a_segment_came_in_without_the_tag_and_are_shown_with_it(replayed):
    tape = Tape()
    ada = tape.member(ADA, tags=["One"], last_changed=tape.time)
    answer = {
        "members_added": [ada],
        "members_removed": [],
        "errors": [],
        "total_added": 1,
        "total_removed": 0,
    }
    told = {"members_to_add": [ADA, EVE], "members_to_remove": [GRACE]}
    tape.on_list("POST", "/segments/103", {**answer, "error_count": 0, "_links": []}, 200, told)
    tape.on("GET", ADA, ada)

    assert replayed(tape) == {}


def test_many_at_once_are_taken_back_one_by_one(replayed):
    tape = Tape()
    ada = tape.member(ADA, last_changed=tape.time, merge_fields={"FNAME": "Ada", "LNAME": "Lovelace"})
    told = {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    refused = {
        "error": f"{EVE} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    }
    refused |= {"email_address": EVE, "error_code": "ERROR_GENERIC", "field": "", "field_message": ""}
    answer = {"new_members": [], "updated_members": [ada], "errors": [refused], "total_created": 0}
    answer |= {"total_updated": 1, "error_count": 1, "_links": []}
    body = {"members": [told, {"email_address": EVE, "status": "subscribed"}], "update_existing": True}
    tape.on_list("POST", "", answer, 200, body)

    assert replayed(tape) == {}


def test_settings_of_a_member_are_taken_back_with_the_rest(replayed):
    tape = Tape().on("POST", ADA, "", 204, {"tags": [{"name": "One", "status": "inactive"}]}, tail="/tags")
    ada = tape.member(ADA, last_changed=tape.time, vip=False)
    tape.on("PATCH", ADA, ada, 200, {"vip": False})

    assert replayed(tape) == {}


def test_who_is_written_to_and_not_listed_with_the_others_is_archived(replayed):
    tape = Tape().on("POST", EVE, "", 204, {"name": "bought"}, tail="/events")
    tape.page("count=10", [tape.member(ADA)], 1)

    assert replayed(tape) == {}


def test_members_stand_as_the_first_page_of_all_shows_them(replayed):
    tape = Tape().on("POST", EVE, "", 204, {"name": "bought"}, tail="/events")
    ada, eve, grace = (tape.member(email) for email in (ADA, EVE, GRACE))
    tape.page("count=10", [ada, eve, grace], 3).page("count=1&offset=1", [eve], 3)
    tape.on("DELETE", ADA, "", 204).page("count=10", [eve, grace], 2)

    assert replayed(tape) == {}


def test_when_tags_were_put_on_is_told_after_the_member(replayed):
    tape = Tape()
    ada = tape.member(ADA, tags=["One"])
    shown = {"tags": [{**ada["tags"][0], "date_added": LONG_AGO}], "total_items": 1, "_links": []}
    tape.on("GET", ADA, ada).on("GET", ADA, shown, tail="/tags")

    assert replayed(tape) == {}


def test_a_member_in_part_is_who_is_shown_whole_later(replayed):
    tape = Tape()
    ada = tape.member(ADA, merge_fields={"FNAME": "Ada"}, language="fr", vip=True)
    part = {"id": ada["id"], "status": ada["status"], "vip": True}
    tape.on_list("GET", f"/members/{ada['id']}?fields=id,status,vip", part).on("GET", ADA, ada)

    assert replayed(tape) == {}


def test_a_part_that_the_whole_contradicts_is_noticed(replayed):
    tape = Tape()
    ada = tape.member(ADA)
    part = {"id": ada["id"], "status": "unsubscribed"}
    tape.on_list("GET", f"/members/{ada['id']}?fields=id,status", part).on("GET", ADA, ada)

    assert list(replayed(tape)) == [1]
