"""A source whose credentials are refused fetches nothing until they work again."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.audit import audit
from app.core.log import get_log

# As often it is looked whether the platform accepts the credentials again, should it have been mended over there.
PROBE_SECONDS = 300

_PAUSE = text("""
    UPDATE sources SET paused_reason = :reason, paused_at = now() WHERE id = :id AND paused_at IS NULL
    RETURNING slug, paused_reason
""")
_UNPAUSE = text("UPDATE sources SET paused_at = NULL WHERE paused_at < now() - make_interval(secs => :age)")
_WAS_PAUSED = text("SELECT paused_reason FROM sources WHERE id = :id FOR UPDATE")

log = get_log(__name__)


def pause_source(session: Session, source_id: int, reason: str) -> None:
    """Stop fetching for a source; one alert for one trouble, however often it is met."""
    known = session.execute(_WAS_PAUSED, {"id": source_id}).scalar()
    row = session.execute(_PAUSE, {"id": source_id, "reason": reason}).one_or_none()
    if row is None or known == reason:
        return
    log.error("source.paused", source=row.slug, reason=reason)
    audit(session, "muster", "source.pause", f"source:{row.slug}", None, {"reason": reason})


def try_paused_sources(session: Session) -> None:
    """Let sources that have been paused for a while try again; the first refusal pauses them anew, without an alert."""
    session.execute(_UNPAUSE, {"age": PROBE_SECONDS})
