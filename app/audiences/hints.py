"""What a webhook tells of a member whom we know is only a hint: the pull that follows reads the member itself.

Whoever knows the hook's address may send one, and a webhook does not say when a field was changed nor by whom. So the
fields that the audience maps, and a changed address, are left out of its contact patch; sign-ups of strangers and
opt-outs pass as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.known import find_known
from app.audiences.load import view_audience
from app.audiences.models import Audience
from app.audiences.views import AudienceView
from app.inbox.mapped import MappedEvent
from integrations.mailchimp.answers import MemberState, subscriber_hash
from mappings.language.patch import ContactPatch, Identity

INTEGRATION = "mailchimp"
HINTS = frozenset({"subscribe", "profile", "upemail"})


def leave_to_pull(session: Session, mapped: Sequence[MappedEvent]) -> list[MappedEvent]:
    """The same events, those of known members without what the pull decides."""
    return [_as_hint(session, one) if _is_hint(one) else one for one in mapped]


def _is_hint(one: MappedEvent) -> bool:
    return (
        one.integration == INTEGRATION and bool(one.result.patches) and one.event.to_map.get("type") in HINTS
    )


def _as_hint(session: Session, one: MappedEvent) -> MappedEvent:
    content = one.event.to_map
    email = str(content.get("old_email") or content.get("email") or "").strip()
    query = select(Audience).where(Audience.list_id == str(content.get("list_id") or ""))
    for row in session.scalars(query):
        audience = view_audience(row)
        if email and _is_member(session, audience, email):
            patches = tuple(_without(patch, audience, content, email) for patch in one.result.patches)
            return replace(one, result=replace(one.result, patches=patches))
    return one


def _is_member(session: Session, audience: AudienceView, email: str) -> bool:
    state = MemberState(subscriber_hash(email), email, "")
    known = find_known(session, audience, {state.member_hash: state}).get(state.member_hash)
    return known is not None and known.status is not None


def _without(
    patch: ContactPatch, audience: AudienceView, content: Mapping[str, Any], email: str
) -> ContactPatch:
    mapped = audience.outward.fields.values()
    judged = {"email", *(name for found in mapped for name in found.takes or found.inputs)}
    if content.get("type") == "upemail":
        return replace(patch, identities=(Identity("email", email),), fields={})
    kept = {name: value for name, value in patch.fields.items() if name not in judged}
    # A value that is no address does not point at anybody here: the member is known by the one it has.
    identities = tuple(one for one in patch.identities if one.kind == "email") or patch.identities
    return replace(patch, identities=identities, fields=kept)
