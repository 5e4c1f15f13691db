"""What is due in PostgreSQL, in terms of the bell that would start it."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

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
AUDIENCES = text("""
SELECT a.id FROM audiences a JOIN destinations d ON d.id = a.destination_id AND d.paused_at IS NULL
 WHERE a.is_enabled AND EXISTS (
   SELECT 1 FROM changes c WHERE c.audience_id = a.id AND c.parked_at IS NULL
      AND c.next_attempt_at < now() - make_interval(secs => :grace) AND (c.leased_until IS NULL OR c.leased_until < now()))
 ORDER BY a.id
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
    found.extend(
        Waiting("audience", (audience_id,)) for audience_id in session.execute(AUDIENCES, GRACE).scalars()
    )
    return found
