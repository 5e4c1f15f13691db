"""The outbox: queued once, claimed by lease, settled only by the holder and only as it was claimed."""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.audiences import outbox
from app.audiences.mirror import MirrorWrite, note_uncertain, write_members
from app.audiences.outbox import (
    Ended,
    How,
    TakenChange,
    lease_changes,
    queue_changes,
    settle_changes,
    take_changes,
)
from app.audiences.retry import BACKOFFS, retry_seconds
from app.audiences.views import Trouble
from app.core.db import transaction

TROUBLE = Trouble("outage", "It is down.")


@dataclass(frozen=True)
class Claimed:
    """Changes that one worker took and holds."""

    token: uuid.UUID
    changes: tuple[TakenChange, ...]


def claim(office: Any, limit: int = 10, emails: Mapping[int, str] | None = None) -> Claimed:
    with transaction(office.sessions) as session:
        taken = take_changes(session, office.audience_id, limit)
        return Claimed(lease_changes(session, taken, emails or {}, 30), taken)


def settle(office: Any, claimed: Claimed, how: How, **more: Any) -> outbox.Settled:
    ends = [Ended(one.contact_id, one.number, claimed.token, how, **more) for one in claimed.changes]
    with transaction(office.sessions) as session:
        return settle_changes(session, office.audience_id, ends)


def test_a_contact_queued_twice_is_one_change_with_a_later_number(office: Any) -> None:
    contact_id = office.add("ada@house.test")
    before = office.execute("SELECT number FROM changes")[0][0]

    office.touch(contact_id)

    assert [row[0] > before for row in office.execute("SELECT number FROM changes")] == [True]


def test_a_live_change_stays_live_when_the_bulk_lane_touches_it(
    office: Any, sessions: sessionmaker[Session]
) -> None:
    contact_id = office.add("ada@house.test")
    with transaction(sessions) as session:
        queue_changes(session, [contact_id], lane=1)

    assert office.execute("SELECT lane FROM changes")[0][0] == 0


def test_disabled_audiences_are_not_queued(office: Any) -> None:
    office.execute("UPDATE audiences SET is_enabled = false")

    office.add("ada@house.test")

    assert office.change_count() == 0


def test_live_changes_are_claimed_before_bulk_ones(office: Any, sessions: sessionmaker[Session]) -> None:
    bulk, live = office.crowd(2)
    office.execute("UPDATE changes SET lane = 1 WHERE contact_id = :id", id=bulk)

    assert [live] == [change.contact_id for change in claim(office, limit=1).changes]


def test_what_one_holds_nobody_else_gets(office: Any) -> None:
    office.crowd(3)
    first = claim(office)

    second = claim(office)

    assert (len(first.changes), len(second.changes)) == (3, 0)


def test_two_claimers_at_once_never_share(office: Any) -> None:
    office.crowd(200)
    claims: list[Any] = []
    threads = [threading.Thread(target=lambda: claims.append(claim(office, limit=40))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    taken = [change.contact_id for one in claims for change in one.changes]
    assert len(taken) == len(set(taken))


def test_done_changes_go(office: Any) -> None:
    office.crowd(2)
    claimed = claim(office)

    settled = settle(office, claimed, "done")

    assert (settled.done_count, settled.touched_count, office.change_count()) == (2, 0, 0)


def test_done_changes_go_though_their_lease_is_renewed_at_the_same_moment(office: Any, wait_for: Any) -> None:
    office.crowd(2)
    claimed = claim(office)
    with transaction(office.sessions) as session:
        assert outbox.renew_lease(session, office.audience_id, claimed.token, 30)
        settling = threading.Thread(target=settle, args=(office, claimed, "done"))
        settling.start()
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ended%'"
        wait_for(lambda: office.execute(waiting))
    settling.join(10)

    assert 0 == office.change_count()


def test_a_change_touched_meanwhile_is_due_again(office: Any) -> None:
    ids = office.crowd(2)
    claimed = claim(office)
    office.touch(ids[0])

    settled = settle(office, claimed, "done")

    assert (settled.done_count, settled.touched_count) == (1, 1)
    assert [ids[0]] == [change.contact_id for change in claim(office).changes]


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_a_late_holder_settles_nothing_and_the_contact_is_planned_anew(
    office: Any, is_taken_over: bool
) -> None:
    ids = office.crowd(1)
    late = claim(office)
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")
    other = claim(office)
    if is_taken_over:
        settle(office, other, "done")

    settled = settle(office, late, "done")

    assert (frozenset({(ids[0], late.token)}), 0) == (settled.lost, settled.done_count)
    assert office.change_count() == 1
    if not is_taken_over:
        assert settle(office, other, "done").touched_count == 1


def test_a_failed_change_waits_with_its_reason(office: Any) -> None:
    office.crowd(1)
    claimed = claim(office)

    settle(office, claimed, "later", delay_seconds=60, trouble=TROUBLE)

    row = office.execute("SELECT * FROM changes")[0]
    assert (row.attempt_count, row.error["code"], row.parked_at) == (1, "outage", None)
    assert claim(office).changes == ()


def test_a_parked_change_waits_until_it_is_touched(office: Any) -> None:
    ids = office.crowd(1)
    claimed = claim(office)
    settle(office, claimed, "later", trouble=TROUBLE)
    assert claim(office).changes == ()

    office.touch(*ids)

    assert len(claim(office).changes) == 1


def test_a_lease_that_ran_out_is_not_renewed(office: Any, sessions: sessionmaker[Session]) -> None:
    office.crowd(1)
    claimed = claim(office)
    with transaction(sessions) as session:
        assert outbox.renew_lease(session, office.audience_id, claimed.token, 30)
    office.execute("UPDATE changes SET leased_until = now() - interval '1 second'")

    with transaction(sessions) as session:
        is_held = outbox.renew_lease(session, office.audience_id, claimed.token, 30)

    assert not is_held


def test_everybody_with_consent_and_every_member_is_queued_for_a_new_audience(
    office: Any, sessions: sessionmaker[Session]
) -> None:
    office.crowd(3)
    office.add("none@house.test", consent="none")
    office.execute("DELETE FROM changes")

    with transaction(sessions) as session:
        count = outbox.queue_audience(session, office.audience_id)

    assert count == 3


@pytest.mark.parametrize("kind", [*BACKOFFS, "something_else"])
def test_waits_grow_jitter_and_stay_bounded(kind: str) -> None:
    longest = [retry_seconds(kind, attempt_count, 1.0) for attempt_count in range(40)]
    shortest = [retry_seconds(kind, attempt_count, 0.0) for attempt_count in range(40)]

    assert longest == sorted(longest)
    assert longest[-1] <= 2 * 24 * 3600
    assert all(low < high for low, high in zip(shortest, longest, strict=True))


def test_an_unknown_outcome_is_not_asked_again_for_thirty_seconds() -> None:
    assert retry_seconds("unknown_outcome", 0, 0.0) >= 30


def test_the_mirror_adds_what_is_written_and_keeps_the_rest(
    office: Any, sessions: sessionmaker[Session]
) -> None:
    contact_id = office.add("ada@house.test")
    first = MirrorWrite(
        contact_id,
        "ada@house.test",
        interests={"a1": True},
        marketing_permissions={"p1": True},
        theirs_changed={"FNAME": "2026-11-01T00:00:00+00:00", "LNAME": "2026-11-02T00:00:00+00:00"},
        asked_evidence_id=7,
    )
    second = MirrorWrite(
        contact_id, "ada@house.test", interests={"b2": False}, theirs_changed={"FNAME": None}
    )

    for write in (first, second):
        with transaction(sessions) as session:
            write_members(session, office.audience_id, [write])

    row = office.mirror(contact_id)
    assert row.interests == {"a1": True, "b2": False}
    assert (row.marketing_permissions, row.asked_evidence_id) == ({"p1": True}, 7)
    assert row.theirs_changed == {"LNAME": "2026-11-02T00:00:00+00:00"}


def test_changes_of_two_leases_are_settled_together(office: Any, sessions: sessionmaker[Session]) -> None:
    office.crowd(4)
    claims = [claim(office, limit=2), claim(office, limit=2)]
    ends = [
        Ended(change.contact_id, change.number, one.token, "done") for one in claims for change in one.changes
    ]

    with transaction(sessions) as session:
        settled = settle_changes(session, office.audience_id, ends)

    assert (settled.done_count, office.change_count()) == (4, 0)


@pytest.mark.parametrize(
    ("how", "more", "expected"),
    [
        ("again", {}, None),
        ("release", {}, "ada@house.test"),
        ("later", {"delay_seconds": 0.0, "trouble": TROUBLE}, "ada@house.test"),
    ],
)
def test_the_address_of_a_call_is_kept_until_an_answer_is_known(
    office: Any, how: How, more: Any, expected: str | None
) -> None:
    contact_id = office.add("ada@house.test")
    claimed = claim(office, emails={contact_id: "ada@house.test"})

    settle(office, claimed, how, **more)

    assert [expected] == [one.sent_email for one in claim(office).changes]


def test_what_the_mirror_has_learnt_meanwhile_is_not_made_uncertain(
    office: Any, sessions: sessionmaker[Session]
) -> None:
    known, unknown = office.add("ada@house.test"), office.add("eve@house.test")
    with transaction(sessions) as session:
        write_members(
            session, office.audience_id, [MirrorWrite(known, "ada@house.test", status="subscribed")]
        )

    with transaction(sessions) as session:
        note_uncertain(session, office.audience_id, {known: "ada@house.test", unknown: "eve@house.test"})

    assert (office.mirror(known).status, office.mirror(unknown).status) == ("subscribed", "")
