"""Taking out whom Mailchimp does not let go, and taking in whom somebody has taken out since."""

from typing import Any

import pytest

from integrations.mailchimp.answers import BatchError, BatchOutcome
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import BAD_MERGE_FIELD, MEMBER_EXISTS, FieldError, MailchimpProblem

ADA = "ada@house.test"
WHAT = FieldError("ADDRESS", "Please enter a complete address")


def test_an_opt_out_in_a_call_of_many_survives_a_complaint_about_stored_values(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an address that somebody stored blocks later updates of any field (mc-woocommerce issue 500)."""
    ids = office.crowd(5)
    office.push()
    for number, contact_id in enumerate(ids, 1):
        office.say(contact_id, "withdrawn", f"p{number}@house.test", "confirmed")
    push_members = Gateway.push_members

    def picky(self: Any, list_id: str, members: Any, **more: Any) -> BatchOutcome:
        taken = [one for one in members if one["email_address"] != "p3@house.test"]
        answer = push_members(self, list_id, taken, **more)
        error = BatchError(
            "p3@house.test", "Your merge fields were invalid.", "ERROR_GENERIC", *vars_of(WHAT)
        )
        return BatchOutcome(
            answer.members, (*answer.errors, error), answer.created_count, answer.updated_count
        )

    with monkeypatch.context() as patched:
        patched.setattr(Gateway, "push_members", picky)
        office.push()

    assert "subscribed" == simulator.member("p3@house.test").status
    assert [(ids[2], None)] == office.execute("SELECT contact_id, parked_at FROM changes")
    office.hurry()
    office.push()
    assert {"unsubscribed"} == {simulator.member(f"p{number}@house.test").status for number in range(1, 6)}


def vars_of(error: FieldError) -> tuple[str, str]:
    return error.field, error.message


def test_an_opt_out_is_never_dropped_for_what_a_member_has(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = office.add(ADA)
    office.push()
    office.say(ada, "withdrawn", ADA, "confirmed")

    def refuse(*_given: Any, **_more: Any) -> Any:
        raise MailchimpProblem(
            BAD_MERGE_FIELD, 400, "Invalid Resource", "Your merge fields were invalid.", (WHAT,)
        )

    with monkeypatch.context() as patched:
        patched.setattr(Gateway, "patch_member", refuse)
        office.push()

    assert [(ada, None, "bad_merge_field")] == office.execute(
        "SELECT contact_id, parked_at, error ->> 'code' FROM changes"
    )
    office.hurry()
    office.push()
    assert "unsubscribed" == simulator.member(ADA).status


def test_stored_values_are_not_looked_at_when_only_the_status_changes(office: Any, simulator: Any) -> None:
    ada = office.add(ADA)
    office.push()

    office.say(ada, "withdrawn", ADA, "confirmed")
    office.push()

    assert "skip_merge_validation=true" in simulator.entries(ADA)[-1]["query"]


def test_whoever_left_by_themselves_since_we_took_them_out_is_not_taken_in_again(
    office: Any, simulator: Any
) -> None:
    ada = taken_out(office, simulator)
    simulator.contact("unsubscribe", ADA)  # the link in an older mail; no webhook, no reading yet
    before = simulator.subscribing(ADA)

    office.tag(ada, "Alumni")
    office.push()

    assert (before, "withdrawn") == (simulator.subscribing(ADA), office.consent(ada))


def test_whom_staff_took_out_after_a_lost_answer_is_not_taken_in_again(office: Any, simulator: Any) -> None:
    ada = taken_out(office, simulator)
    office.tag(ada, "Alumni")
    simulator.fault("reset_after", times=1, method="PUT")
    office.push()
    assert "subscribed" == simulator.member(ADA).status
    simulator.later()
    simulator.staff("unsubscribe", ADA)

    office.hurry()
    office.push()

    assert ("unsubscribed", "withdrawn") == (simulator.member(ADA).status, office.consent(ada))


def test_whom_staff_took_out_after_a_lost_answer_stays_out_also_once_it_was_read(
    office: Any, simulator: Any
) -> None:
    ada = taken_out(office, simulator)
    office.tag(ada, "Alumni")
    simulator.fault("reset_after", times=1, method="PUT")
    office.push()
    simulator.later()
    simulator.staff("unsubscribe", ADA)
    office.pull()

    office.hurry()
    office.push()

    assert ("unsubscribed", "withdrawn") == (simulator.member(ADA).status, office.consent(ada))


def taken_out(office: Any, simulator: Any) -> int:
    """Somebody who did not fit the rule any more."""
    office.put(entry_rule={"tags_any": ["alumni"]}, on_leave="unsubscribe")
    ada = office.add(ADA, tags=("Alumni",))
    office.push()
    office.tag(ada)
    office.push()
    assert "unsubscribed" == simulator.member(ADA).status
    simulator.later()
    return int(ada)


def test_a_member_whose_hash_is_of_another_spelling_is_written_by_its_id(
    office: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Very old members have the hash of an address that was not lower-cased, at which a PUT finds nobody."""
    simulator.staff("add", ADA)
    office.add(ADA, first_name="Ada")

    def refuse(*_given: Any, **_more: Any) -> Any:
        raise MailchimpProblem(MEMBER_EXISTS, 400, "Member Exists")

    monkeypatch.setattr(Gateway, "put_member", refuse)
    office.push()

    assert (0, "Ada") == (office.change_count(), simulator.member(ADA).merge_fields["FNAME"])
