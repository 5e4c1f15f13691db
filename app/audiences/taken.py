"""A value of Mailchimp's as a contact patch: converted by the field dictionary, recorded like any other, never more."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.audiences.views import AudienceView
from app.contacts.arrivals import Arrival, Resolved
from app.contacts.record import record
from app.contacts.resolve import read_identities
from app.contacts.survivorship import MANUAL_TRUST, is_blank
from app.core.clock import database_now
from mappings.language.chain import Chain, build_chain
from mappings.language.event import EventInfo
from mappings.language.fields import default_fields
from mappings.language.patch import ContactPatch, Identity
from mappings.language.paths import Scope
from mappings.language.problems import Refused

ACTOR = "mailchimp"
# The audience's own source, which its webhook has; "mailchimp" is the one of the first audience.
SOURCE = text(
    "SELECT id, trust FROM sources WHERE integration = 'mailchimp' AND slug IN (:own, 'mailchimp')"
    " ORDER BY slug = :own DESC LIMIT 1"
)
# How much the patch that holds a field now was trusted.
HELD = text("""
    SELECT c.id, f.name, p.trust FROM contacts c
    CROSS JOIN LATERAL jsonb_each(c.provenance) AS f (name, origin)
    JOIN contact_patches p ON p.id = (f.origin ->> 'patch_id')::bigint
    WHERE c.id = ANY(CAST(:ids AS bigint[]))
""")


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken over for one contact. `email` is an address to add besides.

    `is_decided`: an admin chose this side, for the field or for this value; no source outranks it.
    """

    contact_id: int
    fields: Mapping[str, Any]
    changed_at: datetime
    tags: tuple[str, ...]
    email: str = ""
    is_decided: bool = False
    actor: str = ACTOR


def record_taken(session: Session, audience: AudienceView, taken: Sequence[Taken]) -> frozenset[int]:
    """Record them as patches of the audience's source; the contacts that changed."""
    if not taken:
        return frozenset()
    own = "mailchimp" if audience.slug == "newsletter" else f"mailchimp-{audience.slug}"[:63]
    source = session.execute(SOURCE, {"own": own}).one_or_none()
    held = _held_trust(session, {one.contact_id for one in taken})
    now = database_now(session)
    found = [arrived for one in taken for arrived in _arrivals(one, source, held[one.contact_id], now)]
    return record(session, found, default_fields()).changed_contact_ids


def _held_trust(session: Session, ids: set[int]) -> defaultdict[int, dict[str, int]]:
    held: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for contact_id, name, trust in session.execute(HELD, {"ids": sorted(ids)}):
        held[contact_id][name] = trust
    return held


def _arrivals(one: Taken, source: Row[Any] | None, held: Mapping[str, int], now: datetime) -> list[Resolved]:
    """One patch for each trust: what replaces a value is trusted as much as what it replaces, and no more.

    Time has decided by then, for this field; survivorship must not decide it again by who said it.
    """
    by_trust: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    meant = source.trust if source is not None else 0
    for name, given in one.fields.items():
        value = read_value(name, given)
        if not is_blank(value):
            trust = MANUAL_TRUST if one.is_decided else max(meant, held.get(name, 0))
            by_trust[trust][name] = value
    identities = (Identity("email", one.email),) if one.email else ()
    if identities and not by_trust:
        by_trust[meant] = {}
    return [
        _resolved(one, ContactPatch(identities, fields), trust, source, now)
        for trust, fields in by_trust.items()
    ]


def _resolved(
    one: Taken, patch: ContactPatch, trust: int, source: Row[Any] | None, now: datetime
) -> Resolved:
    arrival = Arrival(
        event_id=None,
        ordinal=0,
        source_id=source.id if source is not None else None,
        mapping_version_id=None,
        trust=trust,
        # Mailchimp tells whole seconds; within one, theirs was found changed after ours was written.
        occurred_at=min(one.changed_at.replace(microsecond=999_999), now),
        received_at=now,
        patch=patch,
        summary=f"Changed at Mailchimp: {', '.join(one.tags)}",
        kind="member",
        actor=one.actor,
    )
    return Resolved(arrival, one.contact_id, identities=read_identities(arrival))


@lru_cache(maxsize=256)
def _chain(kind: str) -> Chain:
    return build_chain((), kind)


def read_value(name: str, given: Any) -> Any:
    """A merge field's value as the contact field has it; None where it cannot be read as one."""
    entry = default_fields().find(name)
    if is_blank(given):
        return None
    try:
        return _chain(entry.type if entry else "text").run(given, Scope({}, {}, EventInfo()))
    except Refused:
        return None
