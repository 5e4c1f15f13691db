"""Whom an opt-out at Mailchimp binds, by whatever way it is heard: webhook, reading, or the answer to a write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from app.audiences.there import opt_out_method
from app.contacts.drafts import lock_drafts
from app.contacts.ledger import derive_consents
from app.core.db import transaction
from app.sources.mappings import publish_mapping
from integrations.mailchimp.answers import MemberState
from mappings.language.presets import find_preset
from tests.kit.office import Office

ADA = "ada@house.test"
LIST_ID, OTHER_LIST = "a1b2c3d4e5", "b2c3d4e5f6"
WITHDRAWALS = "SELECT purpose, method FROM consent_evidence WHERE verdict = 'withdrawn' ORDER BY id"
Webhook = Callable[..., None]


@dataclass
class Both:
    """Ada, a member of the newsletter's audience and of the events', each with consent to its own purpose."""

    office: Office
    events: Office
    simulator: Any
    ada: int

    def leave(self, act: str) -> None:
        """At the newsletter's audience."""
        self.simulator.later()
        self.simulator.contact(act, ADA, list_id=LIST_ID)

    def settle(self) -> None:
        for each in (self.office, self.events):
            each.pull()
        for each in (self.office, self.events, self.office, self.events):
            each.push()

    @property
    def withdrawals(self) -> list[tuple[str, str]]:
        return [tuple(row) for row in self.office.execute(WITHDRAWALS)]

    @property
    def statuses(self) -> tuple[str, str]:
        audiences = self.simulator.running.world.audiences
        return audiences[LIST_ID].find(ADA).status, audiences[OTHER_LIST].find(ADA).status


@pytest.fixture
def both(office: Office, simulator: Any) -> Both:
    simulator.call("POST", "/lists", {"list_id": OTHER_LIST, "name": "Events"})
    office.execute(
        "INSERT INTO audiences (slug, destination_id, list_id, purpose, approved_at)"
        " SELECT 'events', destination_id, :list_id, 'events', now() FROM audiences",
        list_id=OTHER_LIST,
    )
    ((audience_id,),) = office.execute("SELECT id FROM audiences WHERE slug = 'events'")
    events = Office(office.sessions, office.connections, audience_id)
    ada = office.add(ADA)
    agree(office, ada, "events")
    office.push()
    events.push()
    found = Both(office, events, simulator, ada)
    assert found.statuses == ("subscribed", "subscribed")
    return found


def agree(office: Office, contact_id: int, purpose: str) -> None:
    with transaction(office.sessions) as session:
        session.execute(
            text(
                "INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, occurred_at)"
                " VALUES (:id, 'email', :purpose, :address, 'given', now())"
            ),
            {"id": contact_id, "purpose": purpose, "address": ADA},
        )
        derive_consents(session, lock_drafts(session, [contact_id]).values())
    office.touch(contact_id)


def narrow_the_mapping(office: Office) -> None:
    """Unsubscribes and complaints of the audience's webhook speak of its own purpose alone."""
    preset = find_preset("mailchimp")
    assert preset is not None
    publish(office, preset.text.split("tests:\n")[0].replace('purpose: "*"', "purpose: newsletter"))


def publish(office: Office, document: str) -> None:
    with transaction(office.sessions) as session:
        source_id = session.execute(text("SELECT id FROM sources WHERE slug = 'mailchimp'")).scalar_one()
        publish_mapping(session, source_id, document)


HOOKS = {
    "unsubscribe": ("unsubscribe", {"action": "unsub", "reason": "manual"}),
    "abuse": ("unsubscribe", {"action": "unsub", "reason": "abuse"}),
    "bounce": ("cleaned", {"reason": "hard"}),
}


WAYS = ["reading", "webhook", "answer"]
METHODS = [("unsubscribe", "unsubscribe"), ("abuse", "abuse"), ("bounce", "cleaned")]


def hear(way: str, act: str, both: Both, webhook: Webhook) -> None:
    """What happened, known by this way first."""
    if way == "webhook":
        kind, told = HOOKS[act]
        webhook(kind, email=ADA, **told)
    elif way == "answer":
        both.office.change(both.ada, first_name="Augusta")
        both.office.push()
    else:
        both.office.pull()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("act", "method"), METHODS)
def test_an_opt_out_binds_every_purpose_however_it_is_heard(
    both: Both, webhook: Webhook, way: str, act: str, method: str
) -> None:
    both.leave(act)

    hear(way, act, both, webhook)
    heard = both.withdrawals
    both.settle()
    both.settle()

    assert [("*", method)] == heard == both.withdrawals
    assert "subscribed" not in both.statuses


@pytest.mark.parametrize(("act", "method"), METHODS)
def test_an_opt_out_binds_every_purpose_where_there_is_no_webhook(both: Both, act: str, method: str) -> None:
    both.leave(act)

    both.settle()

    assert [("*", method)] == both.withdrawals
    assert "subscribed" not in both.statuses


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("act", "method"), METHODS[:2])
def test_an_opt_out_binds_one_purpose_where_the_mapping_says_so(
    both: Both, webhook: Webhook, way: str, act: str, method: str
) -> None:
    narrow_the_mapping(both.office)
    both.leave(act)

    hear(way, act, both, webhook)
    heard = both.withdrawals
    both.settle()

    assert [("newsletter", method)] == heard == both.withdrawals
    assert both.statuses == ("unsubscribed", "subscribed")


@pytest.mark.usefixtures("webhook")
def test_a_mapping_for_another_purpose_leaves_nobody_in_whom_mailchimp_holds_out(both: Both) -> None:
    narrow_the_mapping(both.office)
    both.office.put(purpose="concerts")
    agree(both.office, both.ada, "concerts")
    both.office.push()
    both.leave("unsubscribe")

    both.office.pull()

    assert {("newsletter", "unsubscribe"), ("concerts", "unsubscribe")} == set(both.withdrawals)


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{to: email, from: email}", "newsletter"),
        ("{to: email, from: address, required: true}", "*"),
    ],
)
def test_a_mapping_that_says_nothing_leaves_the_own_purpose_and_one_that_cannot_say_every_one(
    both: Both, rule: str, expected: str
) -> None:
    head = "mapping: mailchimp\nversion: 1\nsource: mailchimp\ntarget: contact\n"
    publish(both.office, f"{head}fields:\n  - {rule}\n")
    both.leave("unsubscribe")

    both.office.pull()

    assert [(expected, "unsubscribe")] == both.withdrawals


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Abuse complaint", "abuse"),
        ("The emails are spam and should be reported", "abuse"),
        ("N/A (Unsubscribed by admin)", "unsubscribe"),
        ("None given", "unsubscribe"),
        ("", "unsubscribe"),
    ],
)
def test_the_reason_tells_a_complaint_from_an_unsubscribe(reason: str, expected: str) -> None:
    state = MemberState("1", ADA, "unsubscribed", unsubscribe_reason=reason)

    assert expected == opt_out_method(state)


@pytest.mark.parametrize(("act", "method"), METHODS)
def test_what_was_learned_for_one_purpose_before_is_not_learned_again_for_every(
    both: Both, act: str, method: str
) -> None:
    both.leave(act)
    both.office.pull()
    before = "unsubscribe" if act == "abuse" else method
    there = both.office.gateway().get_member(LIST_ID, ADA)
    assert there.changed_at is not None
    both.office.execute(
        "UPDATE consent_evidence SET purpose = 'newsletter', method = :method, occurred_at = :at WHERE verdict = 'withdrawn'",
        method=before,
        at=there.changed_at.replace(microsecond=999_999),
    )
    with transaction(both.office.sessions) as session:
        derive_consents(session, lock_drafts(session, [both.ada]).values())
    both.office.execute("UPDATE members SET last_changed = NULL")

    both.settle()

    assert [("newsletter", before)] == both.withdrawals


def test_a_complaint_is_heard_after_an_opt_out_of_one_purpose(both: Both) -> None:
    both.office.say(both.ada, "withdrawn", ADA)
    both.leave("abuse")

    both.settle()

    assert [("newsletter", "form"), ("*", "abuse")] == both.withdrawals
    assert "subscribed" not in both.statuses


def test_what_our_own_unheard_unsubscribing_did_speaks_of_one_purpose(both: Both) -> None:
    both.office.say(both.ada, "withdrawn", ADA)
    both.simulator.later()
    both.office.gateway().patch_member(LIST_ID, ADA, {"status": "unsubscribed"})

    both.settle()

    assert [("newsletter", "form")] == both.withdrawals
    assert both.statuses == ("unsubscribed", "subscribed")


def test_an_own_opt_in_lifts_an_opt_out_of_everything_for_its_own_purpose_alone(both: Both) -> None:
    both.leave("unsubscribe")
    both.settle()
    out = both.statuses
    both.leave("signup")

    both.settle()
    both.settle()

    assert (out, both.statuses) == (("unsubscribed", "unsubscribed"), ("subscribed", "unsubscribed"))
    assert both.office.consent(both.ada) == "given"
    assert {("*",), ("events",)} == set(
        both.office.execute("SELECT purpose FROM consents WHERE status = 'withdrawn'")
    )


def test_whoever_came_back_and_leaves_again_leaves_for_every_purpose_again(both: Both) -> None:
    for act in ("unsubscribe", "signup", "unsubscribe"):
        both.leave(act)
        both.settle()

    assert [("*", "unsubscribe")] * 2 == both.withdrawals
    assert both.office.consent(both.ada) == "withdrawn"


def test_the_name_of_a_member_who_left_makes_no_second_opt_out(both: Both) -> None:
    both.leave("unsubscribe")
    both.settle()
    both.simulator.later()
    both.simulator.staff("edit", ADA, merge_fields={"FNAME": "Adelaide"}, list_id=LIST_ID)

    both.settle()

    assert [("*", "unsubscribe")] == both.withdrawals
    assert both.office.consent(both.ada) == "withdrawn"
