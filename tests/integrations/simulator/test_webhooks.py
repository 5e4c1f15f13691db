"""Webhooks: validated when made, signed, form-encoded, tried again, and never lost in silence (contract item 20)."""

import hashlib
import hmac
import time

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"
EVERYTHING = ("subscribe", "unsubscribe", "profile", "upemail", "cleaned")


@pytest.fixture
def gateway(running):
    gateway = Gateway(running.url, running.config.api_key, deadline_seconds=10)
    yield gateway
    gateway.close()


@pytest.fixture
def audience(running, gateway, ear):
    """The list id of an audience with a webhook for everything people and staff do, and one member."""
    list_id = running.config.list_id
    gateway.put_member(
        list_id,
        ADA,
        {"email_address": ADA, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada & Co"}},
    )
    gateway.create_webhook(list_id, ear.url, EVERYTHING, ("user", "admin"))
    return list_id


def _act(running, path: str, **wants: object) -> None:
    answer = running.app.test_client().post(f"/_sim/{path}", json=wants)
    assert answer.status_code == 200, answer.text


def test_a_webhook_is_made_once_its_url_answers(running, gateway, ear):
    gateway.create_webhook(running.config.list_id, ear.url)

    assert ear.agents == ["MailChimp.com WebHook Validator"]


@pytest.mark.parametrize("status", [302, 404, 405, 500])
def test_a_webhook_whose_url_does_not_answer_200_is_refused(running, gateway, ear, status):
    ear.get_status = status

    with pytest.raises(MailchimpProblem) as caught:
        gateway.create_webhook(running.config.list_id, ear.url)

    assert (caught.value.status, [error.field for error in caught.value.errors]) == (400, ["url"])


def test_a_contacts_unsubscribe_is_told_in_mailchimps_form(running, audience, ear):
    _act(running, "contact/unsubscribe", email=ADA)

    [told] = ear.wait_for(1)

    assert list(told)[:7] == [
        "type",
        "fired_at",
        "data[action]",
        "data[reason]",
        "data[id]",
        "data[list_id]",
        "data[email]",
    ]
    assert ("unsubscribe", "unsub", "manual", ADA, audience, "Ada & Co", "") == tuple(
        told[name]
        for name in (
            "type",
            "data[action]",
            "data[reason]",
            "data[email]",
            "data[list_id]",
            "data[merges][FNAME]",
            "data[merges][LNAME]",
        )
    )
    assert len(told["data[id]"]) == 10
    headers, body = ear.heard[0]
    assert (headers["User-Agent"], headers["Content-Type"]) == (
        "MailChimp.com",
        "application/x-www-form-urlencoded",
    )
    assert b"data%5Bmerges%5D%5BFNAME%5D=Ada+%26+Co" in body


def test_a_delivery_is_signed_over_its_raw_bytes(running, gateway, audience, ear):
    secret = next(iter(running.world.audiences[audience].webhooks.values())).secret
    _act(running, "contact/unsubscribe", email=ADA)
    ear.wait_for(1)

    headers, body = ear.heard[0]
    parts = dict(part.split("=") for part in headers["X-Mailchimp-Signature"].split(","))

    expected = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert expected == parts["v1"]
    assert abs(time.time() - int(parts["t"])) < 60


@pytest.mark.parametrize(
    ("act", "wants", "told"),
    [
        ("contact/abuse", {}, [{"type": "unsubscribe", "data[reason]": "abuse"}]),
        ("contact/bounce", {}, [{"type": "cleaned", "data[reason]": "hard", "data[email]": ADA}]),
        (
            "contact/edit",
            {"merge_fields": {"FNAME": "Eve"}},
            [{"type": "profile", "data[merges][FNAME]": "Eve"}],
        ),
        (
            "contact/change_email",
            {"new_email": GRACE},
            [
                {"type": "profile", "data[email]": GRACE},
                {"type": "upemail", "data[old_email]": ADA, "data[new_email]": GRACE},
            ],
        ),
        ("staff/archive", {}, [{"type": "unsubscribe", "data[action]": "delete"}]),
        ("staff/delete", {}, [{"type": "unsubscribe", "data[action]": "delete"}]),
        ("staff/unsubscribe", {}, [{"type": "unsubscribe", "data[action]": "unsub"}]),
        ("staff/edit", {"merge_fields": {"FNAME": "Eve"}}, [{"type": "profile"}]),
    ],
)
@pytest.mark.usefixtures("audience")
def test_each_act_is_told(running, ear, act, wants, told):
    _act(running, act, email=ADA, **wants)

    heard = sorted(ear.wait_for(len(told)), key=lambda one: one["type"])

    assert told == [{name: one[name] for name in expected} for one, expected in zip(heard, told, strict=True)]


@pytest.mark.usefixtures("audience")
def test_a_hosted_signup_is_a_subscribe_with_a_nested_address(running, ear):
    address = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}

    _act(running, "contact/signup", email=GRACE, merge_fields={"ADDRESS": address})
    [told] = ear.wait_for(1)

    assert tuple(
        told[name] for name in ("type", "data[merges][ADDRESS][addr1]", "data[merges][ADDRESS][country]")
    ) == ("subscribe", "1 Main St", "US")


def test_what_the_api_writes_is_not_told_unless_asked_for(running, gateway, audience, ear):
    gateway.patch_member(audience, ADA, {"merge_fields": {"FNAME": "Eve"}})
    gateway.patch_member(audience, ADA, {"status": "unsubscribed"})

    assert running.world.sender.counts() == {"waiting": 0, "problems": []}


def test_a_delivery_that_fails_is_tried_again(running, audience, ear):
    ear.post_statuses = [500, 503]

    _act(running, "contact/unsubscribe", email=ADA)
    told = ear.wait_for(3)

    assert [one["data[email]"] for one in told] == [ADA] * 3
    assert {1} == {len({body for _, body in ear.heard})}


def test_a_delivery_is_given_up_after_its_last_try(running, audience, ear):
    ear.post_statuses = [500] * 10

    _act(running, "contact/unsubscribe", email=ADA)
    ear.wait_for(3)
    time.sleep(0.3)

    assert len(ear.heard) == 3
    assert running.world.sender.counts()["failed"] == 3


def test_everything_twice_is_a_switch(running, audience, ear):
    _act(running, "switches", webhook_copies=2)

    _act(running, "contact/unsubscribe", email=ADA)

    assert [one["data[email]"] for one in ear.wait_for(2)] == [ADA, ADA]
