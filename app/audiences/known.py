"""Who a member is here: the contact behind it, what the mirror holds of it, and what the ledger says of that person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.views import AudienceView
from app.contacts.normalise import match_value
from integrations.mailchimp.answers import MemberState


@dataclass(frozen=True, slots=True)
class Known:
    """What we hold of a member that Mailchimp speaks of.

    `contact_id` holds the mirror row; `person_id` is who that contact is today, should it have been merged.
    `is_in_flight`: a write of ours is under way or its answer was lost, so that what is read may be ours.
    `unjudged_hash`: the member's hash when a dry run first read it, until its values were judged: they count as unread.
    """

    contact_id: int
    person_id: int
    status: str | None  # None: no mirror row yet
    pushed_hash: str
    last_changed: datetime | None
    ledger: str  # given, withdrawn, none
    decided_at: datetime | None = None
    proof: str = ""
    merge_fields: Mapping[str, Any] = field(default_factory=dict)
    member_hash: str = ""
    is_in_flight: bool = False
    unjudged_hash: str = ""


# In `members.theirs_changed`, beside the times of merge fields (no tag is empty): the member was read while its audience
# waited for approval, so that its values are yet to be judged. It holds the member's hash as first read.
UNJUDGED = ""
# Who a contact (c) is today: the last of those that it was merged into, one after the other.
WHO = """CROSS JOIN LATERAL (SELECT CASE WHEN c.state <> 'merged' THEN c.id ELSE coalesce((
    WITH RECURSIVE up AS (SELECT id, state, merged_into_id FROM contacts WHERE id = c.id
        UNION SELECT w.id, w.state, w.merged_into_id FROM contacts w JOIN up ON w.id = up.merged_into_id)
    SELECT min(id) FROM up WHERE state <> 'merged'), c.id) END AS id OFFSET 0) AS who"""
# By hash or by Mailchimp's lasting id; else by the address, where it points at one active contact only, which has no other
# member: that one moves to the address first, or finds it taken. Every row by its
# key (OFFSET 0; min of a sum, which no index gives): a planner without statistics would read whole tables for each page.
FIND = text(f"""
WITH found AS MATERIALIZED (
    SELECT a.hash, coalesce(
        (SELECT min(m.contact_id + 0) FROM members m
         WHERE m.audience_id = :audience_id AND m.subscriber_hash = a.hash AND m.status <> ''),
        CASE WHEN a.remote_id <> '' THEN (SELECT min(m.contact_id + 0) FROM members m
         WHERE m.audience_id = :audience_id AND m.remote_contact_id = a.remote_id AND m.remote_contact_id <> ''
           AND m.status <> '') END,
        (SELECT CASE WHEN count(DISTINCT i.contact_id) = 1 THEN min(i.contact_id + 0) END
         FROM identities i CROSS JOIN LATERAL (SELECT FROM contacts WHERE id = i.contact_id AND state = 'active'
            AND md5(lower(btrim(fields ->> 'email'))) = a.hash
            AND NOT EXISTS (SELECT FROM members m WHERE m.audience_id = :audience_id AND m.contact_id = i.contact_id
                AND m.status IN ('subscribed', 'pending', 'transactional') AND m.subscriber_hash <> a.hash) OFFSET 0) AS c
         WHERE i.kind = 'email' AND i.scope = '' AND i.match_value = a.match_value)) AS contact_id
    FROM unnest(CAST(:hashes AS text[]), CAST(:remote_ids AS text[]), CAST(:values AS text[]))
        AS a(hash, remote_id, match_value))
SELECT f.hash, f.contact_id, who.id AS person_id, m.status, coalesce(m.pushed_hash, '') AS pushed_hash, m.last_changed,
       coalesce(k.status, e.status, 'none') AS ledger, coalesce(k.decided_at, e.decided_at) AS decided_at,
       coalesce(k.proof, '') AS proof, CASE WHEN m.theirs_changed ->> '' IS NULL THEN coalesce(m.merge_fields, '{{}}') ELSE '{{}}' END AS merge_fields,
       coalesce(m.subscriber_hash, '') AS member_hash,
       coalesce(q.leased_until > now() OR q.first_failed_at IS NOT NULL, false) AS is_in_flight,
       coalesce(m.theirs_changed ->> '', '') AS unjudged_hash
FROM found f CROSS JOIN LATERAL (SELECT id, state FROM contacts WHERE id = f.contact_id OFFSET 0) AS c
{WHO}
LEFT JOIN LATERAL (SELECT * FROM members WHERE audience_id = :audience_id AND contact_id = f.contact_id OFFSET 0) AS m
    ON true
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = who.id AND channel = :channel
    AND purpose = :purpose OFFSET 0) AS k ON true
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = who.id AND channel = :channel
    AND purpose = '*' AND status = 'withdrawn' OFFSET 0) AS e ON true
LEFT JOIN LATERAL (SELECT leased_until, first_failed_at FROM changes WHERE audience_id = :audience_id
    AND contact_id = f.contact_id OFFSET 0) AS q ON true
""")  # noqa: S608 - constants only


# Where nobody holds the member: the eldest of those who are written at its address, else of those who ever gave it.
SHARING = text("""
    SELECT a.hash, (array_agg(c.id ORDER BY c.is_former, c.id))[1] AS contact_id, NOT bool_and(c.is_former) AS is_current
    FROM unnest(CAST(:hashes AS text[]), CAST(:values AS text[])) AS a(hash, match_value)
    CROSS JOIN LATERAL (SELECT contact_id FROM identities
        WHERE kind = 'email' AND scope = '' AND match_value = a.match_value OFFSET 0) AS i
    CROSS JOIN LATERAL (SELECT id, md5(lower(btrim(fields ->> 'email'))) IS DISTINCT FROM a.hash AS is_former FROM contacts
        WHERE id = i.contact_id AND state = 'active' OFFSET 0) AS c
    GROUP BY a.hash
""")


@dataclass(frozen=True, slots=True)
class Sharing:
    """One of those at a member's address. `is_current`: they are written there today; else it is a former address."""

    contact_id: int
    is_current: bool


def find_sharing(session: Session, by_hash: Mapping[str, MemberState]) -> dict[str, Sharing]:
    """One contact for each of these members whose address somebody has or had, by member hash."""
    if not by_hash:
        return {}
    values = {
        "hashes": list(by_hash),
        "values": [match_value("email", state.email).value for state in by_hash.values()],
    }
    return {row.hash: Sharing(row.contact_id, row.is_current) for row in session.execute(SHARING, values)}


def find_known(
    session: Session, audience: AudienceView, by_hash: Mapping[str, MemberState]
) -> dict[str, Known]:
    """The contacts behind members, by member hash."""
    values = {
        "hashes": list(by_hash),
        "remote_ids": [state.contact_id for state in by_hash.values()],
        "values": [match_value("email", state.email).value for state in by_hash.values()],
        "audience_id": audience.audience_id,
        "channel": audience.channel,
        "purpose": audience.purpose,
    }
    return {row[0]: Known(*row[1:]) for row in session.execute(FIND, values)}
