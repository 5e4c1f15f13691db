"""Ids of what a recording makes are the recorded ones: later paths name them, and so may answers about members."""

import pytest

from integrations.mailchimp.simulator.member import md5_of
from tests.integrations.simulator.tape import ADA, LIST, NOT_FOUND, Tape

CATEGORY, INTEREST = "a1134cf2d3", "9143cf3bd1"
DEFAULT_OPTIONS = {
    "text": {"size": 25},
    "number": {},
    "date": {"date_format": "MM/DD/YYYY"},
    "address": {"default_country": 164},
    "phone": {"phone_format": "none"},
    "birthday": {"date_format": "MM/DD"},
    "url": {"size": 25},
    "zip": {"size": 25},
}


def segment(
    tag_id: int, name: str, at: str = "2022-02-01T09:00:00+00:00", **more: object
) -> dict[str, object]:
    times = {"created_at": at, "updated_at": at}
    told = {"id": tag_id, "name": name, "member_count": 0, "type": "static", **times}
    return {**told, "options": {"match": "any", "conditions": []}, "list_id": LIST, "_links": [], **more}


def merge_field(merge_id: int, tag: str, type_: str = "text", **more: object) -> dict[str, object]:
    return {
        "merge_id": merge_id, "tag": tag, "name": tag.title(), "type": type_, "required": False, "default_value": "",
        "public": False, "display_order": merge_id + 1, "options": DEFAULT_OPTIONS[type_], "help_text": "",
        "list_id": LIST, "_links": [], **more,
    }  # fmt: skip


def category(category_id: str = CATEGORY, title: str = "Topics") -> dict[str, object]:
    told = {"list_id": LIST, "id": category_id, "title": title, "display_order": 0}
    return {**told, "type": "checkboxes", "_links": []}


def interest(interest_id: str = INTEREST, name: str = "News", order: int = 1) -> dict[str, object]:
    told = {"category_id": CATEGORY, "list_id": LIST, "id": interest_id, "name": name}
    return {**told, "subscriber_count": "0", "display_order": order, "_links": []}


def test_a_segment_is_made_met_and_gone(replayed):
    tape = Tape()
    new, again = segment(3250345, "VIPs", tape.time), segment(3250399, "VIPs", "2022-03-01T09:00:03+00:00")
    tape.on_list("POST", "/segments", new, 200, {"name": "VIPs", "static_segment": []})
    tape.on_list("GET", "/segments/3250345", new).on_list("DELETE", "/segments/3250345", "", 204)
    tape.on_list("POST", "/segments", again, 200, {"name": "VIPs", "static_segment": []})
    tape.on_list("GET", "/segments/3250345", NOT_FOUND, 404).on_list("GET", "/segments/3250399", again)

    assert replayed(tape) == {}


def test_a_tag_that_a_member_brings_along_is_met_as_a_segment(replayed):
    tape = Tape()
    ada = tape.member(ADA, opt=tape.time, tags=["fresh"])
    shown = segment(ada["tags"][0]["id"], "fresh", tape.time)
    told = {"email_address": ADA, "status": "subscribed", "tags": ["fresh"]}
    tape.on_list("POST", "/members", ada, 200, told)
    tape.on_list("GET", f"/segments/{shown['id']}", shown)

    assert replayed(tape) == {}


def test_groups_are_made_and_chosen(replayed):
    tape = Tape()
    made, chosen = interest(order=4), {INTEREST: True}
    tape.on_list("POST", "/interest-categories", category(), 200, {"title": "Topics", "type": "checkboxes"})
    tape.on_list("POST", f"/interest-categories/{CATEGORY}/interests", made, 200, {"name": "News"})
    page = {"interests": [made], "list_id": LIST, "category_id": CATEGORY, "total_items": 1, "_links": []}
    tape.on_list("GET", f"/interest-categories/{CATEGORY}/interests", page)
    told = {"email_address": ADA, "status_if_new": "subscribed", "interests": chosen}
    tape.on("PUT", ADA, tape.member(ADA, interests=chosen, opt=tape.time), 200, told)

    assert replayed(tape) == {}


@pytest.mark.parametrize("type_", DEFAULT_OPTIONS)
def test_a_merge_field_has_its_id_and_the_options_that_nobody_told(replayed, type_):
    tape = Tape()
    new = merge_field(17, "TICKET", type_, display_order=9)
    tape.on_list("POST", "/merge-fields", new, 200, {"name": "Ticket", "type": type_, "tag": "TICKET"})
    tape.on_list("GET", "/merge-fields/17", new)
    tape.on_list("PATCH", "/merge-fields/17", {**new, "name": "Seat"}, 200, {"name": "Seat"})
    tape.on_list("DELETE", "/merge-fields/17", "", 204).on_list("GET", "/merge-fields/17", NOT_FOUND, 404)

    assert replayed(tape) == {}


def test_a_webhook_is_made_met_and_gone(replayed):
    tape = Tape()
    flags = {
        "events": dict.fromkeys(
            ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True
        )
    }
    told = {
        "url": "https://hooks.example/x",
        **flags,
        "sources": dict.fromkeys(("user", "admin", "api"), True),
    }
    hook = {"id": "4f8d2e7a1b", **told, "list_id": LIST, "_links": []}
    page = {"webhooks": [hook], "list_id": LIST, "total_items": 1, "_links": []}
    tape.on_list(
        "POST", "/webhooks", {**hook, "signing_enabled": True, "signing_secret": "whsec_1"}, 200, told
    )
    tape.on_list("GET", "/webhooks", page).on_list("DELETE", "/webhooks/4f8d2e7a1b", "", 204)
    tape.on_list("GET", "/webhooks", {**page, "webhooks": [], "total_items": 0})

    assert replayed(tape) == {}


def test_a_note_is_made_changed_and_gone(replayed):
    tape = Tape().on("GET", ADA, Tape().member(ADA))
    note = {
        "id": 12345,
        "created_at": tape.time,
        "created_by": "Grace",
        "updated_at": tape.time,
        "note": "hi",
    }
    note |= {"list_id": LIST, "email_id": md5_of(ADA), "contact_id": "c" + md5_of(ADA)[:31], "_links": []}
    tape.on("POST", ADA, note, 200, {"note": "hi"}, tail="/notes")
    other = {**note, "note": "hello", "updated_at": tape.time}
    tape.on("PATCH", ADA, other, 200, {"note": "hello"}, tail="/notes/12345")
    page = {"notes": [other], "email_id": md5_of(ADA), "list_id": LIST, "total_items": 1, "_links": []}
    tape.on("GET", ADA, page, tail="/notes").on("DELETE", ADA, "", 204, tail="/notes/12345")
    tape.missing("GET", ADA, "/notes/12345")

    assert replayed(tape) == {}


def test_a_batch_is_as_far_as_its_answers_say_and_done_once_they_say_so(replayed):
    tape = Tape().on("GET", ADA, Tape().member(ADA))
    batch = {
        "id": "8b2428d747", "status": "pending", "total_operations": 0, "finished_operations": 0,
        "errored_operations": 0, "submitted_at": tape.time, "completed_at": "", "response_body_url": "", "_links": [],
    }  # fmt: skip
    paths = [f"/lists/{LIST}/members/{md5_of(email)}" for email in (ADA, "nobody@people.example")]
    tape.add(
        "POST",
        "/3.0/batches",
        batch,
        200,
        {"operations": [{"method": "DELETE", "path": one} for one in paths]},
    )
    tape.add("GET", "/3.0/batches/8b2428d747", {**batch, "status": "started", "total_operations": 2})
    done = {"status": "finished", "total_operations": 2, "finished_operations": 2, "errored_operations": 1}
    done |= {"completed_at": tape.time, "response_body_url": "https://answers.example/x"}
    changed_at = tape.time
    tape.add("GET", "/3.0/batches/8b2428d747", {**batch, **done})
    tape.on("GET", ADA, tape.member(ADA, "archived", last_changed=changed_at))

    assert replayed(tape) == {}


def test_a_batch_from_before_is_met_too(replayed):
    tape = Tape()
    batch = {
        "id": "8b2428d747", "status": "finished", "total_operations": 3, "finished_operations": 3,
        "errored_operations": 1, "submitted_at": "2022-01-01T00:00:00+00:00", "_links": [],
        "completed_at": "2022-01-01T00:01:00+00:00", "response_body_url": "https://answers.example/x",
    }  # fmt: skip
    tape.add("GET", "/3.0/batches/8b2428d747", batch).add("DELETE", "/3.0/batches/8b2428d747", "", 204)
    tape.add("GET", "/3.0/batches/8b2428d747", NOT_FOUND, 404)

    assert replayed(tape) == {}


@pytest.mark.parametrize("name", ["total_operations", "errored_operations"])
def test_a_batch_that_comes_out_otherwise_is_noticed(replayed, name):
    tape = Tape()
    batch = {
        "id": "8b2428d747", "status": "pending", "total_operations": 0, "finished_operations": 0,
        "errored_operations": 0, "submitted_at": tape.time, "completed_at": "", "response_body_url": "", "_links": [],
    }  # fmt: skip
    tape.add("POST", "/3.0/batches", batch, 200, {"operations": [{"method": "GET", "path": "/lists"}]})
    done = {**batch, "status": "finished", "total_operations": 1, "finished_operations": 1}
    done |= {"completed_at": tape.time, "response_body_url": "https://answers.example/x", name: 7}
    tape.add("GET", "/3.0/batches/8b2428d747", done)

    assert list(replayed(tape)) == [1]


def test_another_thing_than_was_asked_for_is_noticed(replayed):
    tape = Tape().on_list(
        "POST", "/segments", segment(3250345, "Others"), 200, {"name": "VIPs", "static_segment": []}
    )

    assert list(replayed(tape)) == [0]
