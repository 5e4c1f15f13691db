"""Campaign activity of members - sends, opens, clicks, bounces - into the timelines of their contacts.

Mailchimp tells it member by member, so one run reads so many members and the next goes on behind them. What is told
twice is written once: a line is known by what happened, when and in which campaign.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of, is_open
from app.audiences.known import WHO
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.runs import RunWatch
from app.audiences.views import AudienceView
from app.core.clock import database_now
from app.core.db import transaction
from integrations.mailchimp.answers_more import Activity
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem

CALL_LIMIT = 200
# Mailchimp's words and ours.
SUMMARIES: Mapping[str, str] = {
    "sent": "Was sent {title}",
    "open": "Opened {title}",
    "click": "Clicked in {title}",
    "bounce": "{title} bounced",
}
# Not `bounce_has_open_activity`, which changes once a bounced mail is opened: a bounce is one line. Older lines have it.
KEPT = ("link_clicked", "bounce_type")
# What may be one member's trouble; of so many in a row it is Mailchimp's.
UNREADABLE = frozenset({"outage", "unknown_outcome", "bad_answer", "bug"})
MOST_IN_A_ROW = 3
MEMBERS = text(f"""
    SELECT m.contact_id, who.id AS person_id, m.subscriber_hash
    FROM members m JOIN contacts c ON c.id = m.contact_id AND c.state <> 'erased'
    {WHO}
    WHERE m.audience_id = :audience_id AND m.contact_id > :after
      AND m.status IN ('subscribed', 'unsubscribed', 'cleaned', 'transactional')
    ORDER BY m.contact_id LIMIT :limit
""")  # noqa: S608 - constants only
# Everybody who writes here locks the contact first, so that nothing is written twice side by side.
HOLD = text("SELECT id FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE")
TELL = text("""
    INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
    SELECT r.contact_id, r.occurred_at, 'activity', r.summary, r.detail
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r (contact_id bigint, occurred_at timestamptz, summary text, detail jsonb)
    WHERE NOT EXISTS (
        SELECT FROM timeline_entries t WHERE t.contact_id = r.contact_id AND t.occurred_at = r.occurred_at
        AND t.kind = 'activity' AND t.detail - 'bounce_has_open_activity' = r.detail)
""")

REMEMBER = text("""
    UPDATE audiences SET remote_schema = remote_schema || CAST(:place AS jsonb),
           activity_until = coalesce(CAST(:until AS timestamptz), activity_until) WHERE id = :id
""")


@dataclass(frozen=True, slots=True)
class ActivityCounts:
    """Members asked about, lines that were new, calls. `is_whole`: the round came to its end, and the next begins anew."""

    read: int = 0
    told: int = 0
    gone: int = 0
    missed: int = 0  # could not be read: the next round tries again
    call_count: int = 0
    is_whole: bool = False
    is_blocked: bool = False
    is_stopped: bool = False  # an admin asked for it

    def as_dict(self) -> dict[str, int | bool]:
        return {
            "read": self.read,
            "told": self.told,
            "gone": self.gone,
            "missed": self.missed,
            "calls": self.call_count,
            "is_whole": self.is_whole,
            "is_blocked": self.is_blocked,
        }


def pull_activity(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    watch: RunWatch | None = None,
    *,
    call_limit: int = CALL_LIMIT,
) -> ActivityCounts:
    """Read the next members' activity, at most `call_limit` of them. Nothing where the audience does not keep it.

    With a `watch` the progress is told there, and an admin's pause or cancel ends it after a member; the next one goes on
    behind that member. A member who cannot be read is passed over, and raises only where nobody can; then the next run goes
    on behind the first of those. `audiences.activity_until` is when the last whole round began: all that happened before it is in
    the timelines, but for those members'.
    """
    with transaction(sessions) as session:
        audience = get_audience(session, audience_id)
        row = session.get_one(Audience, audience_id)
        round_ = dict((row.remote_schema or {}).get("activity") or {})
        started_at = str(round_.get("started_at") or database_now(session).isoformat())
        asked = {"audience_id": audience_id, "after": int(round_.get("after") or 0), "limit": call_limit}
        members = session.execute(MEMBERS, asked).all() if row.keeps_activity else []
        destination, keeps = get_destination_of(session, audience_id), row.keeps_activity
    if not keeps:
        return ActivityCounts(is_whole=True)
    if not is_open(sessions, connections, destination.id):
        return ActivityCounts(is_blocked=True)
    gateway = connections.gateway(destination)
    before, tally, failed, after = gateway.call_count, Counter[str](), list[int](), asked["after"]
    for member in members:
        tally["read"] += 1
        try:
            tally.update(_read_member(sessions, gateway, audience, member))
            failed.clear()
        except MailchimpProblem as problem:
            failed.append(member.contact_id)
            tally["missed"] += 1
            is_unreadable = problem.kind in UNREADABLE
            if not is_unreadable or len(failed) == MOST_IN_A_ROW or tally["missed"] == len(members):
                _go_on_behind(sessions, audience_id, failed[0] if is_unreadable else after, started_at)
                raise
        after = member.contact_id
        if watch is not None and watch.note(done=1, calls=gateway.call_count - before - watch.call_count):
            break
    is_stopped = tally["read"] < len(members)
    is_whole = not is_stopped and len(members) < call_limit
    _remember(sessions, audience_id, after=0 if is_whole else after, started_at=started_at)
    return ActivityCounts(
        tally["read"],
        tally["told"],
        tally["gone"],
        tally["missed"],
        call_count=gateway.call_count - before,
        is_whole=is_whole,
        is_stopped=is_stopped,
    )


def _read_member(
    sessions: sessionmaker[Session], gateway: Gateway, audience: AudienceView, member: Row[Any]
) -> dict[str, int]:
    """One member's activity into the timeline; how many lines were new, or that the member is gone."""
    try:
        found = gateway.list_member_activity(audience.list_id, member.subscriber_hash, tuple(SUMMARIES))
    except MailchimpProblem as problem:
        if problem.kind != "not_found":
            raise
        return {"gone": 1}
    with transaction(sessions) as session:
        return {"told": keep_activity(session, audience, member.person_id, found)}


def keep_activity(session: Session, audience: AudienceView, person_id: int, found: Sequence[Activity]) -> int:
    """Lines of one contact's; how many were new."""
    rows = [_row(audience, person_id, one) for one in found if one.occurred_at and one.kind in SUMMARIES]
    if not rows:
        return 0
    session.execute(HOLD, {"ids": [person_id]})
    return int(getattr(session.execute(TELL, {"rows": json.dumps(rows)}), "rowcount", 0))


def _row(audience: AudienceView, person_id: int, one: Activity) -> dict[str, Any]:
    title = one.campaign_title or "a campaign"
    more = {name: one.detail[name] for name in KEPT if one.detail.get(name) not in {None, ""}}
    detail = {"audience": audience.slug, "activity": one.kind, "campaign_id": one.campaign_id, **more}
    return {
        "contact_id": person_id,
        "occurred_at": one.occurred_at.isoformat() if one.occurred_at else None,
        "summary": SUMMARIES[one.kind].format(title=title),
        "detail": detail,
    }


def _go_on_behind(
    sessions: sessionmaker[Session], audience_id: int, contact_id: int, started_at: str
) -> None:
    if contact_id:  # else the round goes on where it began
        _remember(sessions, audience_id, after=contact_id, started_at=started_at)


def _remember(sessions: sessionmaker[Session], audience_id: int, *, after: int, started_at: str) -> None:
    """Where the next run goes on; once a round is whole, since when everything is known."""
    place = {"activity": {"after": after, "started_at": started_at} if after else {}}
    asked = {"id": audience_id, "place": json.dumps(place), "until": None if after else started_at}
    with transaction(sessions) as session:
        session.execute(REMEMBER, asked)
