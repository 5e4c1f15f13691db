"""Where only the person can come back: the audiences that nobody else may take them into, with Mailchimp's own form."""

from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.load import load_situations, view_audience
from app.audiences.models import Audience
from app.audiences.pauses import UNREACHABLE
from app.audiences.plan import find_move
from app.audiences.troubles import BY_FORM, NO_FORM, find_trouble
from app.audiences.valve import Move, Standing
from app.audiences.views import AudienceView, ContactView, Mirror
from integrations.mailchimp.answers import subscriber_hash

ADVICE = "Only the person can sign up here again. Send them this link:"
CLAIM = Standing("given")  # somebody's word that the person consents


@dataclass(frozen=True, slots=True)
class WayBack:
    """An audience (slug and label), and the form at Mailchimp in which the person may sign up again."""

    audience: str
    label: str
    url: str

    @property
    def sentence(self) -> str:
        """What to do, for whoever talks with the person."""
        return f"{ADVICE} {self.url}"


def list_ways_back(session: Session, contact_id: int) -> tuple[WayBack, ...]:
    """For every audience that is looked after, and into which only the person can bring themselves; by slug."""
    found = []
    for row in session.scalars(select(Audience).where(Audience.is_enabled).order_by(Audience.slug)):
        audience = view_audience(row)
        if audience.form_url and row.paused_code not in UNREACHABLE:
            one = load_situations(session, audience, [contact_id]).get(contact_id)
            if one is not None and is_return_theirs(one.contact, one.mirror, audience):
                found.append(WayBack(row.slug, row.label or row.slug, audience.form_url))
    return tuple(found)


def is_return_theirs(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> bool:
    """Whether nobody but the person can bring them back into an audience where they belong, by its form. Pure.

    It is as planning decides: of whoever consents the reason why they stay out, of whoever opted out what would be in the
    way of a new claim besides. Who merely shares the address of somebody who opted out would not get in by the form.
    """
    standing = contact.standing
    if contact.state != "active" or not contact.email or not audience.entry.holds(contact.facts):
        return False
    if standing.ledger == "withdrawn":
        is_known = mirror is not None or standing.evidence_id is not None  # there, or to its purpose
        return is_known and _move(replace(contact, standing=CLAIM), mirror, audience) not in NO_FORM
    if not standing.is_admitted:
        return False
    trouble = find_trouble(contact, mirror, audience, _move(contact, mirror, audience))
    return trouble is not None and trouble.code in BY_FORM


def _move(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Move:
    return find_move(contact, mirror, audience, subscriber_hash(contact.email))
