"""Merge fields whose two sides differ and whose direction is `review`: kept until an admin says which value stands."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, text
from sqlalchemy.orm import Session

from app.audiences.known import WHO
from app.audiences.models import FieldReview
from app.core.audit import audit
from app.core.errors import ConflictError, NotFoundError

Side = Literal["ours", "theirs"]

OPEN = text("""
    INSERT INTO field_reviews (audience_id, contact_id, tag, ours, theirs)
    SELECT :audience_id, contact_id, tag, ours, theirs
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (contact_id bigint, tag text, ours jsonb, theirs jsonb)
    ORDER BY contact_id, tag
    ON CONFLICT (audience_id, contact_id, tag) WHERE verdict = ''
    DO UPDATE SET ours = excluded.ours, theirs = excluded.theirs, seen_at = now()
""")
CLOSE = text("""
    DELETE FROM field_reviews v USING unnest(CAST(:ids AS bigint[]), CAST(:tags AS text[])) AS r (contact_id, tag)
    WHERE v.audience_id = :audience_id AND v.verdict = '' AND (v.contact_id, v.tag) = (r.contact_id, r.tag)
""")
LIST = text(f"""
    SELECT v.id, a.slug AS audience, v.contact_id, who.id AS person_id, v.tag, v.ours,
           v.theirs, v.seen_at
    FROM field_reviews v JOIN audiences a ON a.id = v.audience_id JOIN contacts c ON c.id = v.contact_id
    {WHO}
    WHERE v.verdict = '' AND (CAST(:audience_id AS bigint) IS NULL OR v.audience_id = :audience_id)
    ORDER BY v.id LIMIT :limit
""")  # noqa: S608 - constants only
# Ours is written with the next plan: as though nobody else had touched it, and nothing stood there.
WRITE_OURS = text("""
    UPDATE members SET theirs_changed = theirs_changed - CAST(:tag AS text),
           merge_fields = merge_fields || jsonb_build_object(CAST(:tag AS text), ''),
           pushed_hash = CASE WHEN pushed_hash IN ('', 'left') THEN pushed_hash ELSE 'stale' END, updated_at = now()
    WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))
""")


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """An open review. `contact_id` had the member when it was seen; `person_id` is who that is now."""

    review_id: int
    audience: str
    contact_id: int
    person_id: int
    tag: str
    ours: Any
    theirs: Any
    seen_at: datetime


def open_reviews(session: Session, audience_id: int, rows: Sequence[tuple[int, str, Any, Any]]) -> None:
    """Ask about (contact, tag, ours, theirs); one open review for each field of a member, with the latest values."""
    if rows:
        values = [
            {"contact_id": contact_id, "tag": tag, "ours": ours, "theirs": theirs}
            for contact_id, tag, ours, theirs in rows
        ]
        session.execute(OPEN, {"audience_id": audience_id, "rows": json.dumps(values)})


def close_reviews(session: Session, audience_id: int, fields: Sequence[tuple[int, str]]) -> None:
    """Both sides agree now (contact, tag): nothing is left to decide."""
    if fields:
        ids, tags = [one[0] for one in fields], [one[1] for one in fields]
        session.execute(CLOSE, {"audience_id": audience_id, "ids": ids, "tags": tags})


def list_reviews(session: Session, audience_id: int | None = None, limit: int = 100) -> list[ReviewLine]:
    """Open reviews, the oldest first."""
    return [ReviewLine(*row) for row in session.execute(LIST, {"audience_id": audience_id, "limit": limit})]


def close_review(session: Session, review_id: int, verdict: Side, actor: str) -> FieldReview:
    """Note the verdict, once. NotFoundError, ConflictError."""
    review = session.get(FieldReview, review_id, with_for_update=True)
    if review is None:
        raise NotFoundError(f"There is no review {review_id}.", "`muster audiences reviews` lists them.")
    if review.verdict:
        raise ConflictError(f"Review {review_id} was decided already: {review.verdict}.")
    review.verdict, review.actor, review.decided_at = verdict, actor, func.now()
    seen: Mapping[str, Any] = {"contact_id": review.contact_id, "tag": review.tag}
    audit(session, actor, "audience.review", f"audience:{review.audience_id}", seen, {"verdict": verdict})
    session.flush()
    return review
