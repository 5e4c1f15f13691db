"""Whether a destination may be called now: paused for its credentials, its breaker open, or time for a probe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.breaker import (
    FAILURES,
    Breaker,
    after_probe,
    count_calls,
    may_call,
    read_breaker,
    refused,
    start_probe,
    wants_probe,
)
from app.audiences.connect import Connections
from app.audiences.load import get_audience
from app.audiences.models import Audience, Destination
from app.audiences.outbox import excuse_pause, wake_changes
from app.audiences.pauses import GONE, UNREACHABLE, pause_audience, raise_alert
from app.audiences.views import AudienceView, Trouble
from app.audiences.whose import learn_account, lock_account
from app.core.db import transaction
from app.core.errors import BusyError
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import AUDIENCE_GONE, REVOKED, MailchimpProblem

# How often the sweep reads an audience anew.
PULL_SECONDS = 300.0
# A refusal that lasts is said again after a day.
ALERT_AGAIN_SECONDS = 86_400.0
WORKED_SINCE = text("""
    SELECT EXISTS (SELECT FROM members m JOIN audiences a ON a.id = m.audience_id
        WHERE a.destination_id = :destination_id AND m.pushed_at > to_timestamp(:since))
""")


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Calls by how they ended, since they were last noted."""

    call_count: int = 0
    failure_count: int = 0


def is_failure(kind: str) -> bool:
    """Whether a call that ended so speaks against the destination's being up."""
    return kind in FAILURES


def note_calls(session: Session, destination_id: int, counts: CallCounts) -> None:
    """Tell the shared breaker of finished calls; one read while all is well and nothing is remembered."""
    known = session.execute(select(Destination.breaker).where(Destination.id == destination_id)).scalar_one()
    if not counts.call_count or (counts.failure_count == 0 and not read_breaker(known).buckets):
        return
    account, now = _locked(session, destination_id)
    before = read_breaker(account[0].breaker)
    after = count_calls(before, now, counts.call_count, counts.failure_count)
    account[0].breaker = after.as_dict()
    if after.state != before.state:
        _share(session, account[1:], after)


def pause_destination(session: Session, destination_id: int, audience_id: int, trouble: Trouble) -> bool:
    """Stop calling until a probe succeeds; one alert, and only by whoever was first. True for that one.

    A ping may be answered where a write is refused. Then the same refusal comes after each probe, and is nothing to be
    said anew until something could be written in between.
    """
    (destination, *_), now = _locked(session, destination_id)
    paused = session.execute(
        update(Destination)
        .where(Destination.id == destination_id, Destination.paused_at.is_(None))
        .values(paused_at=func.now(), paused_code=trouble.code, paused_reason=trouble.reason)
        .returning(Destination.id)
    ).first()
    if paused is None:
        return False
    before = read_breaker(destination.breaker)
    is_again = _is_said(session, destination_id, before, now, trouble.code)
    if not is_again:
        raise_alert(session, audience_id, trouble)
    destination.breaker = refused(before, now, trouble.code, is_again=is_again).as_dict()
    return True


def _is_said(session: Session, destination_id: int, breaker: Breaker, now: float, code: str) -> bool:
    if breaker.alert != code or now - breaker.alerted_at >= ALERT_AGAIN_SECONDS:
        return False
    asked = {"destination_id": destination_id, "since": breaker.alerted_at}
    return not session.scalar(WORKED_SINCE, asked)


def stop_calls(session: Session, destination_id: int, audience_id: int, trouble: Trouble) -> bool:
    """Pause what a refusal speaks of, with one alert: the audience that is gone, else the whole account."""
    if trouble.code == AUDIENCE_GONE.kind:
        return pause_audience(session, audience_id, GONE, trouble)
    return pause_destination(session, destination_id, audience_id, trouble)


def mind_problem(sessions: sessionmaker[Session], audience_id: int, error: BaseException) -> None:
    """After a call outside of a push failed: a refusal of the key or the audience stops all further calls."""
    if isinstance(error, MailchimpProblem) and error.action == "pause":
        with transaction(sessions) as session:
            destination = get_destination_of(session, audience_id)
            stop_calls(session, destination.id, audience_id, Trouble(error.kind, error.sentence))


def open_gateway(
    sessions: sessionmaker[Session], connections: Connections, audience_id: int
) -> tuple[AudienceView, Gateway]:
    """An audience and the door to it. BusyError while its account is not to be called."""
    with transaction(sessions) as session:
        audience = get_audience(session, audience_id)
        destination = get_destination_of(session, audience_id)
    if not is_open(sessions, connections, destination.id):
        raise BusyError(
            f"{audience.slug}: Mailchimp is not being called for now.",
            "`muster status` says why; Muster tries again by itself.",
        )
    return audience, connections.gateway(destination)


def is_open(sessions: sessionmaker[Session], connections: Connections, destination_id: int) -> bool:
    """Whether calls may go. When it is time for a probe, this process makes it, and says what came of it.

    While the account wants quiet, none goes: what waits stays as it is, and no attempt is spent on it.
    """
    if connections.is_quiet(destination_id):
        return False
    with transaction(sessions) as session:
        (destination, *_), now = _locked(session, destination_id)
        breaker = read_breaker(destination.breaker)
        is_well = destination.paused_at is None and may_call(breaker)
        if not is_well:
            if destination.paused_code == REVOKED.kind or not wants_probe(breaker, now):
                return False  # a withdrawn token never works again: only connecting anew mends it
            destination.breaker = start_probe(breaker, now).as_dict()
    is_up = is_well or _answers(connections, destination)
    if not is_well:
        with transaction(sessions) as session:
            _note_probe(session, destination_id, is_up=is_up)
    if is_up:
        learn_account(sessions, connections, destination)
    return is_up


def _answers(connections: Connections, destination: Destination) -> bool:
    try:
        connections.gateway(destination).ping()
    except MailchimpProblem:
        return False
    return True


def _note_probe(session: Session, destination_id: int, *, is_up: bool) -> None:
    (destination, *others), now = _locked(session, destination_id)
    breaker = after_probe(read_breaker(destination.breaker), now, is_up=is_up)
    destination.breaker = breaker.as_dict()
    if is_up:
        excuse_pause(session, destination.paused_at, destination_id=destination_id)
        destination.paused_at, destination.paused_code, destination.paused_reason = None, None, None
        wake_changes(session, destination_id)
        _share(session, others, breaker)


def _share(session: Session, others: Sequence[Destination], breaker: Breaker) -> None:
    """An account that is down, or up again, is so by every key. A key that was refused stays paused on its own."""
    for one in others:
        known = read_breaker(one.breaker)
        if one.paused_at is None and may_call(known) != may_call(breaker):
            one.breaker = replace(breaker, alert=known.alert, alerted_at=known.alerted_at).as_dict()
            if may_call(breaker):
                wake_changes(session, one.id)


def _locked(session: Session, destination_id: int) -> tuple[list[Destination], float]:
    """The destination with the others of its account, and the database's time."""
    account = lock_account(session, destination_id)
    now: Any = session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    return account, float(now)


def may_send(session: Session, audience_id: int) -> bool:
    """Whether the audience itself may be written to at all. One that is merely paused may: its opt-outs go.

    Not before an admin approved the first sync, not while it is switched off, not when Mailchimp no longer has it.
    """
    audience = session.get_one(Audience, audience_id)
    is_there = audience.paused_code not in UNREACHABLE
    return audience.is_enabled and audience.approved_at is not None and is_there


def list_due_audiences(session: Session, lane: int | None = None) -> list[int]:
    """Enabled audiences with changes due now, of one lane or any, whose destination may be called or probed."""
    due = text(
        "SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id"
        " WHERE a.is_enabled AND a.approved_at IS NOT NULL AND coalesce(a.paused_code, '') <> 'gone' AND EXISTS (SELECT FROM changes c WHERE c.audience_id = a.id AND c.parked_at IS NULL"
        "   AND c.lane = coalesce(CAST(:lane AS int), c.lane)"
        "   AND c.next_attempt_at <= now() AND (c.leased_until IS NULL OR c.leased_until <= now()))"
        " AND ((d.paused_at IS NULL AND coalesce(d.breaker ->> 'state', 'closed') = 'closed')"
        "   OR (coalesce(d.paused_code, '') <> 'revoked'"
        "     AND coalesce((d.breaker ->> 'until')::float8, 0) <= extract(epoch FROM now())))"
        " ORDER BY a.id"
    )
    return list(session.execute(due, {"lane": lane}).scalars())


def list_audiences_to_pull(session: Session, every_seconds: float = PULL_SECONDS) -> list[int]:
    """Enabled audiences that were not pulled for a while, whose destination may be called.

    The first pull of one that waits for approval is its dry run's. A pull that an admin paused waits for `resume`, and
    after one that was cancelled it is a while until the next.
    """
    due = text(
        "SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id"
        " WHERE a.is_enabled AND coalesce(a.paused_code, '') <> 'gone'"
        " AND (a.approved_at IS NOT NULL OR a.pulled_until IS NOT NULL) AND d.paused_at IS NULL AND coalesce(d.breaker ->> 'state', 'closed') = 'closed'"
        " AND (a.pulled_until IS NULL OR a.pulled_until < now() - make_interval(secs => :every))"
        " AND NOT EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = a.id AND r.kind = 'pull'"
        "   AND ((r.state = 'paused' AND a.paused_at IS NOT NULL)"
        "     OR (r.state = 'cancelled' AND r.finished_at > now() - make_interval(secs => :every)))) ORDER BY a.id"
    )
    return list(session.execute(due, {"every": every_seconds}).scalars())


def hasten_pull(session: Session, list_id: str) -> None:
    """Let the sweep's next round pull the audiences with this list id, whenever they were pulled last.

    An audience that was never pulled is due in any case, and keeps its first pull of everybody.
    """
    due = text(
        "UPDATE audiences SET pulled_until = now() - make_interval(secs => :every + 1)"
        " WHERE list_id = :list_id AND pulled_until >= now() - make_interval(secs => :every)"
    )
    session.execute(due, {"list_id": list_id, "every": PULL_SECONDS})


def get_destination_of(session: Session, audience_id: int) -> Destination:
    """The destination of an audience."""
    found: Destination = session.execute(
        select(Destination)
        .join(Audience, Audience.destination_id == Destination.id)
        .where(Audience.id == audience_id)
    ).scalar_one()
    return found
