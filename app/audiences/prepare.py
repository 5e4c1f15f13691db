"""From due changes to operations: load, plan, settle what needs no call, lease the rest. One transaction."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.orm import Session

from app.audiences.asking import note_asked
from app.audiences.batches import Held
from app.audiences.fingerprint import settings_fingerprint
from app.audiences.gate import may_send
from app.audiences.guard import Guard
from app.audiences.holders import find_holders, find_strays, hand_to_speakers
from app.audiences.load import Situation, get_audience, list_handings, list_speakers_to_tell, load_situations
from app.audiences.mirror import (
    MirrorWrite,
    distrust_members,
    forget_members,
    note_uncertain,
    write_members,
)
from app.audiences.models import Audience
from app.audiences.operation import Operation
from app.audiences.outbox import TakenChange, drop_changes, lease_changes, take_changes, touch_changes
from app.audiences.outcome import cannot_sync
from app.audiences.plan import plan_member
from app.audiences.valve import OPTED_OUT_THERE
from app.audiences.views import AudienceView, ContactView, Mirror, Trouble
from app.inbox.models import BULK_LANE
from integrations.mailchimp.answers import subscriber_hash


@dataclass(frozen=True, slots=True)
class Prepared:
    """What taking changes came to. `counts`: by kind of operation; `troubles`: who cannot be synced, and why.

    Of the `taken_count`, `waiting_count` were set aside for a pause: they are in nothing else, for nothing of them is done.
    `audience` with its `settings` (a fingerprint): by what they were planned; None where none were.
    """

    taken_count: int = 0
    waiting_count: int = 0
    operations: tuple[Operation, ...] = ()
    held: Mapping[int, Held] = field(default_factory=dict)  # by contact
    token: uuid.UUID | None = None  # of all operations; None where there is none
    counts: Counter[str] = field(default_factory=Counter)
    troubles: tuple[tuple[int, Trouble], ...] = ()
    audience: AudienceView | None = None
    settings: str = ""


class _Planned(msgspec.Struct, frozen=True, gc=False):
    contact: ContactView
    mirror: Mirror | None
    operation: Operation


def prepare_operations(
    session: Session,
    audience_id: int,
    guard: Guard,
    limit: int,
    lease_seconds: float,
    *,
    max_lane: int = BULK_LANE,
) -> Prepared:
    """Take and plan up to `limit` changes. What needs no call is settled here and now.

    By the audience's settings as they stand: whom new ones queued must not be planned, and dropped, by those of before.
    """
    changes = {one.contact_id: one for one in take_changes(session, audience_id, limit, max_lane)}
    if not changes or not may_send(session, audience_id):
        return Prepared()
    audience = get_audience(session, audience_id)
    sent = {one.contact_id: one.sent_email for one in changes.values() if one.sent_email}
    note_uncertain(session, audience.audience_id, sent)
    distrust_members(
        session, audience.audience_id, [one.contact_id for one in changes.values() if one.is_abandoned]
    )
    planned = [
        _Planned(one.contact, one.mirror, plan_member(one.contact, one.mirror, audience))
        for one in _load(session, audience, list(changes)).values()
    ]
    idle = [one for one in planned if not one.operation.is_call]
    _write_idle(session, audience, idle)
    drop_changes(session, [changes[one.operation.contact_id] for one in idle])
    token, operations, waiting = _lease(session, audience, guard, planned, (changes, lease_seconds))
    held = {
        one.contact_id: Held(token, change.number, change.attempt_count, change.lane)
        for one in operations
        if token and (change := changes[one.contact_id])
    }
    return Prepared(
        len(changes),
        len(waiting),
        operations,
        held,
        token,
        Counter(one.operation.kind for one in planned if one.operation.contact_id not in waiting),
        tuple(
            (one.operation.contact_id, one.operation.trouble)
            for one in planned
            if one.operation.trouble and not one.operation.is_call
        ),
        audience,
        read_settings(session, audience_id),
    )


def read_settings(session: Session, audience_id: int) -> str:
    """The fingerprint of an audience's settings as they stand; "" where it may not be written to at all."""
    audience = session.get_one(Audience, audience_id)
    return settings_fingerprint(audience) if may_send(session, audience_id) else ""


def _load(session: Session, audience: AudienceView, contact_ids: Sequence[int]) -> Mapping[int, Situation]:
    """Contacts and their mirror rows, once each member is with whoever has its address."""
    situations = load_situations(session, audience, contact_ids)
    strays, handings = find_strays(session, situations), list_handings(situations, audience)
    waited_for = list_speakers_to_tell(situations)
    if not (strays or handings or waited_for):
        return situations
    touched = find_holders(session, audience, strays) | hand_to_speakers(session, audience, handings)
    touch_changes(session, audience.audience_id, (touched | waited_for) - set(contact_ids))
    return load_situations(session, audience, contact_ids)


def _lease(
    session: Session,
    audience: AudienceView,
    guard: Guard,
    planned: Sequence[_Planned],
    lease: tuple[Mapping[int, TakenChange], float],
) -> tuple[uuid.UUID | None, tuple[Operation, ...], set[int]]:
    """Hold what will be sent, and note the members that a call may make. And whose change waits for the end of a pause."""
    operations = [one.operation for one in planned if one.operation.is_call]
    if not operations:
        return None, (), set()
    changes, lease_seconds = lease
    makers = {one.contact_id: one.email for one in operations if one.kind == "upsert" and one.is_new}
    token = lease_changes(session, [changes[one.contact_id] for one in operations], makers, lease_seconds)
    waiting = guard.hold_back(session, audience, token, [(one.contact, one.operation) for one in planned])
    leaving = tuple(one for one in operations if one.contact_id not in waiting)
    note_asked(session, audience.audience_id, leaving)
    return token, leaving, waiting


def _write_idle(session: Session, audience: AudienceView, idle: Sequence[_Planned]) -> None:
    writes = [write for one in idle if (write := _write_without_call(one.operation, one.mirror)) is not None]
    write_members(session, audience.audience_id, writes)
    forget_members(
        session, audience.audience_id, [one.contact.contact_id for one in idle if _is_idle_talk(one)]
    )


def _is_idle_talk(planned: _Planned) -> bool:
    """Why somebody could not be made a member, who is not to be one any more."""
    mirror = planned.mirror
    has_failed = mirror is not None and mirror.status == "" and mirror.sync_state == "failed"
    return has_failed and planned.operation.kind == "nothing"


def _write_without_call(operation: Operation, mirror: Mirror | None) -> MirrorWrite | None:
    """The reason why somebody cannot be synced, or that everything is as wanted; None when nothing is new."""
    if operation.kind == "cannot_sync":
        found = cannot_sync(operation).write
        if found is None or mirror is None:
            return found
        # The mirror keeps speaking of the member it knows.
        return MirrorWrite(
            operation.contact_id,
            mirror.email,
            mirror.member_hash,
            trouble=operation.trouble,
            is_failed=True,
            refused_hash=mirror.refused_hash,
        )
    if mirror is None:
        return None
    is_mended = mirror.sync_state == "failed" and mirror.status not in {"", *OPTED_OUT_THERE}
    is_news = bool(operation.pushed_hash) and operation.pushed_hash != mirror.pushed_hash
    if not is_news and not is_mended:
        return None
    return MirrorWrite(
        operation.contact_id,
        mirror.email,
        mirror.member_hash or subscriber_hash(mirror.email),
        pushed_hash=operation.pushed_hash or None,
    )
