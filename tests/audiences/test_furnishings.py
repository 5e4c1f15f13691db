"""Merge fields by expression, interests, marketing permissions, our own id, leaving by policy, preflight, live counts."""

from typing import Any

import pytest
from sqlalchemy import select

from app.audiences.counting import count_entitled
from app.audiences.decide_review import decide_review
from app.audiences.gate import get_destination_of
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.outward import check_merge_fields, merge_values
from app.audiences.preflight import preflight
from app.audiences.pull import pull_audience
from app.audiences.reviews import list_reviews
from app.audiences.schema import create_merge_field, guess_field, refresh_schema
from app.audiences.settings import change_settings
from app.audiences.theirs import hold_people
from app.contacts.erase import erase_contact
from app.core.db import transaction
from app.core.errors import ConflictError, InvalidError
from app.core.secretbox import SecretBox

ADA, AUGUSTA = "ada@house.test", "augusta@house.test"
LIST_ID = "a1b2c3d4e5"


def gateway(office: Any) -> Any:
    with office.sessions() as session:
        return office.connections.gateway(get_destination_of(session, office.audience_id))


def pull(office: Any) -> Any:
    return pull_audience(office.sessions, office.connections, office.audience_id)


def put(office: Any, **values: Any) -> None:
    with transaction(office.sessions) as session:
        audience = session.get_one(Audience, office.audience_id)
        for name, value in values.items():
            setattr(audience, name, value)


def view(office: Any) -> Any:
    with office.sessions() as session:
        return get_audience(session, office.audience_id)


def live(simulator: Any) -> Any:
    return next(iter(simulator.running.world.audiences.values()))


def later(simulator: Any) -> None:
    simulator.call("POST", "/clock", {"advance_seconds": 5})


# Expressions


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

    found = merge_values(fields, {"ADDRESS": "address"}, view_schema("address"))

    assert found.values["ADDRESS"] == {
        "addr1": "1 A St",
        "city": "X",
        "state": "Y",
        "zip": "1",
        "country": "GB",
    }


def view_schema(kind: str) -> Any:
    from app.audiences.formats import FieldSpec

    return {"ADDRESS": FieldSpec(kind)}


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


# Interests, permissions, our id


def test_only_managed_interests_are_set(office: Any, simulator: Any) -> None:
    group = gateway(office).add_interest_category(LIST_ID, "Topics")
    ours, staffs = (
        gateway(office).add_interest(LIST_ID, group.category_id, one) for one in ("Events", "Board")
    )
    put(office, interests={ours.interest_id: {"tag": "Alumni"}})
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    gateway(office).patch_member(LIST_ID, ADA, {"interests": {staffs.interest_id: True}})
    both = set(simulator.member(ADA).interests)
    office.tag(contact_id)

    office.push()

    assert both == {ours.interest_id, staffs.interest_id}
    assert set(simulator.member(ADA).interests) == {staffs.interest_id}
    calls = simulator.calls
    office.touch(contact_id)
    office.push()
    assert calls == simulator.calls


@pytest.mark.parametrize("count", [1, 5])
def test_marketing_permissions_follow_consent_to_their_purpose(
    office: Any, simulator: Any, count: int
) -> None:
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "has_permissions": True})
    mail, ads, *_ = live(simulator).permissions
    put(office, marketing_permissions={mail: "newsletter", ads: "advertising"})
    emails = [f"p{number}@house.test" for number in range(count)]
    ids = [office.add(email) for email in emails]

    for _ in range(3):
        office.push()

    assert [tuple(simulator.member(email).permissions) for email in emails] == [(mail,)] * count
    calls = simulator.calls
    office.touch(*ids)
    office.push()
    assert calls == simulator.calls


def test_our_contact_id_stands_in_its_field_and_is_put_right(office: Any, simulator: Any) -> None:
    gateway(office).add_merge_field(LIST_ID, "MUSTERID", "Id", "number")
    refresh_schema(office.sessions, office.connections, office.audience_id)
    put(office, contact_id_field="MUSTERID")
    contact_id = office.add(ADA)
    office.push()
    pull(office)
    later(simulator)
    simulator.staff("edit", ADA, merge_fields={"MUSTERID": 4711})
    spoilt = simulator.member(ADA).merge_fields["MUSTERID"]

    pull(office)
    office.push()

    assert (spoilt, simulator.member(ADA).merge_fields["MUSTERID"]) == (4711, contact_id)


def test_a_managed_tag_behind_fifty_others_is_found_and_taken_off(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    simulator.staff("tag", ADA, add=[f"Staff {number}" for number in range(60)])
    office.change(contact_id, first_name="Ada")
    office.push()
    assert list(office.mirror(contact_id).tags) == ["Alumni"]
    office.tag(contact_id)

    office.push()

    assert "Alumni" not in simulator.tags(ADA)
    assert len(simulator.tags(ADA)) == 60


# Leaving


@pytest.mark.parametrize(
    ("policy", "status"), [("archive", "archived"), ("unsubscribe", "unsubscribed"), ("delete", None)]
)
def test_who_no_longer_fits_leaves_by_policy_with_the_reason_told(
    office: Any, simulator: Any, policy: str, status: str | None
) -> None:
    put(office, entry_rule={"tags_any": ["alumni"]}, on_leave=policy)
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    office.tag(contact_id)

    office.push()

    member = simulator.member(ADA)
    assert (member.status if member else None) == status
    told = office.execute(
        "SELECT detail ->> 'reason' FROM timeline_entries WHERE kind = 'member' ORDER BY id DESC LIMIT 1"
    )
    assert told == [("no longer fits the audience's rule",)]
    assert office.consent(contact_id) == "given"


def test_who_was_deleted_by_policy_is_given_the_form(office: Any, simulator: Any) -> None:
    put(office, entry_rule={"tags_any": ["alumni"]}, on_leave="delete")
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    office.tag(contact_id)
    office.push()
    calls = simulator.calls
    office.tag(contact_id, "Alumni")

    office.push()

    assert calls == simulator.calls
    assert office.mirror(contact_id).error["code"] == "forgotten"


# Entry rules and their count

RULES: list[dict[str, Any]] = [
    {},
    {"tags_all": ["alumni", "friends"]},
    {"tags_any": ["ALUMNI"], "tags_none": ["friends"]},
    {"fields": {"country": ["de", "AT"]}},
    {"fields": {"country": {"not": ["DE"]}}},
    {"fields": {"phone": {"is_set": True}}},
    {"fields": {"phone": {"is_set": False}}},
    {"fields": {"interests": {"one_of": ["chess"]}}},
    {"sources_any": ["website"]},
    {"sources_none": ["website"]},
    {"consents": ["events"]},
]


@pytest.mark.parametrize("rule", RULES)
def test_the_count_shown_is_the_number_who_become_members(
    office: Any, simulator: Any, rule: dict[str, Any]
) -> None:
    office.execute("INSERT INTO sources (slug, integration) VALUES ('website', 'website')")
    people = [
        office.add("a@house.test", tags=("Alumni", "Friends"), country="DE", phone="+441234567"),
        office.add("b@house.test", tags=("Alumni",), country="AT", interests=["Chess", "Go"]),
        office.add("c@house.test", country="FR"),
        office.add("d@house.test"),
        office.add("e@house.test", consent="none", country="DE"),
    ]
    office.execute("UPDATE contact_patches SET source_id = (SELECT id FROM sources WHERE slug = 'website')"
                   " WHERE contact_id = :id", id=people[2])  # fmt: skip
    office.execute("INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)"
                   " VALUES (:id, 'email', 'events', 'given', 'claimed', 1, now())", id=people[3])  # fmt: skip
    with office.sessions() as session:
        shown = count_entitled(session, view(office), rule)
    put(office, entry_rule=rule)

    office.push()

    assert (4, simulator.member_count()) == (shown.willing, shown.entitled)


def test_settings_are_checked_and_everybody_is_planned_anew(office: Any, simulator: Any) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()

    with transaction(office.sessions) as session:
        audience = session.scalars(select(Audience)).one()
        change_settings(session, audience, {"tags": ["Alumni"], "on_return": "form_only"}, "an admin")
        for wrong in ({"on_leave": "burn"}, {"merge_fields": {"NOSUCH": "first_name"}}, {"colour": "red"}):
            with pytest.raises(InvalidError):
                change_settings(session, audience, wrong, "an admin")

    assert office.execute("SELECT contact_id FROM changes") == [(contact_id,)]
    assert office.execute("SELECT on_return FROM audiences") == [("form_only",)]
    assert office.execute("SELECT action FROM audit_entries ORDER BY id DESC LIMIT 1") == [
        ("audience.change",)
    ]


# Preflight and the schema


def test_preflight_counts_what_would_be_left_out(office: Any) -> None:
    for tag, kind, options in (("DEGREE", "dropdown", {"choices": ["MBA"]}), ("YEAR", "number", None)):
        gateway(office).add_merge_field(LIST_ID, tag, tag, kind, options)
    refresh_schema(office.sessions, office.connections, office.audience_id)
    put(
        office,
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
    put(office, merge_fields={"FNAME": "first_name", "YEAR": "class_year"})
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
    pull(office)
    field = live(simulator).fields_by_tag()["LNAME"]
    gateway(office).delete_merge_field(LIST_ID, field.merge_id)
    office.change(contact_id, first_name="Augusta")
    office.push()
    for _ in range(2):
        later(simulator)
        simulator.staff("tag", ADA, add=["Board"])
        pull(office)
    alerts = office.execute("SELECT error ->> 'code' FROM attempts WHERE error ? 'alert'")
    assert (alerts, simulator.member(ADA).merge_fields) == ([("merge_field_gone",)], {"FNAME": "Augusta"})
    gateway(office).add_merge_field(LIST_ID, "LNAME", "Last name")
    later(simulator)
    simulator.staff("tag", ADA, remove=["Board"])

    pull(office)
    office.push()
    office.push()

    assert simulator.member(ADA).merge_fields == {"FNAME": "Augusta", "LNAME": "Byron"}
    assert office.execute("SELECT remote_schema -> 'gone' FROM audiences") == [([],)]


# Changes there


def test_an_address_changed_there_and_seen_by_the_sweep_alone_is_the_persons_too(
    office: Any, simulator: Any
) -> None:
    contact_id = office.add(ADA, first_name="Ada")
    office.push()
    pull(office)
    later(simulator)
    simulator.contact("change_email", ADA, new_email=AUGUSTA)

    pull(office)
    office.push()

    values = office.execute(
        "SELECT match_value FROM identities WHERE contact_id = :c ORDER BY 1", c=contact_id
    )
    assert [row[0] for row in values] == [ADA, AUGUSTA]
    assert (office.fields(contact_id)["email"], office.mirror(contact_id).email_address) == (AUGUSTA, AUGUSTA)
    assert (simulator.member_count(), office.consent(contact_id)) == (1, "given")


def test_a_value_read_for_the_first_time_fills_what_the_contact_lacks(office: Any, simulator: Any) -> None:
    simulator.staff("add", ADA, merge_fields={"FNAME": "Augusta", "LNAME": "King"})
    contact_id = office.add(ADA, first_name="Ada")

    pull(office)
    office.push()

    assert office.fields(contact_id) == {"email": ADA, "first_name": "Ada", "last_name": "King"}
    assert simulator.member(ADA).merge_fields == {"FNAME": "Ada", "LNAME": "King"}


@pytest.mark.parametrize("verdict", ["ours", "theirs"])
def test_an_admin_says_which_value_stands(office: Any, simulator: Any, verdict: str) -> None:
    put(office, merge_fields={"LNAME": {"from": "last_name", "direction": "review"}})
    contact_id = office.add(ADA, last_name="Byron")
    office.push()
    pull(office)
    later(simulator)
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    pull(office)
    pull(office)
    with transaction(office.sessions) as session:
        (line,) = list_reviews(session)
        decide_review(session, line.review_id, verdict, "an admin")

    office.push()
    pull(office)

    winner = {"ours": "Byron", "theirs": "King"}[verdict]
    assert (line.tag, line.ours, line.theirs) == ("LNAME", "Byron", "King")
    assert (office.fields(contact_id)["last_name"], simulator.member(ADA).merge_fields["LNAME"]) == (
        winner,
        winner,
    )
    with transaction(office.sessions) as session, pytest.raises(ConflictError):
        decide_review(session, line.review_id, verdict, "an admin")


def test_of_an_erased_person_no_value_stays_in_mirror_or_reviews(
    office: Any, simulator: Any, box: SecretBox
) -> None:
    put(office, merge_fields={"LNAME": {"from": "last_name", "direction": "review"}})
    contact_id = office.add(ADA, last_name="Byron")
    office.push()
    pull(office)
    later(simulator)
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    pull(office)

    with transaction(office.sessions) as session:
        hold_people(session, [contact_id])
        erase_contact(session, contact_id, box, "asked")

    mirror = office.mirror(contact_id)
    assert office.execute("SELECT count(*) FROM field_reviews") == [(0,)]
    assert (mirror.merge_fields, mirror.theirs_changed, mirror.interests, list(mirror.tags)) == (
        {},
        {},
        {},
        [],
    )
