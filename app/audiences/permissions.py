"""Marketing permissions that somebody took away at Mailchimp, and those that are not there at all.

A permission is consent: what is taken away there is withdrawn. Only a reading tells of it. What an answer to a write of
ours shows as not given stays unheard until then.

No call lists the permissions of an audience: one that is not there is known by its refusal, and is left out until a
member's answer, which names them all, shows it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.heard import PERMISSION
from app.audiences.known import Known
from app.audiences.learn import OptOut
from app.audiences.models import Audience
from app.audiences.outbox import queue_audience
from app.audiences.pauses import raise_alert
from app.audiences.there import managed_permissions
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import AudienceView, Trouble
from integrations.mailchimp.answers import MemberState, subscriber_hash
from integrations.mailchimp.problems import PERMISSION_GONE

# Of the others nobody knows whether Mailchimp keeps their permissions. "" = a write of ours was never answered.
TELLING = REACHABLE_THERE | {"unsubscribed"}
TELLING_BEFORE = TELLING | {""}
BEFORE = text("""
    SELECT contact_id, marketing_permissions, remote_contact_id FROM members
    WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[])) AND marketing_permissions <> '{}'
""")
# What was given goes with the permission. Should it come back, nobody took it away.
FORGET = text("""
    UPDATE members SET marketing_permissions = marketing_permissions - CAST(:ids AS text[])
    WHERE audience_id = :audience_id AND marketing_permissions ?| CAST(:ids AS text[])
""")
UNSEEN = text("""
    SELECT one FROM unnest(CAST(:ids AS text[])) AS one
    WHERE NOT EXISTS (SELECT FROM members WHERE audience_id = :audience_id AND marketing_permissions ? one)
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


def note_refused(session: Session, audience_id: int, refused: Collection[str]) -> None:
    """Permissions that Mailchimp refuses, and does not show: left out from now on, with one alert."""
    if not refused:
        return
    audience = _lock(session, audience_id)
    known = _gone(audience)
    news = sorted(set(refused) & set(audience.marketing_permissions) - known)
    if news:
        _keep(audience, known | set(news))
        session.execute(FORGET, {"audience_id": audience_id, "ids": news})
        named = {one: str(audience.marketing_permissions[one]) for one in news}
        raise_alert(session, audience_id, permission_trouble(audience.slug, named))


def note_shown(session: Session, audience: AudienceView, states: Sequence[MemberState]) -> None:
    """What was read of members: permissions that had been refused, and are there again, are set again."""
    if not audience.gone_permissions:
        return
    shown = {one for state in states for one in state.marketing_permissions}
    if shown.isdisjoint(audience.gone_permissions):
        return
    row = _lock(session, audience.audience_id)
    gone = _gone(row)
    if gone & shown:
        _keep(row, gone - shown)
        session.flush()
        queue_audience(session, audience.audience_id)


def forget_refusals(audience: Audience, except_for: Collection[str]) -> None:
    """Of all permissions but these: what is set anew is tried again."""
    gone = _gone(audience)
    if gone - set(except_for):
        _keep(audience, gone & set(except_for))


def _lock(session: Session, audience_id: int) -> Audience:
    return session.get_one(Audience, audience_id, with_for_update=True, populate_existing=True)


def _gone(audience: Audience) -> set[str]:
    return set((audience.remote_schema or {}).get("gone_permissions") or ())


def _keep(audience: Audience, gone: Collection[str]) -> None:
    audience.remote_schema = {**(audience.remote_schema or {}), "gone_permissions": sorted(gone)}


def list_unseen(session: Session, audience_id: int, permission_ids: Iterable[str]) -> list[str]:
    """Of these permissions those that the mirror knows of no member: nobody can say yet whether they are there."""
    asked = {"audience_id": audience_id, "ids": sorted(permission_ids)}
    return list(session.scalars(UNSEEN, asked)) if asked["ids"] else []


def permission_trouble(slug: str, gone: Mapping[str, str]) -> Trouble:
    """What an admin is told of permissions that are not there, by id and the purpose that each stands for. Pure."""
    named = ", ".join(f"{one} (consent to {purpose})" for one, purpose in sorted(gone.items()))
    return Trouble(
        PERMISSION_GONE.kind,
        f"The audience {slug} does not have the marketing permission {named}; everything else goes on without.",
        "Look up the right id in the answer of any member (Mailchimp's API shows it nowhere else) and set that one; or take"
        f" this one out (`muster audiences set {slug} marketing_permissions.ID=`).",
    )
