"""Recordings of 2020 and 2021 show members without contact_id and region, and say some things in other words."""

import json

import pytest

from tests.integrations.simulator.tape import ADA, EVE, GRACE, Tape

SINCE_NOVEMBER_2021 = ("contact_id", "full_name", "consents_to_one_to_one_messaging")
ERRORS_2020 = "http://developer.mailchimp.com/documentation/mailchimp/guides/error-glossary/"
UNREMOVABLE = {
    "type": ERRORS_2020,
    "title": "Method Not Allowed",
    "detail": "This list member cannot be removed.  Please contact support.",
}


def _old(tape: Tape, email: str, status: str = "subscribed", **more):
    """A member as shown in 2020."""
    body = {
        key: value
        for key, value in tape.member(email, status, **more).items()
        if key not in SINCE_NOVEMBER_2021
    }
    links = [dict(link) for link in body["_links"]]
    links[1]["schema"] = links[1]["schema"].replace(
        "Paths/Lists/Members/Collection.json", "CollectionLinks/Lists/Members.json"
    )
    return {**body, "_links": links}


def _place(tape: Tape, region: str):
    return {**tape.member(ADA)["location"], "region": region}


def test_members_without_a_contact_id_are_known_by_the_hash_of_their_address(replayed):
    tape = Tape()
    ada = _old(tape, ADA, merge_fields={"FNAME": "Ada"}, tags=["alumni"])
    grace = _old(tape, GRACE, opt="2021-02-01T00:00:00+00:00", member_rating=4)
    tape.page("count=2&sort_field=last_changed&sort_dir=ASC", [ada, grace], 2)
    changed = {**ada, "merge_fields": {"FNAME": "Augusta", "LNAME": ""}, "last_changed": tape.time}
    tape.on("PATCH", ADA, changed, 200, {"merge_fields": {"FNAME": "Augusta"}})
    tape.on("GET", ADA, changed).on("GET", GRACE, grace)

    assert replayed(tape) == {}


def test_somebody_first_seen_under_another_address_is_known_by_it_too(replayed):
    tape = Tape()
    tape.on("POST", ADA, "", 204, {"tags": [{"name": "new", "status": "active"}]}, tail="/tags")
    eve = _old(tape, EVE, tags=["new"], last_changed=tape.time)
    tape.on("PATCH", ADA, eve, 200, {"email_address": EVE})
    tape.missing("GET", ADA).on("GET", EVE, eve)

    assert replayed(tape) == {}


def test_somebody_made_in_an_old_recording_was_not_there(replayed):
    tape = Tape()
    made = _old(tape, ADA, opt=tape.time)
    tape.on_list("POST", "/members", made, 200, {"email_address": ADA, "status": "subscribed"})
    tape.on("GET", ADA, made).page("count=5", [made], 1)

    assert replayed(tape) == {}


def test_a_put_without_an_address_makes_nobody(replayed):
    tape = Tape()
    body = {"status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    changed = tape.time
    tape.on("PUT", ADA, _old(tape, ADA, opt=changed, merge_fields={"FNAME": "Ada"}), 200, body)

    assert replayed(tape) == {}


def test_older_words_for_refusals_are_understood(replayed):
    tape = Tape()
    tape.on("DELETE", ADA, UNREMOVABLE, 405).missing("GET", GRACE)
    tape.lines[1]["resp"]["type"] = ERRORS_2020

    assert replayed(tape) == {}


@pytest.mark.parametrize("region", ["", "OH"])
def test_the_region_of_a_place_is_shown_as_recorded(replayed, region):
    tape = Tape()
    ada = tape.member(ADA, location=_place(tape, region))
    tape.on("GET", ADA, ada).on("GET", ADA, ada)

    assert replayed(tape) == {}


def test_somebody_new_is_at_a_place_of_no_region(replayed):
    tape = Tape()
    made = tape.member(ADA, opt=tape.time, location=_place(tape, ""))
    tape.on_list("POST", "/members", made, 200, {"email_address": ADA, "status": "subscribed"})

    assert replayed(tape) == {}


def test_somebody_recorded_without_a_region_can_be_given_another_place(replayed):
    tape = Tape()
    ada = tape.member(ADA)
    tape.on("GET", ADA, ada)
    place = {**ada["location"], "latitude": 1.5, "longitude": -2}
    moved = {**ada, "location": place, "last_changed": tape.time}
    tape.on("PATCH", ADA, moved, 200, {"location": {"latitude": 1.5, "longitude": -2}})

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer.pop("source"),
        lambda answer: answer.update(full_name="Somebody Else"),
        lambda answer: answer["location"].pop("timezone"),
        lambda answer: answer["location"].update(region="OH"),
        lambda answer: answer["_links"][1].update(schema="https://us9.api.mailchimp.com/Members.json"),
    ],
)
def test_what_age_does_not_explain_is_noticed_of_a_member(replayed, spoil):
    tape = Tape()
    ada = {**_old(tape, ADA), "location": _place(tape, "")}
    tape.on("GET", ADA, ada).on("GET", ADA, ada)
    tape.lines = json.loads(json.dumps(tape.lines))
    spoil(tape.lines[1]["resp"])

    assert list(replayed(tape)) == [1]


@pytest.mark.parametrize("missing", [(), ("email_id",), ("total_items",)])
def test_an_id_that_is_missing_beside_a_member_is_noticed(replayed, missing):
    tape = Tape()
    shown = {"activity": [], "email_id": "e", "contact_id": "c", "list_id": tape.list_id, "total_items": 0}
    told = {name: value for name, value in shown.items() if name not in missing}
    tape.on("GET", ADA, {**told, "_links": []}, tail="/activity")

    assert list(replayed(tape)) == [0] * len(missing)


@pytest.mark.parametrize(
    "other",
    [{"detail": "This list member cannot be removed."}, {"type": f"{ERRORS_2020}#405"}, {"full_name": "Ada"}],
)
def test_what_age_does_not_explain_is_noticed_of_a_refusal(replayed, other):
    tape = Tape().on("DELETE", ADA, {**UNREMOVABLE, **other}, 405)

    assert list(replayed(tape)) == [0]
