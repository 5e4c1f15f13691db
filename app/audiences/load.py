"""Reading what planning looks at, for many contacts at once: audience, contacts with consents, mirror."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column
from app.audiences.formats import FieldSpec
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

    @property
    def is_elsewhere(self) -> bool:
        """Whether the member is at another address than the contact's."""
        return self.mirror is not None and self.mirror.member_hash != subscriber_hash(self.contact.email)


def view_audience(audience: Audience) -> AudienceView:
    """An audience's row as planning sees it."""
    remote = audience.remote_schema or {}
    return AudienceView(
        audience.id,
        audience.destination_id,
        audience.slug,
        audience.list_id,
        audience.channel,
        audience.purpose,
        dict(audience.merge_fields),
        {tag: field_spec(one) for tag, one in (remote.get("merge_fields") or {}).items()},
        tuple(str(tag) for tag in audience.tags),
        dict(audience.entry_rule),
        audience.is_double_opt_in,
        audience.on_leave,
        str(remote.get("subscribe_url") or ""),
        on_return=audience.on_return,
        interests=_live_interests(audience.interests, remote),
        marketing_permissions={str(one): str(what) for one, what in audience.marketing_permissions.items()},
        contact_id_field=audience.contact_id_field,
        gone_tags=tuple(remote.get("gone") or ()),
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

# A contact (o) that opted out and did not confirm since that it wants mail.
OPTED_OUT = """EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id AND k.channel = :channel
    AND k.purpose IN (:purpose, '*') AND k.status = 'withdrawn'
    AND NOT EXISTS (SELECT FROM consents n WHERE n.contact_id = o.id AND n.channel = :channel AND n.purpose = :purpose
        AND n.status = 'given' AND n.proof = 'confirmed' AND n.decided_at > k.decided_at))"""

# Others who use the address that this contact would be written at, or whose member has yet to move away from it: who they
# are, whether they opted out, and whether they are the member already. (`kind || ""` keeps the planner from the index that begins with the kind.)
NEIGHBOURS = text(f"""
SELECT c.id, o.id AS other_id, (s.contact_id IS NOT NULL) AS is_self_member, (m.contact_id IS NOT NULL) AS is_member,
       EXISTS (SELECT FROM consents k WHERE k.contact_id = c.id AND k.channel = :channel
               AND k.purpose = :purpose AND k.status = 'given') AS is_self_willing,
       EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id AND k.channel = :channel
               AND k.purpose = :purpose AND k.status = 'given') AS is_willing,
       o.is_sharer AND {OPTED_OUT} AS is_opted_out
FROM unnest(CAST(:ids AS bigint[])) AS asked(id)
CROSS JOIN LATERAL (SELECT scope, match_value FROM identities WHERE contact_id = asked.id AND kind || '' = 'email'
    OFFSET 0) AS i
CROSS JOIN LATERAL (SELECT contact_id FROM identities WHERE kind = 'email' AND scope = i.scope
    AND match_value = i.match_value AND contact_id <> asked.id OFFSET 0) AS j
CROSS JOIN LATERAL (SELECT id, lower(btrim(fields ->> 'email')) AS email FROM contacts
    WHERE id = asked.id AND state = 'active' OFFSET 0) AS c
CROSS JOIN LATERAL (SELECT id, coalesce(lower(btrim(fields ->> 'email')) = c.email, false) AS is_sharer FROM contacts
    WHERE id = j.contact_id AND state = 'active' OFFSET 0) AS o
LEFT JOIN LATERAL (SELECT contact_id FROM members WHERE audience_id = :audience_id AND contact_id = o.id
    AND status <> '' AND (o.is_sharer OR status IN ('subscribed', 'pending', 'transactional'))
    AND subscriber_hash = md5(c.email) OFFSET 0) AS m ON true
LEFT JOIN LATERAL (SELECT contact_id FROM members WHERE audience_id = :audience_id AND contact_id = c.id AND status <> ''
    AND subscriber_hash = md5(c.email) OFFSET 0) AS s ON true
WHERE o.is_sharer OR (m.contact_id IS NOT NULL AND EXISTS (SELECT FROM consents k WHERE k.contact_id = o.id
    AND k.channel = :channel AND k.purpose = :purpose AND k.status = 'given'))
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
    blocked, speakers = _neighbours(session, values)
    managed = {tag.casefold() for tag in audience.managed_tags}
    reviewed = [tag for tag, one in audience.outward.fields.items() if one.direction == "review"]
    # Plain tuples: reading a row's columns by name is the dearest part of loading thousands.
    situations = {
        row[0]: Situation(
            _contact(row, row[0] in blocked, speakers.get(row[0])), _mirror(row, managed, reviewed)
        )
        for row in map(tuple, session.execute(LOAD, values).all())
    }
    moved = [contact_id for contact_id, one in situations.items() if one.is_elsewhere]
    if moved:
        asked = {**values, "ids": numbers_column(moved)}
        for contact_id in session.scalars(REFUSED_THERE, asked).all():
            one = situations[contact_id]
            assert one.mirror is not None  # it is elsewhere
            situations[contact_id] = Situation(
                one.contact, msgspec.structs.replace(one.mirror, is_refused_there=True)
            )
    return situations


def _neighbours(session: Session, values: Mapping[str, Any]) -> tuple[set[int], dict[int, int]]:
    """Contacts whose address somebody opted out, and who speaks for a shared address.

    That is its member; else the oldest contact that gave consent.
    """
    blocked: set[int] = set()
    first: dict[int, tuple[bool, bool, int]] = {}
    for row in session.execute(NEIGHBOURS, values):
        if row.is_opted_out:
            blocked.add(row.id)
        known = first.get(row.id, (not row.is_self_member, not row.is_self_willing, row.id))
        first[row.id] = min(known, (not row.is_member, not row.is_willing, row.other_id))
    return blocked, {contact_id: speaker[-1] for contact_id, speaker in first.items()}


def _contact(row: tuple[Any, ...], is_blocked: bool, speaker_id: int | None) -> ContactView:
    contact_id, state, fields, tags, purpose_status, all_status, is_later, evidence_id, proof = row[:9]
    provenance, sources, purposes, withdrawn = row[9:13]
    ledger = settle_ledger(purpose_status, all_status, is_purpose_confirmed_later=is_later)
    standing = Standing(ledger, is_blocked, evidence_id, proof == "confirmed")
    return ContactView(
        contact_id,
        state,
        fields,
        tuple(tags),
        standing,
        speaker_id,
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
