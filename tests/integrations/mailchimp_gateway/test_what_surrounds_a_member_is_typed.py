"""Interests, tags, permissions, activity, events, notes, search and batches, as the gateway gives them."""

import io
import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from integrations.mailchimp.answers import read_member
from integrations.mailchimp.gateway_batches import BatchOperation, BatchState, _read_archive
from integrations.mailchimp.problems import MailchimpProblem

ADA = "ada@lovelace.test"
EVE = "eve@lovelace.test"


def _member(email: str = ADA, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def test_interests_come_with_their_groups_and_as_a_members_choices(gateway, list_id):
    group = gateway.add_interest_category(list_id, "Wishes", "checkboxes")
    names = [gateway.add_interest(list_id, group.category_id, name) for name in ("Concerts", "Talks")]

    (found,) = gateway.list_interest_categories(list_id)
    put = gateway.put_member(list_id, ADA, _member(interests={names[0].interest_id: True}))

    assert (found.title, found.type, [one.name for one in found.interests]) == (
        "Wishes",
        "checkboxes",
        ["Concerts", "Talks"],
    )
    assert put.interests == {names[0].interest_id: True, names[1].interest_id: False}


def test_all_tags_of_a_member_are_listed_not_only_the_first_fifty(gateway, list_id):
    gateway.put_member(list_id, ADA, _member())
    names = [f"tag {number:03}" for number in range(70)]
    gateway.update_tags(list_id, ADA, add=names)

    state, tags = gateway.get_member(list_id, ADA), gateway.list_member_tags(list_id, ADA)

    assert (len(state.tags), state.tag_count) == (50, 70)
    assert sorted(tag.name for tag in tags) == names
    assert all(tag.added_at for tag in tags)
    assert [tag.name for tag in gateway.search_tags(list_id, "tag 06")] == names[60:70]


def test_a_tag_is_put_on_many_in_one_call(gateway, list_id):
    for email in (ADA, EVE):
        gateway.put_member(list_id, email, _member(email))
    gateway.update_tags(list_id, EVE, add=["alumni"])
    (tag,) = gateway.search_tags(list_id, "alumni")

    outcome = gateway.change_tag_members(list_id, tag.tag_id, add=[ADA, "nobody@house.test"], remove=[EVE])

    assert (outcome.added_count, outcome.removed_count, list(outcome.refused)) == (
        1,
        1,
        ["nobody@house.test"],
    )
    assert [gateway.get_member(list_id, email).tags for email in (ADA, EVE)] == [("alumni",), ()]
    gateway.delete_tag(list_id, tag.tag_id)
    assert gateway.get_member(list_id, ADA).tags == ()


def test_more_addresses_than_a_tag_takes_at_once_are_not_sent(gateway, list_id):
    with pytest.raises(ValueError, match="500"):
        gateway.change_tag_members(list_id, 1, add=["x"] * 501)

    assert gateway.call_count == 0


def test_marketing_permissions_are_read_by_their_id():
    body = {
        "id": "a",
        "email_address": ADA,
        "status": "subscribed",
        "marketing_permissions": [
            {"marketing_permission_id": "p1", "text": "Email", "enabled": True},
            {"marketing_permission_id": "p2", "text": "Post", "enabled": False},
        ],
    }

    assert read_member(body).marketing_permissions == {"p1": True, "p2": False}
    assert read_member({**body, "marketing_permissions": None}).marketing_permissions == {}


def test_notes_are_added_listed_and_removed(gateway, list_id):
    gateway.put_member(list_id, ADA, _member())

    note = gateway.add_member_note(list_id, ADA, "Called on Monday")

    assert [one.text for one in gateway.list_member_notes(list_id, ADA)] == ["Called on Monday"]
    gateway.delete_member_note(list_id, ADA, note.note_id)
    assert gateway.list_member_notes(list_id, ADA) == ()


def test_events_keep_their_time_and_properties(gateway, list_id):
    gateway.put_member(list_id, ADA, _member())
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    gateway.add_member_event(list_id, ADA, "visited", {"page": "home"}, occurred_at=at)

    (event,) = gateway.list_member_events(list_id, ADA)
    assert (event.name, event.occurred_at, event.properties) == ("visited", at, {"page": "home"})


def test_activity_is_chosen_by_kind(gateway, list_id):
    gateway.put_member(list_id, ADA, _member())
    gateway.add_member_note(list_id, ADA, "Called")
    gateway.add_member_event(list_id, ADA, "visited")

    everything = {one.kind for one in gateway.list_member_activity(list_id, ADA)}
    two = {one.kind for one in gateway.list_member_activity(list_id, ADA, ["note", "event"])}
    (one,) = gateway.list_member_activity(list_id, ADA, ["note"])

    assert everything > two == {"note", "event"}
    assert (one.kind, one.detail["note_text"]) == ("note", "Called")
    assert one.occurred_at is not None


def test_members_are_searched_by_address_and_found_once(gateway, list_id):
    for email in (ADA, EVE):
        gateway.put_member(list_id, email, _member(email))

    assert [one.email for one in gateway.search_members(ADA, list_id)] == [ADA]


def test_a_merge_field_is_changed_and_removed(gateway, list_id):
    made = gateway.add_merge_field(list_id, "YEAR", "Class", "number")

    changed = gateway.update_merge_field(list_id, made.merge_id, "Year of leaving", required=True)
    gateway.delete_merge_field(list_id, made.merge_id)

    assert (changed.tag, changed.name, changed.type, changed.is_required) == (
        "YEAR",
        "Year of leaving",
        "number",
        True,
    )
    with pytest.raises(MailchimpProblem) as caught:
        gateway.update_merge_field(list_id, made.merge_id, "Class")
    assert (caught.value.kind, "YEAR" in {one.tag for one in gateway.list_merge_fields(list_id)}) == (
        "merge_field_gone",
        False,
    )


def test_a_batch_is_waited_for_and_its_answers_read(gateway, list_id):
    gateway.put_member(list_id, ADA, _member())
    path = f"/lists/{list_id}/members"
    state = gateway.start_batch(
        [
            BatchOperation("GET", path, query={"count": "1"}, operation_id="page"),
            BatchOperation("POST", path, _member(EVE, status="subscribed"), operation_id="new"),
            BatchOperation("POST", path, _member(ADA, status="subscribed"), operation_id="known"),
        ]
    )

    finished = gateway.wait_for_batch(state.batch_id, look_seconds=0.05, no_progress_seconds=10)
    answers = {one.operation_id: one for one in gateway.list_batch_answers(finished)}

    assert (finished.total_count, finished.finished_count, finished.errored_count) == (3, 3, 1)
    assert {name: one.kind for name, one in answers.items()} == {
        "page": "",
        "new": "",
        "known": "member_exists",
    }
    assert answers["new"].body["email_address"] == EVE
    gateway.delete_batch(state.batch_id)


def test_a_batch_that_does_not_move_is_left(simulator, gateway, list_id):
    simulator.world.switches.batch_finalize_seconds = 3600.0
    state = gateway.start_batch([BatchOperation("GET", f"/lists/{list_id}")])

    with pytest.raises(MailchimpProblem) as caught:
        gateway.wait_for_batch(state.batch_id, look_seconds=0.02, no_progress_seconds=0.5)

    assert (caught.value.kind, caught.value.title) == ("unknown_outcome", "No Progress")


@pytest.mark.parametrize("url", ["", "http://files.test/a.tar.gz", "file:///etc/passwd"])
def test_an_archive_is_fetched_from_a_safe_address_only(gateway, url):
    with pytest.raises(MailchimpProblem) as caught:
        gateway.list_batch_answers(BatchState("b", "finished", 1, 1, 0, url))

    assert caught.value.kind == "bad_answer"


def test_an_archive_whose_signature_does_not_fit_is_refused(gateway, list_id):
    state = gateway.start_batch([BatchOperation("GET", f"/lists/{list_id}")])
    finished = gateway.wait_for_batch(state.batch_id, look_seconds=0.05)

    with pytest.raises(MailchimpProblem) as caught:
        gateway.list_batch_answers(replace(finished, archive_url=finished.archive_url[:-4] + "0000"))

    assert (caught.value.kind, caught.value.status) == ("bad_answer", 403)


def test_folders_in_an_archive_are_passed_over():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        text = json.dumps([{"status_code": 204, "operation_id": None, "response": ""}]).encode()
        file = tarfile.TarInfo("./0.json")
        file.size = len(text)
        archive.addfile(file, io.BytesIO(text))

    assert [(one.status, one.body, one.kind) for one in _read_archive(content.getvalue())] == [(204, {}, "")]
