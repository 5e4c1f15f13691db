"""Who belongs to an audience: the rule and its count, and leaving by policy."""

from typing import Any

import pytest
from sqlalchemy import select

from app.audiences.counting import count_entitled
from app.audiences.entry import check_entry_rule
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.settings import change_settings
from app.core.db import transaction
from app.core.errors import InvalidError

ADA = "ada@house.test"


@pytest.mark.parametrize(
    ("policy", "status"), [("archive", "archived"), ("unsubscribe", "unsubscribed"), ("delete", None)]
)
def test_who_no_longer_fits_leaves_by_policy_with_the_reason_told(
    office: Any, simulator: Any, policy: str, status: str | None
) -> None:
    office.put(entry_rule={"tags_any": ["alumni"]}, on_leave=policy)
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
    office.put(entry_rule={"tags_any": ["alumni"]}, on_leave="delete")
    contact_id = office.add(ADA, tags=("Alumni",))
    office.push()
    office.tag(contact_id)
    office.push()
    calls = simulator.calls
    office.tag(contact_id, "Alumni")

    office.push()

    assert calls == simulator.calls
    assert office.mirror(contact_id).error["code"] == "forgotten"


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
        shown = count_entitled(session, get_audience(session, office.audience_id), rule)
    office.put(entry_rule=rule)

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


@pytest.mark.parametrize(
    ("sharer", "expected"),
    [({"consent": "withdrawn"}, 1), ({"consent": "none"}, 2), ({"consent": "withdrawn", "moves": True}, 2)],
)
def test_who_shares_an_address_with_somebody_who_opted_out_is_not_counted(
    office: Any, simulator: Any, sharer: dict[str, Any], expected: int
) -> None:
    office.add(ADA)
    office.add("home@house.test")
    other = office.add("home@house.test", consent=sharer["consent"])
    if sharer.get("moves"):
        office.change(other, email="elsewhere@house.test")
    with office.sessions() as session:
        shown = count_entitled(session, get_audience(session, office.audience_id))

    office.push()

    assert (expected, expected) == (shown.willing, shown.entitled)
    assert expected == simulator.member_count()


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ({"tags_any": []}, "`tags_any`"),
        ({"tags_none": []}, "`tags_none`"),
        ({"sources_any": ""}, "`sources_any`"),
        ({"tags_all": ["alumni", " "]}, "`tags_all`"),
        ({"fields": {"country": []}}, "The test of country"),
        ({"fields": {"country": ""}}, "The test of country"),
        ({"fields": {"country": None}}, "The test of country"),
        ({"fields": {"country": {"not": []}}}, "The test of country"),
        ({"fields": {"country": {"one_of": [None]}}}, "The test of country"),
    ],
)
def test_a_part_that_names_nothing_is_refused_by_its_name(rule: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        check_entry_rule(rule)

    assert f"{part} of the entry rule is empty." == str(refusal.value)
    assert "take that part out" in refusal.value.hint


def test_a_field_that_there_is_not_is_refused_with_its_test_and_those_that_there_are() -> None:
    with pytest.raises(InvalidError) as refusal:
        check_entry_rule({"fields": {"contry": {"not": ["US"]}}})

    assert "contry" in str(refusal.value)
    assert '{"not": ["US"]}' in str(refusal.value)
    assert "country" in refusal.value.hint


@pytest.mark.parametrize("rule", [{"tags_any": ["a\x00b"]}, {"fields": {"country": {"is": "\ud83d"}}}])
def test_a_rule_that_no_database_can_keep_is_refused_before_it_asks_one(rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match=r"U\+0000"):
        check_entry_rule(rule)


@pytest.mark.parametrize(
    "rule", [*RULES, {"fields": {}}, {"fields": {"class_year": 1999}}, {"tags_any": "alumni"}]
)
def test_a_rule_that_names_something_in_every_part_is_taken(rule: dict[str, Any]) -> None:
    check_entry_rule(rule)
