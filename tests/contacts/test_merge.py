import os
import random
from typing import Any

import pytest
from sqlalchemy import text

from app.contacts.merge import judge, merge, unmerge
from app.core.errors import ConflictError, InvalidError, NotFoundError
from tests.contacts.conftest import Door, gave, make_patch, withdrew

FIRST = ("Eva", "Eve", "Ida", "Ben")
TABLES = {
    "contacts": "SELECT c::text FROM contacts c ORDER BY id",
    "patches": "SELECT p::text FROM contact_patches p ORDER BY id",
    "identities": "SELECT i::text FROM identities i ORDER BY id",
    "evidence": "SELECT e::text FROM consent_evidence e ORDER BY id",
    "consents": "SELECT c::text FROM consents c ORDER BY contact_id, channel, purpose",
    "timeline": "SELECT t::text FROM timeline_entries t ORDER BY id",
    "members": "SELECT m::text FROM members m ORDER BY audience_id, contact_id",
}


def _state(door: Door) -> dict[str, list[Any]]:
    return {name: door.rows(statement) for name, statement in TABLES.items()}


def _random_person(door: Door, picker: random.Random, number: int) -> int:
    """Some patches, identities and consents; addresses that two people may share."""
    contact_id = door.add(make_patch(ids={"member": f"m{number}"}, first_name=picker.choice(FIRST)))
    for step in range(picker.randrange(1, 4)):
        patch = make_patch(
            picker.choice(("", f"p{number}@example.org", "shared@example.org")),
            phone=picker.choice(("", f"+44208765{number:04d}")),
            ids={"member": f"m{number}"},
            city=picker.choice(("", "Bern", "Basel")),
            consents=picker.choice(
                ((), (gave(),), (withdrew(),), (gave(proof="confirmed"),), (gave("events"),))
            ),
            tags_added=tuple(picker.sample(("a", "b", "c"), 2)),
        )
        door.add(patch, minutes=step + picker.random(), trust=picker.choice((30, 50, 80)))
    return contact_id


def test_merge_then_unmerge_gives_everything_back_byte_for_byte(door: Door) -> None:
    for seed in range(100 if os.environ.get("MUSTER_CHAOS") == "long" else 25):
        picker = random.Random(seed)
        first, second = (_random_person(door, picker, number) for number in range(2 * seed, 2 * seed + 2))
        winner, loser = picker.choice(((first, second), (second, first)))
        # the clock of a transaction stands still: only an older time shows whether it is given back
        door.session.execute(text("UPDATE contacts SET updated_at = updated_at - interval '1 day'"))
        before = _state(door)

        merged = merge(door.session, winner, loser, "test", "admin", dictionary=door.dictionary)
        between = _state(door)
        unmerge(door.session, merged.merge_id, "admin", dictionary=door.dictionary)

        assert before != between
        assert before == _state(door), f"seed {seed}"


def test_a_merge_takes_the_stricter_consent(door: Door) -> None:
    out = door.add(make_patch("a@example.org", consents=(withdrew(),)))
    given = door.add(make_patch("b@example.org", consents=(gave(),)), minutes=5)

    merge(door.session, given, out, "test", "admin", dictionary=door.dictionary)

    assert door.consent(given) == "withdrawn"
    assert door.rows("SELECT * FROM consents WHERE contact_id = :id", id=out) == []


def test_an_opt_out_learned_while_they_were_one_stays_with_both(door: Door) -> None:
    winner = door.add(make_patch("a@example.org", consents=(gave(),)))
    loser = door.add(make_patch("b@example.org", consents=(gave(),)))
    merged = merge(door.session, winner, loser, "test", "admin", dictionary=door.dictionary)
    door.add(make_patch("b@example.org", consents=(withdrew("newsletter"),)), minutes=3)

    unmerge(door.session, merged.merge_id, "admin", dictionary=door.dictionary)

    assert ("withdrawn", "withdrawn") == (door.consent(winner), door.consent(loser))


def test_what_arrives_while_they_are_one_stays_with_the_winner(door: Door) -> None:
    winner = door.add(make_patch("a@example.org", first_name="Eva"))
    loser = door.add(make_patch("b@example.org", first_name="Eva"))
    merged = merge(door.session, winner, loser, "test", "admin", dictionary=door.dictionary)
    assert door.add(make_patch("b@example.org", city="Bern"), minutes=3) == winner

    unmerge(door.session, merged.merge_id, "admin", dictionary=door.dictionary)

    assert {"email": "b@example.org", "first_name": "Eva", "city": "Bern"} == door.fields(winner)
    assert {"email": "b@example.org", "first_name": "Eva"} == door.fields(loser)


def test_merges_of_merges_come_apart_in_reverse_order(door: Door) -> None:
    a, b, c = (door.add(make_patch(f"{name}@example.org", first_name="Eva")) for name in "abc")
    before = _state(door)
    inner = merge(door.session, b, a, "test", "admin", dictionary=door.dictionary)
    outer = merge(door.session, c, b, "test", "admin", dictionary=door.dictionary)

    with pytest.raises(ConflictError, match="merged into another"):
        unmerge(door.session, inner.merge_id, "admin", dictionary=door.dictionary)
    unmerge(door.session, outer.merge_id, "admin", dictionary=door.dictionary)
    unmerge(door.session, inner.merge_id, "admin", dictionary=door.dictionary)

    assert [row[0] for row in door.rows("SELECT fields::text FROM contacts ORDER BY id")] == [
        f'{{"email": "{name}@example.org", "first_name": "Eva"}}' for name in "abc"
    ]
    assert before["identities"] == _state(door)["identities"]


def test_a_merge_that_was_undone_never_happens_by_itself_again(door: Door) -> None:
    by_address = door.add(make_patch("eva@example.org", first_name="Eva"))
    door.add(make_patch(ids={"member": "m5"}, first_name="Eva"))
    door.add(make_patch("eva@example.org", ids={"member": "m5"}), minutes=1)
    (merge_id,) = door.rows("SELECT id FROM merges")[0]
    unmerge(door.session, merge_id, "admin", dictionary=door.dictionary)

    door.add(make_patch("eva@example.org", ids={"member": "m5"}), minutes=2)

    assert door.rows("SELECT count(*) FROM merges") == [(1,)]
    assert by_address in [row[0] for row in door.rows("SELECT id FROM contacts WHERE state = 'active'")]


def test_what_cannot_be_merged_says_why(door: Door) -> None:
    a, b, c = (door.add(make_patch(f"{name}@example.org")) for name in "abc")
    merge(door.session, a, b, "test", "admin", dictionary=door.dictionary)

    with pytest.raises(ConflictError, match=f"Contact {b} is merged"):
        merge(door.session, c, b, "test", "admin", dictionary=door.dictionary)
    with pytest.raises(InvalidError, match="with itself"):
        merge(door.session, c, c, "test", "admin", dictionary=door.dictionary)
    with pytest.raises(NotFoundError, match="no contact 999"):
        merge(door.session, c, 999, "test", "admin", dictionary=door.dictionary)
    with pytest.raises(NotFoundError, match="no merge 999"):
        unmerge(door.session, 999, "admin", dictionary=door.dictionary)


def test_a_verdict_replaces_a_doubt(door: Door) -> None:
    anna = door.add(make_patch("family@example.org", first_name="Anna"))
    bruno = door.add(make_patch("family@example.org", first_name="Bruno"))

    judge(door.session, bruno, anna, "different", "admin", reason="a couple")
    door.add(make_patch("family@example.org"))

    assert door.doubts() == [(anna, bruno, "different", "a couple")]
