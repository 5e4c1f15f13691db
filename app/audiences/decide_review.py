"""An admin's verdict on a merge field whose two sides differ, carried out on the side that gives way."""

from sqlalchemy.orm import Session

from app.audiences.load import get_audience
from app.audiences.models import FieldReview
from app.audiences.outbox import queue_changes, touch_changes
from app.audiences.reviews import WRITE_OURS, Side, close_review
from app.audiences.taken import Taken, record_taken
from app.contacts.models import Contact
from app.core.errors import InvalidError


def decide_review(session: Session, review_id: int, verdict: Side, actor: str) -> FieldReview:
    """Let one side stand: `ours` is written to Mailchimp, `theirs` becomes an edit of the contact by this admin.

    NotFoundError, ConflictError where it was decided, InvalidError for another verdict.
    """
    if verdict not in {"ours", "theirs"}:
        raise InvalidError(f"{verdict!r} is no verdict.", "Say ours or theirs.")
    review = close_review(session, review_id, verdict, actor)
    person_id = _person_id(session, review.contact_id)
    if verdict == "ours":
        ids = sorted({review.contact_id, person_id})
        asked = {"audience_id": review.audience_id, "tag": review.tag, "ids": ids}
        session.execute(WRITE_OURS, asked)
        touch_changes(session, review.audience_id, [person_id])
    else:
        _take(session, review, person_id, actor)
    return review


def _person_id(session: Session, contact_id: int) -> int:
    """Who the contact is today."""
    contact = session.get_one(Contact, contact_id)
    while contact.merged_into_id is not None:
        contact = session.get_one(Contact, contact.merged_into_id)
    return contact.id


def _take(session: Session, review: FieldReview, person_id: int, actor: str) -> None:
    audience = get_audience(session, review.audience_id)
    found = audience.outward.fields.get(review.tag)
    if found is None or not found.takes:
        raise InvalidError(
            f"{review.tag} is no longer mapped to a contact field.", "Decide for ours, or map it again."
        )
    fields = {
        name: review.theirs.get(part) if part and isinstance(review.theirs, dict) else review.theirs
        for name, part in found.takes.items()
    }
    taken = Taken(person_id, fields, review.seen_at, (review.tag,), is_decided=True, actor=actor)
    queue_changes(session, record_taken(session, audience, [taken]))
