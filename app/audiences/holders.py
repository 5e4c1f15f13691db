"""Whose a member is: each has one mirror row, held by the one contact that has its address.

Contacts are merged and parted, change their addresses and lose them; a member must never be taken out for somebody
who no longer has its address while somebody else does.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column
from app.audiences.load import Situation
from app.audiences.views import AudienceView

LOOKS = 3  # at who has a row, while others write rows
# Here as below each row is found by its key (OFFSET 0), never by a plan that reads whole tables.
WINNERS = text("""
    SELECT DISTINCT l.merged_into_id FROM unnest(CAST(:ids AS bigint[])) AS a(id)
    CROSS JOIN LATERAL (SELECT merged_into_id FROM contacts WHERE merged_into_id = a.id AND state = 'merged' OFFSET 0) AS l
""")
# Members that were read, whose mirror row may be somebody else's.
STRAYS_AT = text("""
    SELECT contact_id FROM (
        SELECT m.contact_id, c.state = 'merged' OR c.hash IS DISTINCT FROM a.hash AS is_elsewhere, m.status,
            count(*) FILTER (WHERE m.status <> '') OVER (PARTITION BY a.hash) AS row_count
        FROM unnest(CAST(:hashes AS text[])) AS a(hash)
        CROSS JOIN LATERAL (SELECT contact_id, status FROM members
            WHERE audience_id = :audience_id AND subscriber_hash = a.hash OFFSET 0) AS m
        CROSS JOIN LATERAL (SELECT state, md5(lower(btrim(fields ->> 'email'))) AS hash FROM contacts
            WHERE id = m.contact_id OFFSET 0) AS c) AS found
    WHERE is_elsewhere OR (status <> '' AND row_count > 1)
""")
# A row that says no more than why somebody cannot be a member gives way to the member of a contact merged into them.
GIVE_WAY = text("""
    DELETE FROM members WHERE audience_id = :audience_id AND contact_id = ANY(ARRAY(
        SELECT a.id FROM unnest(CAST(:ids AS bigint[])) AS a(id)
        CROSS JOIN LATERAL (SELECT subscriber_hash, sync_state FROM members
            WHERE audience_id = :audience_id AND contact_id = a.id AND status = '' OFFSET 0) AS o
        CROSS JOIN LATERAL (SELECT id FROM contacts WHERE merged_into_id = a.id AND state = 'merged' OFFSET 0) AS l
        CROSS JOIN LATERAL (SELECT subscriber_hash FROM members
            WHERE audience_id = :audience_id AND contact_id = l.id AND status <> '' OFFSET 0) AS m
        WHERE o.sync_state = 'failed' OR o.subscriber_hash = m.subscriber_hash))
""")
# Of several merged contacts with a member the eldest's is taken over.
ADOPT = text("""
    WITH losers AS (
        SELECT id, merged_into_id AS winner_id FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'merged'
        UNION SELECT id, merged_into_id FROM contacts
        WHERE merged_into_id = ANY(CAST(:ids AS bigint[])) AND state = 'merged'),
    adopted AS (
        SELECT w.id AS winner_id, s.id AS loser_id FROM (SELECT DISTINCT winner_id FROM losers) AS l
        CROSS JOIN LATERAL (SELECT id FROM contacts WHERE id = l.winner_id AND state = 'active' OFFSET 0) AS w
        CROSS JOIN LATERAL (SELECT min(c.id) AS id FROM contacts c CROSS JOIN LATERAL (SELECT FROM members
            WHERE audience_id = :audience_id AND contact_id = c.id AND status <> '' OFFSET 0) AS m
            WHERE c.merged_into_id = w.id AND c.state = 'merged') AS s
        WHERE s.id IS NOT NULL
          AND NOT EXISTS (SELECT FROM members WHERE audience_id = :audience_id AND contact_id = w.id))
    UPDATE members m SET contact_id = a.winner_id FROM adopted a
    WHERE m.audience_id = :audience_id AND m.contact_id = a.loser_id
    RETURNING m.contact_id
""")
# Rows of contacts (c) about a member (m) of which another row speaks, too: of somebody else (w).
DOUBLES = """
    DELETE FROM members WHERE audience_id = :audience_id AND contact_id = ANY(ARRAY(
        SELECT a.id FROM unnest(CAST(:ids AS bigint[])) AS a(id)
        CROSS JOIN LATERAL (SELECT state, md5(lower(btrim(fields ->> 'email'))) AS hash FROM contacts
            WHERE id = a.id OFFSET 0) AS c
        CROSS JOIN LATERAL (SELECT subscriber_hash AS hash, status FROM members
            WHERE audience_id = :audience_id AND contact_id = a.id OFFSET 0) AS m
        CROSS JOIN LATERAL (SELECT contact_id FROM members WHERE audience_id = :audience_id AND subscriber_hash = m.hash
            AND contact_id <> a.id AND status <> '' OFFSET 0) AS o
        CROSS JOIN LATERAL (SELECT id, state, md5(lower(btrim(fields ->> 'email'))) AS hash FROM contacts
            WHERE id = o.contact_id OFFSET 0) AS w
        WHERE {condition}))
    RETURNING contact_id
"""
# A member belongs to one contact: the one that has its address. Who spoke of it before lets go: of another address now, or
# merged, whose leaving would take the member out. That goes for a write whose answer was lost, too (status '').
LET_GO = text(
    DOUBLES.format(
        condition="(c.state = 'merged' OR c.hash IS DISTINCT FROM m.hash) AND w.state = 'active' AND w.hash = m.hash"
    )
)
# Mailchimp does not let everybody go (pending, cleaned), so that two may hold one member: a merged contact, or one of another
# address now, gives way to whoever has the address; of two merged ones the elder stays, as of two who share the address.
FORGET_DOUBLES = text(
    DOUBLES.format(
        condition="(w.state = 'active' AND (c.state = 'merged' OR (c.hash IS DISTINCT FROM m.hash AND w.hash = m.hash)))"
        " OR (w.state = 'merged' AND c.state = 'merged' AND w.id < a.id)"
        " OR (m.status <> '' AND c.state = 'active' AND c.hash = m.hash AND w.state = 'active' AND w.hash = m.hash"
        "   AND w.id < a.id)"
    )
)
# What is kept of a row that goes to somebody else.
TAKEN_OVER = """CASE WHEN m.status IN ('unsubscribed', 'cleaned') THEN ''
            WHEN m.pushed_hash IN ('', 'left') THEN m.pushed_hash ELSE 'heir' END"""
# Of the heirs of a statement: what says no more than why they could not be a member.
MAKE_ROOM = """
    DELETE FROM members WHERE audience_id = :audience_id AND status = '' AND sync_state = 'failed'
      AND contact_id = ANY(ARRAY({heirs}))
"""
# The member of somebody who is no more to be written to at its address is not taken out while somebody else has that
# address and a say of their own: it is theirs, who may be about to make it. That Muster took somebody out is nothing by which
# it may take in somebody else.
HEIRS = """
        SELECT DISTINCT ON (w.id) a.id AS giver_id, w.id AS heir_id
        FROM unnest(CAST(:ids AS bigint[])) AS a(id)
        CROSS JOIN LATERAL (SELECT subscriber_hash AS hash, lower(btrim(email_address)) AS email FROM members
            WHERE audience_id = :audience_id AND contact_id = a.id AND status <> '' OFFSET 0) AS m
        CROSS JOIN LATERAL (SELECT FROM contacts c WHERE id = a.id AND (state = 'merged' OR (state = 'active'
            AND (coalesce(btrim(fields ->> 'email'), '') = '' OR (md5(lower(btrim(fields ->> 'email'))) <> m.hash
                AND EXISTS (SELECT FROM consents k WHERE k.contact_id = c.id AND k.channel = :channel
                    AND k.purpose IN (:purpose, '*') AND k.status = 'withdrawn'))))) OFFSET 0) AS c
        CROSS JOIN LATERAL (SELECT contact_id FROM identities
            WHERE kind = 'email' AND scope = '' AND match_value = m.email OFFSET 0) AS i
        CROSS JOIN LATERAL (SELECT id FROM contacts WHERE id = i.contact_id AND state = 'active'
            AND md5(lower(btrim(fields ->> 'email'))) = m.hash OFFSET 0) AS w
        WHERE NOT EXISTS (SELECT FROM members WHERE audience_id = :audience_id AND contact_id = w.id
            AND (status <> '' OR sync_state <> 'failed'))
          AND EXISTS (SELECT FROM consents k WHERE k.contact_id = w.id AND k.channel = :channel AND k.purpose IN (:purpose, '*'))
        ORDER BY w.id, a.id
"""
MAKE_ROOM_FOR_HEIRS = text(MAKE_ROOM.format(heirs=f"SELECT heir_id FROM ({HEIRS}) AS h"))  # noqa: S608 - constants only
HAND_OVER = text(f"""
    WITH heirs AS ({HEIRS})
    UPDATE members m SET contact_id = h.heir_id,
        pushed_hash = {TAKEN_OVER}
    FROM heirs h WHERE m.audience_id = :audience_id AND m.contact_id = h.giver_id
      AND h.heir_id = (SELECT min(o.heir_id) FROM heirs o WHERE o.giver_id = h.giver_id)
    RETURNING m.contact_id, h.giver_id
""")  # noqa: S608 - constants only
# Whoever speaks for an address has its member, or a row of it already.
GIVEN = "unnest(CAST(:givers AS bigint[]), CAST(:heirs AS bigint[])) AS p(giver_id, heir_id)"
MAKE_ROOM_FOR_SPEAKERS = text(MAKE_ROOM.format(heirs="SELECT unnest(CAST(:heirs AS bigint[]))"))
HAND_TO_SPEAKERS = text(f"""
    UPDATE members m SET contact_id = p.heir_id, pushed_hash = {TAKEN_OVER}
    FROM (SELECT DISTINCT ON (heir_id) giver_id, heir_id FROM {GIVEN} ORDER BY heir_id, giver_id) AS p
    WHERE m.audience_id = :audience_id AND m.contact_id = p.giver_id AND m.status <> ''
      AND NOT EXISTS (SELECT FROM members WHERE audience_id = :audience_id AND contact_id = p.heir_id)
    RETURNING m.contact_id, p.giver_id
""")  # noqa: S608 - constants only
FORGET_GIVEN = text(f"""
    DELETE FROM members m USING {GIVEN}
    WHERE m.audience_id = :audience_id AND m.contact_id = p.giver_id AND m.status <> ''
      AND EXISTS (SELECT FROM members h WHERE h.audience_id = :audience_id AND h.contact_id = p.heir_id
        AND h.subscriber_hash = m.subscriber_hash AND h.status <> '')
    RETURNING p.giver_id, p.heir_id
""")  # noqa: S608 - constants only

# Two rows at each other's address, or a winner's at an old address and a merged contact's at the winner's: each takes the other's
# place. (Mailchimp lets no member move to an address that another one has.) As with heirs, that Muster took somebody out is
# nothing by which it may take in somebody else.
CROSSED = text("""
    SELECT w.id AS owner_id, min(o.contact_id) AS other_id
    FROM (SELECT unnest(CAST(:ids AS bigint[])) AS id
          UNION SELECT merged_into_id FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'merged') AS a
    CROSS JOIN LATERAL (SELECT id, md5(lower(btrim(fields ->> 'email'))) AS hash FROM contacts
        WHERE id = a.id AND state = 'active' OFFSET 0) AS w
    CROSS JOIN LATERAL (SELECT subscriber_hash AS hash FROM members
        WHERE audience_id = :audience_id AND contact_id = w.id OFFSET 0) AS m
    CROSS JOIN LATERAL (SELECT contact_id FROM members WHERE audience_id = :audience_id AND subscriber_hash = w.hash
        AND contact_id <> w.id AND (status <> '' OR sync_state = 'ok') OFFSET 0) AS o
    CROSS JOIN LATERAL (SELECT state, merged_into_id, md5(lower(btrim(fields ->> 'email'))) AS hash FROM contacts
        WHERE id = o.contact_id OFFSET 0) AS c
    WHERE m.hash <> w.hash
      AND ((c.state = 'merged' AND c.merged_into_id = w.id) OR (c.state = 'active' AND c.hash = m.hash AND w.id < o.contact_id))
    GROUP BY w.id
""")
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('members.crossed', :audience_id))")
# By way of a number that nobody has: a key is not given twice, not even within a statement.
CROSS = tuple(
    text(
        "UPDATE members m SET contact_id = p.after,"  # noqa: S608 - constants only
        f" pushed_hash = {TAKEN_OVER}"
        f" FROM (SELECT {before} AS before, {after} AS after"
        "   FROM unnest(CAST(:owners AS bigint[]), CAST(:others AS bigint[])) AS u(owner, other)) AS p"
        " WHERE m.audience_id = :audience_id AND m.contact_id = p.before"
    )
    for before, after in (("owner", "-owner"), ("other", "owner"), ("-owner", "other"))
)


def find_strays(session: Session, situations: Mapping[int, Situation]) -> set[int]:
    """Contacts whose mirror row may be somebody else's, or who may have one of somebody merged: of thousands, a few."""
    strays = {
        contact_id
        for contact_id, one in situations.items()
        if one.contact.state == "merged" or one.is_elsewhere
    }
    return strays | set(session.scalars(WINNERS, {"ids": numbers_column(situations)}))


def find_holders(session: Session, audience: AudienceView, contact_ids: Collection[int]) -> set[int]:
    """Before these contacts are planned: who has a member now that somebody else held, or no longer has. To be planned, too."""
    asked: dict[str, Any] = {**_asked(audience), "ids": numbers_column(contact_ids)}
    for statement in (LET_GO, GIVE_WAY):
        session.execute(statement, asked)
    holders = _handed_over(session, ADOPT, asked)
    if handed := _hand_over(session, asked):
        # Whoever gave a member away may have another, of somebody merged into them.
        holders |= handed | _handed_over(session, ADOPT, asked)
    if not session.execute(CROSSED, asked).first():
        return holders
    session.execute(ONE_AT_A_TIME, asked)
    crossed = session.execute(CROSSED, asked)  # what is left of it by now
    pairs = _apart((row.owner_id, row.other_id) for row in crossed)
    owners, others = [owner for owner, _ in pairs], [other for _, other in pairs]
    for statement in CROSS:
        asked = {"audience_id": audience.audience_id, "owners": owners, "others": others}
        session.execute(statement, asked)
    return holders | {*owners, *others}


def _apart(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Nobody twice: of several who share an address only one can take the row at it."""
    taken: set[int] = set()
    kept = []
    for pair in sorted(pairs):
        if taken.isdisjoint(pair):
            kept.append(pair)
            taken.update(pair)
    return kept


def find_holders_of(session: Session, audience: AudienceView, member_hashes: Iterable[str]) -> set[int]:
    """The same for members that were read, each of which has one row afterwards."""
    asked = _asked(audience)
    strays = session.scalars(STRAYS_AT, {**asked, "hashes": list(member_hashes)}).all()
    if not strays:
        return set()
    asked["ids"] = numbers_column(strays)
    return _hand_over(session, asked) | _handed_over(session, FORGET_DOUBLES, asked)


def hand_to_speakers(
    session: Session, audience: AudienceView, pairs: Collection[tuple[int, int]]
) -> set[int]:
    """Members go from whoever leaves the audience (first of each pair) to whoever has their address. To be planned, too."""
    if not pairs:
        return set()
    givers, heirs = zip(*sorted(pairs), strict=True)
    asked = {**_asked(audience), "givers": numbers_column(givers), "heirs": numbers_column(heirs)}
    session.execute(MAKE_ROOM_FOR_SPEAKERS, asked)
    handed = _handed_over(session, HAND_TO_SPEAKERS, asked)
    return handed | _handed_over(session, FORGET_GIVEN, asked)


def _hand_over(session: Session, asked: Mapping[str, Any]) -> set[int]:
    session.execute(MAKE_ROOM_FOR_HEIRS, asked)
    return _handed_over(session, HAND_OVER, asked)


def find_strays_at(session: Session, audience_id: int, member_hashes: Iterable[str]) -> set[int]:
    """Contacts whose mirror row speaks of one of these members, though the member may be somebody else's."""
    return set(session.scalars(STRAYS_AT, {"audience_id": audience_id, "hashes": list(member_hashes)}))


def _handed_over(session: Session, statement: TextClause, asked: Mapping[str, Any]) -> set[int]:
    """Who has a member now, or no longer has. Somebody who is given a row meanwhile is seen to have it on another look."""
    for looks_left in reversed(range(LOOKS)):
        try:
            with session.begin_nested():
                return {one for row in session.execute(statement, asked) for one in row}
        except IntegrityError:
            if not looks_left:
                raise
    raise AssertionError  # the loop returns or raises


def _asked(audience: AudienceView) -> dict[str, Any]:
    return {"audience_id": audience.audience_id, "channel": audience.channel, "purpose": audience.purpose}
