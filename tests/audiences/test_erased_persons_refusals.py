"""What an erased person refuses goes on counting for the address, whoever has it or comes to."""

from typing import Any

import pytest

from app.audiences.outbox import queue_changes
from app.contacts.arrivals import Arrival
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
    with transaction(office.sessions) as session:
        now = database_now(session)
        patch = ContactPatch(
            identities=identities,
            fields={"first_name": "Ben", "last_name": "Hart"},
            consents=(ConsentEvidence("email", "newsletter", "withdrawn"),),
        )
        arrival = Arrival(None, 0, None, None, 50, now, now, patch)
        recorded = record(session, resolve(session, [arrival], box), default_fields())
        queue_changes(session, recorded.changed_contact_ids)


def ids_of(office: Any, contact_id: int) -> None:
    office.execute(
        "INSERT INTO identities (kind, scope, match_value, given_value, contact_id)"
        " VALUES ('external_id', 'crm', 'n1', 'n1', :id)",
        id=contact_id,
    )


def test_an_erased_persons_refusal_counts_for_an_address_that_nobody_has_yet(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    ben = office.add("ben@house.test", first_name="Ben")
    ids_of(office, ben)
    with transaction(office.sessions) as session:
        erase_contact(session, ben, box, "asked")

    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    with transaction(office.sessions) as session:
        now = database_now(session)
        patch = ContactPatch(
            (Identity("email", HOME),), {}, consents=(ConsentEvidence("email", "newsletter", "given"),)
        )
        arrival = Arrival(None, 0, None, None, 50, now, now, patch)
        resolved = resolve(session, [arrival], box)
        record(session, resolved, default_fields())
    office.push()

    assert [True] == [one.suppressed for one in resolved]
    assert 0 == simulator.subscribing(HOME)


@pytest.mark.parametrize("times", [1, 2])
def test_an_erased_persons_refusal_counts_for_the_address_that_others_use(
    office: Any, simulator: Any, box: SecretBox, times: int
) -> None:
    ben = office.add("ben@house.test", first_name="Ben")
    ids_of(office, ben)
    with transaction(office.sessions) as session:
        erase_contact(session, ben, box, "asked")
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
    ben = office.add("ben@house.test", first_name="Ben")
    ids_of(office, ben)
    with transaction(office.sessions) as session:
        erase_contact(session, ben, box, "asked")
    cleo = office.add(HOME, first_name="Cleo")
    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    office.say(cleo, "given", HOME, "confirmed")
    assert "given" == office.consent(cleo)

    refuse(office, box, Identity("external_id", "n1", "crm"), Identity("email", HOME))
    office.push()

    assert ("withdrawn", 0) == (office.consent(cleo), simulator.subscribing(HOME))
