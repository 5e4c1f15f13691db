"""The valve as a table: for every ledger, member, double opt-in and asking before, the exact call that may leave."""

from itertools import product
from typing import Any

import pytest

from app.audiences.bodies import member_body
from app.audiences.plan import plan_member
from app.audiences.valve import Remote, Standing, admitted_move, return_status
from app.audiences.views import LEFT, AudienceView, ContactView, Mirror
from integrations.mailchimp.answers import subscriber_hash

EMAIL = "ada@house.test"
CLAIMED, CONFIRMED = Standing("given", evidence_id=7), Standing("given", evidence_id=7, is_confirmed=True)
WITHDRAWN, NONE = Standing("withdrawn", evidence_id=7), Standing()
BLOCKED = Standing("given", is_address_blocked=True, evidence_id=7, is_confirmed=True)
STANDINGS = {
    "claimed": CLAIMED,
    "confirmed": CONFIRMED,
    "withdrawn": WITHDRAWN,
    "none": NONE,
    "blocked": BLOCKED,
}
STATUSES = ("", "subscribed", "pending", "transactional", "unsubscribed", "archived", "cleaned", "forgotten")
REACHABLE = {"subscribed", "pending", "transactional"}
ENTRY = {False: "subscribed", True: "pending"}


def call(
    standing: Standing, status: str, *, by_us: bool, is_double: bool, asked: int | None, **more: Any
) -> str:
    """What leaves: kind and the statuses it asks for, as `kind status status_if_new`."""
    mirror = Mirror(
        EMAIL,
        subscriber_hash(EMAIL),
        status,
        {"FNAME": "Ada"},
        pushed_hash=LEFT if by_us else "before",
        sync_state="failed" if status == "" else "ok",
        asked_evidence_id=asked,
    )
    contact = ContactView(1, fields={"email": EMAIL, "first_name": "Ada"}, standing=standing)
    audience = AudienceView(
        1, 1, "a", "l", merge_fields={"FNAME": "first_name"}, is_double_opt_in=is_double, **more
    )
    operation = plan_member(contact, mirror, audience)
    if operation.kind == "cannot_sync":
        return f"cannot_sync {operation.trouble.code}" if operation.trouble else "cannot_sync"
    if not operation.is_call:
        return "nothing"
    if operation.kind == "ask":
        return f"ask {operation.status}"
    body = member_body(operation)
    return f"{operation.kind} {body.get('status', '-')} if_new={body['status_if_new']}"


def expected(name: str, status: str, *, by_us: bool, is_double: bool, asked: int | None) -> str:
    """The table."""
    if name in {"withdrawn", "blocked"}:
        return "set_status unsubscribed if_new=unsubscribed" if status in REACHABLE else "nothing"
    if name == "none":
        return "archive - if_new=unsubscribed" if status in REACHABLE and not by_us else "nothing"
    entry = ENTRY[is_double]
    if status in {"", "transactional"} or (by_us and status == "archived"):
        decided = entry if by_us or status == "transactional" else "-"
        return f"upsert {decided} if_new={entry}"
    if status == "unsubscribed" and by_us:
        if asked == 7:
            return "cannot_sync asked_once"
        return f"upsert {entry} if_new=unsubscribed"
    if status in {"subscribed", "pending"}:
        return "nothing"
    if status == "unsubscribed":
        if name == "claimed":
            return "cannot_sync opted_out_there"
        return "cannot_sync asked_once" if asked == 7 else "ask pending"
    held = {"archived": "archived_there", "cleaned": "address_on_hold", "forgotten": "forgotten"}
    return f"cannot_sync {held[status]}"


@pytest.mark.parametrize(
    ("name", "status", "by_us", "is_double", "asked"),
    list(product(STANDINGS, STATUSES, [False, True], [False, True], [None, 6, 7])),
)
def test_the_exact_call_that_may_leave(
    name: str, status: str, by_us: bool, is_double: bool, asked: int | None
) -> None:
    found = call(STANDINGS[name], status, by_us=by_us, is_double=is_double, asked=asked)

    assert expected(name, status, by_us=by_us, is_double=is_double, asked=asked) == found


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("is_double", [False, True])
def test_where_only_the_form_is_wanted_nobody_is_asked(status: str, is_double: bool) -> None:
    found = call(CONFIRMED, status, by_us=False, is_double=is_double, asked=None, on_return="form_only")

    assert not found.startswith("ask")
    if status == "unsubscribed":
        assert found == "cannot_sync opted_out_there"


@pytest.mark.parametrize(
    ("status", "move"), [("cleaned", "make"), ("forgotten", "make"), ("unsubscribed", "ask")]
)
def test_a_hold_on_an_address_ends_with_the_address_an_opt_out_does_not(status: str, move: str) -> None:
    remote = Remote(status, is_same_address=False)

    assert move == admitted_move(CONFIRMED, remote, "pending_once")


@pytest.mark.parametrize(
    ("reason", "is_double", "expected_status"),
    [
        ("N/A (Unsubscribed by admin)", False, "subscribed"),
        ("N/A (Unsubscribed by admin)", True, "pending"),
        ("I no longer want to receive these emails", False, "pending"),
        ("", False, "pending"),
    ],
)
def test_who_left_by_themselves_is_asked_and_whom_staff_took_out_comes_back(
    reason: str, is_double: bool, expected_status: str
) -> None:
    assert expected_status == return_status(reason, is_double_opt_in=is_double)
