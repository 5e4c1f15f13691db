import random
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.secretbox import SecretBox
from mappings.language.fields import FieldDictionary
from mappings.language.patch import ContactPatch, Identity
from tests.contacts.conftest import Door, gave, make_patch, withdrew


def test_fields_carry_the_event_source_and_time_behind_them(door: Door) -> None:
    arrival = door.arrival(make_patch("eva@example.org", city="Bern"))

    resolved, _ = door.bring(arrival)

    (provenance,) = door.rows(
        "SELECT provenance -> 'city' FROM contacts WHERE id = :id", id=resolved[0].contact_id
    )[0]
    patch_id = door.rows("SELECT id FROM contact_patches")[0][0]
    assert provenance == {
        "patch_id": patch_id,
        "event_id": arrival.event_id,
        "source_id": door.source_id,
        "occurred_at": "2026-03-01T12:00:00+00:00",
    }


def test_a_patch_that_says_nothing_new_changes_nothing_but_is_kept(door: Door) -> None:
    contact_id = door.add(make_patch("eva@example.org", city="Bern"))
    before = door.rows("SELECT updated_at FROM contacts")

    resolved, recorded = door.bring(door.arrival(make_patch("eva@example.org", city="Bern"), minutes=1))

    assert [one.contact_id for one in resolved] == [contact_id]
    assert (frozenset(), 0, 1) == (
        recorded.changed_contact_ids,
        recorded.written_count,
        recorded.unchanged_count,
    )
    assert before == door.rows("SELECT updated_at FROM contacts")
    assert [(2,)] == door.rows("SELECT count(*) FROM contact_patches")
    assert [(2,)] == door.rows("SELECT count(*) FROM timeline_entries")


def test_an_event_recorded_twice_has_one_effect(door: Door) -> None:
    arrival = door.arrival(make_patch("eva@example.org", city="Bern", consents=(gave(), withdrew("events"))))
    door.bring(arrival)
    tables = ("contacts", "contact_patches", "identities", "consent_evidence", "consents", "timeline_entries")
    state = {name: f"SELECT to_jsonb(t) - 'id' FROM {name} t ORDER BY 1" for name in tables}
    before = {name: door.rows(statement) for name, statement in state.items()}

    _, recorded = door.bring(arrival)

    assert before == {name: door.rows(statement) for name, statement in state.items()}
    assert recorded.changed_contact_ids <= {1}


def test_a_replay_under_another_mapping_replaces_what_the_event_said(door: Door) -> None:
    arrival = door.arrival(make_patch("wrong@example.org", city="Bern", tags_added=("old",)))
    door.bring(arrival)

    resolved, _ = door.bring(replace(arrival, patch=make_patch("right@example.org", phone="+442087654321")))

    contact_id = resolved[0].contact_id
    assert contact_id is not None
    assert door.contact_count() == 1
    assert {"email": "right@example.org", "phone": "+442087654321"} == door.fields(contact_id)
    assert [([],)] == door.rows("SELECT tags FROM contacts")
    assert door.rows("SELECT match_value FROM identities ORDER BY 1") == [
        ("+442087654321",),
        ("right@example.org",),
    ]


def test_a_replay_that_names_somebody_else_leaves_no_empty_contact(door: Door) -> None:
    eva = door.add(make_patch("eva@example.org", first_name="Eva"))
    arrival = door.arrival(make_patch("typo@example.org", consents=(gave(),)))
    door.bring(arrival)

    resolved, recorded = door.bring(replace(arrival, patch=make_patch("eva@example.org", consents=(gave(),))))

    assert resolved[0].contact_id == eva
    assert door.contact_count() == 1
    assert door.consent(eva) == "given"
    assert len(recorded.changed_contact_ids) == 2


def test_a_replay_never_takes_back_an_opt_out(door: Door) -> None:
    arrival = door.arrival(make_patch("eva@example.org", consents=(withdrew("newsletter"),)))
    resolved, _ = door.bring(arrival)

    door.bring(replace(arrival, patch=make_patch("eva@example.org", consents=(gave(),))))

    assert resolved[0].contact_id is not None
    assert door.consent(resolved[0].contact_id) == "withdrawn"
    assert [(2,)] == door.rows("SELECT count(*) FROM consent_evidence")


def test_a_replay_that_now_reads_an_opt_out_records_it(door: Door) -> None:
    arrival = door.arrival(make_patch("eva@example.org", consents=(gave(),)))
    resolved, _ = door.bring(arrival)

    door.bring(replace(arrival, patch=make_patch("eva@example.org", consents=(withdrew("newsletter"),))))

    assert resolved[0].contact_id is not None
    assert door.consent(resolved[0].contact_id) == "withdrawn"


def test_an_opt_out_binds_everybody_who_shares_the_address(door: Door) -> None:
    anna = door.add(make_patch("family@example.org", first_name="Anna", consents=(gave(),)))
    bruno = door.add(make_patch("family@example.org", first_name="Bruno", consents=(gave(),)))

    _, recorded = door.bring(
        door.arrival(make_patch("family@example.org", first_name="Anna", consents=(withdrew(),)), minutes=1)
    )

    assert ("withdrawn", "withdrawn") == (door.consent(anna), door.consent(bruno))
    assert recorded.changed_contact_ids == {anna, bruno}


def test_an_opt_out_survives_a_second_post_in_another_spelling(door: Door) -> None:
    contact_id = door.add(make_patch("eva.m@gmail.com", first_name="Eva", consents=(gave(),)))
    door.add(make_patch("eva.m@gmail.com", consents=(withdrew(proof="confirmed"),)), minutes=1)

    again = door.add(make_patch("EvaM+news@googlemail.com", first_name="Eva", consents=(gave(),)), minutes=2)

    assert again == contact_id
    assert door.consent(contact_id) == "withdrawn"


def test_an_address_that_opted_out_before_its_owner_arrived_stays_out(door: Door) -> None:
    door.add(make_patch("family@example.org", first_name="Anna", consents=(withdrew("newsletter"),)))

    bruno = door.add(make_patch("family@example.org", first_name="Bruno", consents=(gave(),)), minutes=5)

    assert door.consent(bruno) == "withdrawn"


def test_changing_the_address_does_not_shake_off_an_opt_out(door: Door) -> None:
    contact_id = door.add(make_patch("old@example.org", ids={"member": "1"}, consents=(withdrew(),)))

    door.add(make_patch("new@example.org", ids={"member": "1"}, consents=(gave(),)), minutes=5)

    assert door.consent(contact_id) == "withdrawn"


def test_confirmed_consent_newer_than_the_opt_out_lifts_it(door: Door) -> None:
    contact_id = door.add(make_patch("eva@example.org", consents=(withdrew("newsletter"),)))

    door.add(make_patch("eva@example.org", consents=(gave(proof="confirmed"),)), minutes=5)

    assert door.consent(contact_id) == "given"


def test_all_effects_of_a_batch_commit_together_or_not_at_all(
    sessions: sessionmaker[Session], box: SecretBox, dictionary: FieldDictionary
) -> None:
    with sessions() as session, session.begin():
        source_id = session.scalars(
            text("INSERT INTO sources (slug, integration) VALUES ('s', 'website') RETURNING id")
        ).one()
        door = Door(session, box, dictionary, source_id)
        arrival = door.arrival(make_patch("eva@example.org", consents=(gave(),)))
    tables = ("contacts", "contact_patches", "identities", "consent_evidence", "consents")

    with sessions() as session:
        record(session, resolve(session, [arrival], box), dictionary)
        inside = [session.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables]
        session.rollback()

    with sessions() as session:
        outside = [session.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables]
    assert ([1] * 5, [0] * 5) == (inside, outside)


def test_an_unreadable_mapping_of_too_many_consents_is_refused(door: Door) -> None:
    many = tuple(gave(f"purpose-{number}") for number in range(40))

    with pytest.raises(Exception, match="too many"):
        door.add(make_patch("eva@example.org", consents=many))


def _history(door: Door) -> list:  # type: ignore[type-arg]
    patches = [
        make_patch(
            "eva@example.org", first_name="Eva", city="Bern", consents=(gave(),), tags_added=("a", "b")
        ),
        make_patch("eva@example.org", first_name="Eva Maria", last_name="Moor", city="", tags_removed=("a",)),
        make_patch("eva@example.org", city="Basel", consents=(withdrew("newsletter"),), tags_added=("c",)),
        make_patch("eva@example.org", consents=(gave(),), full_name="Eva Moor", tags_added=("a",)),
        make_patch("eva@example.org", maiden_name="Lenz", consents=(gave("events"),), tags_removed=("c",)),
    ]
    trusts = (50, 80, 50, 30, 50)
    return [
        door.arrival(patch, minutes=minutes, trust=trust)
        for minutes, (patch, trust) in enumerate(zip(patches, trusts, strict=True))
    ]


def test_every_order_of_a_persons_events_gives_the_same_contact(door: Door) -> None:
    arrivals = _history(door)
    picker = random.Random(7)
    orders = picker.sample(list(permutations(arrivals)), 24)
    outcomes = set()

    for order in orders:
        savepoint = door.session.begin_nested()
        for batch in (order[:1], order[1:3], order[3:]):
            door.bring(*batch)
        state = door.rows(
            "SELECT c.fields::text, c.tags::text, (SELECT jsonb_object_agg(key, value - 'patch_id') FROM jsonb_each(c.provenance))::text,"
            " (SELECT string_agg(s.purpose || s.status || s.proof || s.decided_at, ',' ORDER BY s.purpose) FROM consents s)"
            " FROM contacts c"
        )
        outcomes.add(tuple(state))
        savepoint.rollback()

    assert len(outcomes) == 1
    assert '"city": "Basel"' in next(iter(outcomes))[0][0]
    assert "newsletterwithdrawn" in next(iter(outcomes))[0][3]


def test_counters_equal_distinct_events_whatever_is_repeated(door: Door) -> None:
    arrivals = [door.arrival(make_patch("eva@example.org", city=f"City {n}"), minutes=n) for n in range(8)]

    for batch in (arrivals[:5], arrivals[3:], arrivals):
        door.bring(*batch)

    assert [(8, 8)] == door.rows(
        "SELECT (SELECT count(*) FROM timeline_entries), (SELECT count(*) FROM contact_patches)"
    )


def test_a_patch_without_identities_is_kept_as_a_person_of_its_own_and_replays_onto_it(door: Door) -> None:
    arrival = door.arrival(ContactPatch(fields={"first_name": "Eva"}))
    (before,), _ = door.bring(arrival)

    (after,), _ = door.bring(replace(arrival, patch=ContactPatch(fields={"first_name": "Evi"})))

    assert before.contact_id == after.contact_id
    assert door.contact_count() == 1


def test_two_patches_of_one_event_are_two_people(door: Door) -> None:
    first = door.arrival(make_patch("a@example.org", consents=(gave(),)))
    second = replace(
        first, ordinal=1, patch=ContactPatch((Identity("email", "b@example.org"),), consents=(gave(),))
    )

    resolved, recorded = door.bring(first, second)

    assert len({one.contact_id for one in resolved}) == 2
    assert recorded.written_count == 2
    assert [(2,)] == door.rows("SELECT count(*) FROM consent_evidence")
