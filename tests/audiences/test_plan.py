"""Planning and the consent valve, pure: for every ledger and mirror, nothing subscribes without consent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.audiences.bodies import member_body
from app.audiences.entry import check_entry_rule, is_entitled
from app.audiences.formats import FieldSpec
from app.audiences.operation import Operation
from app.audiences.outward import merge_values
from app.audiences.plan import plan_member
from app.audiences.valve import OPTED_OUT_THERE, Standing, settle_ledger, status_if_new
from app.audiences.views import LEFT, AudienceView, ContactView, Mirror
from app.core.errors import InvalidError
from integrations.mailchimp.answers import subscriber_hash

EMAILS = ("ada@house.test", "augusta@house.test")
STATUSES = ("", "subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived", "forgotten")

standings = st.builds(
    Standing,
    st.sampled_from(["given", "withdrawn", "none"]),
    st.booleans(),
    st.sampled_from([None, 7, 8]),
    st.booleans(),
)
contacts = st.builds(
    ContactView,
    st.just(1),
    st.sampled_from(["active", "active", "merged", "erased"]),
    st.fixed_dictionaries(
        {"email": st.sampled_from(["", *EMAILS]), "first_name": st.sampled_from(["", "Ada"])}
    ),
    st.sampled_from([(), ("Alumni",), ("alumni", "Other")]),
    standings,
    st.sampled_from([None, 1, 2]),
)
mirrors = st.none() | st.builds(
    lambda email, status, state, pushed, tags, code, asked: Mirror(
        email,
        subscriber_hash(email),
        status,
        {"FNAME": "Eve"},
        tags,
        pushed,
        sync_state=state,
        error={"code": code} if code else None,
        asked_evidence_id=asked,
    ),
    st.sampled_from(EMAILS),
    st.sampled_from(STATUSES),
    st.sampled_from(["ok", "failed"]),
    st.sampled_from(["", LEFT, "abc"]),
    st.sampled_from([(), ("Alumni",)]),
    st.sampled_from(["", "fake_address", "bad_merge_field"]),
    st.sampled_from([None, 7]),
)
audiences = st.builds(
    lambda rule, is_double, leave, on_return: AudienceView(
        1,
        1,
        "a",
        "l",
        merge_fields={"FNAME": "first_name"},
        managed_tags=("Alumni",),
        entry_rule=rule,
        is_double_opt_in=is_double,
        on_leave=leave,
        on_return=on_return,
    ),
    st.sampled_from([{}, {"tags_any": ["alumni"]}]),
    st.booleans(),
    st.sampled_from(["archive", "unsubscribe", "delete", "keep"]),
    st.sampled_from(["pending_once", "form_only"]),
)


@given(contacts, mirrors, audiences)
def test_nothing_subscribes_without_consent(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView
) -> None:
    operation = plan_member(contact, mirror, audience)

    if operation.is_subscribing:
        assert contact.standing.ledger == "given"
        assert not contact.standing.is_address_blocked
        is_of_this_address = mirror is not None and mirror.member_hash == subscriber_hash(contact.email)
        if mirror is not None and is_of_this_address and mirror.status in OPTED_OUT_THERE:
            assert mirror.status == "unsubscribed"
            assert mirror.is_taken_out_by_us or (operation.kind == "ask" and contact.standing.is_confirmed)


@given(contacts, mirrors, audiences)
def test_nobody_is_asked_twice_for_the_same_consent(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView
) -> None:
    operation = plan_member(contact, mirror, audience)

    if operation.kind == "ask":
        assert mirror is not None
        assert contact.standing.evidence_id != mirror.asked_evidence_id
        assert audience.on_return == "pending_once"
        assert contact.standing.is_confirmed
        asked = replace(mirror, asked_evidence_id=contact.standing.evidence_id)
        assert plan_member(contact, asked, audience).kind == "cannot_sync"


@given(contacts, mirrors, audiences)
def test_no_body_asks_for_a_subscribing_status_but_for_somebody_we_took_out(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView
) -> None:
    operation = plan_member(contact, mirror, audience)

    status = member_body(operation).get("status") if operation.is_call and operation.kind != "ask" else None
    if status not in {None, "unsubscribed", "forgotten"}:
        assert mirror is not None
        assert mirror.is_taken_out_by_us or mirror.status == "transactional"
        assert contact.standing.is_admitted


@given(contacts, mirrors, audiences)
def test_who_opted_out_and_may_be_mailed_is_unsubscribed(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView
) -> None:
    operation = plan_member(contact, mirror, audience)

    if (
        contact.state == "active"
        and contact.standing.is_opted_out
        and mirror
        and mirror.status == "subscribed"
    ):
        assert operation.kind == "set_status"
        assert operation.status == "unsubscribed"


@given(contacts, mirrors, audiences)
def test_only_managed_tags_are_touched(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView
) -> None:
    operation = plan_member(contact, mirror, audience)

    assert {*operation.tags, *operation.tags_add, *operation.tags_remove} <= {"Alumni"}


@given(standings, st.sampled_from(STATUSES), st.booleans())
def test_a_new_member_is_mailed_only_with_consent(standing: Standing, status: str, is_double: bool) -> None:
    chosen = status_if_new(standing, status, is_double_opt_in=is_double)

    is_free = standing.is_admitted and status not in OPTED_OUT_THERE
    assert chosen == (("pending" if is_double else "subscribed") if is_free else "unsubscribed")


@pytest.mark.parametrize(
    ("purpose", "everything", "is_later", "expected"),
    [
        (None, None, False, "none"),
        ("given", None, False, "given"),
        ("withdrawn", None, False, "withdrawn"),
        (None, "withdrawn", False, "withdrawn"),
        ("given", "withdrawn", False, "withdrawn"),
        ("given", "withdrawn", True, "given"),
        ("withdrawn", "withdrawn", True, "withdrawn"),
    ],
)
def test_a_withdrawal_of_everything_outranks_a_purpose(
    purpose: str | None, everything: str | None, is_later: bool, expected: str
) -> None:
    assert expected == settle_ledger(purpose, everything, is_purpose_confirmed_later=is_later)


AUDIENCE = AudienceView(1, 1, "a", "l", merge_fields={"FNAME": "first_name"}, managed_tags=("Alumni",))
ADA = ContactView(1, fields={"email": EMAILS[0], "first_name": "Ada"}, standing=Standing("given"))


def there(**more: Any) -> Mirror:
    return Mirror(EMAILS[0], subscriber_hash(EMAILS[0]), **{"status": "subscribed", **more})


@pytest.mark.parametrize(
    ("mirror", "kind"),
    [
        (None, "upsert"),
        (there(), "upsert"),
        (there(merge_fields={"FNAME": "Ada"}), "nothing"),
        (there(merge_fields={"FNAME": "Ada"}, tags=("Alumni",)), "tags"),
        (there(status="pending"), "upsert"),
        (there(status="unsubscribed"), "cannot_sync"),
        (there(status="cleaned"), "cannot_sync"),
        (there(status="forgotten"), "cannot_sync"),
        (there(status="archived"), "cannot_sync"),
        (there(status="archived", pushed_hash=LEFT), "upsert"),
        (Mirror(EMAILS[1], subscriber_hash(EMAILS[1]), "subscribed"), "change_email"),
        (there(status="", sync_state="failed", error={"code": "fake_address"}), "cannot_sync"),
    ],
)
def test_the_next_step_for_somebody_with_consent(mirror: Mirror | None, kind: str) -> None:
    assert kind == plan_member(ADA, mirror, AUDIENCE).kind


def test_what_was_pushed_is_not_pushed_again_even_if_staff_changed_it() -> None:
    first = plan_member(ADA, None, AUDIENCE)

    again = plan_member(
        ADA, there(merge_fields={"FNAME": "Staff's"}, pushed_hash=first.pushed_hash), AUDIENCE
    )

    assert Operation("nothing", 1, pushed_hash=first.pushed_hash) == again


@pytest.mark.parametrize(
    ("spec", "given_value", "expected"),
    [
        (FieldSpec("text"), "é" * 200, "é" * 127),
        (FieldSpec("text"), True, "yes"),
        (FieldSpec("number"), "12.50", 12.5),
        (FieldSpec("number"), "twelve", None),
        (FieldSpec("number"), "nan", None),
        (FieldSpec("date"), "1990-02-30", None),
        (FieldSpec("date"), "1990-02-03T10:00:00", "1990-02-03"),
        (FieldSpec("birthday"), "1990-02-03", "02/03"),
        (FieldSpec("birthday"), "13/40", None),
        (FieldSpec("address"), {"addr1": "1 A St", "city": "X"}, None),
        (
            FieldSpec("address"),
            {"addr1": "1 A St", "city": "X", "state": "Y", "zip": "1", "addr2": ""},
            {"addr1": "1 A St", "city": "X", "state": "Y", "zip": "1"},
        ),
        (FieldSpec("phone", is_us_phone=True), "+12025550123", "202-555-0123"),
        (FieldSpec("phone", is_us_phone=True), "+442079460000", None),
        (FieldSpec("phone"), "+442079460000", "+442079460000"),
        (FieldSpec("url"), "example", None),
        (FieldSpec("zip"), "12345", "12345"),
        (FieldSpec("dropdown", choices=("Red", "Blue")), "red", "Red"),
        (FieldSpec("dropdown", choices=("Red", "Blue")), "green", None),
    ],
)
def test_values_go_in_the_form_of_their_field_or_not_at_all(
    spec: FieldSpec, given_value: Any, expected: Any
) -> None:
    merged = merge_values({"x": given_value}, {"X": "x"}, {"X": spec})

    assert ({"X": expected} if expected is not None else {}) == merged.values
    assert (() if expected is not None else ("X",)) == merged.unfit


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_of_ours_never_clears_theirs(blank: Any) -> None:
    assert merge_values({"x": blank}, {"X": "x"}, {}).values == {}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True),
        ({"tags_any": ["ALUMNI"]}, True),
        ({"tags_any": ["staff"]}, False),
        ({"tags_none": ["alumni"]}, False),
        ({"fields": {"country": ["de", "AT"]}}, True),
        ({"fields": {"country": "FR"}}, False),
        ({"fields": {"unknown": "x"}}, False),
    ],
)
def test_entry_rules(rule: dict[str, Any], expected: bool) -> None:
    assert expected == is_entitled(rule, {"country": "DE"}, ("alumni",))


@pytest.mark.parametrize("rule", [{"tag": ["x"]}, {"fields": ["x"]}])
def test_a_rule_that_is_not_understood_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        check_entry_rule(rule)
