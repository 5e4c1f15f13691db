"""What is due in PostgreSQL, in terms of the bell that would start it."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.gate import list_due_audiences
from app.inbox.models import BULK_LANE, LIVE_LANE

GRACE = {"grace": 0.5}  # seconds; younger work has a bell on its way

DELIVERIES = text("""
SELECT EXISTS (
  SELECT 1 FROM deliveries WHERE settled_at IS NULL AND next_attempt_at < now() - make_interval(secs => :grace)
     AND (leased_until IS NULL OR leased_until < now()))
    OR EXISTS (
  SELECT 1 FROM events WHERE settled_at IS NULL AND state = 'new' AND next_attempt_at < now() - make_interval(secs => :grace)
     AND (leased_until IS NULL OR leased_until < now()))
""")
ENRICH = text("""
SELECT EXISTS (
  SELECT 1 FROM events e JOIN sources s ON s.id = e.source_id AND s.paused_at IS NULL
   WHERE e.settled_at IS NULL AND e.state = 'waiting_enrich' AND e.next_attempt_at < now() - make_interval(secs => :grace)
     AND (e.leased_until IS NULL OR e.leased_until < now()))
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work that is due: the bell that starts it, and the ids it carries."""

    bell: str
    ids: tuple[int, ...] = ()


def list_waiting(session: Session) -> list[Waiting]:
    """Everything that is due and in nobody's hands."""
    found = []
    if session.execute(DELIVERIES, GRACE).scalar():
        found.append(Waiting("inbox"))
    if session.execute(ENRICH, GRACE).scalar():
        found.append(Waiting("enrich"))
    for bell, lane in (("audience", LIVE_LANE), ("bulk", BULK_LANE)):
        found.extend(Waiting(bell, (audience_id,)) for audience_id in list_due_audiences(session, lane))
    return found
