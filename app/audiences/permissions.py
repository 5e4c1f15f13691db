"""Marketing permissions that somebody took away at Mailchimp. A permission is consent: what is taken away there is withdrawn.

Only a reading tells of them. What an answer to a write of ours shows as not given stays unheard until then.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.heard import PERMISSION
from app.audiences.known import Known
from app.audiences.learn import OptOut
from app.audiences.outcome import managed_permissions
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import AudienceView
from integrations.mailchimp.answers import MemberState, subscriber_hash

# Of the others nobody knows whether Mailchimp keeps their permissions. "" = a write of ours was never answered.
TELLING = REACHABLE_THERE | {"unsubscribed"}
TELLING_BEFORE = TELLING | {""}
BEFORE = text("""
    SELECT contact_id, marketing_permissions, remote_contact_id FROM members
    WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[])) AND marketing_permissions <> '{}'
""")


def list_taken_away(
    session: Session, audience: AudienceView, pairs: Sequence[tuple[Known, MemberState]]
) -> list[OptOut]:
    """Permissions that the mirror has as given and Mailchimp no longer has: opt-outs of their purposes.

    Never of our own doing: we take a permission away only where the ledger has its purpose as withdrawn.
    """
    if not audience.marketing_permissions:
        return []
    asked = {"audience_id": audience.audience_id, "ids": [known.contact_id for known, _ in pairs]}
    before = {row.contact_id: row for row in session.execute(BEFORE, asked)}
    return [
        OptOut(known.person_id, state.email, PERMISSION, state.changed_at, (purpose,))
        for known, state in pairs
        if (row := before.get(known.contact_id)) and _is_told_of(known, row.remote_contact_id, state)
        for purpose in _purposes(audience, row.marketing_permissions, state)
    ]


def _is_told_of(known: Known, remote_id: str, state: MemberState) -> bool:
    """Whether both speak of one member, and of times at which a permission means something."""
    if state.status not in TELLING or known.status not in TELLING_BEFORE:
        return False
    if remote_id and state.contact_id:
        return remote_id == state.contact_id
    return known.member_hash == (state.member_hash or subscriber_hash(state.email))


def _purposes(audience: AudienceView, before: dict[str, bool], state: MemberState) -> list[str]:
    there = managed_permissions(state, audience)
    gone = {one for one, is_given in there.items() if not is_given and before.get(one)}
    return sorted({audience.marketing_permissions[one] for one in gone})
