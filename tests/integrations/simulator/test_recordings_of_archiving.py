"""Who cannot be archived was archived before, bounced or not confirmed yet: a recording may tell it by the refusal alone."""

import pytest

from tests.integrations.simulator.tape import ADA, Tape

UNREMOVABLE = {
    "title": "Method Not Allowed",
    "detail": "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
}


def test_somebody_tagged_whom_nothing_shows_and_who_cannot_be_archived_was_so_already(replayed):
    tape = Tape()
    tape.on("POST", ADA, "", 204, {"tags": [{"name": "old", "status": "inactive"}]}, tail="/tags")
    tape.on("DELETE", ADA, UNREMOVABLE, 405)
    back = tape.member(ADA, opt=tape.time)
    tape.on_list("POST", "/members", back, 200, {"email_address": ADA, "status": "subscribed"})

    assert replayed(tape) == {}


def test_who_could_not_be_archived_because_an_earlier_request_did_it_was_not_so_before(replayed):
    tape = Tape()
    tape.on("POST", ADA, "", 204, {"tags": [{"name": "old", "status": "inactive"}]}, tail="/tags")
    tape.on("DELETE", ADA, "", 204).on("DELETE", ADA, UNREMOVABLE, 405)

    assert replayed(tape) == {}


def test_who_could_not_be_archived_and_is_then_asked_to_confirm_was_archived(replayed):
    tape = Tape()
    tape.on("DELETE", ADA, UNREMOVABLE, 405)
    times = {"timestamp_signup": tape.time, "last_changed": tape.time, "timestamp_opt": ""}
    asked = {**tape.member(ADA, "pending", ip_signup="198.51.100.7", ip_opt=""), **times}
    tape.on_list("POST", "/members", asked, 200, {"email_address": ADA, "status": "pending"})

    assert replayed(tape) == {}


def test_who_may_not_come_back_and_cannot_be_archived_was_so_after_leaving(replayed):
    tape = Tape()
    state = f"{ADA} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    body = {"email_address": ADA, "status": "subscribed"}
    tape.on("PUT", ADA, {"title": "Member In Compliance State", "detail": state}, 400, body)
    del tape.lines[0]["resp"]["type"]
    tape.on("DELETE", ADA, UNREMOVABLE, 405)

    assert replayed(tape) == {}


@pytest.mark.parametrize("status", ["archived", "cleaned", "pending"])
def test_who_could_not_be_archived_was_what_the_next_answer_shows(replayed, status):
    tape = Tape()
    tape.on("DELETE", ADA, UNREMOVABLE, 405)
    tape.on("GET", ADA, tape.member(ADA, status))

    assert replayed(tape) == {}
