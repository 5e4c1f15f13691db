"""Settling what calls came to: ledger, changes, mirror, failures and breaker, for many jobs in one transaction."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audiences.asking import forget_unasked
from app.audiences.batches import Held, Job
from app.audiences.gate import CallCounts, is_failure, note_calls, stop_calls
from app.audiences.holders import find_strays_at
from app.audiences.learn import OptOut, learn_opt_outs
from app.audiences.mirror import MirrorWrite, distrust_members, forget_members, write_members
from app.audiences.models import Destination
from app.audiences.operation import LEAVING_ADDRESS, Operation
from app.audiences.outbox import Ended, How, queue_changes, settle_changes, touch_changes
from app.audiences.outcome import Outcome
from app.audiences.permissions import note_refused
from app.audiences.retry import retry_seconds
from app.audiences.theirs import FieldNews, hold_people, learn_fields
from app.audiences.views import AudienceView, Trouble
from app.core.clock import database_now
from app.inbox.models import Attempt

PEOPLE = text("""
    WITH RECURSIVE up AS (
        SELECT id AS asked, id, state, merged_into_id FROM contacts WHERE id = ANY(CAST(:ids AS bigint[]))
        UNION SELECT up.asked, w.id, w.state, w.merged_into_id FROM contacts w JOIN up ON w.id = up.merged_into_id)
    SELECT asked AS id, id AS person_id FROM up WHERE state <> 'merged'
""")
WAITING = text(
    "SELECT contact_id FROM members WHERE audience_id = :audience_id AND subscriber_hash = ANY(CAST(:hashes AS text[]))"
    " AND contact_id <> ALL(CAST(:ids AS bigint[])) AND status = '' AND sync_state = 'failed'"
)
NOT_THERE = frozenset({"archived", "forgotten"})
HOWS: Mapping[str, How] = {"done": "done", "again": "again", "release": "release"}


@dataclass(frozen=True, slots=True)
class Landed:
    """A job and what came of it, an outcome for each operation."""

    job: Job
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`is_blocked`: the destination must not be called for now. `has_due`: some of the changes are due at once."""

    is_blocked: bool = False
    has_due: bool = False


def settle_outcomes(session: Session, audience: AudienceView, landed: Sequence[Landed]) -> Aftermath:
    """Ledger, changes and mirror after some jobs.

    Whoever lost the lease changes nothing but the ledger: those contacts are planned anew, all of them sent again.
    """
    pairs = [(outcome, one.job.held[outcome.contact_id]) for one in landed for outcome in one.outcomes]
    pairs.sort(key=lambda pair: pair[0].contact_id)
    note_refused(session, audience.audience_id, {gone for one, _ in pairs for gone in one.gone_permissions})
    marks = _learn_theirs(session, audience, [outcome for outcome, _ in pairs])
    _learn_opt_outs(session, audience, [outcome for outcome, _ in pairs if outcome.opt_out])
    settled = settle_changes(session, audience.audience_id, [_ended(*pair) for pair in pairs])
    lost = {contact_id for contact_id, _ in settled.lost}
    kept = [one for one, held in pairs if not lost or (one.contact_id, held.token) not in settled.lost]
    write_members(session, audience.audience_id, _writes(kept, marks))
    operations = [operation for one in landed for operation in one.job.operations]
    forget_unasked(session, audience.audience_id, operations, [outcome for outcome, _ in pairs])
    forget_members(session, audience.audience_id, [one.contact_id for one in kept if one.is_forgotten])
    # Whoever lost the lease may have written since; so may a call whose answer never came.
    unclear = {one.contact_id for one in kept if one.verdict == "retry" and is_failure(one.kind)}
    distrust_members(session, audience.audience_id, lost | unclear)
    _note_attempts(session, audience, [outcome for outcome, _ in pairs])
    is_room = _tell_waiting(session, audience, operations) or _tell_strays(session, audience, kept)
    has_due = bool(
        is_room or settled.lost or settled.touched_count or any(one.verdict == "again" for one in kept)
    )
    return Aftermath(_tell_destination(session, audience, landed), has_due)


def _learn_theirs(
    session: Session, audience: AudienceView, outcomes: Sequence[Outcome]
) -> dict[int, dict[str, str | None]]:
    """What answers showed others to have changed."""
    now = database_now(session)
    news = [
        FieldNews(
            one.contact_id,
            one.contact_id,
            tag,
            value,
            (one.state.changed_at if one.state else None) or now,
            is_seen=not one.is_first_reading,
        )
        for one in outcomes
        for tag, value in one.theirs.items()
    ]
    if not news:
        return {}
    hold_people(session, [one.contact_id for one in outcomes if one.theirs or one.opt_out])
    return learn_fields(session, audience, news)


def _writes(outcomes: Sequence[Outcome], marks: Mapping[int, dict[str, str | None]]) -> list[MirrorWrite]:
    writes = [one.write for one in outcomes if one.write is not None]
    if not marks:
        return writes
    return [
        replace(one, theirs_changed={**one.theirs_changed, **marks.get(one.contact_id, {})}) for one in writes
    ]


def _ended(outcome: Outcome, held: Held) -> Ended:
    how = HOWS.get(outcome.verdict)
    if how is not None:
        return Ended(outcome.contact_id, held.number, held.token, how)
    trouble = outcome.trouble or Trouble(outcome.kind, "The call failed.")
    delay = retry_seconds(outcome.kind, held.attempt_count, random.random())  # noqa: S311 - jitter
    wait = None if outcome.verdict == "park" else delay
    return Ended(outcome.contact_id, held.number, held.token, "later", wait, trouble)


def _learn_opt_outs(session: Session, audience: AudienceView, outcomes: Sequence[Outcome]) -> None:
    """Of a contact who was merged into another it is that one's."""
    if outcomes:
        people = {
            row.id: row.person_id
            for row in session.execute(PEOPLE, {"ids": [one.contact_id for one in outcomes]})
        }
        learn_opt_outs(
            session, audience, [_opt_out(one, people.get(one.contact_id, one.contact_id)) for one in outcomes]
        )


def _opt_out(outcome: Outcome, person_id: int) -> OptOut:
    state = outcome.state
    address = state.email if state else outcome.address or (outcome.write.email if outcome.write else "")
    return OptOut(person_id, address, outcome.opt_out, state.changed_at if state else None)


def _tell_waiting(session: Session, audience: AudienceView, operations: Sequence[Operation]) -> bool:
    """Plan anew who waited for an address that a member may have left; whether there was anybody."""
    left = {one.member: one.contact_id for one in operations if one.kind in LEAVING_ADDRESS}
    if not left:
        return False
    asked = {"audience_id": audience.audience_id, "hashes": list(left), "ids": list(left.values())}
    return queue_changes(session, list(session.scalars(WAITING, asked))) > 0


def _tell_strays(session: Session, audience: AudienceView, outcomes: Sequence[Outcome]) -> bool:
    """Plan anew whose row speaks of members that are somebody else's, as these were found to be; whether there was anybody.

    A member that is there is read, and its other rows are found then; of one that is not nobody reads.
    """
    found = {
        one.write.member_hash: one.contact_id
        for one in outcomes
        if one.write is not None and one.write.status in NOT_THERE and one.write.member_hash
    }
    if not found:
        return False
    strays = find_strays_at(session, audience.audience_id, found) - set(found.values())
    touch_changes(session, audience.audience_id, strays)
    return bool(strays)


def _note_attempts(session: Session, audience: AudienceView, outcomes: Sequence[Outcome]) -> None:
    """One line a reason and settling, not one a contact: a failed call of 500 is one failure."""
    failures = [outcome for outcome in outcomes if outcome.verdict in {"retry", "park"} and outcome.trouble]
    counts = Counter(outcome.trouble for outcome in failures)
    for trouble, count in counts.items():
        only = failures[0].contact_id if len(failures) == 1 else None
        session.add(
            Attempt(
                audience_id=audience.audience_id,
                contact_id=only,
                stage="push",
                error={**(trouble.as_dict() if trouble else {}), "count": count},
            )
        )


def _tell_destination(session: Session, audience: AudienceView, landed: Sequence[Landed]) -> bool:
    """Count the calls for the breaker, pause on a credentials problem; True when calls should stop."""
    released = [one for job in landed for one in job.outcomes if one.verdict == "release" and one.trouble]
    blocked = next((one.trouble for one in released if one.trouble), None)
    if blocked is not None:
        stop_calls(session, audience.destination_id, audience.audience_id, blocked)
        return True
    failed = sum(all(is_failure(outcome.kind) for outcome in one.outcomes) for one in landed)
    note_calls(session, audience.destination_id, CallCounts(len(landed), failed))
    state: Mapping[str, object] = session.execute(
        select(Destination.breaker).where(Destination.id == audience.destination_id)
    ).scalar_one()
    return state.get("state", "closed") != "closed"
