"""Reading what planning looks at, for many contacts at once: audience, contacts with consents, mirror."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column
from app.audiences.formats import FieldSpec
from app.audiences.households import (
    OPTED_OUT,
    Household,
    find_refused,
    judge_household,
    list_neighbours,
)
from app.audiences.known import UNJUDGED, WHO
from app.audiences.models import Audience
from app.audiences.valve import Standing, settle_ledger
from app.audiences.views import AudienceView, ContactView, Mirror
from app.core.errors import NotFoundError
from integrations.mailchimp.answers import subscriber_hash

LONG_AGO = "2001-01-01T00:00:00+00:00"  # before Mailchimp had its first member


class Situation(msgspec.Struct, frozen=True, gc=False):
    """One contact and its mirror row in one audience."""

    contact: ContactView
    mirror: Mirror | None
    household: Household | None = None  # where the address is shared

    @property
    def is_elsewhere(self) -> bool:
        """Whether the member is at another address than the contact's."""
        return self.mirror is not None and self.mirror.member_hash != subscriber_hash(self.contact.email)


def view_audience(audience: Audience) -> AudienceView:
    """An audience's row as planning sees it."""
    remote = audience.remote_schema or {}
    gone_permissions: list[str] = remote.get("gone_permissions") or []
    return AudienceView(
        audience.id,
        audience.destination_id,
        audience.slug,
        audience.list_id,
        audience.channel,
        audience.purpose,
        dict(audience.merge_fields),
        {tag: field_spec(one) for tag, one in (remote.get("merge_fields") or {}).items()},
        tuple(str(tag).strip() for tag in audience.tags),
        dict(audience.entry_rule),
        audience.is_double_opt_in,
        audience.on_leave,
        str(remote.get("subscribe_url") or ""),
        on_return=audience.on_return,
        interests=_live_interests(audience.interests, remote),
        marketing_permissions={
            str(one): str(what)
            for one, what in audience.marketing_permissions.items()
            if one not in gone_permissions
        },
        contact_id_field=audience.contact_id_field,
        gone_tags=tuple(remote.get("gone") or ()),
        gone_permissions=tuple(one for one in gone_permissions if one in audience.marketing_permissions),
        gone_interests=tuple(
            sorted(set(audience.interests) - set(_live_interests(audience.interests, remote)))
        ),
        is_read=audience.pulled_until is not None,
    )


def _live_interests(interests: Mapping[str, Any], remote: Mapping[str, Any]) -> dict[str, Any]:
    """The managed interests that are there: one that is gone would make Mailchimp refuse the whole call."""
    known = remote.get("interests")
    return {one: rule for one, rule in interests.items() if known is None or one in known}


def field_spec(stored: Mapping[str, Any]) -> FieldSpec:
    """One merge field of `audiences.remote_schema`."""
    return FieldSpec(
        str(stored.get("type") or "text"),
        bool(stored.get("is_required")),
        tuple(stored.get("choices") or ()),
        stored.get("phone_format") == "US",
    )


def get_audience(session: Session, audience_id: int) -> AudienceView:
    """NotFoundError where there is none."""
    audience = session.get(Audience, audience_id)
    if audience is None:
        raise NotFoundError(f"There is no audience {audience_id}.", "`muster audiences list` shows them.")
    return view_audience(audience)


# The consents of a merged contact are its winner's. In the order in which `_contact` and `_mirror` take the columns. Each row by its key (OFFSET 0), never by a plan that reads
# whole tables, which is what the planner thinks of members and consents until they were analysed.
LOAD = text(f"""
SELECT c.id, c.state, c.fields, c.tags, p.status, e.status,
       coalesce(p.proof = 'confirmed' AND p.decided_at > e.decided_at, false), p.evidence_id, p.proof,
       CASE WHEN m.theirs_changed <> '{{}}' THEN c.provenance END,
       CASE WHEN :with_sources THEN ARRAY(SELECT DISTINCT s.slug FROM contact_patches t JOIN sources s ON s.id = t.source_id
            WHERE t.contact_id = c.id) END,
       CASE WHEN :with_purposes THEN ARRAY(SELECT k.purpose FROM consents k WHERE k.contact_id = c.id
            AND k.channel = :channel AND k.status = 'given') END,
       CASE WHEN :with_withdrawn THEN ARRAY(SELECT k.purpose FROM consents k WHERE k.contact_id = c.id
            AND k.channel = :channel AND k.status = 'withdrawn') END,
       m.contact_id, m.email_address, m.subscriber_hash, m.status, m.merge_fields, m.tags, m.pushed_hash,
       m.remote_contact_id, m.last_changed, m.sync_state, m.error, m.interests, m.marketing_permissions,
       m.theirs_changed, m.asked_evidence_id
FROM unnest(CAST(:ids AS bigint[])) AS asked(id)
CROSS JOIN LATERAL (SELECT * FROM contacts WHERE id = asked.id OFFSET 0) AS c
{WHO}
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = who.id AND channel = :channel AND purpose = :purpose
    OFFSET 0) AS p ON true
LEFT JOIN LATERAL (SELECT * FROM consents WHERE contact_id = who.id AND channel = :channel AND purpose = '*'
    OFFSET 0) AS e ON true
LEFT JOIN LATERAL (SELECT * FROM members WHERE audience_id = :audience_id AND contact_id = asked.id OFFSET 0) AS m
    ON true
ORDER BY asked.id
""")  # noqa: S608 - constants only

# Of contacts whose member is at another address than theirs: those where somebody has that one by now and opted out.
REFUSED_THERE = text(f"""
SELECT a.id FROM unnest(CAST(:ids AS bigint[])) AS a(id)
CROSS JOIN LATERAL (SELECT subscriber_hash AS hash, lower(btrim(email_address)) AS email FROM members
    WHERE audience_id = :audience_id AND contact_id = a.id OFFSET 0) AS m
CROSS JOIN LATERAL (SELECT contact_id FROM identities WHERE kind = 'email' AND scope = '' AND match_value = m.email
    AND contact_id <> a.id OFFSET 0) AS i
CROSS JOIN LATERAL (SELECT id FROM contacts WHERE id = i.contact_id AND state = 'active'
    AND md5(lower(btrim(fields ->> 'email'))) = m.hash OFFSET 0) AS o
WHERE {OPTED_OUT}
""")  # noqa: S608 - constants only
# The same: those who have that address by now and gave consent, the eldest first.
WANTED_THERE = text("""
SELECT a.id, o.id AS other_id FROM unnest(CAST(:ids AS bigint[])) AS a(id)
CROSS JOIN LATERAL (SELECT subscriber_hash AS hash, lower(btrim(email_address)) AS email FROM members
    WHERE audience_id = :audience_id AND contact_id = a.id AND status <> '' OFFSET 0) AS m
CROSS JOIN LATERAL (SELECT contact_id FROM identities WHERE kind = 'email' AND scope = '' AND match_value = m.email
    AND contact_id <> a.id OFFSET 0) AS i
CROSS JOIN LATERAL (SELECT id FROM contacts WHERE id = i.contact_id AND state = 'active'
    AND md5(lower(btrim(fields ->> 'email'))) = m.hash OFFSET 0) AS o
WHERE EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id AND k.channel = :channel AND k.purpose = :purpose
    AND k.status = 'given')
ORDER BY a.id, o.id
""")


def load_situations(
    session: Session, audience: AudienceView, contact_ids: Sequence[int]
) -> dict[int, Situation]:
    """Contacts by id, each with its standing and its mirror row, in order of id."""
    values = {
        "ids": numbers_column(contact_ids),
        "audience_id": audience.audience_id,
        "channel": audience.channel,
        "purpose": audience.purpose,
        "with_sources": audience.entry.needs_sources,
        "with_purposes": audience.entry.needs_purposes or bool(audience.marketing_permissions),
        "with_withdrawn": bool(audience.marketing_permissions),
    }
    rows = {row[0]: row for row in map(tuple, session.execute(LOAD, values).all())}
    neighbours = list_neighbours(session, values)
    refused = find_refused(session, values, neighbours) if audience.marketing_permissions else {}
    is_let_in = _door(session, audience, values, rows)
    managed = {tag.casefold() for tag in audience.managed_tags}
    reviewed = [tag for tag, one in audience.outward.fields.items() if one.direction == "review"]
    # Plain tuples: reading a row's columns by name is the dearest part of loading thousands.
    situations = {
        contact_id: Situation(_contact(row), _mirror(row, managed, reviewed))
        for contact_id, row in rows.items()
    }
    for contact_id, others in neighbours.items():
        situations[contact_id] = _at_home(
            situations[contact_id], others, is_let_in, refused.get(contact_id, ())
        )
    moved = [contact_id for contact_id, one in situations.items() if one.is_elsewhere]
    if moved:
        asked = {**values, "ids": numbers_column(moved)}
        for contact_id in session.scalars(REFUSED_THERE, asked).all():
            situations[contact_id] = _with_mirror(situations[contact_id], is_refused_there=True)
        for contact_id, other_id in reversed(session.execute(WANTED_THERE, asked).all()):
            if is_let_in(other_id):
                situations[contact_id] = _with_mirror(situations[contact_id], heir_id=other_id)
    return situations


def list_handings(situations: Mapping[int, Situation], audience: AudienceView) -> set[tuple[int, int]]:
    """Who is to give their member to whom: for they leave it, or for the other one was chosen to stand for the address."""
    found = {
        (one.household.holder_id, contact_id)
        for contact_id, one in situations.items()
        if one.household is not None and one.household.holder_id is not None
    }
    leaving = {
        (contact_id, one.mirror.heir_id)
        for contact_id, one in situations.items()
        if one.mirror is not None
        and one.mirror.heir_id is not None
        and not (one.is_elsewhere and _stays(one.contact, audience))
    }
    return found | leaving


def list_speakers_to_tell(situations: Mapping[int, Situation]) -> set[int]:
    """Who speaks for others' addresses and is to be planned with them: they wait for that, or permit less by it."""
    return {
        one.household.speaker_id
        for contact_id, one in situations.items()
        if one.household is not None
        and one.household.speaker_id != contact_id
        and (one.household.is_waited_for or one.contact.withdrawn)
    }


def _stays(contact: ContactView, audience: AudienceView) -> bool:
    is_let_in = not audience.entry.tests or audience.entry.holds(contact.facts)
    return contact.standing.is_admitted and is_let_in


def _with_mirror(one: Situation, **known: Any) -> Situation:
    assert one.mirror is not None  # asked for only where there is one
    return replace(one, mirror=replace(one.mirror, **known))


def _door(
    session: Session, audience: AudienceView, values: Mapping[str, Any], rows: Mapping[int, tuple[Any, ...]]
) -> Callable[[int], bool]:
    """Whether the entry rule lets somebody in, who may be none of those that are loaded."""
    if not audience.entry.tests:
        return lambda _contact_id: True

    @cache
    def is_let_in(contact_id: int) -> bool:
        row = rows.get(contact_id)
        if row is None:
            asked = {**values, "ids": numbers_column([contact_id])}
            row = next(map(tuple, session.execute(LOAD, asked)), None)
        return row is not None and audience.entry.holds(_contact(row).facts)

    return is_let_in


def _at_home(
    one: Situation, others: Sequence[Row[Any]], is_let_in: Callable[[int], bool], refused: tuple[str, ...]
) -> Situation:
    """With what it means that others use the same address."""
    contact_id, standing = one.contact.contact_id, one.contact.standing
    home = judge_household(contact_id, others, is_let_in, is_out=standing.is_opted_out)
    contact = replace(
        one.contact,
        standing=replace(standing, is_address_blocked=home.is_blocked),
        speaker_id=home.speaker_id,
        refused=refused,
    )
    mirror = one.mirror
    if mirror is not None and home.heir_id is not None and not one.is_elsewhere:
        mirror = replace(mirror, heir_id=home.heir_id)
    return Situation(contact, mirror, home)


def _contact(row: tuple[Any, ...]) -> ContactView:
    contact_id, state, fields, tags, purpose_status, all_status, is_later, evidence_id, proof = row[:9]
    provenance, sources, purposes, withdrawn = row[9:13]
    ledger = settle_ledger(purpose_status, all_status, is_purpose_confirmed_later=is_later)
    standing = Standing(ledger, False, evidence_id, proof == "confirmed")
    return ContactView(
        contact_id,
        state,
        fields,
        tuple(tags),
        standing,
        None,
        provenance or {},
        tuple(sources or ()),
        tuple(purposes or ()),
        tuple(withdrawn or ()),
    )


def _mirror(row: tuple[Any, ...], managed: set[str], reviewed: Sequence[str]) -> Mirror | None:
    mirror_id, email, member_hash, status, merge_fields, tags, *rest = row[13:]
    if mirror_id is None:
        return None
    there = tuple([tag for tag in tags if tag.casefold() in managed]) if tags else ()
    if rest[-2] and UNJUDGED in rest[-2]:
        rest[-2] = _unjudged(rest[-2], merge_fields, reviewed)
    return Mirror(email, member_hash, status, merge_fields, there, *rest)


def _unjudged(
    theirs_changed: Mapping[str, str], merge_fields: Mapping[str, Any], reviewed: Sequence[str]
) -> dict[str, str]:
    """Of a member whose values are yet to be judged: what may come up for review is not ours to replace."""
    held = {tag: LONG_AGO for tag in reviewed if merge_fields.get(tag) not in (None, "")}
    return {**held, **{tag: at for tag, at in theirs_changed.items() if tag != UNJUDGED}}
