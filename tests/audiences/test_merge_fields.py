"""Merge fields by expression, what would be left out of them, and those that come and go at Mailchimp."""

from typing import Any

import pytest

from app.audiences.formats import FieldSpec
from app.audiences.load import get_audience
from app.audiences.outward import check_merge_fields, merge_values
from app.audiences.preflight import preflight
from app.audiences.schema import create_merge_field, guess_field, refresh_schema
from app.core.errors import InvalidError

ADA = "ada@house.test"
LIST_ID = "a1b2c3d4e5"


def live(simulator: Any) -> Any:
    return next(iter(simulator.running.world.audiences.values()))


@pytest.mark.parametrize(
    ("mapping", "fields", "expected"),
    [
        (
            {"GREET": {"from": ["preferred_name", "first_name"], "do": ["upper"]}},
            {"first_name": "Ada"},
            "ADA",
        ),
        ({"GREET": {"from": "first_name", "default": "friend"}}, {}, "friend"),
        ({"GREET": {"from": {"from": "full_name", "do": ["name_given"]}}}, {"full_name": "Ada Byron"}, "Ada"),
        ({"GREET": {"from": "interests", "do": [{"join": "; "}]}}, {"interests": ["a", "b"]}, "a; b"),
        ({"GREET": "interests"}, {"interests": ["a", "b"]}, "a, b"),
        ({"GREET": {"from": "class_year", "direction": "ours"}}, {"class_year": 1998}, "1998"),
    ],
)
def test_a_merge_field_may_be_an_expression(mapping: Any, fields: Any, expected: str) -> None:
    check_merge_fields(mapping)

    assert {"GREET": expected} == merge_values(fields, mapping, {}).values


def test_an_address_is_made_of_the_contacts_address_fields() -> None:
    fields = {"address_line1": "1 A St", "city": "X", "region": "Y", "postal_code": "1", "country": "GB"}

    found = merge_values(fields, {"ADDRESS": "address"}, {"ADDRESS": FieldSpec("address")})

    assert found.values["ADDRESS"] == {
        "addr1": "1 A St",
        "city": "X",
        "state": "Y",
        "zip": "1",
        "country": "GB",
    }


@pytest.mark.parametrize(
    "mapping",
    [
        {"FNAME": "no_such_field"},
        {"FNAME": {"from": "first_name", "direction": "sideways"}},
        {"FNAME": {"from": "first_name", "do": ["no_such_step"]}},
        {"FNAME": {"from": "first_name", "do": ["upper"], "direction": "theirs"}},
        {"FNAME": {"from": "first_name", "extra": 1}},
        {"FNAME": 7},
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping: Any) -> None:
    with pytest.raises(InvalidError):
        check_merge_fields(mapping)


def test_preflight_counts_what_would_be_left_out(office: Any) -> None:
    for tag, kind, options in (("DEGREE", "dropdown", {"choices": ["MBA"]}), ("YEAR", "number", None)):
        office.gateway().add_merge_field(LIST_ID, tag, tag, kind, options)
    refresh_schema(office.sessions, office.connections, office.audience_id)
    office.put(
        merge_fields={
            "FNAME": "first_name",
            "ADDRESS": "address",
            "DEGREE": "degree",
            "YEAR": "major",
            "GONE": "city",
        },
    )
    office.add("a@house.test", first_name="é" * 200, degree="PhD", address_line1="1 A St")
    office.add("b@house.test", first_name="Bea", degree="mba", major="Physics")

    with office.sessions() as session:
        found = preflight(session, get_audience(session, office.audience_id))

    assert found.checked_count == 2
    assert {(row.code, row.tag, row.count) for row in found.rows} == {
        ("missing_field", "GONE", 0),
        ("too_long", "FNAME", 1),
        ("not_a_choice", "DEGREE", 1),
        ("half_address", "ADDRESS", 1),
        ("unfit", "YEAR", 1),
    }
    assert all(len(row.contact_ids) == row.count and row.sentence and row.hint for row in found.rows)


def test_a_missing_merge_field_is_made_with_the_type_of_its_contact_field(
    office: Any, simulator: Any
) -> None:
    office.put(merge_fields={"FNAME": "first_name", "YEAR": "class_year"})
    contact_id = office.add(ADA, first_name="Ada", class_year=1998)

    create_merge_field(office.sessions, office.connections, office.audience_id, "YEAR", actor="an admin")
    office.push()

    made = live(simulator).fields_by_tag()["YEAR"]
    assert (made.type, made.name) == ("number", "Class year")
    assert simulator.member(ADA).merge_fields["YEAR"] == 1998
    assert office.mirror(contact_id).error is None
    with pytest.raises(InvalidError, match="already"):
        create_merge_field(office.sessions, office.connections, office.audience_id, "YEAR")
    assert guess_field("address", "ADDRESS") == ("Address", "address")


def test_a_mapped_field_that_vanishes_is_told_once_and_filled_again_when_it_is_back(
    office: Any, simulator: Any
) -> None:
    contact_id = office.add(ADA, first_name="Ada", last_name="Byron")
    office.push()
    office.pull()
    field = live(simulator).fields_by_tag()["LNAME"]
    office.gateway().delete_merge_field(LIST_ID, field.merge_id)
    office.change(contact_id, first_name="Augusta")
    office.push()
    for _ in range(2):
        simulator.later()
        simulator.staff("tag", ADA, add=["Board"])
        office.pull()
    alerts = office.execute("SELECT error ->> 'code' FROM attempts WHERE error ? 'alert'")
    assert (alerts, simulator.member(ADA).merge_fields) == ([("merge_field_gone",)], {"FNAME": "Augusta"})
    office.gateway().add_merge_field(LIST_ID, "LNAME", "Last name")
    simulator.later()
    simulator.staff("tag", ADA, remove=["Board"])

    office.pull()
    office.push()
    office.push()

    assert simulator.member(ADA).merge_fields == {"FNAME": "Augusta", "LNAME": "Byron"}
    assert office.execute("SELECT remote_schema -> 'gone' FROM audiences") == [([],)]
