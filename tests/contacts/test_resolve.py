import threading

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.contacts.merge import judge
from app.contacts.protect import FAN_OUT_CAP
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.secretbox import SecretBox
from mappings.language.fields import FieldDictionary
from mappings.language.patch import ContactPatch, Identity
from tests.contacts.conftest import NOON, Door, make_patch


def test_two_spellings_of_one_person_are_one_contact(door: Door) -> None:
    first = door.add(make_patch("Ana.Lopez@Example.COM", first_name="Ana", last_name="López"))

    second = door.add(make_patch(" ana.lopez@example.com", first_name="ANA", last_name="Lopez"))

    assert first == second
    assert door.contact_count() == 1


def test_two_rows_of_one_new_person_in_a_batch_are_one_contact(door: Door) -> None:
    rows = [door.arrival(make_patch("ana@example.org", first_name="Ana")) for _ in range(3)]

    resolved, recorded = door.bring(*rows)

    assert len({one.contact_id for one in resolved}) == 1
    assert [True, False, False] == [one.is_new for one in resolved]
    assert recorded.changed_contact_ids == {resolved[0].contact_id}


def test_new_people_of_a_batch_that_turn_out_to_be_one_are_one_contact(door: Door) -> None:
    rows = [
        make_patch("ana@example.org", first_name="Ana"),
        make_patch(ids={"member": "7"}, first_name="Ana"),
        make_patch("ana@example.org", ids={"member": "7"}),
    ]

    resolved, _ = door.bring(*map(door.arrival, rows))

    assert len({one.contact_id for one in resolved}) == 1
    assert door.contact_count() == 1


def test_a_household_stays_two_people_who_share_an_address(door: Door) -> None:
    anna = door.add(make_patch("family@example.org", first_name="Anna", last_name="Berg"))

    bruno = door.add(make_patch("family@example.org", first_name="Bruno", last_name="Berg"))
    anna_again = door.add(make_patch("family@example.org", first_name="Anna", last_name="Berg"))
    bruno_again = door.add(make_patch("family@example.org", first_name="Bruno"))

    assert (anna, bruno) == (anna_again, bruno_again)
    assert anna != bruno
    assert door.doubts() == [(anna, bruno, "unsure", "shared email, names differ")]


def test_an_event_without_a_name_stays_with_the_first_of_a_household(door: Door) -> None:
    anna = door.add(make_patch("family@example.org", first_name="Anna"))
    door.add(make_patch("family@example.org", first_name="Bruno"))

    found = [door.add(make_patch("family@example.org")) for _ in range(3)]

    assert found == [anna] * 3
    assert door.contact_count() == 2


@pytest.mark.parametrize(
    "address", ["info@example.org", "noreply@example.org", "none@none.example", "n/a", "not an address"]
)
def test_addresses_of_nobody_never_find_a_person(door: Door, address: str) -> None:
    first = door.add(make_patch(address, last_name="Miller"))

    second = door.add(make_patch(address, last_name="Miller"))

    assert first != second


def test_an_equal_platform_id_in_another_scope_is_another_person(door: Door) -> None:
    one = ContactPatch((Identity("meta_psid", "77", "page-1"),))
    other = ContactPatch((Identity("meta_psid", "77", "page-2"),))

    assert door.add(one) == door.add(one)
    assert door.add(one) != door.add(other)


def test_a_different_id_of_the_same_scope_blocks_an_equal_address(door: Door) -> None:
    first = door.add(make_patch("sam@example.org", ids={"member": "1"}, first_name="Sam"))

    second = door.add(make_patch("sam@example.org", ids={"member": "2"}, first_name="Sam"))

    assert first != second
    assert door.doubts() == [(first, second, "unsure", "shared email, ids differ")]


def test_an_event_that_names_the_old_and_the_new_id_carries_the_person_over(door: Door) -> None:
    old, new = Identity("wa_user", "old", "app"), Identity("wa_user", "new", "app")
    person = door.add(ContactPatch((old,)))

    renamed = door.add(ContactPatch((old, new)))

    assert [person, person] == [renamed, door.add(ContactPatch((new,)))]


def test_an_id_and_an_address_that_point_at_two_contacts_join_them(door: Door) -> None:
    by_address = door.add(make_patch("eva@example.org", first_name="Eva"))
    by_id = door.add(make_patch(ids={"member": "5"}, first_name="Eva", city="Bern"))

    found = door.add(make_patch("eva@example.org", ids={"member": "5"}))

    assert found == by_address
    assert door.fields(by_address)["city"] == "Bern"
    assert door.rows("SELECT winner_id, loser_id, actor FROM merges") == [(by_address, by_id, "muster")]
    assert door.rows("SELECT state, merged_into_id FROM contacts WHERE id = :id", id=by_id) == [
        ("merged", by_address)
    ]
    assert door.add(make_patch(ids={"member": "5"})) == by_address


@pytest.mark.parametrize("obstacle", ["names", "judgement", "phone"])
def test_two_contacts_are_never_joined_on_doubtful_ground(door: Door, obstacle: str) -> None:
    first_name = "Otto" if obstacle == "names" else "Eva"
    by_id = door.add(make_patch(ids={"member": "5"}, first_name="Eva"))
    weak = {"phone": "+442087654321"} if obstacle == "phone" else {"email": "eva@example.org"}
    by_value = door.add(make_patch(**weak, first_name=first_name))
    if obstacle == "judgement":
        judge(door.session, by_id, by_value, "different", "admin")

    found = door.add(make_patch(**weak, ids={"member": "5"}))

    assert found == by_id
    assert door.contact_count() == 2
    assert [(a, b) for a, b, *_ in door.doubts()] == [(by_id, by_value)]


def test_a_value_that_everybody_has_finds_nobody(door: Door) -> None:
    people = [
        make_patch("shared@example.org", first_name=f"{n:03d}", ids={"member": f"m{n}"})
        for n in range(FAN_OUT_CAP)
    ]
    door.bring(*map(door.arrival, people))

    newcomer = door.add(make_patch("shared@example.org"))

    assert door.contact_count() == FAN_OUT_CAP + 1
    assert door.fields(newcomer) == {"email": "shared@example.org"}


def test_a_sixth_address_is_kept_but_finds_nobody(door: Door) -> None:
    for number in range(6):
        door.add(make_patch(f"eva{number}@example.org", ids={"member": "5"}))

    kept = door.rows("SELECT match_value, is_matching FROM identities WHERE kind = 'email' ORDER BY id")

    assert kept == [(f"eva{number}@example.org", number < 5) for number in range(6)]


def test_an_erasure_of_an_unknown_person_makes_nobody(door: Door) -> None:
    gone = ContactPatch((Identity("email", "gone@example.org"),), is_erasure=True)

    resolved, recorded = door.bring(door.arrival(gone))

    assert (None, True, False) == (resolved[0].contact_id, resolved[0].is_erasure, resolved[0].suppressed)
    assert (0, 0) == (recorded.written_count, door.contact_count())


@pytest.mark.parametrize("round_number", range(3))
def test_concurrent_resolvers_of_one_new_person_make_one_contact(
    round_number: int, sessions: sessionmaker[Session], box: SecretBox, dictionary: FieldDictionary
) -> None:
    with sessions() as setup, setup.begin():
        source_id = setup.scalars(
            text("INSERT INTO sources (slug, integration) VALUES ('s', 'website') RETURNING id")
        ).one()
        door = Door(setup, box, dictionary, source_id)
        batches = [
            [door.arrival(make_patch(f"p{n}@example.org", phone=f"+4420876543{n:02d}")) for n in order]
            for order in (range(20), reversed(range(20)), range(5, 20), range(10))
        ]
    barrier = threading.Barrier(len(batches))
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            barrier.wait(10)
            with sessions() as session, session.begin():
                record(session, resolve(session, batches[number], box), dictionary)
        except Exception as failure:  # noqa: BLE001 - shown by the assertion below
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failures == []
    with sessions() as check:
        found = check.execute(
            text("SELECT (SELECT count(*) FROM contacts), (SELECT count(*) FROM contact_patches)")
        ).one()
    assert tuple(found) == (20, 65)
    assert NOON.tzinfo is not None
