"""A marketing permission is consent: what somebody takes away at Mailchimp is withdrawn, what they give there stays."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text

from app.audiences.desire import desire
from app.audiences.reconcile import run_reconcile
from app.audiences.views import AudienceView, ContactView
from app.contacts.drafts import lock_drafts
from app.contacts.ledger import derive_consents
from app.core.db import transaction

ADA = "ada@house.test"
LIST_ID = "a1b2c3d4e5"
WITHDRAWALS = "SELECT purpose, method, address FROM consent_evidence WHERE verdict = 'withdrawn' ORDER BY id"


def say(office: Any, contact_id: int, purpose: str, verdict: str = "given", proof: str = "claimed") -> None:
    with transaction(office.sessions) as session:
        session.execute(
            text(
                "INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, proof, occurred_at)"
                " VALUES (:id, 'email', :purpose, :address, :verdict, :proof, now())"
            ),
            {"id": contact_id, "purpose": purpose, "address": ADA, "verdict": verdict, "proof": proof},
        )
        derive_consents(session, lock_drafts(session, [contact_id]).values())
    office.touch(contact_id)


def choose(simulator: Any, **choices: bool) -> None:
    """What Ada does in Mailchimp's preferences."""
    simulator.later()
    told = [{"marketing_permission_id": one, "enabled": is_given} for one, is_given in choices.items()]
    simulator.contact("edit", ADA, marketing_permissions=told)


def given(simulator: Any) -> set[str]:
    return set(simulator.member(ADA).permissions)


def push_all(office: Any, contact_id: int) -> None:
    office.touch(contact_id)
    office.push()
    run_reconcile(office.sessions, office.connections, office.audience_id, "test")
    office.push()


def joined(office: Any, *purposes: str) -> int:
    contact_id = int(office.add(ADA, first_name="Ada"))
    for purpose in purposes:
        say(office, contact_id, purpose)
    office.push()
    office.push()
    return contact_id


def test_a_permission_that_was_taken_away_is_withdrawn_and_stays_away(
    office: Any, simulator: Any, permissions: tuple[str, str]
) -> None:
    mail, ads = permissions
    contact_id = joined(office, "advertising")
    both = given(simulator)
    choose(simulator, **{ads: False})

    office.pull()
    office.pull()
    push_all(office, contact_id)

    assert ({mail, ads}, {mail}) == (both, given(simulator))
    assert [("advertising", "permission", ADA)] == office.execute(WITHDRAWALS)
    assert (office.consent(contact_id), simulator.member(ADA).status) == ("given", "subscribed")


def test_whoever_takes_the_audiences_own_permission_away_is_taken_out(
    office: Any, simulator: Any, permissions: tuple[str, str]
) -> None:
    contact_id = joined(office)
    choose(simulator, **{permissions[0]: False})

    office.pull()
    push_all(office, contact_id)

    assert (office.consent(contact_id), given(simulator)) == ("withdrawn", set())
    assert simulator.member(ADA).status == "unsubscribed"


@pytest.mark.parametrize("push_count", [1, 2])
def test_a_permission_taken_away_is_heard_after_a_push_that_saw_it_first(
    office: Any, simulator: Any, permissions: tuple[str, str], push_count: int
) -> None:
    mail, ads = permissions
    contact_id = joined(office, "advertising")
    choose(simulator, **{ads: False})
    for number in range(push_count):
        office.change(contact_id, first_name=f"Augusta {number}")
        office.push()

    office.pull()
    push_all(office, contact_id)

    assert given(simulator) == {mail}
    assert [("advertising", "permission", ADA)] == office.execute(WITHDRAWALS)


def test_a_permission_given_there_stays_where_nobody_said_otherwise_here(
    office: Any, simulator: Any, permissions: tuple[str, str]
) -> None:
    contact_id = joined(office)
    choose(simulator, **{permissions[1]: True})

    office.pull()
    push_all(office, contact_id)

    assert given(simulator) == set(permissions)
    assert office.execute(WITHDRAWALS) == []


def test_a_permission_given_there_is_taken_away_where_its_purpose_is_withdrawn(
    office: Any, simulator: Any, permissions: tuple[str, str]
) -> None:
    mail, ads = permissions
    contact_id = joined(office)
    say(office, contact_id, "advertising", "withdrawn")
    choose(simulator, **{ads: True})

    office.pull()
    push_all(office, contact_id)
    office.pull()

    assert given(simulator) == {mail}
    assert [("advertising", "", ADA)] == office.execute(WITHDRAWALS)


def test_a_permission_comes_back_with_consent_that_was_confirmed_since(
    office: Any, simulator: Any, permissions: tuple[str, str]
) -> None:
    contact_id = joined(office, "advertising")
    choose(simulator, **{permissions[1]: False})
    office.pull()
    office.execute(
        "UPDATE consent_evidence SET occurred_at = now() - interval '1 hour', received_at = now()"
        " WHERE verdict = 'withdrawn'"
    )
    say(office, contact_id, "advertising", proof="confirmed")

    push_all(office, contact_id)
    office.pull()

    assert given(simulator) == set(permissions)
    assert len(office.execute(WITHDRAWALS)) == 1


@pytest.mark.parametrize(("act", "status"), [("archive", "archived"), ("delete", "subscribed")])
def test_permissions_of_a_member_who_is_gone_were_not_taken_away_by_them(
    office: Any, simulator: Any, permissions: tuple[str, str], act: str, status: str
) -> None:
    contact_id = joined(office, "advertising")
    simulator.later()
    simulator.staff(act, ADA)
    office.execute("UPDATE members SET status = :status", status=status)  # which a webhook may have told
    simulator.contact("signup", ADA)
    simulator.member(ADA).permissions = ()

    office.pull()
    push_all(office, contact_id)

    assert office.execute(WITHDRAWALS) == []
    assert given(simulator) == set(permissions)


@pytest.mark.parametrize(
    ("purposes", "withdrawn", "expected"),
    [
        (("ads",), (), {"1": True}),
        ((), ("ads",), {"1": False}),
        ((), ("*",), {"1": False}),
        (("ads",), ("*",), {"1": True}),
        ((), (), {}),
        ((), ("events",), {}),
    ],
)
def test_only_what_the_ledger_says_is_written(
    purposes: tuple[str, ...], withdrawn: tuple[str, ...], expected: Mapping[str, bool]
) -> None:
    audience = AudienceView(1, 1, "news", LIST_ID, marketing_permissions={"1": "ads"})
    contact = ContactView(1, fields={"email": ADA}, purposes=purposes, withdrawn=withdrawn)

    assert expected == desire(contact, None, audience).permissions
