"""A dry run changes no contact; what it read is judged once the audience is approved, and only as it was rehearsed."""

from typing import Any

import pytest

from app.audiences.models import Audience
from app.audiences.rehearse import run_first_sync
from app.audiences.reviews import list_reviews
from app.audiences.settings import change_settings
from app.audiences.steer import approve, get_waiting_run
from app.core.db import transaction
from app.core.errors import ConflictError

ADA = "ada@house.test"
NEW = "ada@elsewhere.test"


@pytest.fixture
def new(office: Any) -> Any:
    """The audience as if just added: never approved."""
    office.put(approved_at=None, tags=[], merge_fields={"FNAME": "first_name"})
    return office


def map_first_name(office: Any, direction: str) -> None:
    office.put(merge_fields={"FNAME": {"from": "first_name", "direction": direction}})


def rehearse(office: Any) -> int:
    return run_first_sync(office.sessions, office.connections, office.audience_id, "tester")


def let(office: Any, *, is_anyway: bool = False) -> None:
    with transaction(office.sessions) as session:
        approve(session, get_waiting_run(session, office.audience_id).id, "tester", is_anyway=is_anyway)


def set_up(office: Any, **values: Any) -> None:
    with transaction(office.sessions) as session:
        change_settings(session, session.get_one(Audience, office.audience_id), values, "tester")


def reviewed(office: Any) -> list[tuple[Any, Any]]:
    with transaction(office.sessions) as session:
        return [(line.ours, line.theirs) for line in list_reviews(session)]


@pytest.mark.parametrize("direction", ["theirs", "newest", "review", "ours", "never_blank"])
@pytest.mark.parametrize("ours", [None, "Ada"])
def test_a_dry_run_changes_no_contact(new: Any, simulator: Any, direction: str, ours: str | None) -> None:
    map_first_name(new, direction)
    simulator.contact("signup", ADA, merge_fields={"FNAME": "Adele"})
    ada = new.add(ADA, **({"first_name": ours} if ours else {}))
    before = new.fields(ada)

    for _ in range(2):
        rehearse(new)
        new.pull()

    assert (new.fields(ada), reviewed(new)) == (before, [])
    assert new.mirror(ada).merge_fields["FNAME"] == "Adele"


@pytest.mark.parametrize(
    ("direction", "ours", "here", "there", "review"),
    [
        ("theirs", "Ada", "Adele", "Adele", []),
        ("theirs", None, "Adele", "Adele", []),
        ("newest", "Ada", "Ada", "Ada", []),
        ("newest", None, "Adele", "Adele", []),
        ("review", "Ada", "Ada", "Adele", [("Ada", "Adele")]),
        ("review", None, "Adele", "Adele", []),
        ("ours", "Ada", "Ada", "Ada", []),
        ("never_blank", None, "Adele", "Adele", []),
    ],
)
@pytest.mark.parametrize("is_pushed_first", [True, False])
def test_once_approved_what_it_read_is_judged_by_direction(
    new: Any,
    simulator: Any,
    *,
    direction: str,
    ours: str | None,
    here: str,
    there: str,
    review: list[tuple[str, str]],
    is_pushed_first: bool,
) -> None:
    map_first_name(new, direction)
    simulator.contact("signup", ADA, merge_fields={"FNAME": "Adele"})
    ada = new.add(ADA, **({"first_name": ours} if ours else {}))
    rehearse(new)
    simulator.later()

    let(new)
    for step in (new.push, new.pull, new.push) if is_pushed_first else (new.pull, new.push):
        step()

    assert (new.fields(ada).get("first_name"), simulator.member(ADA).merge_fields["FNAME"]) == (here, there)
    assert reviewed(new) == review


def test_what_may_come_up_for_review_is_not_replaced_before_it_was_judged(new: Any, simulator: Any) -> None:
    new.put(merge_fields={"FNAME": {"from": "first_name", "direction": "review"}, "LNAME": "last_name"})
    simulator.contact("signup", ADA, merge_fields={"FNAME": "Adele"})
    ada = new.add(ADA, first_name="Ada", last_name="L")
    rehearse(new)
    let(new)
    new.push()

    new.change(ada, last_name="Lovelace", first_name="Augusta")
    new.push()

    member = simulator.member(ADA)
    assert (member.merge_fields["FNAME"], member.merge_fields["LNAME"]) == ("Adele", "Lovelace")


def test_a_change_there_after_it_was_judged_is_a_change_like_any_other(new: Any, simulator: Any) -> None:
    simulator.contact("signup", ADA, merge_fields={"FNAME": "Ada"})
    ada = new.add(ADA, first_name="Ada")
    rehearse(new)
    let(new)
    new.push()
    new.pull()
    simulator.later()

    simulator.contact("edit", ADA, merge_fields={"FNAME": "Adele"})
    new.pull()

    assert new.fields(ada)["first_name"] == "Adele"


@pytest.mark.parametrize("act", ["unsubscribe", "abuse"])
def test_an_opt_out_is_believed_by_a_dry_run(new: Any, simulator: Any, act: str) -> None:
    simulator.contact("signup", ADA)
    ada = new.add(ADA)
    rehearse(new)
    simulator.later()
    simulator.contact(act, ADA)

    new.pull()

    assert new.consent(ada) == "withdrawn"


def test_an_address_changed_there_before_the_approval_is_learned_by_it(new: Any, simulator: Any) -> None:
    simulator.contact("signup", ADA)
    ada = new.add(ADA)
    rehearse(new)
    simulator.later()
    simulator.contact("change_email", ADA, new_email=NEW)
    rehearse(new)
    before = new.fields(ada)["email"]

    let(new)
    new.push()
    new.pull()
    new.push()

    assert (before, new.fields(ada)["email"], new.mirror(ada).email_address) == (ADA, NEW, NEW)
    assert simulator.member(NEW).status == "subscribed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merge_fields", {"FNAME": {"from": "first_name", "direction": "ours"}}),
        ("tags", ["Alumni"]),
        ("interests", {"choir": {"tag": "Choir"}}),
        ("marketing_permissions", {"mail": "newsletter"}),
        ("contact_id_field", "LNAME"),
        ("entry_rule", {"tag": "Alumni"}),
        ("is_double_opt_in", True),
        ("on_leave", "delete"),
        ("on_return", "form_only"),
    ],
)
def test_settings_that_nobody_rehearsed_are_not_approved(new: Any, name: str, value: Any) -> None:
    new.crowd(3)
    rehearse(new)
    new.put(**{name: value})

    with pytest.raises(ConflictError, match="were changed since") as refused:
        let(new)

    assert "muster sync dry-run newsletter" in str(refused.value.hint)
    assert new.execute("SELECT approved_at FROM audiences") == [(None,)]


def test_settings_that_nobody_rehearsed_are_not_approved_anyway_either(new: Any, simulator: Any) -> None:
    simulator.contact("signup", ADA)
    rehearse(new)
    new.put(tags=["Alumni"])

    with pytest.raises(ConflictError, match="were changed since"):
        let(new, is_anyway=True)


def test_they_are_approved_once_they_were_rehearsed(new: Any, simulator: Any) -> None:
    new.crowd(3)
    rehearse(new)
    set_up(new, merge_fields={"LNAME": "first_name"})
    rehearse(new)

    let(new)
    new.push()

    assert simulator.member("p1@house.test").merge_fields["LNAME"] == "P1"


@pytest.mark.parametrize("values", [{"label": "Letters"}, {"guard_share": 0.5}, {"keeps_activity": True}])
def test_settings_that_decide_nothing_of_what_is_written_keep_a_dry_run_valid(
    new: Any, values: dict[str, Any]
) -> None:
    new.crowd(3)
    rehearse(new)
    set_up(new, **values)

    let(new)

    assert new.execute("SELECT approved_at IS NOT NULL FROM audiences") == [(True,)]
