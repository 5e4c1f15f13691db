"""Pulling an audience: what Mailchimp says of members, into the mirror; its opt-outs, into the ledger.

An opt-in counts only here, where the API itself was read, and only the person's own. Mailchimp gives everybody who is
written in a new `timestamp_opt`, by the API or by staff; `timestamp_signup` is empty for those (recorded answers,
2021-2022: all 50 members made by the API) and names the moment for whoever fills in a form.

A sweep of everybody changed since the last one finds what webhooks lost. The windows overlap by ten minutes, for
pages drift while members change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of, is_open
from app.audiences.holders import find_holders_of
from app.audiences.known import Known, find_known, find_sharing
from app.audiences.learn import OptIn, OptOut, learn_opt_ins, learn_opt_outs
from app.audiences.load import get_audience
from app.audiences.made_anew import date_back_wiped
from app.audiences.mirror import MirrorWrite, write_members
from app.audiences.models import Audience
from app.audiences.outbox import touch_changes
from app.audiences.permissions import list_taken_away, note_shown
from app.audiences.runs import RunWatch
from app.audiences.schema import lacks_mapped, refresh_schema
from app.audiences.theirs import EmailNews, FieldNews, hold_people, learn_profiles, list_not_erased
from app.audiences.there import (
    OPT_OUT_METHODS,
    managed_interests,
    managed_permissions,
    managed_tags,
    mapped_fields,
    opt_out_method,
)
from app.audiences.valve import REACHABLE_THERE, is_own_opt_out
from app.audiences.views import LEFT, STALE, AudienceView
from app.core.clock import database_now
from app.core.collector import calm_collector
from app.core.db import transaction
from app.core.secretbox import SecretBox
from integrations.mailchimp.answers import MemberState, subscriber_hash

OVERLAP = timedelta(minutes=10)
PAGE_SIZE = 1000


@dataclass(slots=True)
class PullCounts:
    """Members read, of them ours, changed in the mirror, opted out; and the calls it took."""

    counts: Counter[str] = field(default_factory=Counter)
    call_count: int = 0
    is_blocked: bool = False
    is_stopped: bool = False  # an admin asked for it before all was read

    def as_dict(self) -> dict[str, int | bool]:
        return {**dict(sorted(self.counts.items())), "calls": self.call_count, "is_blocked": self.is_blocked}


def apply_member_states(
    session: Session, audience: AudienceView, states: Sequence[MemberState], box: SecretBox
) -> Counter[str]:
    """Members as Mailchimp has them, into mirror and ledger; those who are no contacts of ours are left alone.

    `box` knows the addresses of erased people. Counts: read, ours (also of people who share an address), opted_out, opted_in, changed_there (fields and addresses), to_plan.
    """
    note_shown(session, audience, states)
    by_hash = {state.member_hash or subscriber_hash(state.email): state for state in states}
    if holders := find_holders_of(session, audience, by_hash):
        touch_changes(session, audience.audience_id, holders)
    known = find_known(session, audience, by_hash)
    found = [(one, by_hash[member_hash]) for member_hash, one in known.items()]
    found = [(one, state) for one, state in found if not _is_coming_back(one, state)]
    pairs = _one_each(found)
    opt_outs = [
        _opt_out(one.person_id, state, (audience.purpose,) if _may_be_ours(one, state) else ())
        for one, state in found
        if _is_news(one, state)
    ]
    # Of several who have the address nobody knows whose member it is; an opt-out of it binds them all.
    unknown = {member_hash: state for member_hash, state in by_hash.items() if member_hash not in known}
    sharing = find_sharing(session, unknown)
    opt_outs += [
        _opt_out(one.contact_id, unknown[member_hash])
        for member_hash, one in sharing.items()
        if unknown[member_hash].status in OPT_OUT_METHODS
    ]
    opt_outs += list_taken_away(session, audience, pairs)
    opt_ins = [opt_in for one, state in pairs if (opt_in := _find_opt_in(one, state))]
    fields = date_back_wiped(
        [news for one, state in pairs for news in find_field_news(one, state, audience)], pairs
    )
    moved = [news for one, state in pairs if (news := find_email_news(one, state))]
    emails = list_not_erased(session, moved, box)
    touched = [*(one.contact_id for one in opt_outs), *(one.contact_id for one in opt_ins)]
    touched += [*(one.person_id for one in fields), *(one.person_id for one in emails)]
    if touched:
        hold_people(session, touched, [one.email for one in emails])
    learned_count = learn_opt_outs(session, audience, opt_outs)
    returned = learn_opt_ins(session, audience, opt_ins)
    marks = learn_profiles(session, audience, pairs, fields, emails)
    # Somebody who opted out here, or left, and can still be mailed there: the next push takes them out.
    strayed = [
        one.contact_id
        for one, state in pairs
        if (one.ledger == "withdrawn" and state.status in REACHABLE_THERE and one.person_id not in returned)
        or _has_answered_too_late(one, state)
    ]
    if strayed:
        touch_changes(session, audience.audience_id, strayed)
    writes = [_write(one, state, audience, marks.get(one.contact_id, {})) for one, state in pairs]
    write_members(session, audience.audience_id, writes)
    return Counter(
        read=len(states),
        ours=len(known) + sum(one.is_current for one in sharing.values()),
        opted_out=learned_count,
        opted_in=len(returned),
        changed_there=len(fields) + len(emails),
        to_plan=len(strayed),
    )


def _one_each(found: Sequence[tuple[Known, MemberState]]) -> list[tuple[Known, MemberState]]:
    """Each contact with one member; of two that it may be, one that is mailed, else the one of which the mirror speaks."""
    ranked = sorted(
        found,
        key=lambda pair: (
            pair[1].status in REACHABLE_THERE,
            pair[0].member_hash == (pair[1].member_hash or subscriber_hash(pair[1].email)),
        ),
    )
    return list({one.contact_id: (one, state) for one, state in ranked}.values())


def _opt_out(person_id: int, state: MemberState, purposes: tuple[str, ...] = ()) -> OptOut:
    return OptOut(person_id, state.email, opt_out_method(state), state.changed_at, purposes)


def _may_be_ours(known: Known, state: MemberState) -> bool:
    """Whether an unsubscribe is perhaps our own write, which speaks for this audience's purpose and no other."""
    is_own = state.status != "unsubscribed" or is_own_opt_out(state.unsubscribe_reason)
    return not is_own and (known.is_in_flight or known.ledger == "withdrawn")


def _is_news(known: Known, state: MemberState) -> bool:
    """An opt-out there that is neither our own doing nor read before; whether the ledger has it, the ledger says."""
    if state.status not in OPT_OUT_METHODS:
        return False
    if _was_gone_already(known, state):
        return True
    if known.status != state.status or known.member_hash != (
        state.member_hash or subscriber_hash(state.email)
    ):
        return True  # of another address that the person has there, the mirror says nothing
    # Read before, or the answer to a write of ours: the ledger had its say then.
    is_read = known.last_changed is not None and state.changed_at == known.last_changed
    # Whom we took out and may just have taken in again, somebody has taken out since.
    return (known.pushed_hash != LEFT or known.is_in_flight) and not is_read


def _was_gone_already(known: Known, state: MemberState) -> bool:
    """Whether the person had gone before we took them out, which the answer to a batch does not show."""
    return known.pushed_hash == LEFT and is_own_opt_out(state.unsubscribe_reason)


def _has_answered_too_late(known: Known, state: MemberState) -> bool:
    """Whether somebody whom Muster asked, and took out while Mailchimp archives nobody pending, has confirmed since."""
    return known.pushed_hash == LEFT and (known.status, state.status) == ("pending", "subscribed")


def _find_opt_in(known: Known, state: MemberState) -> OptIn | None:
    """The person's own opt-in; whether it is newer than every opt-out is the ledger's to say.

    It lifts an opt-out, or it answers our `pending`: whoever was pending and is subscribed followed the link in
    Mailchimp's mail, which makes a consent that somebody typed one that the owner of the address confirmed.
    """
    is_lifting = known.ledger == "withdrawn"
    is_confirming = known.ledger == "given" and known.proof != "confirmed" and known.status == "pending"
    if state.status != "subscribed" or not (is_lifting or is_confirming):
        return None
    if (
        state.opted_in_at is None
        or state.signed_up_at is None
        or _signed_up_before_they_were_out(known, state)
    ):
        return None
    method = "mailchimp_optin" if is_lifting else "mailchimp_confirm"
    return OptIn(known.person_id, state.email, state.opted_in_at, state.signed_up_at, method)


def _signed_up_before_they_were_out(known: Known, state: MemberState) -> bool:
    """The form is older than our own unsubscribe, which ended it: so it is somebody else who takes them in now."""
    is_out = (known.pushed_hash, known.status) == (LEFT, "unsubscribed") and known.last_changed is not None
    return is_out and state.signed_up_at <= known.last_changed  # type: ignore[operator]  # the caller has looked


def _is_coming_back(known: Known, state: MemberState) -> bool:
    """They filled in the form after their opt-out and have yet to confirm: nobody is mailed, so nothing is undone."""
    return (
        known.ledger == "withdrawn"
        and state.status == "pending"
        and None not in (state.signed_up_at, known.decided_at)
        and state.signed_up_at > known.decided_at  # type: ignore[operator]
    )


def find_field_news(known: Known, state: MemberState, audience: AudienceView) -> list[FieldNews]:
    """The merge fields that are not as the mirror has them. Pure."""
    if known.is_in_flight or state.status == "archived" or state.changed_at is None:
        return []
    before = known.merge_fields
    return [
        FieldNews(known.contact_id, known.person_id, tag, value, state.changed_at, is_seen=tag in before)
        for tag, value in mapped_fields(state, audience).items()
        if (before[tag] != value if tag in before else value != "")
    ]


def find_email_news(known: Known, state: MemberState) -> EmailNews | None:
    """Another address of a member that we know by its lasting id. Pure."""
    is_same = known.member_hash in {"", state.member_hash or subscriber_hash(state.email)}
    if is_same or known.is_in_flight or state.changed_at is None:
        return None
    return EmailNews(known.contact_id, known.person_id, state.email, state.changed_at)


def _write(
    known: Known, state: MemberState, audience: AudienceView, marks: Mapping[str, str | None]
) -> MirrorWrite:
    # Only the first 50 tags are shown: then what was known of them stays.
    has_all_tags = state.tag_count <= len(state.tags)
    # What we did ourselves is undone by whoever changed it since.
    is_undone = known.pushed_hash == LEFT and (
        known.status not in {state.status, ""} or _was_gone_already(known, state)
    )
    return MirrorWrite(
        known.contact_id,
        state.email,
        state.member_hash,
        state.status,
        {} if known.is_in_flight else mapped_fields(state, audience),
        managed_tags(state, audience) if has_all_tags else None,
        STALE if _has_answered_too_late(known, state) else "" if is_undone else None,
        state.contact_id,
        state.changed_at,
        keeps_error=True,
        interests=managed_interests(state, audience),
        marketing_permissions=managed_permissions(state, audience),
        theirs_changed=dict(marks),
    )


def pull_audience(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    watch: RunWatch | None = None,
    *,
    is_full: bool = False,
) -> PullCounts:
    """Read everybody who changed since the last pull (all with `is_full`, or the first time). One call a 1,000.

    With a `watch` the progress is told there, and an admin's pause or cancel ends the reading after a page. What was
    read counts; but pages drift, so that the next reading begins where this one began.
    """
    with transaction(sessions) as session:
        audience = get_audience(session, audience_id)
        destination = get_destination_of(session, audience_id)
        started_at = database_now(session)
        pulled_until = session.get_one(Audience, audience_id).pulled_until
    if not is_open(sessions, connections, destination.id):
        return PullCounts(is_blocked=True)
    since = None if is_full or pulled_until is None else pulled_until - OVERLAP
    gateway = connections.gateway(destination)
    before, result = gateway.call_count, PullCounts()
    on_count = watch.expect if watch is not None else None
    members = gateway.iterate_members(audience.list_id, since=since, page_size=PAGE_SIZE, on_count=on_count)
    with calm_collector():
        is_other_schema = _keep_members(sessions, audience, members, result, watch, box=connections.box)
    if is_other_schema:
        refresh_schema(sessions, connections, audience_id)
    if not result.is_stopped:
        with transaction(sessions) as session:
            session.execute(
                update(Audience).where(Audience.id == audience_id).values(pulled_until=started_at)
            )
    result.call_count = gateway.call_count - before
    return result


def _keep_members(
    sessions: sessionmaker[Session],
    audience: AudienceView,
    members: Iterable[MemberState],
    result: PullCounts,
    watch: RunWatch | None,
    *,
    box: SecretBox,
) -> bool:
    """Page after page into mirror and ledger, counted in `result`; whether there are other merge fields than we know."""
    is_other_schema = False
    for page in _pages(members, PAGE_SIZE):
        with transaction(sessions) as session:
            result.counts.update(apply_member_states(session, audience, page, box))
        # A member's answer names every merge field there is.
        is_other_schema |= lacks_mapped(page[0].merge_fields, audience.mapped_tags, audience.gone_tags)
        if watch is not None and watch.note(done=len(page), calls=1) and len(page) == PAGE_SIZE:
            result.is_stopped = True
            break
    return is_other_schema


def _pages(members: Iterable[MemberState], size: int) -> Iterable[list[MemberState]]:
    iterator = iter(members)
    while page := list(islice(iterator, size)):
        yield page
