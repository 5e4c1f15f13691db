"""Whose a member is: each has one mirror row, held by the one contact that has its address.

Contacts are merged and parted, change their addresses and lose them; a member must never be taken out for somebody
who no longer has its address while somebody else does.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column
from app.audiences.views import AudienceView

# A row that says no more than why somebody cannot be a member gives way to the member of a contact merged into them.
GIVE_WAY = text("""
    DELETE FROM members o USING contacts l, members m
    WHERE o.audience_id = :audience_id AND o.contact_id = ANY(CAST(:ids AS bigint[])) AND o.status = ''
      AND l.merged_into_id = o.contact_id AND l.state = 'merged' AND m.audience_id = o.audience_id
      AND m.contact_id = l.id AND m.status <> ''
      AND (o.sync_state = 'failed' OR o.subscriber_hash = m.subscriber_hash)
""")
# From the merged contacts on, of which there are few: by their own id or by whom they were merged into.
ADOPT = text("""
    WITH losers AS MATERIALIZED (
        SELECT id, merged_into_id FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'merged'
        UNION SELECT id, merged_into_id FROM contacts
        WHERE merged_into_id = ANY(CAST(:ids AS bigint[])) AND state = 'merged')
    UPDATE members m SET contact_id = w.id FROM losers l JOIN contacts w ON w.id = l.merged_into_id
    WHERE m.audience_id = :audience_id AND m.contact_id = l.id AND w.state = 'active' AND m.status <> ''
      AND NOT EXISTS (SELECT FROM members o WHERE o.audience_id = m.audience_id AND o.contact_id = w.id)
      AND m.contact_id = (SELECT min(n.contact_id) FROM members n JOIN contacts s ON s.id = n.contact_id
        WHERE n.audience_id = m.audience_id AND s.state = 'merged' AND s.merged_into_id = w.id AND n.status <> '')
    RETURNING w.id
""")
# A member belongs to one contact: the one that has its address. Who spoke of it before lets go: of another address now, or
# merged, whose leaving would take the member out. That goes for a write whose answer was lost, too (status '').
LET_GO = text("""
    DELETE FROM members m USING contacts c, members o, contacts w
    WHERE m.audience_id = :audience_id AND m.contact_id = ANY(CAST(:ids AS bigint[]))
      AND c.id = m.contact_id
      AND (c.state = 'merged' OR md5(lower(btrim(c.fields ->> 'email'))) IS DISTINCT FROM m.subscriber_hash)
      AND o.audience_id = m.audience_id AND o.subscriber_hash = m.subscriber_hash AND o.contact_id <> m.contact_id
      AND o.status <> '' AND w.id = o.contact_id AND w.state = 'active'
      AND md5(lower(btrim(w.fields ->> 'email'))) = o.subscriber_hash
    RETURNING m.contact_id
""")
# The member of somebody who is no more to be written to at its address is not taken out while somebody else has that
# address and a say of their own: it is theirs, who may be about to make it.
HAND_OVER = """
    WITH heirs AS (
        SELECT DISTINCT ON (w.id) m.contact_id AS giver_id, w.id AS heir_id
        FROM members m JOIN contacts c ON c.id = m.contact_id AND (c.state = 'merged' OR (c.state = 'active'
            AND (coalesce(btrim(c.fields ->> 'email'), '') = '' OR (md5(lower(btrim(c.fields ->> 'email'))) <> m.subscriber_hash
                AND EXISTS (SELECT FROM consents k WHERE k.contact_id = c.id AND k.channel = :channel
                    AND k.purpose IN (:purpose, '*') AND k.status = 'withdrawn')))))
        JOIN identities i ON i.kind = 'email' AND i.scope = '' AND i.match_value = lower(btrim(m.email_address))
        JOIN contacts w ON w.id = i.contact_id AND w.state = 'active' AND md5(lower(btrim(w.fields ->> 'email'))) = m.subscriber_hash
        WHERE m.audience_id = :audience_id AND {whose} AND m.status <> ''
          AND NOT EXISTS (SELECT FROM members o WHERE o.audience_id = m.audience_id AND o.contact_id = w.id)
          AND EXISTS (SELECT FROM consents k WHERE k.contact_id = w.id AND k.channel = :channel AND k.purpose IN (:purpose, '*'))
        ORDER BY w.id, m.contact_id)
    UPDATE members m SET contact_id = h.heir_id FROM heirs h
    WHERE m.audience_id = :audience_id AND m.contact_id = h.giver_id
      AND h.heir_id = (SELECT min(o.heir_id) FROM heirs o WHERE o.giver_id = h.giver_id)
    RETURNING m.contact_id
"""
HAND_OVER_OF = text(HAND_OVER.format(whose="m.contact_id = ANY(CAST(:ids AS bigint[]))"))
HAND_OVER_AT = text(HAND_OVER.format(whose="m.subscriber_hash = ANY(CAST(:hashes AS text[]))"))
# Mailchimp does not let everybody go (pending, cleaned), so that two may hold one member: a merged contact, or one of another
# address now, gives way to whoever has the address; of two merged ones the elder stays.
FORGET_DOUBLES = text("""
    DELETE FROM members m USING contacts c
    WHERE m.audience_id = :audience_id AND m.subscriber_hash = ANY(CAST(:hashes AS text[])) AND c.id = m.contact_id
      AND (c.state = 'merged' OR md5(lower(btrim(c.fields ->> 'email'))) IS DISTINCT FROM m.subscriber_hash)
      AND EXISTS (SELECT FROM members o JOIN contacts w ON w.id = o.contact_id
        WHERE o.audience_id = m.audience_id AND o.subscriber_hash = m.subscriber_hash AND o.contact_id <> m.contact_id
          AND o.status <> ''
          AND ((w.state = 'active' AND (c.state = 'merged' OR md5(lower(btrim(w.fields ->> 'email'))) = m.subscriber_hash))
            OR (w.state = 'merged' AND c.state = 'merged' AND o.contact_id < m.contact_id)))
""")


def find_holders(session: Session, audience: AudienceView, contact_ids: Collection[int]) -> set[int]:
    """Before these contacts are planned: who has a member now that somebody else held. To be planned, too."""
    asked = {**_asked(audience), "ids": numbers_column(contact_ids)}
    for statement in (LET_GO, GIVE_WAY):
        session.execute(statement, asked)
    return {*session.scalars(ADOPT, asked), *session.scalars(HAND_OVER_OF, asked)}


def find_holders_of(session: Session, audience: AudienceView, member_hashes: Iterable[str]) -> set[int]:
    """The same for members that were read, each of which has one row afterwards."""
    asked = {**_asked(audience), "hashes": list(member_hashes)}
    holders = set(session.scalars(HAND_OVER_AT, asked))
    session.execute(FORGET_DOUBLES, asked)
    return holders


def _asked(audience: AudienceView) -> dict[str, Any]:
    return {"audience_id": audience.audience_id, "channel": audience.channel, "purpose": audience.purpose}
