"""Opt-outs learned from Mailchimp, and people who came back there: into the consent ledger, and planned anew."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.heard import ACTOR, PERMISSION, Statement, list_news
from app.audiences.leaving import bound_purposes
from app.audiences.outbox import queue_changes
from app.audiences.views import AudienceView
from app.contacts.drafts import Draft, lock_drafts
from app.contacts.ledger import EvidenceRow, append_evidence, derive_consents, sharing_contact_ids
from app.contacts.normalise import match_value
from app.core.clock import database_now


@dataclass(frozen=True, slots=True)
class OptOut:
    """What Mailchimp let us know. method: unsubscribe, abuse, cleaned, compliance, permission. `occurred_at` None = just now.

    `purposes` empty: those that the audience's mapping names for the method. Mailchimp tells whole seconds: an opt-out
    counts from the end of its second, so that consent of the same one never wins.
    """

    contact_id: int
    address: str
    method: str
    occurred_at: datetime | None = None
    purposes: tuple[str, ...] = ()

    @property
    def counts_from(self) -> datetime | None:
        return None if self.occurred_at is None else self.occurred_at.replace(microsecond=999_999)


@dataclass(frozen=True, slots=True)
class OptIn:
    """Somebody's own opt-in as Mailchimp's API tells it: when it took effect, and when they filled in the form."""

    contact_id: int
    address: str
    occurred_at: datetime
    signed_up_at: datetime
    method: str = "mailchimp_optin"


SUMMARIES = {
    "mailchimp_optin": "Consent given again: signed up at Mailchimp.",
    "mailchimp_confirm": "Consent confirmed: answered the mail that Mailchimp sent.",
    PERMISSION: "Consent withdrawn: a marketing permission was taken away at Mailchimp.",
}
WITHDRAWN = "Consent withdrawn: Mailchimp says {method}."
WORDINGS = {
    "mailchimp_optin": "Mailchimp's own sign-up form",
    "mailchimp_confirm": "Mailchimp's mail that asks to confirm",
}
TELL = text("""
    INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
    SELECT contact_id, now(), 'consent', summary,
           jsonb_build_object('channel', CAST(:channel AS text), 'purpose', purpose, 'method', method)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:purposes AS text[]), CAST(:methods AS text[]), CAST(:summaries AS text[]))
        AS t(contact_id, purpose, method, summary)
""")
# Those who acted after every withdrawal that binds them, and of whose act the ledger has no line yet.
RETURNED = text("""
    SELECT a.contact_id FROM unnest(CAST(:ids AS bigint[]), CAST(:addresses AS text[]), CAST(:times AS timestamptz[]))
        AS a(contact_id, address, acted_at)
    WHERE NOT EXISTS (
        SELECT FROM consent_evidence e
        WHERE (e.contact_id = a.contact_id OR (e.address <> '' AND e.address = a.address))
          AND e.channel = :channel AND e.purpose IN (:purpose, '*')
          AND ((e.verdict = 'withdrawn' AND least(e.occurred_at, e.received_at) >= a.acted_at)
            OR (e.verdict = 'given' AND e.contact_id = a.contact_id AND e.actor = :actor AND e.occurred_at >= a.acted_at)))
""")
GIVEN = text("""
    SELECT contact_id FROM consents
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel AND purpose = :purpose AND status = 'given'
""")


def learn_opt_outs(session: Session, audience: AudienceView, opt_outs: Sequence[OptOut]) -> int:
    """Write withdrawals that the ledger does not have yet and plan those people anew; how many were news."""
    if not opt_outs:
        return 0
    sharers = sharing_contact_ids(session, {match_value("email", one.address).value for one in opt_outs})
    drafts = lock_drafts(session, {one.contact_id for one in opt_outs} | sharers)
    living = {contact_id for contact_id, draft in drafts.items() if draft.is_living}
    now = database_now(session)
    told = _statements(session, audience, _of_the_living(opt_outs, drafts, living))
    lines = [_line(one, "withdrawn", audience.channel, now) for one in list_news(session, audience, told)]
    if not lines:
        return 0
    append_evidence(session, lines)
    _tell(session, audience, lines)
    changed = derive_consents(session, drafts.values())
    queue_changes(session, living)
    return len(changed & {line.contact_id for line in lines})


def _of_the_living(
    opt_outs: Sequence[OptOut], drafts: Mapping[int, Draft], living: AbstractSet[int]
) -> list[OptOut]:
    """What is said of an erased person's member is said of its address, for whoever else has it."""
    found = []
    for one in opt_outs:
        if one.contact_id in living:
            found.append(one)
            continue
        address = match_value("email", one.address).value
        sharers = [each for each in living if address in drafts[each].addresses]
        found += [replace(one, contact_id=min(sharers))] if sharers else []
    return found


def _statements(session: Session, audience: AudienceView, opt_outs: Sequence[OptOut]) -> list[Statement]:
    """One for each purpose that an opt-out binds."""
    methods = {one.method for one in opt_outs if not one.purposes}
    bound = {method: bound_purposes(session, audience, method) for method in methods}
    return [
        Statement(
            one.contact_id, purpose, one.method, match_value("email", one.address).value, one.counts_from
        )
        for one in opt_outs
        for purpose in one.purposes or bound[one.method]
    ]


def learn_opt_ins(session: Session, audience: AudienceView, opt_ins: Sequence[OptIn]) -> set[int]:
    """Write what lifts an opt-out: the person's own act, strictly newer than it. The contacts whose consent stands now.

    Call it only for members whom Mailchimp's API itself shows as subscribed: against an opt-out in the ledger, or after
    they were asked by `pending`.
    """
    if not opt_ins:
        return set()
    sharers = sharing_contact_ids(session, {match_value("email", one.address).value for one in opt_ins})
    drafts = lock_drafts(session, {one.contact_id for one in opt_ins} | sharers)
    living = {contact_id for contact_id, draft in drafts.items() if draft.is_living}
    now = database_now(session)
    returned = _returned(session, audience, [one for one in opt_ins if one.contact_id in living], now)
    if not returned:
        return set()
    lines = [_line(_given(one, audience.purpose), "given", audience.channel, now) for one in returned]
    append_evidence(session, lines)
    derive_consents(session, drafts.values())
    asked = {"ids": [line.contact_id for line in lines]}
    given = set(session.scalars(GIVEN, {**asked, "channel": audience.channel, "purpose": audience.purpose}))
    _tell(session, audience, [line for line in lines if line.contact_id in given])
    queue_changes(session, living)
    return given


def _tell(session: Session, audience: AudienceView, lines: Sequence[EvidenceRow]) -> None:
    told = {
        "ids": [line.contact_id for line in lines],
        "methods": [line.method for line in lines],
        "summaries": [SUMMARIES.get(line.method, WITHDRAWN).format(method=line.method) for line in lines],
        "channel": audience.channel,
        "purposes": [line.purpose for line in lines],
    }
    session.execute(TELL, told)


def _returned(
    session: Session, audience: AudienceView, opt_ins: Sequence[OptIn], now: datetime
) -> list[OptIn]:
    asked = {
        "ids": [one.contact_id for one in opt_ins],
        "addresses": [match_value("email", one.address).value for one in opt_ins],
        "times": [min(one.signed_up_at, one.occurred_at, now) for one in opt_ins],
        "channel": audience.channel,
        "purpose": audience.purpose,
        "actor": ACTOR,
    }
    found = set(session.scalars(RETURNED, asked))
    return sorted((one for one in opt_ins if one.contact_id in found), key=lambda one: one.contact_id)


def _given(one: OptIn, purpose: str) -> Statement:
    return Statement(
        one.contact_id, purpose, one.method, match_value("email", one.address).value, one.occurred_at
    )


def _line(one: Statement, verdict: str, channel: str, now: datetime) -> EvidenceRow:
    return EvidenceRow(
        contact_id=one.contact_id,
        channel=channel,
        purpose=one.purpose,
        address=one.address,
        verdict=verdict,
        proof="confirmed",
        wording=WORDINGS.get(one.method, ""),
        method=one.method,
        occurred_at=min(one.counts_from or now, now),
        received_at=now,
        source_id=None,
        event_id=None,
        ordinal=0,
        actor=ACTOR,
    )


def learn_opt_out(session: Session, audience: AudienceView, opt_out: OptOut) -> bool:
    """The same for one person; True when it was news."""
    return learn_opt_outs(session, audience, [opt_out]) > 0
