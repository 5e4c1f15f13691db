"""Pausing, resuming and cancelling an audience, from its own page or from a run's: the same act in the same words."""

from flask_security import current_user
from sqlalchemy.orm import Session

from app.audiences import steer


def pause(db: Session, audience_id: int, reason: str = "") -> str:
    """Write nothing but opt-outs and erasures until somebody resumes it."""
    is_first = steer.pause(db, audience_id, current_user.email, reason)
    return "Paused. Only opt-outs and erasures are written." if is_first else "It was paused already."


def resume(db: Session, audience_id: int) -> str:
    """Let a paused audience go on."""
    was_paused = steer.resume(db, audience_id, current_user.email)
    return "It goes on where it stopped." if was_paused else "It was not paused."


def cancel(db: Session, audience_id: int) -> str:
    """End what runs; opt-outs and live changes stay queued."""
    dropped = steer.cancel(db, audience_id, current_user.email)
    return f"Cancelled. {dropped} queued changes were forgotten; opt-outs and live changes stay."
