"""What an erased person refuses goes on counting for the address, whoever has it or comes to."""

from typing import Any

import pytest

from app.audiences.outbox import queue_changes
from app.contacts.arrivals import Arrival, Resolved
from app.contacts.erase import erase_contact
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.clock import database_now
from app.core.db import transaction
from app.core.secretbox import SecretBox
from mappings.language.fields import default_fields
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity

HOME = "home@house.test"


def refuse(office: Any, box: SecretBox, *identities: Identity) -> None:
    """A form by which somebody leaves."""
    fields = {"first_name": "Ben", "last_name": "Hart"}
    arrive(office, box, ContactPatch(identities, fields, consents=(consent("withdrawn"),)))


def arrive(office: Any, box: SecretBox, patch: ContactPatch) -> list[Resolved]:
    with transaction(office.sessions) as session:
        now = database_now(session)
        resolved = resolve(session, [Arrival(None, 0, None, None, 50, now, now, patch)], box)
        queue_changes(session, record(session, resolved, default_fields()).changed_contact_ids)
    return resolved


def consent(verdict: Any) -> ConsentEvidence:
    return ConsentEvidence("email", "newsletter", verdict)


def erase_ben(office: Any, box: SecretBox) -> None:
    """Somebody with an address and a number in another system is erased."""
    ben = office.add("ben@house.test", first_name="Ben")
    office.execute(
        "INSERT INTO identities (kind, scope, match_value, given_value, contact_id)"
        " VALUES ('external_id', 'crm', 'n1', 'n1', :id)",
        id=ben,
    )
    with transaction(office.sessions) as session:
        erase_contact(session, ben, box, "asked")


def test_an_erased_persons_refusal_counts_for_an_address_that_nobody_has_yet(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    erase_ben(office, box)

    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    resolved = arrive(office, box, ContactPatch((Identity("email", HOME),), {}, consents=(consent("given"),)))
    office.push()

    assert [True] == [one.suppressed for one in resolved]
    assert 0 == simulator.subscribing(HOME)


@pytest.mark.parametrize("times", [1, 2])
def test_an_erased_persons_refusal_counts_for_the_address_that_others_use(
    office: Any, simulator: Any, box: SecretBox, times: int
) -> None:
    erase_ben(office, box)
    cleo = office.add(HOME, first_name="Cleo")

    for _ in range(times):
        refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    office.push()

    assert ("withdrawn", 0) == (office.consent(cleo), simulator.subscribing(HOME))
    assert [(1,)] == office.execute("SELECT count(*) FROM consent_evidence WHERE verdict = 'withdrawn'")
    assert [] == office.execute(
        "SELECT id FROM contacts WHERE fields ->> 'first_name' = 'Ben' AND state = 'active'"
    )


def test_an_erased_persons_refusal_counts_again_after_the_address_was_confirmed(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    erase_ben(office, box)
    cleo = office.add(HOME, first_name="Cleo")
    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    office.say(cleo, "given", HOME, "confirmed")
    assert "given" == office.consent(cleo)

    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    office.push()

    assert ("withdrawn", 0) == (office.consent(cleo), simulator.subscribing(HOME))
