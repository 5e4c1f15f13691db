"""Opt-outs learned from Mailchimp: into the consent ledger, at once, and planned anew in every audience."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.outbox import queue_changes
from app.audiences.views import AudienceView
from app.contacts.drafts import lock_drafts
from app.contacts.ledger import EvidenceRow, append_evidence, derive_consents, sharing_contact_ids
from app.contacts.normalise import match_value
from app.core.clock import database_now

ACTOR = "mailchimp"


@dataclass(frozen=True, slots=True)
class OptOut:
    """What Mailchimp let us know. method: unsubscribe, cleaned, compliance. `occurred_at` None = just now."""

    contact_id: int
    address: str
    method: str
    occurred_at: datetime | None = None


# Somebody whose consent is withdrawn already needs no second line, nor does the same statement read twice.
KNOWN = text("""
    SELECT contact_id, NULL AS method, NULL AS occurred_at FROM consents
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel AND purpose = :purpose AND status = 'withdrawn'
    UNION ALL
    SELECT contact_id, method, occurred_at FROM consent_evidence
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel AND purpose = :purpose AND actor = :actor
""")
TELL = text("""
    INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
    SELECT contact_id, now(), 'consent', 'Consent withdrawn: Mailchimp says ' || method || '.',
           jsonb_build_object('channel', CAST(:channel AS text), 'purpose', CAST(:purpose AS text), 'method', method)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:methods AS text[])) AS t(contact_id, method)
""")


def learn_opt_outs(session: Session, audience: AudienceView, opt_outs: Sequence[OptOut]) -> int:
    """Write withdrawals that the ledger does not have yet and plan those people anew; how many were news."""
    if not opt_outs:
        return 0
    sharers = sharing_contact_ids(session, {match_value("email", one.address).value for one in opt_outs})
    drafts = lock_drafts(session, {one.contact_id for one in opt_outs} | sharers)
    living = {contact_id for contact_id, draft in drafts.items() if draft.is_living}
    lines = [
        _line(one, audience, database_now(session))
        for one in _news(session, audience, opt_outs)
        if one.contact_id in living
    ]
    if not lines:
        return 0
    append_evidence(session, lines)
    scope = {"channel": audience.channel, "purpose": audience.purpose}
    told = {"ids": [line.contact_id for line in lines], "methods": [line.method for line in lines]}
    session.execute(TELL, {**told, **scope})
    changed = derive_consents(session, drafts.values())
    queue_changes(session, living)
    return len(changed & {line.contact_id for line in lines})


def _news(session: Session, audience: AudienceView, opt_outs: Sequence[OptOut]) -> list[OptOut]:
    asked = {
        "ids": [one.contact_id for one in opt_outs],
        "channel": audience.channel,
        "purpose": audience.purpose,
    }
    known: Collection[tuple[int, str | None, datetime | None]] = {
        (row.contact_id, row.method, row.occurred_at)
        for row in session.execute(KNOWN, {**asked, "actor": ACTOR})
    }
    ordered = sorted(opt_outs, key=lambda one: one.contact_id)
    return [
        one
        for one in ordered
        if (one.contact_id, None, None) not in known
        and (one.occurred_at is None or (one.contact_id, one.method, one.occurred_at) not in known)
    ]


def _line(opt_out: OptOut, audience: AudienceView, now: datetime) -> EvidenceRow:
    return EvidenceRow(
        contact_id=opt_out.contact_id,
        channel=audience.channel,
        purpose=audience.purpose,
        address=match_value("email", opt_out.address).value,
        verdict="withdrawn",
        proof="confirmed",
        wording="",
        method=opt_out.method,
        occurred_at=min(opt_out.occurred_at or now, now),
        received_at=now,
        source_id=None,
        event_id=None,
        ordinal=0,
        actor=ACTOR,
    )


def learn_opt_out(session: Session, audience: AudienceView, opt_out: OptOut) -> bool:
    """The same for one person; True when it was news."""
    return learn_opt_outs(session, audience, [opt_out]) > 0
