"""Values at the limits of what Mailchimp takes: written as they are meant, or left out and told before."""

import unicodedata
from typing import Any

import pytest

from app.audiences.formats import FieldSpec
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.outward import merge_values
from app.audiences.preflight import preflight
from app.audiences.schema import refresh_schema
from app.audiences.settings import change_settings
from app.core.db import transaction
from app.core.errors import InvalidError

LIST_ID = "a1b2c3d4e5"
ADA = "ada@house.test"


def found(office: Any) -> set[tuple[str, str, int]]:
    with office.sessions() as session:
        rows = preflight(session, get_audience(session, office.audience_id)).rows
    return {(row.code, row.tag, row.count) for row in rows}


def put(office: Any, **values: Any) -> None:
    with transaction(office.sessions) as session:
        change_settings(session, session.get_one(Audience, office.audience_id), values, "test")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("birthday", "02/29", "02/29"),
        ("birthday", "02/30", None),
        ("birthday", "04/31", None),
        ("birthday", "00/10", None),
        ("birthday", "2001-02-29", None),
        ("birthday", "1990-12-31T10:00:00Z", "12/31"),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2024-02-29T23:30:00+02:00", "2024-02-29"),
        ("date", "2024-02-29, they say", None),
        ("number", "9007199254740992", 9007199254740992),
        ("number", "9007199254740993", None),
        ("number", 12345678901234567, None),
        ("number", "-1998", -1998),
        ("number", "+7.50", 7.5),
        ("number", "0.1", 0.1),
        ("number", "0.12345678901234567890", None),
        ("number", "1e3", 1000),
        ("number", "1e999", None),
        ("number", "1_000", None),
        ("number", "1,000", None),
        ("number", "\u0661\u0662", None),
        ("number", True, None),
        ("zip", "\u0661\u0662\u0663\u0664\u0665", None),
        ("url", "https://house.test/" + "a" * 236, "https://house.test/" + "a" * 236),
        ("url", "https://house.test/" + "a" * 237, None),
        ("url", "https://house.test/a b", None),
    ],
)
def test_a_value_is_written_as_it_is_meant_or_not_at_all(kind: str, given: Any, expected: Any) -> None:
    values = merge_values({"major": given}, {"X": "major"}, {"X": FieldSpec(kind)})

    assert (expected, ("X",) if expected is None else ()) == (values.values.get("X"), values.unfit)
    assert type(expected) is type(values.values.get("X"))


@pytest.mark.parametrize("given", [unicodedata.normalize("NFD", "Café"), "CAFÉ", " Café ", "Café"])
@pytest.mark.parametrize("choice", ["Café", "Café ", unicodedata.normalize("NFD", "café")])
def test_a_choice_is_the_same_however_it_is_spelt(given: str, choice: str) -> None:
    spec = FieldSpec("dropdown", choices=("Tea", choice))

    assert {"X": choice} == merge_values({"major": given}, {"X": "major"}, {"X": spec}).values


def test_preflight_tells_what_mailchimp_would_refuse(office: Any, simulator: Any) -> None:
    for tag, kind in (("BDAY", "birthday"), ("NUM", "number"), ("LINK", "url")):
        office.gateway().add_merge_field(LIST_ID, tag, tag, kind)
    refresh_schema(office.sessions, office.connections, office.audience_id)
    put(
        office, merge_fields={"FNAME": "first_name", "BDAY": "degree", "NUM": "major", "LINK": "constituency"}
    )
    office.add(
        ADA,
        first_name="Ada",
        degree="02/30",
        major="9007199254740993",
        constituency="https://house.test/" + "x" * 300,
    )
    office.add(
        "bea@house.test", first_name="Bea", degree="02/29", major="5", constituency="https://house.test"
    )

    told = found(office)
    office.push()

    assert told == {("unfit", "BDAY", 1), ("unfit", "NUM", 1), ("unfit", "LINK", 1)}
    assert simulator.member(ADA).merge_fields == {"FNAME": "Ada"}
    assert simulator.member("bea@house.test").merge_fields["BDAY"] == "02/29"


def test_a_managed_tag_is_kept_without_spaces_around_it(office: Any, simulator: Any) -> None:
    put(office, tags=[" Alumni ", "Friends"])
    office.add(ADA, tags=("Alumni",))

    office.push()
    office.push()

    assert simulator.tags(ADA) == {"Alumni"}
    assert office.execute("SELECT tags FROM audiences") == [(["Alumni", "Friends"],)]


def test_one_that_was_kept_with_spaces_is_the_same_tag(office: Any, simulator: Any) -> None:
    office.put(tags=[" Alumni "])
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    office.push()
    before = simulator.tags(ADA)

    office.tag(contact_id)
    office.push()

    assert (before, simulator.tags(ADA)) == ({"Alumni"}, set())


def test_a_tag_that_mailchimp_would_refuse_is_refused_at_once(office: Any) -> None:
    put(office, tags=["T" * 100])

    with pytest.raises(InvalidError, match="too long"):
        put(office, tags=["T" * 101])


def test_one_that_is_kept_already_is_told_by_preflight(office: Any) -> None:
    office.put(tags=["T" * 101, "Alumni"])

    assert found(office) == {("long_tag", "T" * 40, 0)}
