"""What Mailchimp shows in some years only is no difference, and nothing else is excused with it."""

import pytest

from integrations.mailchimp.simulator.member import md5_of
from tests.integrations.simulator.tape import ADA, LIST, Tape

SMS = {"sms_phone_number": "", "sms_subscription_status": "", "sms_subscription_last_updated": ""}
OF_MANY = ("contact_id", "full_name", "web_id", "source", "consents_to_one_to_one_messaging")


def _many(tape: Tape, shown: object) -> Tape:
    told = {"email_address": ADA, "status": "subscribed"}
    answer = {
        "new_members": [shown],
        "updated_members": [],
        "errors": [],
        "total_created": 1,
        "total_updated": 0,
    }
    return tape.on_list("POST", "", {**answer, "error_count": 0, "_links": []}, 200, {"members": [told]})


def _segment(**options: object) -> dict[str, object]:
    at = "2022-02-01T09:00:00+00:00"
    told = {
        "id": 3250345,
        "name": "VIPs",
        "member_count": 0,
        "type": "static",
        "created_at": at,
        "updated_at": at,
    }
    return {**told, "options": options, "list_id": LIST, "_links": []}


def _activity(**more: object) -> dict[str, object]:
    return {"activity": [], "email_id": md5_of(ADA), "list_id": LIST, "total_items": 0, "_links": [], **more}


@pytest.mark.parametrize("more", [SMS, {}])
def test_members_made_of_late_may_show_that_they_have_no_telephone(replayed, more):
    tape = Tape()
    new = tape.member(ADA, opt=tape.time, **more)
    tape.on_list("POST", "/members", new, 200, {"email_address": ADA, "status": "subscribed"}).on(
        "GET", ADA, new
    )

    assert replayed(tape) == {}


def test_a_telephone_that_came_from_nowhere_is_noticed(replayed):
    tape = Tape()
    new = tape.member(ADA, opt=tape.time, sms_phone_number="+15555550100")
    tape.on_list("POST", "/members", new, 200, {"email_address": ADA, "status": "subscribed"})

    assert list(replayed(tape)) == [0]


@pytest.mark.parametrize("left_out", [(), OF_MANY])
def test_answers_to_many_at_once_show_more_of_each_or_less(replayed, left_out):
    tape = Tape()
    new = tape.member(ADA, opt=tape.time)
    _many(tape, {name: value for name, value in new.items() if name not in left_out})

    assert replayed(tape) == {}


@pytest.mark.parametrize("name", ["status", "language", "tags_count"])
def test_anything_else_that_is_missing_of_one_among_many_is_noticed(replayed, name):
    tape = Tape()
    new = tape.member(ADA, opt=tape.time)
    _many(tape, {key: value for key, value in new.items() if key != name})

    assert list(replayed(tape)) == [0]


@pytest.mark.parametrize("match", ["any", "all"])
def test_how_no_conditions_at_all_are_to_be_met_means_nothing(replayed, match):
    tape = Tape().on_list("GET", "/segments/3250345", _segment(match=match, conditions=[]))

    assert replayed(tape) == {}


def test_conditions_of_a_static_segment_are_noticed(replayed):
    tape = Tape().on_list("GET", "/segments/3250345", _segment(match="any", conditions=[{"op": "is"}]))

    assert list(replayed(tape)) == [0]


@pytest.mark.parametrize(
    ("more", "unequal"), [({}, []), ({"contact_id": "c"}, []), ({"unknown_id": "u"}, [0])]
)
def test_activity_names_the_contact_since_contacts_have_ids(replayed, more, unequal):
    assert list(replayed(Tape().on("GET", ADA, _activity(**more), tail="/activity"))) == unequal


def test_another_case_of_an_address_keeps_its_id(replayed):
    tape = Tape()
    ada = tape.member(ADA)
    tape.on("GET", ADA, ada)
    shouted = {**ada, "email_address": ADA.upper(), "last_changed": tape.time}
    tape.on("PUT", ADA, shouted, 200, {"email_address": ADA.upper()}).on("GET", ADA, shouted)

    assert replayed(tape) == {}


def test_an_id_of_an_address_that_changes_by_itself_is_noticed(replayed):
    tape = Tape()
    ada = tape.member(ADA)
    tape.on("GET", ADA, ada).on("GET", ADA, {**ada, "unique_email_id": "0123456789"})

    assert list(replayed(tape)) == [1]
