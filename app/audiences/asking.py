"""The one attempt to win somebody by `pending`: noted before its call, so that a lost answer is no second one."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.operation import Operation
from app.audiences.outcome import Outcome

NOTE = text("""
    UPDATE members m SET asked_evidence_id = r.evidence_id, updated_at = now()
    FROM unnest(CAST(:ids AS bigint[]), CAST(:evidence_ids AS bigint[])) AS r (contact_id, evidence_id)
    WHERE m.audience_id = :audience_id AND m.contact_id = r.contact_id
      AND m.asked_evidence_id IS DISTINCT FROM r.evidence_id
""")
FORGET = text("""
    UPDATE members SET asked_evidence_id = NULL, updated_at = now()
    WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))
""")
# Answers that say: this request was not looked at.
NOT_LOOKED_AT = frozenset({"throttled"})


def note_asked(session: Session, audience_id: int, operations: Iterable[Operation]) -> None:
    """From now on these people count as asked, whatever becomes of the call.

    So do those who are taken out before they answered, while whoever had answered may be asked again.
    """
    asks = [one for one in operations if one.kind in {"ask", "set_status"}]
    if asks:
        ids, lines = [one.contact_id for one in asks], [one.evidence_id for one in asks]
        session.execute(NOTE, {"audience_id": audience_id, "ids": ids, "evidence_ids": lines})


def forget_unasked(
    session: Session, audience_id: int, operations: Iterable[Operation], outcomes: Sequence[Outcome]
) -> None:
    """Whom Mailchimp surely was not asked about still has the attempt."""
    asks = {one.contact_id for one in operations if one.kind == "ask"}
    if not asks:
        return
    unasked = [
        one.contact_id
        for one in outcomes
        if one.contact_id in asks
        and (one.is_unasked or one.verdict == "release" or one.kind in NOT_LOOKED_AT)
    ]
    if unasked:
        session.execute(FORGET, {"audience_id": audience_id, "ids": unasked})
