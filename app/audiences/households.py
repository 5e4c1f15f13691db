"""Addresses that several people share: who is written at each, what the others refuse, and whose member it is to be.

One speaks for an address: of those whose consent stands and whom the entry rule lets in, the one whom an admin chose, else
the one who is the member, else the eldest. Should nobody be such a person, it is whoever is the member, who leaves then.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column

# A contact (o) that opted out and did not confirm since that it wants mail.
OPTED_OUT = """EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id AND k.channel = :channel
    AND k.purpose IN (:purpose, '*') AND k.status = 'withdrawn'
    AND NOT EXISTS (SELECT FROM consents n WHERE n.contact_id = o.id AND n.channel = :channel AND n.purpose = :purpose
        AND n.status = 'given' AND n.proof = 'confirmed' AND n.decided_at > k.decided_at))"""

# Others who use the address that this contact would be written at, or whose member is still there: who they are, whether
# they opted out, whether they are the member already, and whether they wait for somebody else to be it. (`kind || ""`
# keeps the planner from the index that begins with the kind.)
NEIGHBOURS = text(f"""
SELECT c.id, o.id AS other_id, o.is_sharer, o.is_speaker, c.is_speaker AS is_self_speaker, (s.contact_id IS NOT NULL) AS is_self_member,
       (m.status <> '') IS TRUE AS is_member, (m.status = '') IS TRUE AS is_waiting,
       EXISTS (SELECT FROM consents k WHERE k.contact_id = c.id AND k.channel = :channel
               AND k.purpose = :purpose AND k.status = 'given') AS is_self_willing,
       EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id AND k.channel = :channel
               AND k.purpose = :purpose AND k.status = 'given') AS is_willing,
       o.is_sharer AND {OPTED_OUT} AS is_opted_out
FROM unnest(CAST(:ids AS bigint[])) AS asked(id)
CROSS JOIN LATERAL (SELECT scope, match_value FROM identities WHERE contact_id = asked.id AND kind || '' = 'email'
    OFFSET 0) AS i
CROSS JOIN LATERAL (SELECT contact_id FROM identities WHERE kind = 'email' AND scope = i.scope
    AND match_value = i.match_value AND contact_id <> asked.id OFFSET 0) AS j
CROSS JOIN LATERAL (SELECT id, is_speaker, lower(btrim(fields ->> 'email')) AS email FROM contacts
    WHERE id = asked.id AND state = 'active' OFFSET 0) AS c
CROSS JOIN LATERAL (SELECT id, is_speaker,
    coalesce(lower(btrim(fields ->> 'email')) = c.email, false) AS is_sharer FROM contacts
    WHERE id = j.contact_id AND state = 'active' OFFSET 0) AS o
LEFT JOIN LATERAL (SELECT contact_id, status FROM members WHERE audience_id = :audience_id AND contact_id = o.id
    AND (CASE WHEN status = '' THEN o.is_sharer AND error ->> 'code' = 'shared_address'
              ELSE o.is_sharer OR status IN ('subscribed', 'pending', 'transactional') END)
    AND subscriber_hash = md5(c.email) OFFSET 0) AS m ON true
LEFT JOIN LATERAL (SELECT contact_id FROM members WHERE audience_id = :audience_id AND contact_id = c.id AND status <> ''
    AND subscriber_hash = md5(c.email) OFFSET 0) AS s ON true
WHERE o.is_sharer OR m.contact_id IS NOT NULL
""")  # noqa: S608 - constants only
REFUSED = text("""
    SELECT contact_id, purpose FROM consents
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel AND status = 'withdrawn'
""")


@dataclass(frozen=True, slots=True)
class Household:
    """What sharing its address means for one contact.

    `is_blocked`: somebody else at the address opted out. `speaker_id`: who is written there, perhaps the contact itself.
    `heir_id`: the same, where it is somebody else whose consent stands and whom the rule lets in. `holder_id`: whose
    mirror row the member has, where the contact itself is to have it. `is_waited_for`: the speaker waits to be planned.
    """

    speaker_id: int
    is_blocked: bool = False
    heir_id: int | None = None
    holder_id: int | None = None
    is_waited_for: bool = False


@dataclass(frozen=True, slots=True)
class _Sharer:
    contact_id: int
    is_fit: bool
    is_member: bool
    is_willing: bool
    is_chosen: bool
    is_waiting: bool = False

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, int]:
        is_chosen = self.is_fit and self.is_chosen
        return (not self.is_fit, not is_chosen, not self.is_member, not self.is_willing, self.contact_id)


def list_neighbours(session: Session, values: Mapping[str, Any]) -> dict[int, list[Row[Any]]]:
    """The rows of NEIGHBOURS by contact; `values` are those by which situations are loaded."""
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(NEIGHBOURS, values):
        found[row.id].append(row)
    return found


def find_refused(
    session: Session, values: Mapping[str, Any], neighbours: Mapping[int, Sequence[Row[Any]]]
) -> dict[int, tuple[str, ...]]:
    """What others at its address withdrew, by contact: the strictest consent wins, whatever it is to."""
    others = {row.other_id for rows in neighbours.values() for row in rows if row.is_sharer}
    if not others:
        return {}
    withdrawn: dict[int, list[str]] = defaultdict(list)
    for contact_id, purpose in session.execute(REFUSED, {**values, "ids": numbers_column(others)}):
        withdrawn[contact_id].append(purpose)
    return {
        contact_id: tuple(
            sorted({one for row in rows if row.is_sharer for one in withdrawn.get(row.other_id, ())})
        )
        for contact_id, rows in neighbours.items()
    }


def judge_household(
    contact_id: int, rows: Sequence[Row[Any]], is_let_in: Callable[[int], bool], *, is_out: bool
) -> Household:
    """Who speaks at a contact's address. `is_let_in`: whether the entry rule lets somebody in; `is_out`: the contact opted out.

    Where anybody opted out nobody is written, and the member stays with whoever is it, who may come back.
    """
    is_blocked = any(row.is_opted_out for row in rows)
    is_closed = is_out or is_blocked
    first = rows[0]

    def is_fit(one: int, is_willing: bool) -> bool:
        return is_willing and not is_closed and is_let_in(one)

    own = _Sharer(
        contact_id,
        is_fit(contact_id, first.is_self_willing),
        first.is_self_member,
        first.is_self_willing,
        first.is_self_speaker,
    )
    others = [
        _Sharer(
            row.other_id,
            is_fit(row.other_id, row.is_willing),
            row.is_member,
            row.is_willing,
            row.is_speaker and row.is_sharer,
            row.is_waiting,
        )
        for row in rows
    ]
    # Who is leaving the address speaks there until the member has moved; not so who is to leave the audience.
    movers = {row.other_id for row in rows if not row.is_sharer}
    there = [
        own,
        *(
            one
            for one in others
            if one.contact_id not in movers or one.is_fit or (is_closed and one.is_willing)
        ),
    ]
    moving = [one for one in there if one.contact_id in movers and one.is_fit and one.is_member]
    speaker = min(moving or there, key=lambda one: one.rank)
    if not speaker.is_fit or speaker is not own:
        heir_id = speaker.contact_id if speaker.is_fit and not moving else None
        return Household(
            speaker.contact_id, is_blocked, heir_id, None, is_waited_for=speaker.is_waiting and speaker.is_fit
        )
    holders = [one.contact_id for one in others if one.is_member and not own.is_member]
    return Household(contact_id, is_blocked, None, min(holders, default=None))
