"""Looking after what stands still: paused accounts and audiences are asked again, and go on by themselves once mended."""

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import is_open, mind_problem, open_gateway
from app.audiences.guard import look_ahead
from app.audiences.load import get_audience
from app.audiences.models import Audience
from app.audiences.pauses import GONE, GUARD, resume_audience
from app.audiences.schema import refresh_schema
from app.audiences.steer import close_mended_guard
from app.core.db import transaction
from app.core.errors import BusyError
from integrations.mailchimp.problems import INTEREST_GONE, MailchimpProblem

YOUNG_SECONDS = 600.0  # a pause so young is looked at every 30 s, an older one every 5 minutes

STOPPED = text("""
    SELECT id FROM destinations WHERE (paused_at IS NOT NULL OR coalesce(breaker ->> 'state', 'closed') <> 'closed')
      AND coalesce((breaker ->> 'until')::float8, 0) <= extract(epoch FROM now())
""")
PAUSED = text("""
    SELECT id FROM audiences WHERE is_enabled AND paused_code = :code
      AND (paused_at > now() - make_interval(secs => :young)) = :is_young ORDER BY id
""")
# Never rehearsed, or the rehearsal ended without a finding a while ago.
UNREHEARSED = text("""
    SELECT a.id FROM audiences a WHERE a.is_enabled AND a.paused_at IS NULL
      AND (a.approved_at IS NULL AND NOT EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = a.id AND r.kind = 'first_sync'
          AND (r.state IN ('running', 'waiting', 'cancelled') OR r.findings <> '{}' OR r.started_at > now() - interval '5 minutes'))
        OR EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = a.id AND r.kind = 'first_sync' AND r.state = 'paused' AND r.wish = ''))
    ORDER BY a.id
""")

# A round of everybody begins once a day; until it is whole the next part of it is read soon. A pause holds it, and where
# it was cancelled it goes on the next day.
WANTS_ACTIVITY = text("""
    SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id
    WHERE a.is_enabled AND a.keeps_activity AND a.approved_at IS NOT NULL AND coalesce(a.paused_code, '') NOT IN ('gone', 'by_admin')
      AND d.paused_at IS NULL AND coalesce(d.breaker ->> 'state', 'closed') = 'closed'
      AND (a.activity_until IS NULL OR a.activity_until < now() - interval '1 day'
        OR coalesce((a.remote_schema -> 'activity' ->> 'after')::bigint, 0) > 0)
      AND NOT EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = a.id AND r.kind = 'activity'
        AND r.started_at > now() - CASE WHEN r.state IN ('running', 'failed') THEN interval '10 minutes'
                                        WHEN r.state = 'cancelled' THEN interval '1 day' ELSE interval '0' END)
    ORDER BY a.id
""")

# The daily look at the webhook reads the audience too; this is for those without one.
UNREAD = text("""
    SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id
    WHERE a.is_enabled AND coalesce(a.paused_code, '') <> 'gone'
      AND d.paused_at IS NULL AND coalesce(d.breaker ->> 'state', 'closed') = 'closed'
      AND coalesce(CAST(a.remote_schema ->> 'read_at' AS timestamptz), a.created_at) < now() - interval '1 day'
    ORDER BY a.id
""")

# Writes were refused for an interest that is no longer there, and nobody looked since. Refused changes are tried at least
# hourly; one that nobody saw in time is seen the next time.
REFUSED = text("""
    SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id
    WHERE a.is_enabled AND coalesce(a.paused_code, '') <> 'gone'
      AND d.paused_at IS NULL AND coalesce(d.breaker ->> 'state', 'closed') = 'closed'
      AND EXISTS (SELECT FROM attempts t WHERE t.at > now() - interval '15 minutes' AND t.audience_id = a.id
        AND t.stage = 'push' AND t.error ->> 'code' = :code AND NOT t.error ? 'alert'
        AND t.at > coalesce(CAST(a.remote_schema ->> 'read_at' AS timestamptz), '-infinity'))
    ORDER BY a.id
""")


def refresh_schemas(sessions: sessionmaker[Session], connections: Connections) -> int:
    """Read again what audiences look like that were not read for a day; how many were. A refusal leaves the others."""
    with transaction(sessions) as session:
        due = list(session.scalars(UNREAD))
    return _read_again(sessions, connections, due)


def reread_refused(sessions: sessionmaker[Session], connections: Connections) -> int:
    """Read again, soon, what audiences look like that refused an interest; how many were."""
    with transaction(sessions) as session:
        due = list(session.scalars(REFUSED, {"code": INTEREST_GONE.kind}))
    return _read_again(sessions, connections, due)


def _read_again(sessions: sessionmaker[Session], connections: Connections, due: list[int]) -> int:
    read_count = 0
    for audience_id in due:
        try:
            refresh_schema(sessions, connections, audience_id)
        except MailchimpProblem as problem:
            mind_problem(sessions, audience_id, problem)
            continue
        read_count += 1
    return read_count


def probe_destinations(sessions: sessionmaker[Session], connections: Connections) -> None:
    """Ask every account that is paused or down, and whose time has come, whether it answers."""
    with transaction(sessions) as session:
        stopped = list(session.scalars(STOPPED))
    for destination_id in stopped:
        is_open(sessions, connections, destination_id)


def probe_audiences(sessions: sessionmaker[Session], connections: Connections, *, is_young: bool) -> None:
    """Ask for every audience that was gone: one that is there again goes on. What refused an interest is read again."""
    if is_young:
        reread_refused(sessions, connections)
    for audience_id in _paused(sessions, GONE, is_young=is_young):
        try:
            audience, gateway = open_gateway(sessions, connections, audience_id)
            gateway.get_audience(audience.list_id)
        except (MailchimpProblem, BusyError):
            continue
        with transaction(sessions) as session:
            resume_audience(session, audience_id)


def mend_guards(sessions: sessionmaker[Session], *, is_young: bool) -> None:
    """Plan anew who would leave an audience that the guard stopped: when it is few again, it goes on."""
    for audience_id in _paused(sessions, GUARD, is_young=is_young):
        with transaction(sessions) as session:
            if not look_ahead(session, get_audience(session, audience_id)).is_too_many:
                # Under the lock nobody else has let it go on meanwhile.
                audience = session.get_one(Audience, audience_id, with_for_update=True)
                if audience.paused_code == GUARD:
                    close_mended_guard(session, audience_id)


def list_audiences_to_rehearse(session: Session) -> list[int]:
    """Audiences whose first sync nobody has looked at yet, or whose dry run was paused and resumed."""
    return list(session.scalars(UNREHEARSED))


def list_audiences_wanting_activity(session: Session) -> list[int]:
    """Audiences that keep campaign activity, and whose next part is to be read."""
    return list(session.scalars(WANTS_ACTIVITY))


def _paused(sessions: sessionmaker[Session], code: str, *, is_young: bool) -> list[int]:
    asked = {"code": code, "young": YOUNG_SECONDS, "is_young": is_young}
    with transaction(sessions) as session:
        return list(session.scalars(PAUSED, asked))
