"""Logins that a platform's page is asked for: a state that works once, for a quarter of an hour, for one admin."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import delete, func
from sqlalchemy.orm import Session

from app.core.errors import InvalidError
from app.sources.models import PendingLogin

STATE_BYTES = 32
LOGIN_MINUTES = 15


def begin_login(session: Session, purpose: str, slug: str, actor: str) -> str:
    """A new state for a platform's login page; only its hash is kept. `purpose`: "source" or "destination"."""
    state = secrets.token_urlsafe(STATE_BYTES)
    session.execute(delete(PendingLogin).where(PendingLogin.expires_at < func.now()))
    session.add(
        PendingLogin(
            state_hash=_hash(state),
            purpose=purpose,
            slug=slug,
            actor=actor,
            expires_at=func.now() + timedelta(minutes=LOGIN_MINUTES),
        )
    )
    session.flush()
    return state


def use_login(session: Session, purpose: str, state: str, actor: str) -> str:
    """The slug that a login was begun for; its state is spent. InvalidError for any but a fresh one of this actor."""
    found = session.execute(
        delete(PendingLogin)
        .where(PendingLogin.state_hash == _hash(state), PendingLogin.purpose == purpose)
        .returning(PendingLogin.slug, PendingLogin.actor, PendingLogin.expires_at > func.now())
    ).first()
    # The look-up is by hash, so its timing tells nothing of the state; the actor is compared in constant time too.
    if found is None or not found[2] or not hmac.compare_digest(found[1].encode(), actor.encode()):
        raise InvalidError(
            "This login was not begun here, was used already, or took too long.", "Start it again."
        )
    return str(found[0])


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()
