"""A marketing permission that Mailchimp does not have: told once, everybody goes on without it, and it is set once it is there."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.preflight import preflight
from app.audiences.settings import change_settings
from app.core.db import transaction
from integrations.mailchimp.problems import BUG, PERMISSION_GONE, problem_from_answer

LIST_ID = "a1b2c3d4e5"
ADA = "ada@house.test"
UNKNOWN = "0123456789"
ALERTS = "SELECT error ->> 'code', error ->> 'reason' FROM attempts WHERE error ? 'alert'"
INVALID = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."


@pytest.fixture
def permissions(simulator: Any) -> dict[str, str]:
    """What the audience has, as the simulator keeps it."""
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "has_permissions": True})
    found: dict[str, str] = next(iter(simulator.running.world.audiences.values())).permissions
    return found


def put(office: Any, **permissions: str) -> None:
    with transaction(office.sessions) as session:
        audience = session.get_one(Audience, office.audience_id)
        change_settings(session, audience, {"marketing_permissions": permissions}, "test")


def settle(office: Any) -> None:
    for _ in range(3):
        office.hurry()
        office.push()


def refusals(simulator: Any) -> int:
    return sum(entry["status"] == 400 for entry in simulator.entries())


def notices(office: Any) -> list[str]:
    with office.sessions() as session:
        return [one.reason for one in list_alerts(session) if one.code == "permission"]


def rows(office: Any) -> list[tuple[str, str]]:
    with office.sessions() as session:
        found = preflight(session, get_audience(session, office.audience_id)).rows
    return [(row.code, row.tag) for row in found if row.code == "missing_permission"]


@pytest.mark.parametrize("count", [1, 3])
def test_nobody_is_set_aside_and_the_rest_of_each_profile_is_written(
    office: Any, simulator: Any, permissions: dict[str, str], count: int
) -> None:
    mail, *_ = permissions
    put(office, **{mail: "newsletter", UNKNOWN: "newsletter"})
    people = office.add_many(count, tags=("Alumni",))

    settle(office)
    for contact_id in people:
        office.change(contact_id, first_name="New")
    settle(office)

    members = [simulator.member(f"person{number}@house.test") for number in range(count)]
    assert [(one.merge_fields["FNAME"], one.permissions) for one in members] == [("New", (mail,))] * count
    assert simulator.tags("person0@house.test") == {"Alumni"}
    assert [office.mirror(one).error for one in people] == [None] * count
    assert office.change_count() == 0
    ((code, reason),) = office.execute(ALERTS)
    assert code == "permission_gone"
    assert f"newsletter does not have the marketing permission {UNKNOWN} (consent to newsletter)" in reason
    assert ([reason], [("missing_permission", UNKNOWN)]) == (notices(office), rows(office))


def test_whoever_is_written_later_is_refused_nothing_any_more(
    office: Any, simulator: Any, permissions: dict[str, str]
) -> None:
    put(office, **{UNKNOWN: "newsletter"})
    office.add(ADA, first_name="Ada")
    settle(office)
    before = refusals(simulator)

    office.add_many(3)
    settle(office)

    assert (1, 1) == (before, refusals(simulator))
    assert len(office.execute(ALERTS)) == 1


def test_an_opt_out_reaches_whoever_has_a_permission_that_is_gone(
    office: Any, simulator: Any, permissions: dict[str, str]
) -> None:
    put(office, **{UNKNOWN: "newsletter"})
    contact_id = office.add(ADA, first_name="Ada")
    settle(office)

    office.say(contact_id, "withdrawn", ADA)
    settle(office)

    assert simulator.member(ADA).status == "unsubscribed"


def test_one_that_is_deleted_withdraws_nothing_and_is_set_again_once_a_reading_shows_it(
    office: Any, simulator: Any, permissions: dict[str, str]
) -> None:
    mail, *_ = permissions
    put(office, **{mail: "newsletter"})
    contact_id = office.add(ADA, first_name="Ada")
    settle(office)
    label = permissions.pop(mail)
    simulator.member(ADA).permissions = ()
    bea = office.add("bea@house.test", first_name="Bea")
    settle(office)
    told = notices(office)
    simulator.later()
    simulator.staff("tag", ADA, add=["Board"])
    office.pull()
    still = notices(office)

    permissions[mail] = label
    simulator.later()
    simulator.staff("tag", ADA, remove=["Board"])
    office.pull()
    settle(office)

    assert (1, told) == (len(told), still)
    assert notices(office) == []
    assert [(mail,)] * 2 == [simulator.member(one).permissions for one in (ADA, "bea@house.test")]
    assert [office.consent(one) for one in (contact_id, bea)] == ["given", "given"]


@pytest.mark.parametrize("is_set_anew", [True, False])
def test_the_settings_take_it_out_and_try_it_again(
    office: Any, simulator: Any, permissions: dict[str, str], is_set_anew: bool
) -> None:
    mail, ads, *_ = permissions
    label = permissions.pop(mail)
    put(office, **{mail: "newsletter"})
    office.add(ADA, first_name="Ada")
    settle(office)
    was = len(notices(office))

    put(office, **{ads: "advertising"})
    without = len(notices(office))
    permissions[mail] = label
    if is_set_anew:
        put(office, **{mail: "newsletter"})
    settle(office)

    assert (1, 0, []) == (was, without, notices(office))
    assert ((mail,) if is_set_anew else ()) == simulator.member(ADA).permissions


def test_a_refusal_of_what_is_there_leaves_the_person_and_is_not_repeated_at_once(
    office: Any, simulator: Any, permissions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail, *_ = permissions
    put(office, **{mail: "newsletter"})
    contact_id = office.add(ADA, first_name="Ada")
    gateway = type(office.gateway())
    put_member = gateway.put_member

    def refuse(self: Any, list_id: str, member: str, body: Mapping[str, Any], **more: Any) -> Any:
        if "marketing_permissions" in body:
            simulator.refused = getattr(simulator, "refused", 0) + 1
            raise problem_from_answer(
                400, {"title": "Invalid Resource", "detail": "Marketing permission?"}, "PUT"
            )
        return put_member(self, list_id, member, body, **more)

    monkeypatch.setattr(gateway, "put_member", refuse)
    settle(office)

    assert (simulator.refused, simulator.member(ADA).status) == (1, "subscribed")
    assert office.mirror(contact_id).error["code"] == "permission_gone"
    assert (office.change_count(), notices(office)) == (0, [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("marketing_permissions",), PERMISSION_GONE),
        (("marketing_permissions.0.marketing_permission_id",), PERMISSION_GONE),
        (("marketing_permissions.0", "language"), BUG),
        (("language",), BUG),
    ],
)
def test_a_refusal_whose_sentences_say_nothing_is_known_by_its_fields(
    fields: tuple[str, ...], expected: Any
) -> None:
    errors = [{"field": one, "message": "Schema describes one thing, found another"} for one in fields]
    body = {"title": "Invalid Resource", "detail": INVALID, "errors": errors}

    assert expected == problem_from_answer(400, body, "PUT /lists/{list_id}").classification
