import json
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.contacts.erase import erase_arrival, erase_contact
from app.contacts.merge import merge
from app.contacts.resolve import resolve
from app.contacts.traces import redactor
from app.core.errors import NotFoundError
from app.core.secretbox import SecretBox
from mappings.language.patch import ContactPatch, Identity
from tests.contacts.conftest import NOON, Door, gave, make_patch, withdrew

ADDRESS = "Zoe.Quirl+x@example.org"
NAME = "Zoëlla"


def _places(door: Door, *needles: str, but: tuple[str, ...] = ()) -> list[str]:
    """Every column of every table that holds one of the needles, in any spelling a row can have."""
    spelled = [
        spelling
        for needle in needles
        for spelling in (needle, quote(needle, safe=""), json.dumps(needle)[1:-1])
    ]
    columns = door.rows(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
    )
    found = []
    for table, column, data_type in columns:
        shown = f"encode({column}, 'escape')" if data_type == "bytea" else f"{column}::text"
        for needle in spelled:
            hits = door.rows(
                f"SELECT count(*) FROM {table} WHERE strpos(lower({shown}), lower(:needle)) > 0",
                needle=needle,
            )
            if hits[0][0] and table not in but:
                found.append(f"{table}.{column}")
    return sorted(set(found))


def _delivery(door: Door, body: bytes, *, settled: bool = True) -> int:
    return door.session.scalars(
        text(
            "INSERT INTO deliveries (source_id, key, method, body, body_sha256, headers, settled_at) VALUES"
            " (:source_id, :key, 'POST', :body, '', '[]', CASE WHEN :settled THEN now() END) RETURNING id"
        ),
        {"source_id": door.source_id, "key": f"k{len(body)}{body[:40]!r}", "body": body, "settled": settled},
    ).one()


def _bring_everywhere(door: Door) -> int:
    """One person in every table that can hold one."""
    content = {"email": ADDRESS, "first_name": NAME}
    body = f"email={quote(ADDRESS, safe='')}&first_name={quote(NAME)}".encode()
    event_id = door.event(NOON, json.dumps(content), _delivery(door, body))
    patch = make_patch(ADDRESS, phone="+442087654321", first_name=NAME, consents=(gave(), withdrew("events")))
    contact_id = door.add(patch, event_id=event_id)
    door.session.execute(
        text("UPDATE events SET state = 'done', settled_at = now(), contact_id = :id WHERE id = :event"),
        {"id": contact_id, "event": event_id},
    )
    other = door.add(make_patch("second@example.org", ids={"member": ADDRESS}))
    merge(door.session, contact_id, other, "test", "admin", dictionary=door.dictionary)
    door.event(NOON, json.dumps({"nobody knows": ADDRESS.upper()}))
    _delivery(door, b'{"unread": "' + ADDRESS.encode() + b'"')
    values = {"address": ADDRESS, "contact_id": contact_id, "source_id": door.source_id, "event_id": event_id}
    for statement in (
        "INSERT INTO delivery_conflicts (source_id, key, body, body_sha256) VALUES (:source_id, 'c', convert_to(:address, 'UTF8'), '')",
        "INSERT INTO attempts (event_id, stage, error) VALUES (:event_id, 'map', jsonb_build_object('value', CAST(:address AS text)))",
        "INSERT INTO list_runs (source_id, file_name, file_sha256) VALUES (:source_id, 'people.csv', '')",
        "INSERT INTO list_rows (source_id, row_key, row_sha256, contact_id, list_run_id) VALUES (:source_id, :address, '', :contact_id, 1)",
        "INSERT INTO events (source_id, key, kind, content) VALUES (:source_id, 'row:' || :address, 'row', '{}')",
        "INSERT INTO destinations (slug, base_url, sealed_key) VALUES ('d', 'http://mailchimp.test', '')",
        "INSERT INTO audiences (slug, destination_id, list_id) VALUES ('a', 1, 'l')",
        "INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash) VALUES (1, :contact_id, :address, 'h')",
    ):
        door.session.execute(text(statement), values)
    return contact_id


def test_after_an_erasure_no_table_holds_the_address(door: Door, box: SecretBox) -> None:
    contact_id = _bring_everywhere(door)
    before = _places(door, ADDRESS, NAME, "+442087654321", "second@example.org")

    erased = erase_contact(door.session, contact_id, box, "asked")

    assert len(before) > 12
    assert [] == _places(door, ADDRESS, NAME, "+442087654321", "second@example.org", but=("members",))
    assert [(1, contact_id, "h", ADDRESS)] == [
        (one.audience_id, one.contact_id, one.subscriber_hash, one.email) for one in erased.members
    ]
    assert door.rows("SELECT state, fields, provenance, tags FROM contacts") == [("erased", {}, {}, [])] * 2


def test_an_erased_person_does_not_come_back_by_any_import(door: Door, box: SecretBox) -> None:
    contact_id = door.add(make_patch(ADDRESS, phone="+442087654321", first_name=NAME))
    erase_contact(door.session, contact_id, box, "asked")

    resolved, recorded = door.bring(
        door.arrival(make_patch(ADDRESS.lower(), consents=(gave(proof="confirmed"),))),
        door.arrival(make_patch("new@example.org", phone="0044 20 8765 4321")),
        door.arrival(make_patch("somebody.else@example.org")),
    )

    assert [True, True, False] == [one.suppressed for one in resolved]
    assert [None, None] == [one.contact_id for one in resolved[:2]]
    assert recorded.written_count == 1
    assert [] == _places(door, ADDRESS, but=())


def test_erasing_one_of_a_household_leaves_the_other_and_the_opt_out(door: Door, box: SecretBox) -> None:
    anna = door.add(make_patch("family@example.org", first_name="Anna", consents=(withdrew(),)))
    bruno = door.add(make_patch("family@example.org", first_name="Bruno", consents=(gave(),)))

    erase_contact(door.session, anna, box, "asked")
    resolved, _ = door.bring(
        door.arrival(make_patch("family@example.org", first_name="Anna"), minutes=5),
        door.arrival(make_patch("family@example.org", first_name="Bruno", consents=(gave(),)), minutes=5),
    )

    assert [True, False] == [one.suppressed for one in resolved]
    assert bruno == resolved[1].contact_id
    assert {"email": "family@example.org", "first_name": "Bruno"} == door.fields(bruno)
    assert door.consent(bruno) == "withdrawn"


def test_a_delivery_about_several_people_is_redacted_and_the_others_keep_theirs(
    door: Door, box: SecretBox
) -> None:
    body = json.dumps(
        {"leads": [{"email": ADDRESS, "first_name": NAME}, {"email": "bea@example.org"}]}
    ).encode()
    delivery_id = _delivery(door, body)
    events = [
        door.event(NOON, json.dumps({"email": address}), delivery_id)
        for address in (ADDRESS, "bea@example.org")
    ]
    zoe = door.add(make_patch(ADDRESS, first_name=NAME), event_id=events[0])
    bea = door.add(make_patch("bea@example.org"), event_id=events[1])

    erase_contact(door.session, zoe, box, "asked")

    ((kept,),) = door.rows("SELECT body FROM deliveries")
    assert {"leads": [{"email": "", "first_name": ""}, {"email": "bea@example.org"}]} == json.loads(
        bytes(kept)
    )
    assert [({},), ({"email": "bea@example.org"},)] == door.rows("SELECT content FROM events ORDER BY id")
    assert {"email": "bea@example.org"} == door.fields(bea)


def test_an_event_still_waiting_is_settled_without_its_content(door: Door, box: SecretBox) -> None:
    contact_id = door.add(make_patch(ADDRESS))
    waiting = door.event(NOON, json.dumps({"email": ADDRESS}))

    erase_contact(door.session, contact_id, box, "asked")

    found = door.rows("SELECT state, settled_at IS NOT NULL, content FROM events WHERE id = :id", id=waiting)
    assert found == [("ignored", True, {})]


def test_a_platform_can_ask_to_erase_somebody(door: Door, box: SecretBox) -> None:
    contact_id = door.add(make_patch(ADDRESS, ids={"member": "m1"}))
    ask = door.arrival(ContactPatch((Identity("member", "m1", "app"),), is_erasure=True))
    (resolved,) = resolve(door.session, [ask], box)

    erased = erase_arrival(door.session, resolved, box)

    assert (contact_id,) == erased.contact_ids
    assert [] == _places(door, ADDRESS)


def test_an_erasure_of_an_unknown_person_stops_a_later_import(door: Door, box: SecretBox) -> None:
    ask = door.arrival(ContactPatch((Identity("email", ADDRESS),), is_erasure=True))
    (resolved,) = resolve(door.session, [ask], box)

    erase_arrival(door.session, resolved, box)
    later, _ = door.bring(door.arrival(make_patch(ADDRESS)))

    assert later[0].suppressed


def test_erasing_nobody_says_so(door: Door, box: SecretBox) -> None:
    with pytest.raises(NotFoundError, match="no contact 5"):
        erase_contact(door.session, 5, box, "asked")


@pytest.mark.parametrize(
    "spelling",
    [
        ADDRESS,
        ADDRESS.lower(),
        quote(ADDRESS, safe=""),
        quote(ADDRESS, safe="@"),
        "".join(f"\\u{ord(c):04x}" for c in ADDRESS),
    ],
)
def test_bytes_lose_an_address_in_whatever_way_it_is_written(spelling: str) -> None:
    redact = redactor([ADDRESS])

    assert b"a=<>&b" == redact(f"a=<{spelling}>&b".encode())


def test_short_values_do_not_tear_holes() -> None:
    assert "an Ida is an idea" == redactor(["an", "Ida"])("an Ida is an idea")
