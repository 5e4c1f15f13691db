"""What an audience webhook told, into the mirror, so that the push which follows has nothing left to do.

The pipeline has written the event's consent evidence by then. Webhooks have no order, so an older one never undoes what
a newer answer said. An opt-out is believed at once. Anything else is a hint, for anybody who knows the address of the
hook may have sent it, and staff's doings look like the person's: it makes the next pull due, and only what that reads
brings somebody back, changes a field or an address.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.gate import hasten_pull
from app.audiences.known import Known, find_known
from app.audiences.load import view_audience
from app.audiences.mirror import MirrorWrite, write_members
from app.audiences.models import Audience
from app.audiences.valve import OPTED_OUT_THERE
from app.audiences.views import AudienceView
from integrations.mailchimp.answers import MemberState, subscriber_hash

OPT_OUTS = {"unsubscribe": "unsubscribed", "cleaned": "cleaned"}
HINTS = frozenset({"subscribe", "profile", "upemail"})
OUT = OPTED_OUT_THERE | {"archived"}


def mirror_event(session: Session, source_settings: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Tell the mirror of an event of a `mailchimp` source. Call it after the event's contact was written and queued.

    `source_settings` may name a `list_id` that the source is limited to; `content` is the event's.
    """
    list_id = str(content.get("list_id") or "")
    if source_settings.get("list_id") not in {None, "", list_id}:
        return
    for audience in session.scalars(select(Audience).where(Audience.list_id == list_id)):
        _mirror(session, view_audience(audience), content)
    if content.get("type") in HINTS:
        hasten_pull(session, list_id)


def _mirror(session: Session, audience: AudienceView, content: Mapping[str, Any]) -> None:
    email = str(content.get("old_email") or content.get("email") or "").strip()
    if not email:
        return
    state = MemberState(subscriber_hash(email), email, "")
    known = find_known(session, audience, {state.member_hash: state}).get(state.member_hash)
    if known is None:
        return
    write = _write(known, email, content)
    if write is not None:
        write_members(session, audience.audience_id, [write])


def _write(known: Known, email: str, content: Mapping[str, Any]) -> MirrorWrite | None:
    fired_at = _fired_at(content)
    is_old = fired_at is not None and known.last_changed is not None and fired_at < known.last_changed
    kind = str(content.get("type") or "")
    status = _status(kind, known, content)
    if is_old or not status:
        return None
    # A hint's time never makes a later opt-out look old.
    changed_at = None if kind in HINTS else fired_at
    return MirrorWrite(known.contact_id, email, status=status, last_changed=changed_at)


def _status(kind: str, known: Known, content: Mapping[str, Any]) -> str:
    """The mirror's status from now on; "" where the next pull says more."""
    if kind == "unsubscribe" and content.get("action") == "delete":
        return "archived"
    is_out = known.status in OUT or known.ledger == "withdrawn"
    # Who was asked by `pending` is read by the pull, which keeps the proof that they confirmed.
    if kind == "subscribe" and not is_out and known.status != "pending":
        return "subscribed"
    return OPT_OUTS.get(kind, "")


def _fired_at(content: Mapping[str, Any]) -> datetime | None:
    """`fired_at` is UTC, in whole seconds, without saying so."""
    try:
        return datetime.fromisoformat(str(content.get("fired_at"))).replace(tzinfo=UTC)
    except ValueError:
        return None
