"""Join two contacts, take it back, and keep what was judged about a pair."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.drafts import derive_drafts, lock_drafts
from app.contacts.ledger import derive_consents
from app.contacts.survivorship import Dictionary
from app.core.errors import ConflictError, InvalidError, NotFoundError

Verdict = Literal["same", "different", "unsure"]

SNAPSHOT = text(
    "SELECT id, fields, provenance, tags, updated_at FROM contacts WHERE id = ANY(CAST(:ids AS bigint[]))"
)
# What moves with a contact. An identity that the winner has too stays where it is and leads there by redirect.
MOVES = {
    "patches": text(
        "UPDATE contact_patches SET contact_id = :target WHERE contact_id = :origin RETURNING id"
    ),
    "identities": text(
        """
        UPDATE identities i SET contact_id = :target
        WHERE i.contact_id = :origin AND NOT EXISTS (
            SELECT FROM identities o WHERE o.contact_id = :target
            AND (o.kind, o.scope, o.match_value) = (i.kind, i.scope, i.match_value))
        RETURNING id
        """
    ),
    "evidence": text(
        "UPDATE consent_evidence SET contact_id = :target WHERE contact_id = :origin RETURNING id"
    ),
    "timeline": text(
        "UPDATE timeline_entries SET contact_id = :target WHERE contact_id = :origin RETURNING id"
    ),
}
RETURNS = {
    "patches": text(
        "UPDATE contact_patches SET contact_id = :target WHERE contact_id = :origin AND id = ANY(:ids)"
    ),
    "identities": text(
        "UPDATE identities SET contact_id = :target WHERE contact_id = :origin AND id = ANY(:ids)"
    ),
    "evidence": text(
        "UPDATE consent_evidence SET contact_id = :target WHERE contact_id = :origin AND id = ANY(:ids)"
    ),
    "timeline": text(
        "UPDATE timeline_entries SET contact_id = :target WHERE contact_id = :origin AND id = ANY(:ids)"
    ),
}
# Members of the loser that the audiences room will hand to the winner, because the winner has none there.
MEMBERS = text(
    """
    SELECT m.audience_id, m.subscriber_hash FROM members m WHERE m.contact_id = :origin AND NOT EXISTS (
        SELECT FROM members o WHERE o.contact_id = :target AND o.audience_id = m.audience_id)
    """
)
RETURN_MEMBERS = text(
    """
    UPDATE members m SET contact_id = :target
    FROM unnest(CAST(:audience_ids AS bigint[]), CAST(:hashes AS text[])) AS r (audience_id, subscriber_hash)
    WHERE m.contact_id = :origin AND (m.audience_id, m.subscriber_hash) = (r.audience_id, r.subscriber_hash)
      AND NOT EXISTS (SELECT FROM members o WHERE o.contact_id = :target AND o.audience_id = m.audience_id)
    """
)
# Members that were made while they were one, at an address that is the loser's alone.
RETURN_OWN_MEMBERS = text(
    """
    UPDATE members m SET contact_id = :target
    WHERE m.contact_id = :origin
      AND EXISTS (SELECT FROM identities i WHERE i.contact_id = :target AND i.kind = 'email'
                  AND i.match_value = lower(btrim(m.email_address)))
      AND NOT EXISTS (SELECT FROM identities i WHERE i.contact_id = :origin AND i.kind = 'email'
                      AND i.match_value = lower(btrim(m.email_address)))
      AND NOT EXISTS (SELECT FROM members o WHERE o.contact_id = :target AND o.audience_id = m.audience_id)
    """
)
# An address that the winner was given again since is the winner's too: without it nobody would find them by it, nor heed
# what others at the same address say.
KEEP_ADDRESS = text(
    """
    INSERT INTO identities (kind, scope, match_value, given_value, is_matching, contact_id, source_id, event_id)
    SELECT i.kind, i.scope, i.match_value, i.given_value, i.is_matching, c.id, i.source_id, i.event_id
    FROM contacts c JOIN identities i ON i.contact_id = :target AND i.kind = 'email'
        AND i.match_value = lower(btrim(c.fields ->> 'email'))
    WHERE c.id = :origin
    ON CONFLICT DO NOTHING
    """
)
REDIRECT = text(
    "UPDATE contacts SET state = 'merged', merged_into_id = :winner_id, updated_at = now() WHERE id = :loser_id"
)
NO_CONSENTS = text("DELETE FROM consents WHERE contact_id = :loser_id")
LAST_EVIDENCE = text("SELECT coalesce(max(id), 0) FROM consent_evidence")
KEEP_MERGE = text(
    """
    INSERT INTO merges (winner_id, loser_id, reason, actor, moved)
    VALUES (:winner_id, :loser_id, :reason, :actor, CAST(:moved AS jsonb)) RETURNING id
    """
)
MERGE = text(
    """
    SELECT m.winner_id, m.loser_id, m.moved, m.unmerged_at, w.state, l.state, l.merged_into_id
    FROM merges m JOIN contacts w ON w.id = m.winner_id JOIN contacts l ON l.id = m.loser_id WHERE m.id = :merge_id
    """
)
REVIVE = text("UPDATE contacts SET state = 'active', merged_into_id = NULL WHERE id = :loser_id")
RESTORE_TIME = text(
    "UPDATE contacts SET updated_at = CAST(:updated_at AS timestamptz) WHERE id = :contact_id"
)
CLOSE = text("UPDATE merges SET unmerged_at = now() WHERE id = :merge_id")
# An opt-out that was learned while they were one stays with both: nobody knows whose it was.
SHARE_OPT_OUTS = text(
    """
    INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, proof, wording, method, occurred_at,
                                  received_at, source_id, actor)
    SELECT :loser_id, channel, purpose, address, verdict, proof, wording, method, occurred_at,
           received_at, source_id, 'unmerge'
    FROM consent_evidence WHERE contact_id = :winner_id AND verdict = 'withdrawn' AND id > :last_evidence_id
    """
)
JUDGE = text(
    """
    INSERT INTO judgements (contact_a_id, contact_b_id, verdict, reason, judge)
    VALUES (:a, :b, :verdict, :reason, :judge)
    ON CONFLICT (contact_a_id, contact_b_id) DO UPDATE
    SET verdict = excluded.verdict, reason = excluded.reason, judge = excluded.judge, judged_at = now()
    """
)
DOUBT = text(
    """
    INSERT INTO judgements (contact_a_id, contact_b_id, verdict, reason, judge, event_id)
    SELECT a, b, 'unsure', reason, 'muster', event_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (a bigint, b bigint, reason text, event_id bigint)
    ON CONFLICT (contact_a_id, contact_b_id) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that was made or undone; both contacts must be planned again for every audience."""

    merge_id: int
    winner_id: int
    loser_id: int

    @property
    def changed_contact_ids(self) -> frozenset[int]:
        return frozenset((self.winner_id, self.loser_id))


def merge(
    session: Session, winner_id: int, loser_id: int, reason: str, actor: str, *, dictionary: Dictionary
) -> Merged:
    """Join `loser_id` into `winner_id`: everything known points at the winner, the loser redirects to it.

    ConflictError when one of them is merged or erased already.
    """
    if winner_id == loser_id:
        raise InvalidError(f"Contact {winner_id} cannot be merged with itself.", "Name two contacts.")
    drafts = lock_drafts(session, (winner_id, loser_id))
    for contact_id in (winner_id, loser_id):
        _check_active(contact_id, drafts[contact_id].state if contact_id in drafts else None)
    moved = _snapshot(session, winner_id, loser_id)
    points = {"target": winner_id, "origin": loser_id}
    moved["members"] = [list(row) for row in session.execute(MEMBERS, points)]
    for name, statement in MOVES.items():
        moved[name] = sorted(session.scalars(statement, points))
    pair = {"winner_id": winner_id, "loser_id": loser_id}
    session.execute(REDIRECT, pair)
    session.execute(NO_CONSENTS, {"loser_id": loser_id})
    kept = {**pair, "reason": reason, "actor": actor, "moved": json.dumps(moved)}
    merge_id = session.scalars(KEEP_MERGE, kept).one()
    judge(session, winner_id, loser_id, "same", actor, reason=reason)
    winner = lock_drafts(session, (winner_id,)).values()
    derive_drafts(session, winner, dictionary)
    derive_consents(session, winner)
    return Merged(merge_id, winner_id, loser_id)


def unmerge(session: Session, merge_id: int, actor: str, *, dictionary: Dictionary) -> Merged:
    """Give both contacts back as they were; what arrived since stays with the winner, opt-outs with both.

    The pair is judged different, so that they never merge by themselves again.
    """
    row = session.execute(MERGE, {"merge_id": merge_id}).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no merge {merge_id}.", "See the merges of a contact: muster contacts show ID."
        )
    winner_id, loser_id, moved, unmerged_at, *_ = row
    _check_open(session, merge_id, winner_id, loser_id, is_undone=unmerged_at is not None)
    points = {"target": loser_id, "origin": winner_id}
    for name, statement in RETURNS.items():
        session.execute(statement, {**points, "ids": moved[name]})
    audience_ids, hashes = [row[0] for row in moved["members"]], [row[1] for row in moved["members"]]
    session.execute(RETURN_MEMBERS, {**points, "audience_ids": audience_ids, "hashes": hashes})
    session.execute(REVIVE, {"loser_id": loser_id})
    since = {"winner_id": winner_id, "loser_id": loser_id, "last_evidence_id": moved["last_evidence_id"]}
    session.execute(SHARE_OPT_OUTS, since)
    session.execute(CLOSE, {"merge_id": merge_id})
    judge(session, winner_id, loser_id, "different", actor, reason=f"merge {merge_id} undone")
    both = (winner_id, loser_id)
    derive_drafts(session, lock_drafts(session, both).values(), dictionary)
    session.execute(KEEP_ADDRESS, points)
    derive_consents(session, lock_drafts(session, both).values())
    session.execute(RETURN_OWN_MEMBERS, points)
    _restore_times(session, moved, winner_id, loser_id)
    return Merged(merge_id, winner_id, loser_id)


def judge(session: Session, a: int, b: int, verdict: Verdict, judge: str, *, reason: str = "") -> None:
    """Keep a verdict on a pair; it replaces an earlier one. "different" keeps them apart for ever."""
    low, high = sorted((a, b))
    session.execute(JUDGE, {"a": low, "b": high, "verdict": verdict, "reason": reason, "judge": judge})


def doubt(session: Session, pairs: Sequence[tuple[int, int, str, int | None]]) -> None:
    """Ask an admin about pairs (contact, contact, reason, event id) unless somebody has judged them already."""
    if pairs:
        rows = [
            {"a": min(a, b), "b": max(a, b), "reason": reason, "event_id": event_id}
            for a, b, reason, event_id in pairs
        ]
        session.execute(DOUBT, {"rows": json.dumps(sorted(rows, key=lambda row: (row["a"], row["b"])))})


def _check_active(contact_id: int, state: str | None) -> None:
    if state is None:
        raise NotFoundError(f"There is no contact {contact_id}.", "Look it up: muster contacts find.")
    if state != "active":
        raise ConflictError(f"Contact {contact_id} is {state}.", "Only active contacts can be merged.")


def _check_open(session: Session, merge_id: int, winner_id: int, loser_id: int, *, is_undone: bool) -> None:
    drafts = lock_drafts(session, (winner_id, loser_id))
    if is_undone:
        raise ConflictError(f"Merge {merge_id} has been undone already.")
    if drafts[winner_id].state == "merged":
        raise ConflictError(
            f"Contact {winner_id} was merged into another one after merge {merge_id}.",
            "Undo that merge first.",
        )
    if "erased" in (drafts[winner_id].state, drafts[loser_id].state):
        raise ConflictError(f"Merge {merge_id} cannot be undone: the person was erased.")


def _snapshot(session: Session, winner_id: int, loser_id: int) -> dict[str, Any]:
    """When both last changed, and a digest of what they were: enough to know whether unmerge brought it all back."""
    snapshot: dict[str, Any] = {"last_evidence_id": session.scalars(LAST_EVIDENCE).one()}
    for contact_id, *state, updated_at in session.execute(SNAPSHOT, {"ids": [winner_id, loser_id]}):
        name = "winner" if contact_id == winner_id else "loser"
        snapshot[name] = {"digest": _digest(state), "updated_at": updated_at.isoformat()}
    return snapshot


def _digest(state: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(list(state), sort_keys=True).encode()).hexdigest()


def _restore_times(session: Session, moved: dict[str, Any], winner_id: int, loser_id: int) -> None:
    for contact_id, *state, _ in session.execute(SNAPSHOT, {"ids": [winner_id, loser_id]}).all():
        before = moved["winner" if contact_id == winner_id else "loser"]
        if before["digest"] == _digest(state):
            session.execute(RESTORE_TIME, {"contact_id": contact_id, "updated_at": before["updated_at"]})
