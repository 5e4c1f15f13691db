"""Whom only they themselves can bring back, as planning has it: the table, and the way of somebody real."""

from typing import Any

import pytest

from app.audiences.come_back import is_return_theirs, list_ways_back
from app.audiences.plan import plan_member
from app.audiences.valve import Standing
from app.audiences.views import LEFT, AudienceView, ContactView, Mirror
from app.core.db import transaction
from integrations.mailchimp.answers import subscriber_hash

EMAIL = "ada@house.test"
FORM = "https://mc.example/form"
GIVEN, WITHDRAWN = Standing("given", evidence_id=7), Standing("withdrawn", evidence_id=7)
AUDIENCE = AudienceView(1, 1, "news", "l", form_url=FORM, on_return="form_only")
OLDER = Standing("withdrawn")  # of everything; of this purpose the ledger says nothing


def contact(standing: Standing, **more: Any) -> ContactView:
    return ContactView(1, **{"fields": {"email": EMAIL}, "tags": ("alumni",), "standing": standing, **more})


def member(status: str, **more: Any) -> Mirror:
    return Mirror(EMAIL, subscriber_hash(EMAIL), status, **more)


def refused(code: str) -> Mirror:
    return member("", sync_state="failed", error={"code": code, "reason": "No.", "hint": ""})


@pytest.mark.parametrize(
    ("standing", "mirror"),
    [
        (WITHDRAWN, None),
        (WITHDRAWN, member("unsubscribed")),
        (WITHDRAWN, member("unsubscribed", pushed_hash=LEFT)),
        (OLDER, member("unsubscribed")),
        (WITHDRAWN, member("archived")),
        (WITHDRAWN, member("forgotten")),
        (GIVEN, member("unsubscribed")),
        (GIVEN, member("archived")),
        (GIVEN, member("forgotten")),
        (GIVEN, refused("compliance")),
        (GIVEN, refused("forgotten")),
    ],
)
def test_who_opted_out_or_was_deleted_comes_back_by_the_form(
    standing: Standing, mirror: Mirror | None
) -> None:
    assert is_return_theirs(contact(standing), mirror, AUDIENCE)


@pytest.mark.parametrize(
    ("standing", "mirror"),
    [
        (GIVEN, None),
        (GIVEN, member("subscribed")),
        (GIVEN, member("pending")),
        (GIVEN, member("archived", pushed_hash=LEFT)),
        (GIVEN, member("cleaned")),
        (WITHDRAWN, member("cleaned")),
        (GIVEN, refused("fake_address")),
        (OLDER, None),
        (Standing(), member("unsubscribed")),
        (Standing("given", is_address_blocked=True, evidence_id=7), member("unsubscribed")),
    ],
)
def test_for_everybody_else_the_form_is_no_answer(standing: Standing, mirror: Mirror | None) -> None:
    assert not is_return_theirs(contact(standing), mirror, AUDIENCE)


@pytest.mark.parametrize(
    "person",
    [
        contact(WITHDRAWN, tags=()),
        contact(WITHDRAWN, fields={}),
        contact(WITHDRAWN, state="erased"),
        contact(GIVEN, speaker_id=2),
    ],
)
def test_who_does_not_belong_there_gets_no_form(person: ContactView) -> None:
    audience = AudienceView(1, 1, "news", "l", form_url=FORM, entry_rule={"tags_any": ["alumni"]})

    assert not is_return_theirs(person, member("unsubscribed"), audience)


@pytest.mark.parametrize("status", ["unsubscribed", "archived", "forgotten", "cleaned"])
def test_it_says_what_the_list_of_those_who_cannot_be_synced_says(status: str) -> None:
    trouble = plan_member(contact(GIVEN), member(status), AUDIENCE).trouble

    assert trouble is not None
    assert (FORM in trouble.hint) == is_return_theirs(contact(GIVEN), member(status), AUDIENCE)


def test_the_way_back_opens_with_an_opt_out_and_closes_with_a_return(office: Any, simulator: Any) -> None:
    def ways() -> tuple[str, ...]:
        with transaction(office.sessions) as session:
            return tuple(way.sentence for way in list_ways_back(session, contact_id))

    contact_id = office.add(EMAIL, first_name="Ada")
    office.push()
    before = ways()
    simulator.contact("unsubscribe", EMAIL)
    office.pull()
    office.say(contact_id, "given", EMAIL)
    claimed = ways()
    simulator.later()
    simulator.contact("signup", EMAIL)
    office.pull()

    assert ((), ()) == (before, ways())
    assert len(claimed) == 1
    assert "Only the person can sign up here again. Send them this link: http" in claimed[0]


@pytest.mark.parametrize(
    "change",
    ["remote_schema = remote_schema - 'subscribe_url'", "is_enabled = false", "paused_code = 'gone'"],
)
def test_there_is_no_link_without_a_form_or_an_audience(office: Any, simulator: Any, change: str) -> None:
    contact_id = office.add(EMAIL, consent="withdrawn")
    with transaction(office.sessions) as session:
        there = len(list_ways_back(session, contact_id))
    office.execute(f"UPDATE audiences SET {change} RETURNING id")

    with transaction(office.sessions) as session:
        assert (1, ()) == (there, list_ways_back(session, contact_id))
