"""Opt-outs learned from Mailchimp: into the consent ledger, at once, and planned anew in every audience."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.outbox import queue_changes
from app.audiences.views import AudienceView
from app.contacts.normalise import match_value

ACTOR = "mailchimp"


@dataclass(frozen=True, slots=True)
class OptOut:
    """What Mailchimp let us know. method: unsubscribe, cleaned, compliance. `occurred_at` None = just now."""

    contact_id: int
    address: str
    method: str
    occurred_at: datetime | None = None


# Somebody whose consent is withdrawn already needs no second line; everybody else gets one.
RECORD = text("""
    INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, proof, method, occurred_at, actor)
    SELECT r.contact_id, :channel, :purpose, r.address, 'withdrawn', 'confirmed', r.method,
           least(coalesce(r.occurred_at, now()), now()), :actor
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(contact_id bigint, address text, method text, occurred_at timestamptz)
    WHERE NOT EXISTS (SELECT FROM consents k WHERE k.contact_id = r.contact_id AND k.channel = :channel
                      AND k.purpose = :purpose AND k.status = 'withdrawn')
      AND NOT EXISTS (SELECT FROM consent_evidence e WHERE e.contact_id = r.contact_id AND e.channel = :channel
                      AND e.purpose = :purpose AND e.actor = :actor AND e.method = r.method AND e.address = r.address
                      AND e.occurred_at = r.occurred_at)
    ORDER BY r.contact_id
    RETURNING id
""")
# The ledger's rule: only newer proof by the person lifts a withdrawal (app.contacts.consent).
DECIDE = text("""
    INSERT INTO consents AS k (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
    SELECT DISTINCT ON (e.contact_id) e.contact_id, e.channel, e.purpose, 'withdrawn', e.proof, e.id, e.occurred_at
    FROM consent_evidence e WHERE e.id = ANY(CAST(:ids AS bigint[])) ORDER BY e.contact_id, e.id
    ON CONFLICT (contact_id, channel, purpose) DO UPDATE SET status = excluded.status, proof = excluded.proof,
        evidence_id = excluded.evidence_id, decided_at = excluded.decided_at
        WHERE NOT (k.status = 'given' AND k.proof = 'confirmed' AND k.decided_at > excluded.decided_at)
    RETURNING contact_id
""")
TELL = text("""
    INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
    SELECT contact_id, occurred_at, 'consent', 'Consent withdrawn: Mailchimp says ' || method || '.',
           jsonb_build_object('channel', channel, 'purpose', purpose, 'method', method)
    FROM consent_evidence WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY contact_id
""")
SHARERS = text("""
    SELECT DISTINCT o.contact_id FROM consent_evidence e
    JOIN identities o ON o.kind = 'email' AND o.scope = '' AND o.match_value = e.address
    WHERE e.id = ANY(CAST(:ids AS bigint[]))
""")


def learn_opt_outs(session: Session, audience: AudienceView, opt_outs: Sequence[OptOut]) -> int:
    """Write withdrawals that the ledger does not have yet and plan those people anew; how many were news."""
    if not opt_outs:
        return 0
    rows = [
        {
            "contact_id": one.contact_id,
            "address": match_value("email", one.address).value,
            "method": one.method,
            "occurred_at": one.occurred_at.isoformat() if one.occurred_at else None,
        }
        for one in sorted(opt_outs, key=lambda one: one.contact_id)
    ]
    values = {
        "rows": json.dumps(rows),
        "channel": audience.channel,
        "purpose": audience.purpose,
        "actor": ACTOR,
    }
    ids = {"ids": list(session.execute(RECORD, values).scalars())}
    if not ids["ids"]:
        return 0
    session.execute(TELL, ids)
    withdrawn = set(session.execute(DECIDE, ids).scalars())
    queue_changes(session, withdrawn | set(session.execute(SHARERS, ids).scalars()))
    return len(withdrawn)


def learn_opt_out(session: Session, audience: AudienceView, opt_out: OptOut) -> bool:
    """The same for one person; True when it was news."""
    return learn_opt_outs(session, audience, [opt_out]) > 0
