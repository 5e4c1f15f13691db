"""The guard: when suddenly many would leave an audience by a rule or for want of consent, nobody does before an admin looked.

Opt-outs and erasures are never counted and never held back. Deciding is pure; `Guard` reads what it needs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.audiences.load import load_situations
from app.audiences.models import Audience, SyncRun
from app.audiences.operation import Operation
from app.audiences.pauses import GUARD, pause_audience, set_aside
from app.audiences.plan import plan_member
from app.audiences.views import LEFT, AudienceView, ContactView, Trouble

SMALLEST_LIMIT = 20  # so few may always leave
PAGE_SIZE = 2000
SAMPLE_SIZE = 10
LEAVING_KINDS = frozenset({"archive", "set_status", "erase"})
NO_LONGER_FITS, NO_CONSENT = "no longer fit the entry rule", "have no consent any more"

# Whoever left by an opt-out, their own or that of somebody at their address, or as a merged contact, is not counted.
FACTS = text("""
    SELECT count(*) FILTER (WHERE m.status IN ('subscribed', 'pending', 'transactional')) AS member_count,
        count(*) FILTER (WHERE m.pushed_hash = :left AND m.pushed_at > now() - interval '1 day'
            AND EXISTS (SELECT FROM contacts c WHERE c.id = m.contact_id AND c.state = 'active')
            AND NOT EXISTS (SELECT FROM (
                    SELECT m.contact_id UNION ALL SELECT o.id FROM identities i JOIN contacts o ON o.id = i.contact_id
                    WHERE i.kind = 'email' AND i.scope = '' AND i.match_value = lower(btrim(m.email_address))
                      AND o.state = 'active' AND lower(btrim(o.fields ->> 'email')) = i.match_value) AS sharers
                JOIN consents k USING (contact_id)
                WHERE k.status = 'withdrawn' AND k.channel = a.channel AND k.purpose IN (a.purpose, '*'))) AS left_count,
        (SELECT coalesce(sum((r.findings ->> 'leaving')::int), 0) FROM sync_runs r
         WHERE r.audience_id = :audience_id AND r.kind = 'guard' AND r.state = 'done'
           AND r.finished_at > now() - interval '1 day') AS allowed_count
    FROM members m JOIN audiences a ON a.id = m.audience_id WHERE m.audience_id = :audience_id
""")
# Those among the waiting changes who could leave at all: members there whom Muster wrote.
CANDIDATES = text("""
    SELECT c.contact_id FROM changes c JOIN members m ON m.audience_id = c.audience_id AND m.contact_id = c.contact_id
    WHERE c.audience_id = :audience_id AND c.parked_at IS NULL AND m.pushed_hash NOT IN ('', :left)
      AND m.status IN ('subscribed', 'pending', 'transactional') ORDER BY c.contact_id
""")

Planned = tuple[ContactView, Operation]


@dataclass(frozen=True, slots=True)
class Leaves:
    """Who would leave, how many of them for which cause, and the numbers that decide."""

    leaving_count: int
    member_count: int
    left_count: int = 0  # within 24 h, already
    allowed_count: int = 0  # by an admin, within 24 h
    share: float = 0.1
    causes: tuple[tuple[str, int], ...] = ()
    sample: tuple[int, ...] = ()

    @property
    def limit(self) -> int:
        return leave_limit(self.member_count + self.left_count, self.share) + self.allowed_count

    @property
    def is_too_many(self) -> bool:
        """Where nobody wants to leave any more there is nothing to ask, however many have left."""
        return self.leaving_count > 0 and self.leaving_count + self.left_count > self.limit

    @property
    def reason(self) -> str:
        causes = " and ".join(f"{count:,} {cause}" for cause, count in self.causes)
        before = f", after {self.left_count:,} within a day" if self.left_count else ""
        return (
            f"{self.leaving_count:,} of {self.member_count:,} members would leave at once{before};"
            f" up to {self.limit:,} may without being asked about. {causes}."
        )

    def as_findings(self) -> dict[str, object]:
        """As kept in the run that waits for an admin."""
        return {
            "leaving": self.leaving_count,
            "members": self.member_count,
            "limit": self.limit,
            "causes": dict(self.causes),
            "samples": {"leaving": [{"contact_id": one, "change": "leaves"} for one in self.sample]},
        }


def leave_limit(member_count: int, share: float) -> int:
    """How many may leave within a day unasked."""
    return max(SMALLEST_LIMIT, int(member_count * share))


def leaving_cause(contact: ContactView, operation: Operation) -> str:
    """Why this operation takes an active contact out who never said no; "" for every other operation."""
    is_safe = contact.state != "active" or contact.standing.is_opted_out
    if is_safe or operation.kind not in LEAVING_KINDS:
        return ""
    return NO_LONGER_FITS if contact.standing.is_admitted else NO_CONSENT


def must_go(contact: ContactView, operation: Operation) -> bool:
    """Whether an operation passes every pause: opting out, and erasing."""
    is_refusal = contact.standing.is_opted_out and operation.kind in LEAVING_KINDS
    return is_refusal or contact.state == "erased"


class Guard:
    """For one push: `hold_back` tells whose change waits. It looks ahead once, at the first leave that it meets."""

    def __init__(self) -> None:
        self._seen_count, self._cleared_count = 0, 0

    def hold_back(
        self, session: Session, audience: AudienceView, token: UUID, planned: Sequence[Planned]
    ) -> set[int]:
        """Contacts of these whose operation must wait: they are set aside. In the transaction that claimed them."""
        if not _is_paused(session, audience) and not self._stops(session, audience, planned):
            return set()
        held = {
            contact.contact_id
            for contact, operation in planned
            if operation.is_call and not must_go(contact, operation)
        }
        set_aside(session, audience.audience_id, token, held)
        return held

    def _stops(self, session: Session, audience: AudienceView, planned: Iterable[Planned]) -> bool:
        """Whether the guard falls now; the audience is paused by it then."""
        leaving = sum(bool(leaving_cause(contact, operation)) for contact, operation in planned)
        self._seen_count += leaving
        if self._seen_count <= self._cleared_count:
            return False
        leaves = look_ahead(session, audience)
        self._seen_count, self._cleared_count = leaving, leaves.leaving_count
        if not leaves.is_too_many:
            return False
        hold_for_approval(session, audience, leaves)
        return True


def _is_paused(session: Session, audience: AudienceView) -> bool:
    query = select(Audience.paused_at).where(Audience.id == audience.audience_id)
    return session.execute(query).scalar_one() is not None


def look_ahead(session: Session, audience: AudienceView) -> Leaves:
    """Everybody who would leave by what waits now, whoever works on it."""
    asked = {"audience_id": audience.audience_id, "left": LEFT}
    facts = session.execute(FACTS, asked).one()
    share = session.execute(
        select(Audience.guard_share).where(Audience.id == audience.audience_id)
    ).scalar_one()
    candidates = list(session.scalars(CANDIDATES, asked))
    causes: Counter[str] = Counter()
    sample: list[int] = []
    for start in range(0, len(candidates), PAGE_SIZE):
        page = load_situations(session, audience, candidates[start : start + PAGE_SIZE])
        for one in page.values():
            cause = leaving_cause(one.contact, plan_member(one.contact, one.mirror, audience))
            if cause:
                causes[cause] += 1
                sample.extend([one.contact.contact_id] if len(sample) < SAMPLE_SIZE else [])
    return Leaves(
        causes.total(),
        facts.member_count,
        facts.left_count,
        facts.allowed_count,
        share,
        tuple(causes.most_common()),
        tuple(sample),
    )


def hold_for_approval(session: Session, audience: AudienceView, leaves: Leaves) -> None:
    """Pause the audience with one alert, and one run that waits for an admin."""
    hint = (
        f"Look at `muster sync show {audience.slug}`. Mend the rule or the list, or let them go:"
        f" `muster sync approve {audience.slug}`."
    )
    if pause_audience(session, audience.audience_id, GUARD, Trouble(GUARD, leaves.reason, hint)):
        session.add(
            SyncRun(
                audience_id=audience.audience_id,
                kind="guard",
                state="waiting",
                total_count=leaves.leaving_count,
                findings=leaves.as_findings(),
                beat_at=func.now(),
            )
        )
