"""The gateway's typed calls against a simulator over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.mailchimp.answers import subscriber_hash
from integrations.mailchimp.gateway import BATCH_SIZE, Gateway, wait_until_up
from integrations.mailchimp.problems import MailchimpProblem

ADA = "Ada@Lovelace.example"


def _member(email: str, **more: object) -> dict[str, object]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


@pytest.mark.parametrize("text", ["ada@lovelace.example", " Ada@Lovelace.Example ", "ADA@LOVELACE.EXAMPLE"])
def test_spellings_of_one_address_have_one_hash(text):
    assert subscriber_hash(text) == "3fdff2c5b5893d78d915d962f7925688"


def test_a_member_comes_back_as_it_was_put(gateway, list_id):
    body = _member(ADA, merge_fields={"FNAME": "Ada", "LNAME": "King"}, tags=["alumni"], language="en")

    put = gateway.put_member(list_id, ADA, body)
    got = gateway.get_member(list_id, ADA)

    assert put == got
    assert (got.email, got.status, got.tags, got.full_name) == (ADA, "subscribed", ("alumni",), "Ada King")
    assert got.merge_fields == {"FNAME": "Ada", "LNAME": "King", "ADDRESS": "", "PHONE": ""}
    assert (subscriber_hash(ADA), 32, 10) == (got.member_hash, len(got.contact_id), len(got.unique_email_id))
    assert got.opted_in_at is not None
    assert got.signed_up_at is None


def test_a_member_is_found_by_address_hash_and_contact_id(gateway, list_id):
    put = gateway.put_member(list_id, ADA, _member(ADA))

    assert [put] * 3 == [gateway.get_member(list_id, key) for key in (ADA, put.member_hash, put.contact_id)]


def test_nobody_is_found_as_none(gateway, list_id):
    assert gateway.find_member(list_id, ADA) is None


def test_a_profile_write_does_not_bring_back_who_left(simulator, gateway, list_id):
    gateway.put_member(list_id, ADA, _member(ADA))
    gateway.patch_member(list_id, ADA, {"status": "unsubscribed"})

    after = gateway.put_member(list_id, ADA, _member(ADA, merge_fields={"FNAME": "Ada"}))

    assert (after.status, after.merge_fields["FNAME"]) == ("unsubscribed", "Ada")


def test_tags_are_added_and_removed_by_name(gateway, list_id):
    gateway.put_member(list_id, ADA, _member(ADA, tags=["guest"]))

    gateway.update_tags(list_id, ADA, add=["alumni", "donor"], remove=["Guest", "never"])

    assert {"alumni", "donor"} == set(gateway.get_member(list_id, ADA).tags)


def test_archiving_twice_is_done_not_wrong(gateway, list_id):
    gateway.put_member(list_id, ADA, _member(ADA))

    assert [gateway.archive_member(list_id, ADA) for _ in range(2)] == [True, False]
    assert gateway.get_member(list_id, ADA).status == "archived"


def test_an_erased_member_cannot_be_put_again(gateway, list_id):
    gateway.put_member(list_id, ADA, _member(ADA))
    gateway.delete_member_permanently(list_id, ADA)

    with pytest.raises(MailchimpProblem) as caught:
        gateway.put_member(list_id, ADA, _member(ADA))

    assert (caught.value.kind, gateway.find_member(list_id, ADA)) == ("forgotten", None)


def test_a_batch_tells_of_each_member(gateway, list_id):
    gateway.put_member(list_id, ADA, _member(ADA))
    gateway.delete_member_permanently(list_id, ADA)
    gateway.put_member(list_id, "old@people.example", _member("old@people.example"))

    outcome = gateway.push_members(
        list_id,
        [
            _member("new@people.example"),
            _member("old@people.example", merge_fields={"FNAME": "Old"}),
            _member(ADA),
            _member("x@example.com"),
            _member("b@people.example", merge_fields={"ADDRESS": {"addr1": "half"}}),
        ],
    )

    assert (outcome.created_count, outcome.updated_count) == (1, 1)
    assert {"new@people.example", "old@people.example"} == {member.email for member in outcome.members}
    assert [(error.email, error.kind, error.field) for error in outcome.errors] == [
        (ADA, "forgotten", ""),
        ("x@example.com", "fake_address", ""),
        ("b@people.example", "bad_merge_field", "ADDRESS"),
    ]


def test_a_batch_beyond_the_limit_is_not_sent(simulator, gateway, list_id):
    with pytest.raises(ValueError, match="501 members"):
        gateway.push_members(list_id, [_member(f"p{n}@people.example") for n in range(BATCH_SIZE + 1)])

    assert gateway.call_count == 0


def test_all_members_come_in_pages_of_a_thousand(gateway, list_id):
    for start in range(0, 1500, BATCH_SIZE):
        gateway.push_members(
            list_id, [_member(f"p{n}@people.example") for n in range(start, start + BATCH_SIZE)]
        )
    calls = gateway.call_count

    members = list(gateway.iterate_members(list_id, fields=("email_address", "status")))

    assert (len({member.email for member in members}), gateway.call_count - calls) == (1500, 2)


def test_only_what_changed_since_comes_back(simulator, gateway, list_id):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(3):
        simulator.world.clock.freeze(int((start + timedelta(days=day)).timestamp()))
        gateway.put_member(list_id, f"p{day}@people.example", _member(f"p{day}@people.example"))

    found = gateway.iterate_members(
        list_id, since=start + timedelta(days=1), before=start + timedelta(days=2)
    )

    assert [member.email for member in found] == ["p1@people.example"]


def test_merge_fields_and_audiences_are_typed(gateway, list_id):
    made = gateway.add_merge_field(list_id, "YEAR", "Class", "dropdown", {"choices": ["2001", "2002"]})

    assert made == gateway.list_merge_fields(list_id)[-1]
    assert (made.tag, made.type, made.choices) == ("YEAR", "dropdown", ("2001", "2002"))
    assert gateway.list_audiences() == (gateway.get_audience(list_id),)
    assert f"id={list_id}" in gateway.get_audience(list_id).subscribe_url


def test_a_webhook_is_made_without_echo_and_tells_its_secret_once(simulator, gateway, list_id):
    webhook = gateway.create_webhook(list_id, f"{simulator.origin}/")

    assert webhook.sources == {"user": True, "admin": True, "api": False}
    assert webhook.signing_secret
    assert webhook.signing_secret not in repr(webhook)
    assert [one.signing_secret for one in gateway.list_webhooks(list_id)] == [""]
    gateway.delete_webhook(list_id, webhook.webhook_id)
    assert gateway.list_webhooks(list_id) == ()


def test_waiting_for_a_server_ends(simulator, gateway):
    assert wait_until_up(gateway, 2)
    assert not wait_until_up(Gateway("http://127.0.0.1:1/3.0", "k-us1", deadline_seconds=0.3), 0.5)
