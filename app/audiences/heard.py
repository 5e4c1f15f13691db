"""Which opt-outs the ledger has heard of already, so that one statement is not written twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.views import AudienceView
from app.contacts.consent import EVERY_PURPOSE

ACTOR = "mailchimp"
PERMISSION = "permission"  # the method of a marketing permission that somebody took away at Mailchimp
COMPLAINT = "abuse"
# A bounce holds an address back, and a permission is about its own purpose: neither says what an opt-out says.
MATTERS = {"cleaned": "hold", PERMISSION: "permission"}
LINES = text("""
    SELECT contact_id, purpose, method, address, occurred_at, actor = :actor AS is_ours FROM consent_evidence
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel AND verdict = 'withdrawn'
""")
STATUSES = text("""
    SELECT contact_id, purpose, status FROM consents
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND channel = :channel
""")


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said of one purpose ("*": every one). `address` is a match value; `counts_from` None = just now."""

    contact_id: int
    purpose: str
    method: str
    address: str
    counts_from: datetime | None = None

    @property
    def matter(self) -> str:
        return MATTERS.get(self.method, "opt-out")


@dataclass(frozen=True, slots=True)
class Line:
    """A withdrawal in the ledger. `is_ours`: learned from Mailchimp by reading it."""

    purpose: str
    method: str
    address: str
    occurred_at: datetime
    is_ours: bool

    @property
    def matter(self) -> str:
        return MATTERS.get(self.method, "opt-out")


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ledger has of one contact: withdrawals, and what its consents add up to by purpose."""

    lines: list[Line] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)

    def is_out(self, purpose: str) -> bool:
        return self.statuses.get(purpose, self.statuses.get(EVERY_PURPOSE)) == "withdrawn"


def list_news(session: Session, audience: AudienceView, told: Iterable[Statement]) -> list[Statement]:
    """The statements that the ledger does not have, each once, in order of contact."""
    statements = sorted(dict.fromkeys(told), key=lambda one: one.contact_id)
    heard = _load(session, audience, [one.contact_id for one in statements])
    return [one for one in statements if not is_heard(one, heard[one.contact_id], audience.purpose)]


def is_heard(one: Statement, heard: Heard, own_purpose: str) -> bool:
    """Whether the ledger has it: the same statement, or one that still stands and says as much of the same address.

    `own_purpose` is the audience's: what was learned before opt-outs were kept for every purpose is kept for that one,
    and stays what it is. Of another address they may turn out to be somebody else. Pure.
    """
    if (
        one.method == "compliance"
    ):  # it has no time: where the ledger knows of an opt-out, it speaks of that one
        return any(line.purpose in {one.purpose, own_purpose, EVERY_PURPOSE} for line in heard.lines)
    is_out = heard.is_out(own_purpose if one.purpose == EVERY_PURPOSE else one.purpose)
    return any(
        _is_same(one, line, own_purpose) or (is_out and _says_as_much(one, line, own_purpose))
        for line in heard.lines
    )


def _is_same(one: Statement, line: Line, own_purpose: str) -> bool:
    """Read twice, of the same second."""
    return (
        line.is_ours
        and line.matter == one.matter
        and line.occurred_at == one.counts_from
        and _covers(line, one.purpose, own_purpose)
    )


def _says_as_much(one: Statement, line: Line, own_purpose: str) -> bool:
    if line.address != one.address:
        return False
    if one.method == COMPLAINT:  # binds more than an opt-out that was learned for one purpose
        return line.method == COMPLAINT and line.purpose in {one.purpose, EVERY_PURPOSE}
    if one.matter == "permission":
        return line.matter != "hold" and line.purpose in {one.purpose, EVERY_PURPOSE}
    return (line.matter == "hold") == (one.matter == "hold") and _covers(line, one.purpose, own_purpose)


def _covers(line: Line, purpose: str, own_purpose: str) -> bool:
    is_of_before = line.is_ours and line.purpose == own_purpose and line.matter != "permission"
    return line.purpose in {purpose, EVERY_PURPOSE} or (purpose == EVERY_PURPOSE and is_of_before)


def _load(session: Session, audience: AudienceView, ids: Sequence[int]) -> Mapping[int, Heard]:
    heard: defaultdict[int, Heard] = defaultdict(Heard)
    asked = {"ids": list(ids), "channel": audience.channel}
    for contact_id, *columns in session.execute(LINES, {**asked, "actor": ACTOR}):
        heard[contact_id].lines.append(Line(*columns))
    for contact_id, purpose, status in session.execute(STATUSES, asked):
        heard[contact_id].statuses[purpose] = status
    return heard
