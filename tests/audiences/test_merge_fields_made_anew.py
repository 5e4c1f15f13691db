"""Merge fields that are deleted and made again, or take other values than before, between two readings of the audience."""

from typing import Any

import pytest

from app.audiences.models import Audience
from app.audiences.reconcile import run_reconcile
from app.audiences.schema import refresh_schema
from app.core.db import transaction

LIST_ID = "a1b2c3d4e5"
ADA, BEA = "ada@house.test", "bea@house.test"


def refresh(office: Any) -> Any:
    return refresh_schema(office.sessions, office.connections, office.audience_id)


def settle(office: Any) -> None:
    for _ in range(3):
        office.hurry()
        office.push()


def made(office: Any, tag: str, kind: str = "text", **options: Any) -> Any:
    field = office.gateway().add_merge_field(LIST_ID, tag, tag, kind, options)
    refresh(office)
    return field


def live(simulator: Any) -> Any:
    return next(iter(simulator.running.world.audiences.values()))


def filled_in(office: Any) -> None:
    office.put(merge_fields={"FNAME": "first_name", "CLASS": "class_year"})
    office.add(ADA, first_name="Ada", class_year=1998)
    office.add(BEA, first_name="Bea", class_year=1999)
    settle(office)
    office.pull()


def remake(office: Any, simulator: Any, field: Any, kind: str) -> None:
    office.gateway().delete_merge_field(LIST_ID, field.merge_id)
    simulator.later()
    office.gateway().add_merge_field(LIST_ID, field.tag, "Made again", kind)
    simulator.later()


@pytest.mark.parametrize("is_read_between", [False, True])
@pytest.mark.parametrize(("kind", "expected"), [("text", ["1998", "1999"]), ("number", [1998, 1999])])
def test_one_that_was_deleted_and_made_again_is_filled_again(
    office: Any, simulator: Any, kind: str, expected: list[Any], is_read_between: bool
) -> None:
    field = made(office, "CLASS")
    made(office, "OTHER")
    filled_in(office)
    remake(office, simulator, field, kind)
    if is_read_between:  # what is blank there looks like a change of theirs
        run_reconcile(office.sessions, office.connections, office.audience_id, "test")

    news = refresh(office)
    settle(office)
    office.pull()
    settle(office)

    assert (news.remade, news.gone, news.back) == (("CLASS",), (), ())
    assert expected == [simulator.member(one).merge_fields["CLASS"] for one in (ADA, BEA)]
    assert office.execute("SELECT count(*) FROM attempts WHERE error ? 'alert'") == [(0,)]


@pytest.mark.parametrize("is_whole", [True, False])
def test_one_that_has_the_id_of_the_former_is_filled_again_once_members_were_read(
    office: Any, simulator: Any, is_whole: bool
) -> None:
    field = made(office, "CLASS")
    filled_in(office)
    remake(office, simulator, field, "text")
    again = live(simulator).fields_by_tag()["CLASS"]

    news = refresh(office)
    if is_whole:
        run_reconcile(office.sessions, office.connections, office.audience_id, "test")
    else:
        office.pull()
    settle(office)

    assert (again.merge_id, news.remade) == (field.merge_id, ())
    assert ["1998", "1999"] == [simulator.member(one).merge_fields["CLASS"] for one in (ADA, BEA)]


def test_what_members_cleared_themselves_stays_clear(office: Any, simulator: Any) -> None:
    made(office, "CLASS")
    filled_in(office)
    simulator.later()
    for one in (ADA, BEA):
        simulator.contact("edit", one, merge_fields={"CLASS": ""})

    office.pull()
    settle(office)

    assert ["", ""] == [simulator.member(one).merge_fields.get("CLASS", "") for one in (ADA, BEA)]


def test_one_member_without_a_value_is_no_field_made_anew(office: Any, simulator: Any) -> None:
    made(office, "CLASS")
    filled_in(office)
    member = simulator.member(ADA)
    member.merge_fields = {**member.merge_fields, "CLASS": ""}  # with nothing said of when

    office.pull()
    settle(office)

    assert ["", "1999"] == [simulator.member(one).merge_fields.get("CLASS", "") for one in (ADA, BEA)]


def test_muster_s_own_id_is_written_again(office: Any, simulator: Any) -> None:
    field = made(office, "MUSTERID", "number")
    made(office, "OTHER")
    office.put(contact_id_field="MUSTERID")
    contact_id = office.add(ADA, first_name="Ada")
    settle(office)
    remake(office, simulator, field, "number")

    refresh(office)
    settle(office)

    assert simulator.member(ADA).merge_fields["MUSTERID"] == contact_id


def test_what_was_read_before_ids_were_kept_is_no_change(office: Any, simulator: Any) -> None:
    office.add(ADA, first_name="Ada")
    settle(office)
    refresh(office)
    office.execute("UPDATE audiences SET remote_schema = remote_schema #- '{merge_fields,FNAME,merge_id}'")

    news = refresh(office)

    assert (news.remade, news.changed, office.change_count()) == ((), (), 0)
    assert office.execute("SELECT remote_schema #> '{merge_fields,FNAME,merge_id}' FROM audiences") == [(1,)]


def test_a_field_that_is_not_mapped_may_change_as_it_likes(office: Any, simulator: Any) -> None:
    field = made(office, "CLASS")
    office.add(ADA, first_name="Ada")
    settle(office)
    remake(office, simulator, field, "number")

    news = refresh(office)

    assert (news.remade, news.changed, office.change_count()) == ((), (), 0)


def test_a_choice_that_was_added_is_written_once_the_audience_was_read(office: Any, simulator: Any) -> None:
    field = made(office, "SIZE", "dropdown", choices=["Small"])
    office.put(merge_fields={"FNAME": "first_name", "SIZE": "degree"})
    contact_id = office.add(ADA, first_name="Ada", degree="Large")
    settle(office)
    before = office.mirror(contact_id).error["code"]
    office.gateway().update_merge_field(
        LIST_ID, field.merge_id, "Size", options={"choices": ["Small", "Large"]}
    )

    news = refresh(office)
    settle(office)

    assert (before, news.changed) == ("unfit_merge_field", ("SIZE",))
    assert (simulator.member(ADA).merge_fields["SIZE"], office.mirror(contact_id).error) == ("Large", None)


@pytest.mark.parametrize(("name", "value"), [("type", "number"), ("is_required", True)])
def test_everybody_is_planned_anew_where_a_mapped_field_takes_other_values(
    office: Any, name: str, value: Any
) -> None:
    made(office, "CLASS")
    office.put(merge_fields={"CLASS": "class_year"})
    office.add(ADA, class_year=1998)
    settle(office)
    before = office.change_count()
    with transaction(office.sessions) as session:
        audience = session.get_one(Audience, office.audience_id)
        known = audience.remote_schema["merge_fields"]
        audience.remote_schema = {
            **audience.remote_schema,
            "merge_fields": {**known, "CLASS": {**known["CLASS"], name: value}},
        }

    news = refresh(office)

    assert (before, news.changed, office.change_count()) == (0, ("CLASS",), 1)
