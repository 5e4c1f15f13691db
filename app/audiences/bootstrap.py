"""The first start: without a Mailchimp key there is a ready audience on the local simulator."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.audiences.configure import AudienceWish, add_audience, ensure_destination, find_connected
from app.audiences.live import LiveAudience
from app.audiences.models import Audience, Destination
from app.audiences.simulated import (
    AUDIENCE_SLUG,
    DESTINATION_SLUG,
    LIST_ID,
    LIST_NAME,
    MERGE_FIELDS,
    STATE_FILE,
    simulator_form_url,
)
from app.core.config import Settings
from app.core.secretbox import SecretBox
from integrations.mailchimp.answers import MergeField


def is_simulator_needed(session: Session, settings: Settings) -> bool:
    """Whether there is no Mailchimp but the local one: neither a key, nor an account connected by signing in."""
    return settings.is_simulated and not find_connected(session)


def ensure_simulated_audience(session: Session, settings: Settings, box: SecretBox) -> Audience | None:
    """The destination that the settings name; on the simulator also the audience `newsletter`, which is answered.

    With a real key, or an account that was connected by signing in, the simulated audiences rest: people belong in one
    or the other. Nothing of the simulator is made then.
    """
    rehearsals = select(Destination.id).where(Destination.slug == DESTINATION_SLUG)
    is_needed = is_simulator_needed(session, settings)
    session.execute(
        update(Audience).where(Audience.destination_id.in_(rehearsals)).values(is_enabled=is_needed)
    )
    if not is_needed:
        if not settings.is_simulated:
            ensure_destination(session, box, settings)
        return None
    destination = ensure_destination(session, box, settings)
    known = session.scalar(
        select(Audience).where(Audience.destination_id == destination.id, Audience.list_id == LIST_ID)
    )
    if known is not None:
        return known
    fields = tuple(
        MergeField(index, tag, tag, kind) for index, (tag, kind) in enumerate(MERGE_FIELDS.items(), 1)
    )
    live = LiveAudience(LIST_ID, LIST_NAME, simulator_form_url(settings), merge_fields=fields)
    audience = add_audience(
        session, destination, live, AudienceWish(AUDIENCE_SLUG, LIST_ID), actor="first start"
    )
    if not (
        settings.home / STATE_FILE
    ).exists():  # a simulator that never ran has no members to be careful of
        audience.approved_at = session.scalar(select(func.now()))
        session.flush()
    return audience
