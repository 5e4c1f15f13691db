"""Erase a person: nothing of them stays in the database but keyed hashes that stop every import."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.arrivals import Resolved
from app.contacts.drafts import lock_drafts
from app.contacts.names import Name, name_of
from app.contacts.people import lock_keys, suppression_hash
from app.contacts.protect import Key
from app.contacts.traces import Traces, wipe_traces
from app.core.errors import NotFoundError
from app.core.secretbox import SecretBox

# The contact, and every contact that was ever merged into it.
FAMILY = text(
    """
    WITH RECURSIVE family AS (
        SELECT id, state FROM contacts WHERE id = :contact_id
        UNION
        SELECT c.id, c.state FROM contacts c JOIN family f ON c.merged_into_id = f.id
    )
    SELECT id, state FROM family ORDER BY id
    """
)
WINNER = text("SELECT merged_into_id FROM contacts WHERE id = :contact_id AND state = 'merged'")
IDENTITIES = text(
    """
    SELECT i.kind, i.scope, i.match_value, i.given_value,
           EXISTS (SELECT FROM identities o JOIN contacts c ON c.id = o.contact_id AND c.state = 'active'
                   WHERE (o.kind, o.scope, o.match_value) = (i.kind, i.scope, i.match_value) AND o.contact_id <> ALL(:ids))
    FROM identities i WHERE i.contact_id = ANY(:ids)
    """
)
STATED = text("SELECT fields FROM contact_patches WHERE contact_id = ANY(:ids)")
MEMBERS = text(
    """
    SELECT audience_id, contact_id, subscriber_hash, email_address FROM members WHERE contact_id = ANY(:ids)
    ORDER BY audience_id, contact_id
    """
)
EVENTS = text(
    """
    SELECT event_id FROM contact_patches WHERE contact_id = ANY(:ids) AND event_id IS NOT NULL
    UNION SELECT event_id FROM consent_evidence WHERE contact_id = ANY(:ids) AND event_id IS NOT NULL
    UNION SELECT event_id FROM timeline_entries WHERE contact_id = ANY(:ids) AND event_id IS NOT NULL
    UNION SELECT id FROM events WHERE contact_id = ANY(:ids)
    """
)
# An opt-out about an address that somebody else goes on using protects them too: it becomes theirs.
HAND_OVER = text(
    """
    UPDATE consent_evidence e SET contact_id = o.contact_id, event_id = NULL, source_id = NULL, wording = '', actor = 'erasure'
    FROM (SELECT i.match_value, min(i.contact_id) AS contact_id
          FROM identities i JOIN contacts c ON c.id = i.contact_id AND c.state = 'active'
          WHERE i.kind IN ('email', 'phone') AND i.contact_id <> ALL(:ids) GROUP BY i.match_value) o
    WHERE e.contact_id = ANY(:ids) AND e.verdict = 'withdrawn' AND e.address <> '' AND e.address = o.match_value
    """
)
REMOVALS = (
    text("DELETE FROM consents WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM consent_evidence WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM timeline_entries WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM messages WHERE contact_id = ANY(:ids) OR event_id = ANY(:event_ids)"),
    text("DELETE FROM contact_patches WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM identities WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM list_rows WHERE contact_id = ANY(:ids)"),
    text("DELETE FROM field_reviews WHERE contact_id = ANY(:ids)"),
    # The row stays until Mailchimp has deleted the member; what was known of the person does not.
    text(
        """
        UPDATE members SET merge_fields = '{}', tags = '{}', interests = '{}', marketing_permissions = '{}',
               theirs_changed = '{}' WHERE contact_id = ANY(:ids)
        """
    ),
    text("DELETE FROM judgements WHERE contact_a_id = ANY(:ids) OR contact_b_id = ANY(:ids)"),
    text("UPDATE merges SET moved = '{}' WHERE winner_id = ANY(:ids) OR loser_id = ANY(:ids)"),
    text(
        """
        UPDATE contacts SET state = 'erased', fields = '{}', provenance = '{}', tags = '{}', updated_at = now()
        WHERE id = ANY(:ids)
        """
    ),
)
SUPPRESS = text(
    """
    INSERT INTO suppressions (kind, value_hash, reason)
    SELECT kind, decode(value_hash, 'hex'), :reason
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (kind text, value_hash text)
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class ErasedMember:
    """A membership that must be deleted permanently at Mailchimp; its row stays until that is done."""

    audience_id: int
    contact_id: int
    subscriber_hash: str
    email: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased here, and what must still be deleted elsewhere."""

    contact_ids: tuple[int, ...]  # the contact and those once merged into it
    addresses: tuple[str, ...]  # as given; for the deletions elsewhere, never to be stored or logged
    members: tuple[ErasedMember, ...]
    suppressed_count: int


def erase_contact(session: Session, contact_id: int, box: SecretBox, reason: str) -> Erased:
    """Erase a person from every table. NotFoundError when there is no such contact.

    Only `members` still holds the address, until the audiences room has deleted it at Mailchimp.
    """
    ids = _family(session, contact_id)
    identities = session.execute(IDENTITIES, {"ids": ids}).all()
    lock_keys(session, (Key(*row[:3]) for row in identities))
    drafts = lock_drafts(session, ids)
    names = {name for draft in drafts.values() if (name := name_of(draft.fields))}
    hashes = _suppress(session, identities, names, box, reason)
    members = tuple(ErasedMember(*row) for row in session.execute(MEMBERS, {"ids": ids}))
    traces = _traces(session, ids, identities, members)
    session.execute(HAND_OVER, {"ids": ids})
    for statement in REMOVALS:
        session.execute(statement, {"ids": ids, "event_ids": list(traces.event_ids)})
    wipe_traces(session, traces)
    addresses = dict.fromkeys([*(row[3] for row in identities), *(member.email for member in members)])
    return Erased(tuple(ids), tuple(addresses), members, hashes)


def erase_arrival(session: Session, resolved: Resolved, box: SecretBox) -> Erased:
    """Do what an erasure event asks: erase its contact, and suppress what it names even when nobody was known."""
    rows = [(*identity.key, identity.given_value, False) for identity in resolved.identities]
    count = _suppress(session, rows, set(), box, "asked by the platform")
    if resolved.contact_id is None:
        return Erased((), tuple(row[3] for row in rows), (), count)
    return erase_contact(session, resolved.contact_id, box, "asked by the platform")


def _family(session: Session, contact_id: int) -> list[int]:
    while (winner_id := session.scalar(WINNER, {"contact_id": contact_id})) is not None:
        contact_id = winner_id
    found = session.execute(FAMILY, {"contact_id": contact_id}).all()
    if not found:
        raise NotFoundError(f"There is no contact {contact_id}.", "Look it up: muster contacts find.")
    return [row.id for row in found]


def _suppress(
    session: Session, identities: Sequence[Any], names: set[Name], box: SecretBox, reason: str
) -> int:
    """Keep hashes of what must never come back. A shared address is suppressed only together with the name."""
    rows = set()
    for kind, scope, match_value, _, is_shared in identities:
        key = Key(kind, scope, match_value)
        hashes = (
            [suppression_hash(box, key, name) for name in names]
            if is_shared
            else [suppression_hash(box, key)]
        )
        rows |= {(kind, value_hash.hex()) for value_hash in hashes}
    if rows:
        values = [{"kind": kind, "value_hash": value_hash} for kind, value_hash in sorted(rows)]
        session.execute(SUPPRESS, {"rows": json.dumps(values), "reason": reason})
    return len(rows)


def _traces(
    session: Session, ids: list[int], identities: Sequence[Any], members: Sequence[ErasedMember]
) -> Traces:
    """What to look for outside this room, before the rows that know it are gone."""
    unshared = [value for row in identities if not row[4] for value in row[2:4]]
    shared = {value for row in identities if row[4] for value in row[2:4]}
    stated = [
        value
        for fields in session.scalars(STATED, {"ids": ids})
        for value in fields.values()
        if isinstance(value, str)
    ]
    emails = [member.email for member in members]
    events = list(session.scalars(EVENTS, {"ids": ids}))
    searched = {value for value in (*unshared, *emails) if value not in shared}
    return Traces(
        tuple(events), tuple(sorted(searched)), tuple(sorted({*searched, *stated} - shared)), frozenset(ids)
    )
