"""Pausing and resuming one audience, changes that are set aside meanwhile, and the one alert that says so.

A paused audience sends nothing but opt-outs and erasures: whoever said no is never kept waiting.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.audiences.models import Audience
from app.audiences.outbox import excuse_pause
from app.audiences.views import Trouble
from app.core.audit import audit
from app.core.log import get_log
from app.inbox.models import Attempt

BY_ADMIN, GUARD, GONE, MERGE_FIELD = "by_admin", "guard", "gone", "merge_field"
# Nothing at all can be sent to an audience that is not there.
UNREACHABLE = frozenset({GONE})
ASIDE = "set_aside"  # changes.error.code of what waits for the end of a pause

SET_ASIDE = text("""
    UPDATE changes SET lease_token = NULL, leased_until = NULL, sent_email = NULL, next_attempt_at = now() + interval '1 day',
        error = jsonb_build_object('code', CAST(:code AS text), 'reason', 'The audience is paused.', 'hint', '')
    WHERE audience_id = :audience_id AND lease_token = :token AND contact_id = ANY(CAST(:ids AS bigint[]))
""")
WAKE = text("""
    UPDATE changes SET next_attempt_at = now(), error = CASE WHEN error ->> 'code' = :code THEN NULL ELSE error END
    WHERE audience_id = :audience_id AND parked_at IS NULL AND next_attempt_at > now()
      AND coalesce(error ->> 'code', '') <> 'too_many_signups'
""")

log = get_log(__name__)


def pause_audience(
    session: Session, audience_id: int, code: str, trouble: Trouble, actor: str = "muster"
) -> bool:
    """Stop an audience; True for whoever was first. Muster's own pauses raise one alert, an admin's is audited."""
    paused = session.execute(
        update(Audience)
        .where(Audience.id == audience_id, Audience.paused_at.is_(None))
        .values(paused_at=func.now(), paused_code=code, paused_reason=trouble.reason)
        .returning(Audience.slug)
    ).scalar_one_or_none()
    if paused is None:
        return False
    if code == BY_ADMIN:
        audit(session, actor, "audience.pause", f"audience:{paused}", None, {"reason": trouble.reason})
    else:
        raise_alert(session, audience_id, trouble)
    return True


def resume_audience(session: Session, audience_id: int, actor: str = "muster") -> bool:
    """Let it go on: what was set aside is due again. False where it was not paused."""
    audience = session.execute(
        select(Audience).where(Audience.id == audience_id).with_for_update()
    ).scalar_one()
    if audience.paused_at is None:
        return False
    before = {"code": audience.paused_code, "reason": audience.paused_reason}
    excuse_pause(session, audience.paused_at, audience_id=audience_id)
    audience.paused_at, audience.paused_code, audience.paused_reason = None, None, None
    session.flush()
    wake_audience(session, audience_id)
    log.info("audience.resumed", audience=audience.slug, was=before["code"], actor=actor)
    if actor != "muster":
        audit(session, actor, "audience.resume", f"audience:{audience.slug}", before, None)
    return True


def raise_alert(session: Session, audience_id: int | None, trouble: Trouble) -> None:
    """One line in the log and one in the history of failures. Whoever calls sees to it that it is one."""
    session.add(Attempt(audience_id=audience_id, stage="push", error={**trouble.as_dict(), "alert": True}))
    log.warning("alert.raised", audience_id=audience_id, code=trouble.code, reason=trouble.reason)


def set_aside(session: Session, audience_id: int, token: UUID, contact_ids: Collection[int]) -> None:
    """Give changes that this transaction claimed back until the pause is over, or until they are touched."""
    if contact_ids:
        asked = {"audience_id": audience_id, "token": token, "ids": sorted(contact_ids), "code": ASIDE}
        session.execute(SET_ASIDE, asked)


def wake_audience(session: Session, audience_id: int) -> None:
    """Everything that waits is due now."""
    session.execute(WAKE, {"audience_id": audience_id, "code": ASIDE})
