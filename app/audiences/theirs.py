"""What others changed at Mailchimp: into the customer database as contact patches, field by field, or up for review.

Only what the API answered comes here; a webhook is no more than the reason to ask. A value of ours that comes back is
no change: the mirror has it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audiences.desire import changed_at, is_newer
from app.audiences.judge import Judgement, judge_field
from app.audiences.known import UNJUDGED, WHO, Known
from app.audiences.load import LONG_AGO
from app.audiences.models import Audience
from app.audiences.outbox import queue_changes, touch_changes
from app.audiences.reviews import close_reviews, open_reviews
from app.audiences.taken import Taken, record_taken
from app.audiences.views import AudienceView
from app.contacts.names import name_of
from app.contacts.normalise import match_value
from app.contacts.people import find_suppressed, lock_keys
from app.contacts.protect import Key
from app.core.secretbox import SecretBox
from integrations.mailchimp.answers import MemberState, subscriber_hash


@dataclass(frozen=True, slots=True)
class FieldNews:
    """A merge field that differs from what the mirror had. `contact_id` holds the mirror row, `person_id` is who it is.

    `is_seen` False: this is the first reading of the member, or of the field.
    """

    contact_id: int
    person_id: int
    tag: str
    value: Any
    changed_at: datetime
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class EmailNews:
    """A member that we know by its lasting id has another address now."""

    contact_id: int
    person_id: int
    email: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class _Person:
    fields: Mapping[str, Any]
    provenance: Mapping[str, Any]


PEOPLE = text(
    "SELECT id, fields, provenance FROM contacts WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'active'"
    " ORDER BY id FOR NO KEY UPDATE"
)
NAMED = text("SELECT id, fields FROM contacts WHERE id = ANY(CAST(:ids AS bigint[]))")
# Whose address was changed at Mailchimp between a dry run's first reading and the approval.
MOVED = text(f"""
    SELECT m.contact_id, who.id AS person_id, m.email_address AS email, coalesce(m.last_changed, now()) AS changed_at
    FROM members m JOIN contacts c ON c.id = m.contact_id {WHO}
    WHERE m.audience_id = :audience_id AND m.theirs_changed ->> '' <> m.subscriber_hash AND m.status <> 'archived'
    ORDER BY m.contact_id
""")  # noqa: S608 - constants only
# Those who were not changed since are read once more as well.
READ_AGAIN = text("""
    UPDATE audiences SET pulled_until = CAST(:long_ago AS timestamptz)
    WHERE id = :audience_id AND pulled_until IS NOT NULL AND EXISTS (SELECT FROM members
        WHERE audience_id = :audience_id AND theirs_changed ->> '' IS NOT NULL)
""")


def hold_people(session: Session, ids: Iterable[int], emails: Iterable[str] = ()) -> None:
    """Lock everybody whom one transaction is about to change, addresses first, all in the usual order."""
    lock_keys(session, [Key("email", "", match_value("email", email).value) for email in emails])
    session.execute(PEOPLE, {"ids": sorted(set(ids))})


def learn_profiles(
    session: Session,
    audience: AudienceView,
    found: Sequence[tuple[Known, MemberState]],
    fields: Sequence[FieldNews],
    emails: Sequence[EmailNews],
) -> dict[int, dict[str, str | None]]:
    """What was read of members' fields and addresses; for the mirror as `learn_fields` has it.

    While the audience waits for approval no contact is changed: the mirror keeps in mind that it is all yet to be
    judged, by the first reading after the approval, as though nothing had been read before.
    """
    is_approved = select(Audience.approved_at.is_not(None)).where(Audience.id == audience.audience_id)
    if not session.scalar(is_approved):
        return {
            one.contact_id: {UNJUDGED: one.unjudged_hash or one.member_hash or _hash_of(state)}
            for one, state in found
        }
    learn_emails(session, audience, emails)
    marks = learn_fields(session, audience, fields)
    for one, state in found:
        if one.unjudged_hash and is_legible(one, state):
            marks.setdefault(one.contact_id, {})[UNJUDGED] = None
    return marks


def is_legible(known: Known, state: MemberState) -> bool:
    """Whether what is read of a member's fields is theirs, and of a known time. Pure."""
    return not known.is_in_flight and state.status != "archived" and state.changed_at is not None


def _hash_of(state: MemberState) -> str:
    return state.member_hash or subscriber_hash(state.email)


def learn_rehearsed(session: Session, audience: AudienceView) -> None:
    """An audience was approved: addresses that changed since its dry run are learned, the fields with its next pull."""
    asked = {"audience_id": audience.audience_id, "long_ago": LONG_AGO}
    news = [EmailNews(*row) for row in session.execute(MOVED, asked)]
    if news:
        hold_people(session, [one.person_id for one in news], [one.email for one in news])
        learn_emails(session, audience, news)
    session.execute(READ_AGAIN, asked)


def learn_fields(
    session: Session, audience: AudienceView, news: Sequence[FieldNews]
) -> dict[int, dict[str, str | None]]:
    """Judge what others changed and do what follows; for the mirror, by contact: when each field changed (None = settled)."""
    people = _load(session, {one.person_id for one in news})
    judged = [(one, _judge(one, people[one.person_id], audience)) for one in news if one.person_id in people]
    marks: defaultdict[int, dict[str, str | None]] = defaultdict(dict)
    for one, judgement in judged:
        if judgement == "same":
            marks[one.contact_id][one.tag] = None
        elif one.is_seen or judgement == "review":
            marks[one.contact_id][one.tag] = one.changed_at.isoformat()
    _review(session, audience, judged, people)
    taken = [_taken(one, audience) for one, judgement in judged if judgement == "take"]
    queue_changes(session, record_taken(session, audience, [one for one in taken if one.fields]))
    kept = {one.contact_id for one, judgement in judged if judgement == "keep" and one.is_seen}
    if kept:
        touch_changes(session, audience.audience_id, kept)
    return dict(marks)


def _judge(one: FieldNews, person: _Person, audience: AudienceView) -> Judgement:
    found = audience.outward.fields.get(one.tag)
    if found is None:
        return "keep"  # our own contact id
    ours = audience.shape.merge_values(person.fields).values.get(one.tag)
    judgement = judge_field(
        found.direction,
        ours,
        one.value,
        ours_at=changed_at(person.provenance, found.inputs),
        theirs_at=one.changed_at,
        is_seen=one.is_seen,
    )
    return "keep" if judgement == "take" and not found.takes else judgement


def _taken(one: FieldNews, audience: AudienceView) -> Taken:
    found = audience.outward.fields[one.tag]
    is_address = isinstance(one.value, Mapping)
    fields = {
        name: one.value.get(part) if is_address and part else one.value
        for name, part in found.takes.items()
        if bool(part) == is_address
    }
    return Taken(one.person_id, fields, one.changed_at, (one.tag,), is_decided=found.direction == "theirs")


def _review(
    session: Session,
    audience: AudienceView,
    judged: Sequence[tuple[FieldNews, Judgement]],
    people: Mapping[int, _Person],
) -> None:
    differing = [one for one, judgement in judged if judgement == "review"]
    rows = [
        (one.contact_id, one.tag, _ours(people[one.person_id], one.tag, audience), one.value)
        for one in differing
    ]
    open_reviews(session, audience.audience_id, rows)
    settled = [(one.contact_id, one.tag) for one, judgement in judged if judgement == "same"]
    close_reviews(session, audience.audience_id, settled)


def _ours(person: _Person, tag: str, audience: AudienceView) -> Any:
    return audience.shape.merge_values(person.fields).values.get(tag)


def list_not_erased(session: Session, news: Sequence[EmailNews], box: SecretBox) -> list[EmailNews]:
    """Without the addresses of erased people, which nobody brings back who moves there at Mailchimp."""
    if not news:
        return []
    rows = session.execute(NAMED, {"ids": [one.person_id for one in news]})
    names = {row.id: name_of(row.fields) for row in rows}
    stated = [
        ([Key("email", "", match_value("email", one.email).value)], names.get(one.person_id, name_of({})))
        for one in news
    ]
    erased = find_suppressed(session, stated, box)
    return [one for number, one in enumerate(news) if number not in erased]


def learn_emails(session: Session, audience: AudienceView, news: Sequence[EmailNews]) -> None:
    """Another address at Mailchimp is the person's too; whether it is the one to write to, the direction says.

    Consent is not touched: what the ledger says of either address stays as it is.
    """
    people = _load(session, {one.person_id for one in news})
    taken = []
    for one in news:
        person = people.get(one.person_id)
        if person is None or str(person.fields.get("email") or "").strip().casefold() == one.email.casefold():
            continue
        is_taken = _takes_email(audience, person, one)
        fields = {"email": one.email} if is_taken else {}
        is_decided = is_taken and audience.outward.email_direction == "theirs"
        taken.append(
            Taken(one.person_id, fields, one.changed_at, ("EMAIL",), one.email, is_decided=is_decided)
        )
    queue_changes(session, record_taken(session, audience, taken))
    touch_changes(session, audience.audience_id, {one.person_id for one in news})


def _takes_email(audience: AudienceView, person: _Person, one: EmailNews) -> bool:
    direction = audience.outward.email_direction
    if direction in {"ours", "review"}:
        return not person.fields.get("email")
    return direction == "theirs" or not is_newer(changed_at(person.provenance, ("email",)), one.changed_at)


def _load(session: Session, ids: set[int]) -> dict[int, _Person]:
    if not ids:
        return {}
    rows = session.execute(PEOPLE, {"ids": sorted(ids)})
    return {row.id: _Person(row.fields, row.provenance) for row in rows}
