"""From claimed changes to jobs: load, plan, settle what needs no call, note what is about to be made. One transaction."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.audiences.load import adopt_members, load_situations
from app.audiences.mirror import MirrorWrite, note_intents, write_members
from app.audiences.outbox import Claim, claim_changes, queue_changes, settle_changes
from app.audiences.outcome import cannot_sync
from app.audiences.plan import Operation, plan_member
from app.audiences.send import split_jobs
from app.audiences.valve import OPTED_OUT_THERE
from app.audiences.views import AudienceView, Mirror
from integrations.mailchimp.answers import subscriber_hash


@dataclass(frozen=True, slots=True)
class Job:
    """Operations for one thread, under one lease. `numbers`: contact -> (number as claimed, tries so far)."""

    token: uuid.UUID
    operations: tuple[Operation, ...]
    numbers: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a claim came to. `counts`: by kind of operation."""

    claim: Claim
    jobs: tuple[Job, ...]
    counts: Counter[str]


def prepare_jobs(session: Session, audience: AudienceView, limit: int, lease_seconds: float) -> Prepared:
    """Claim and plan up to `limit` changes. What needs no call is settled here and now."""
    claim = claim_changes(session, audience.audience_id, limit, lease_seconds)
    ids = [change.contact_id for change in claim.changes]
    if not ids:
        return Prepared(claim, (), Counter())
    adopted = adopt_members(session, audience.audience_id, ids)
    queue_changes(session, set(adopted) - set(ids))
    situations = load_situations(session, audience, ids)
    planned = [(plan_member(one.contact, one.mirror, audience), one.mirror) for one in situations.values()]
    _settle_without_call(session, audience, claim, planned)
    operations = [operation for operation, _ in planned if operation.is_call]
    _note(session, audience, operations)
    numbers = {change.contact_id: (change.number, change.attempt_count) for change in claim.changes}
    jobs = tuple(
        Job(claim.token, job, {one.contact_id: numbers[one.contact_id] for one in job})
        for job in split_jobs(operations)
    )
    return Prepared(claim, jobs, Counter(operation.kind for operation, _ in planned))


def _note(session: Session, audience: AudienceView, operations: Sequence[Operation]) -> None:
    makers = [(one.contact_id, one.email) for one in operations if one.kind == "upsert" and one.is_new]
    note_intents(session, audience.audience_id, makers)


def _settle_without_call(
    session: Session,
    audience: AudienceView,
    claim: Claim,
    planned: Sequence[tuple[Operation, Mirror | None]],
) -> None:
    idle = [(operation, mirror) for operation, mirror in planned if not operation.is_call]
    writes = [
        write for operation, mirror in idle if (write := _write_without_call(operation, mirror)) is not None
    ]
    write_members(session, audience.audience_id, writes)
    finished = {operation.contact_id for operation, _ in idle}
    done = [(one.contact_id, one.number) for one in claim.changes if one.contact_id in finished]
    settle_changes(session, audience.audience_id, claim.token, done=done)


def _write_without_call(operation: Operation, mirror: Mirror | None) -> MirrorWrite | None:
    """The reason why somebody cannot be synced, or that everything is as wanted; None when nothing is new."""
    if operation.kind == "cannot_sync":
        found = cannot_sync(operation).write
        if found is None or mirror is None:
            return found
        # The mirror keeps speaking of the member it knows.
        return MirrorWrite(
            operation.contact_id, mirror.email, mirror.member_hash, trouble=operation.trouble, is_failed=True
        )
    if mirror is None:
        return None
    is_mended = mirror.sync_state == "failed" and mirror.status not in OPTED_OUT_THERE
    is_news = bool(operation.pushed_hash) and operation.pushed_hash != mirror.pushed_hash
    if not is_news and not is_mended:
        return None
    return MirrorWrite(
        operation.contact_id,
        mirror.email,
        mirror.member_hash or subscriber_hash(mirror.email),
        pushed_hash=operation.pushed_hash or None,
    )
