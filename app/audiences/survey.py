"""Planning everybody of an audience without any effect: who would join, change, leave, stay, and who cannot be synced."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.formats import is_same_value
from app.audiences.guard import LEAVING_KINDS, must_go
from app.audiences.load import Situation, load_situations
from app.audiences.operation import Operation
from app.audiences.plan import plan_member
from app.audiences.run_errors import group_errors
from app.audiences.runs import RunWatch
from app.audiences.seen import Seen
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import AudienceView, ContactView, Mirror, Trouble
from app.contacts.survivorship import is_blank
from app.core.db import transaction

PAGE_SIZE = 2000
SAMPLE_SIZE = 10
URGENT_MOST = 100_000  # whoever is beyond comes in the next comparison
# Everybody who gave consent or is a member, in order of id, a page at a time.
EVERYBODY = text("""
    (SELECT k.contact_id AS id FROM consents k JOIN audiences a ON a.id = :audience_id
     WHERE k.channel = a.channel AND k.purpose = a.purpose AND k.status = 'given' AND k.contact_id > :after
     ORDER BY k.contact_id LIMIT :limit)
    UNION
    (SELECT contact_id FROM members WHERE audience_id = :audience_id AND contact_id > :after
     ORDER BY contact_id LIMIT :limit)
    ORDER BY id LIMIT :limit
""")
HOW_MANY = text("""
    SELECT count(*) FROM (
        SELECT k.contact_id FROM consents k JOIN audiences a ON a.id = :audience_id
        WHERE k.channel = a.channel AND k.purpose = a.purpose AND k.status = 'given'
        UNION SELECT contact_id FROM members WHERE audience_id = :audience_id) AS everybody
""")


WORDS = {"change_email": "another address", "ask": "is asked to confirm"}
# What sets a member's profile, and with it every managed tag, at once or by the step that follows.
PROFILE_KINDS = frozenset({"upsert", "change_email", "tags"})
# What becomes of the member there; only a person here is erased.
LEAVING_WORDS = {"archive": "archived", "erase": "deleted"}
AS_IT_IS, TAKES_OVER = "as it is", "takes over the member of a shared address"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one contact needs. kind: added, changed, removed, opted_out, unchanged, refused, out (on both sides).

    `change` says what would happen, by names of fields and tags and ids of interests and permissions; `overwritten` are
    merge fields of theirs that would be replaced by another value. `is_losing`: by that, or something is taken away.
    """

    kind: str
    change: str = ""
    fields: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    is_losing: bool = False


def find_difference(
    contact: ContactView, mirror: Mirror | None, operation: Operation, *, is_met: bool = False
) -> Finding:
    """What a planned operation means for a person. `is_met`: the member it names is there and nobody's yet. Pure."""
    if operation.kind == "nothing":
        is_member = mirror is not None and mirror.status in REACHABLE_THERE
        return Finding("unchanged", AS_IT_IS) if is_member else Finding("out")
    if operation.kind == "cannot_sync":
        return Finding("refused", operation.trouble.reason if operation.trouble else "")
    if operation.kind in LEAVING_KINDS:
        kind = "opted_out" if must_go(contact, operation) else "removed"
        word = LEAVING_WORDS.get(operation.kind, operation.status or "leaves")
        return Finding(kind, word, is_losing=kind == "removed")
    if mirror is None or mirror.status in {"", "archived"}:
        if is_met:
            return Finding("changed", TAKES_OVER)
        return Finding("added", f"joins as {operation.status or operation.status_if_new}")
    return _changed(mirror, operation)


def _is_of(mirror: Mirror | None, operation: Operation) -> bool:
    """Whether the mirror says how the member stands; else it is nobody's yet, for several people have its address."""
    return mirror is not None and bool(mirror.status) and mirror.member_hash == operation.member


def _changed(mirror: Mirror, operation: Operation) -> Finding:
    theirs = mirror.merge_fields
    fields = tuple(
        tag
        for tag, value in sorted(operation.merge_fields.items())
        if not is_same_value(value, theirs.get(tag))
    )
    overwritten = tuple(tag for tag in fields if not is_blank(theirs.get(tag)))
    is_profile = operation.kind in PROFILE_KINDS
    gone = {
        "tags taken off": _lacking(mirror.tags, operation.tags) if is_profile else (),
        "interests taken away": _taken_away(mirror.interests, operation.interests),
        "permissions taken away": _taken_away(mirror.marketing_permissions, operation.permissions),
    }
    named = {"tags set": _lacking(operation.tags, mirror.tags) if is_profile else (), **gone}
    parts = [
        WORDS.get(operation.kind, ""),
        f"fields {', '.join(fields)}" if fields else "",
        *(f"{words}: {', '.join(names)}" for words, names in named.items() if names),
    ]
    change = "; ".join(part for part in parts if part) or operation.kind
    return Finding("changed", change, fields, overwritten, bool(overwritten) or any(gone.values()))


def _lacking(tags: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The tags that are not among the others, whatever their case."""
    folded = {tag.casefold() for tag in others}
    return tuple(tag for tag in tags if tag.casefold() not in folded)


def _taken_away(there: Mapping[str, bool], wanted: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(sorted(one for one, is_set in wanted.items() if not is_set and there.get(one)))


@dataclass(slots=True)
class Survey:
    """What everybody needs. `counts` by kind of finding; `to_send` are at most `keep` contacts that need a call.

    `seen` tells which members there are, also those of nobody yet; `left_out` are not looked at.
    `urgent` are those who opted out or were erased and are members still: they wait for no approval. At most URGENT_MOST.
    """

    keep: int = 0
    seen: Seen | None = None
    left_out: Collection[int] = ()
    counts: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    losing_count: int = 0
    entitled_count: int = 0
    to_send: list[int] = field(default_factory=list)
    urgent: list[int] = field(default_factory=list)

    def add(self, one: Situation, audience: AudienceView) -> None:
        """Plan one contact, and count what comes of it."""
        contact = one.contact
        operation, is_met = self._plan(one, audience)
        found = find_difference(contact, one.mirror, operation, is_met=is_met)
        self.counts[found.kind] += 1
        self.fields.update(found.fields)
        self.losing_count += found.is_losing
        is_entitled = contact.standing.is_admitted and found.kind in {"added", "changed", "unchanged"}
        self.entitled_count += is_entitled
        if operation.is_call:
            self._keep(contact, operation)
        if operation.kind == "cannot_sync":
            reason = operation.trouble or Trouble("unknown", "No reason is known.")
            self.refused = group_errors(self.refused, [(contact.contact_id, reason)], known_count=0)
        elif found.kind != "out":
            sample = self.samples.setdefault(found.kind, [])
            if len(sample) < SAMPLE_SIZE:
                sample.append({"contact_id": contact.contact_id, "change": found.change})

    def _plan(self, one: Situation, audience: AudienceView) -> tuple[Operation, bool]:
        """And whether it names a member that is there and that no mirror row speaks of. An archived one is minded at once."""
        operation = plan_member(one.contact, one.mirror, audience)
        if self.seen is None or not operation.member or _is_of(one.mirror, operation):
            return operation, False
        if self.seen.is_archived(operation.member):
            there = Mirror(one.contact.email, operation.member, "archived")
            return plan_member(one.contact, there, audience), False
        return operation, self.seen.knows(operation.member)

    def _keep(self, contact: ContactView, operation: Operation) -> None:
        if len(self.to_send) < self.keep:
            self.to_send.append(contact.contact_id)
        if self.keep and must_go(contact, operation) and len(self.urgent) < URGENT_MOST:
            self.urgent.append(contact.contact_id)

    @property
    def call_count(self) -> int:
        """People who need a call."""
        return sum(self.counts[kind] for kind in ("added", "changed", "removed", "opted_out"))

    def as_findings(self) -> dict[str, Any]:
        """As kept in a run."""
        kinds = ("added", "changed", "removed", "opted_out", "unchanged", "refused", "out")
        return {
            **{kind: self.counts[kind] for kind in kinds},
            "fields": dict(self.fields.most_common()),
            "samples": self.samples,
            "refusals": self.refused,
        }


def count_everybody(session: Session, audience_id: int) -> int:
    """How many a survey looks at, as of now."""
    return int(session.execute(HOW_MANY, {"audience_id": audience_id}).scalar_one())


def open_comparison(watch: RunWatch) -> int:
    """The run's row, which expects everybody from the start, beside the members who are still to be listed; its id."""
    with transaction(watch.sessions) as session:
        watch.expect(count_everybody(session, watch.audience_id))
    return watch.open()


def survey_audience(
    sessions: sessionmaker[Session], audience: AudienceView, watch: RunWatch, survey: Survey
) -> None:
    """Plan everybody into `survey`; nothing is written. Ends early when an admin asks the run to stop."""
    for page in _pages(sessions, audience.audience_id):
        wanted = [one for one in page if one not in survey.left_out]
        with transaction(sessions) as session:
            situations: Mapping[int, Situation] = load_situations(session, audience, wanted)
        for one in situations.values():
            survey.add(one, audience)
        if watch.note(done=len(page)):
            break


def _pages(sessions: sessionmaker[Session], audience_id: int) -> Iterator[list[int]]:
    after = 0
    while True:
        asked = {"audience_id": audience_id, "after": after, "limit": PAGE_SIZE}
        with transaction(sessions) as session:
            page = list(session.scalars(EVERYBODY, asked))
        if not page:
            return
        yield page
        after = page[-1]
