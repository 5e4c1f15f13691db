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
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of, is_open
from app.audiences.learn import OptIn, OptOut, learn_opt_ins, learn_opt_outs
from app.audiences.load import get_audience
from app.audiences.mirror import MirrorWrite, write_members
from app.audiences.models import Audience
from app.audiences.outbox import touch_changes
from app.audiences.outcome import (
    OPT_OUT_METHODS,
    managed_interests,
    managed_permissions,
    managed_tags,
    mapped_fields,
)
from app.audiences.schema import lacks_mapped, refresh_schema
from app.audiences.theirs import EmailNews, FieldNews, hold_people, learn_emails, learn_fields
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import LEFT, AudienceView
from app.contacts.normalise import match_value
from app.core.clock import database_now
from app.core.collector import calm_collector
from app.core.db import transaction
from integrations.mailchimp.answers import MemberState, subscriber_hash

OVERLAP = timedelta(minutes=10)
PAGE_SIZE = 1000


@dataclass(slots=True)
class PullCounts:
    """Members read, of them ours, changed in the mirror, opted out; and the calls it took."""

    counts: Counter[str] = field(default_factory=Counter)
    call_count: int = 0
    is_blocked: bool = False

    def as_dict(self) -> dict[str, int | bool]:
        return {**dict(sorted(self.counts.items())), "calls": self.call_count, "is_blocked": self.is_blocked}


@dataclass(frozen=True, slots=True)
class Known:
    """What we hold of a member that Mailchimp speaks of.

    `contact_id` holds the mirror row; `person_id` is who that contact is today, should it have been merged.
    `is_in_flight`: a write of ours is under way or its answer was lost, so that what is read may be ours.
    """

    contact_id: int
    person_id: int
    status: str | None  # None: no mirror row yet
    pushed_hash: str
    last_changed: datetime | None
    ledger: str  # given, withdrawn, none
    decided_at: datetime | None = None
    proof: str = ""
    merge_fields: Mapping[str, Any] = field(default_factory=dict)
    member_hash: str = ""
    is_in_flight: bool = False


# By hash or by Mailchimp's lasting id; else by the address, where it points at one active contact only, which has no other
# member: that one moves to the address first, or finds it taken. Every row by its
# key (OFFSET 0; min of a sum, which no index gives): a planner without statistics would read whole tables for each page.
FIND = text("""
WITH found AS MATERIALIZED (
    SELECT a.hash, coalesce(
        (SELECT min(m.contact_id + 0) FROM members m
         WHERE m.audience_id = :audience_id AND m.subscriber_hash = a.hash AND m.status <> ''),
        CASE WHEN a.remote_id <> '' THEN (SELECT min(m.contact_id + 0) FROM members m
         WHERE m.audience_id = :audience_id AND m.remote_contact_id = a.remote_id AND m.remote_contact_id <> ''
           AND m.status <> '') END,
        (SELECT CASE WHEN count(DISTINCT i.contact_id) = 1 THEN min(i.contact_id + 0) END
         FROM identities i CROSS JOIN LATERAL (SELECT FROM contacts WHERE id = i.contact_id AND state = 'active'
            AND md5(lower(btrim(fields ->> 'email'))) = a.hash
            AND NOT EXISTS (SELECT FROM members m WHERE m.audience_id = :audience_id AND m.contact_id = i.contact_id
                AND m.status IN ('subscribed', 'pending', 'transactional') AND m.subscriber_hash <> a.hash) OFFSET 0) AS c
         WHERE i.kind = 'email' AND i.scope = '' AND i.match_value = a.match_value)) AS contact_id
    FROM unnest(CAST(:hashes AS text[]), CAST(:remote_ids AS text[]), CAST(:values AS text[]))
        AS a(hash, remote_id, match_value))
SELECT f.hash, f.contact_id, coalesce(c.merged_into_id, c.id) AS person_id, m.status, coalesce(m.pushed_hash, '') AS pushed_hash, m.last_changed,
       coalesce(k.status, e.status, 'none') AS ledger, coalesce(k.decided_at, e.decided_at) AS decided_at,
       coalesce(k.proof, '') AS proof, coalesce(m.merge_fields, '{}') AS merge_fields,
       coalesce(m.subscriber_hash, '') AS member_hash,
       coalesce(q.leased_until > now() OR q.first_failed_at IS NOT NULL, false) AS is_in_flight
FROM found f CROSS JOIN LATERAL (SELECT id, merged_into_id FROM contacts WHERE id = f.contact_id OFFSET 0) AS c
LEFT JOIN LATERAL (SELECT * FROM members WHERE audience_id = :audience_id AND contact_id = f.contact_id OFFSET 0) AS m
    ON true
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = coalesce(c.merged_into_id, c.id) AND channel = :channel
    AND purpose = :purpose OFFSET 0) AS k ON true
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = coalesce(c.merged_into_id, c.id) AND channel = :channel
    AND purpose = '*' AND status = 'withdrawn' OFFSET 0) AS e ON true
LEFT JOIN LATERAL (SELECT leased_until, first_failed_at FROM changes WHERE audience_id = :audience_id
    AND contact_id = f.contact_id OFFSET 0) AS q ON true
""")


def apply_member_state(session: Session, audience: AudienceView, state: MemberState) -> bool:
    """One member as Mailchimp has it, into mirror and ledger; False for somebody who is no contact of ours."""
    return apply_member_states(session, audience, [state])["ours"] > 0


def apply_member_states(
    session: Session, audience: AudienceView, states: Sequence[MemberState]
) -> Counter[str]:
    """Many members; those who are no contacts of ours are left alone.

    Counts: read, ours, opted_out, opted_in, changed_there (fields and addresses), to_plan.
    """
    by_hash = {state.member_hash or subscriber_hash(state.email): state for state in states}
    known = find_known(session, audience, by_hash)
    found = [(one, by_hash[member_hash]) for member_hash, one in known.items()]
    found = [(one, state) for one, state in found if not _is_coming_back(one, state)]
    pairs = _one_each(found)
    opt_outs = [_opt_out(one, state) for one, state in found if _is_news(one, state)]
    opt_ins = [opt_in for one, state in pairs if (opt_in := _find_opt_in(one, state))]
    fields = [news for one, state in pairs for news in find_field_news(one, state, audience)]
    emails = [news for one, state in pairs if (news := find_email_news(one, state))]
    touched = [*(one.contact_id for one in opt_outs), *(one.contact_id for one in opt_ins)]
    touched += [*(one.person_id for one in fields), *(one.person_id for one in emails)]
    if touched:
        hold_people(session, touched, [one.email for one in emails])
    learned_count = learn_opt_outs(session, audience, opt_outs)
    returned = learn_opt_ins(session, audience, opt_ins)
    learn_emails(session, audience, emails)
    marks = learn_fields(session, audience, fields)
    # Somebody who opted out here and can still be mailed there: the next push unsubscribes them.
    strayed = [
        one.contact_id
        for one, state in pairs
        if one.ledger == "withdrawn" and state.status in REACHABLE_THERE and one.person_id not in returned
    ]
    if strayed:
        touch_changes(session, audience.audience_id, strayed)
    writes = [_write(one, state, audience, marks.get(one.contact_id, {})) for one, state in pairs]
    write_members(session, audience.audience_id, writes)
    return Counter(
        read=len(states),
        ours=len(known),
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


def find_known(
    session: Session, audience: AudienceView, by_hash: Mapping[str, MemberState]
) -> dict[str, Known]:
    """The contacts behind members, by member hash."""
    values = {
        "hashes": list(by_hash),
        "remote_ids": [state.contact_id for state in by_hash.values()],
        "values": [match_value("email", state.email).value for state in by_hash.values()],
        "audience_id": audience.audience_id,
        "channel": audience.channel,
        "purpose": audience.purpose,
    }
    return {row[0]: Known(*row[1:]) for row in session.execute(FIND, values)}


def _opt_out(known: Known, state: MemberState) -> OptOut:
    return OptOut(known.person_id, state.email, OPT_OUT_METHODS[state.status], state.changed_at)


def _is_news(known: Known, state: MemberState) -> bool:
    """An opt-out there that is neither our own doing nor in the ledger already."""
    is_own_doing = known.status == state.status and known.pushed_hash == LEFT
    if (
        known.status == state.status
        and known.last_changed is not None
        and state.changed_at == known.last_changed
    ):
        return False  # read before, or the answer to a write of ours: the ledger had its say then
    return state.status in OPT_OUT_METHODS and known.ledger != "withdrawn" and not is_own_doing


def _find_opt_in(known: Known, state: MemberState) -> OptIn | None:
    """The person's own opt-in; whether it is newer than every opt-out is the ledger's to say.

    It lifts an opt-out, or it answers our `pending`: whoever was pending and is subscribed followed the link in
    Mailchimp's mail, which makes a consent that somebody typed one that the owner of the address confirmed.
    """
    is_lifting = known.ledger == "withdrawn"
    is_confirming = known.ledger == "given" and known.proof != "confirmed" and known.status == "pending"
    if state.status != "subscribed" or not (is_lifting or is_confirming):
        return None
    if state.opted_in_at is None or state.signed_up_at is None:
        return None
    method = "mailchimp_optin" if is_lifting else "mailchimp_confirm"
    return OptIn(known.person_id, state.email, state.opted_in_at, state.signed_up_at, method)


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
    is_undone = known.pushed_hash == LEFT and known.status not in {state.status, ""}
    return MirrorWrite(
        known.contact_id,
        state.email,
        state.member_hash,
        state.status,
        {} if known.is_in_flight else mapped_fields(state, audience),
        managed_tags(state, audience) if has_all_tags else None,
        "" if is_undone else None,
        state.contact_id,
        state.changed_at,
        keeps_error=True,
        interests=managed_interests(state, audience),
        marketing_permissions=managed_permissions(state, audience),
        theirs_changed=dict(marks),
    )


def pull_audience(
    sessions: sessionmaker[Session], connections: Connections, audience_id: int, *, is_full: bool = False
) -> PullCounts:
    """Read everybody who changed since the last pull (all with `is_full`, or the first time). One call a 1,000."""
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
    members = gateway.iterate_members(audience.list_id, since=since, page_size=PAGE_SIZE)
    is_other_schema = False
    with calm_collector():
        for page in _pages(members, PAGE_SIZE):
            with transaction(sessions) as session:
                result.counts.update(apply_member_states(session, audience, page))
            # A member's answer names every merge field there is.
            is_other_schema |= lacks_mapped(page[0].merge_fields, audience.mapped_tags, audience.gone_tags)
    if is_other_schema:
        refresh_schema(sessions, connections, audience_id)
    with transaction(sessions) as session:
        session.execute(update(Audience).where(Audience.id == audience_id).values(pulled_until=started_at))
    result.call_count = gateway.call_count - before
    return result


def _pages(members: Iterable[MemberState], size: int) -> Iterable[list[MemberState]]:
    iterator = iter(members)
    while page := list(islice(iterator, size)):
        yield page
