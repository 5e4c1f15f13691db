"""Writing the mirror: what Mailchimp said of members, many at once, with a timeline entry where a status changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.columns import numbers_column, texts_column, texts_sql
from app.audiences.views import Trouble
from integrations.mailchimp.answers import subscriber_hash

ENCODER = msgspec.json.Encoder()


class MirrorWrite(msgspec.Struct, frozen=True, gc=False):
    """A mirror row as it should stand. None keeps what stands there, as an empty `email` does.

    `merge_fields`, `interests` and `marketing_permissions` are added to the known ones, as are the times in
    `theirs_changed` (ISO text by merge tag; None takes one away); `tags` are the managed ones that are set.
    """

    contact_id: int
    email: str
    member_hash: str = ""
    status: str | None = None
    merge_fields: dict[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    pushed_hash: str | None = None
    remote_contact_id: str = ""
    last_changed: datetime | None = None
    trouble: Trouble | None = None
    is_failed: bool = False
    keeps_error: bool = (
        False  # a reading: why somebody cannot be synced stays true while the status is the same
    )
    interests: dict[str, bool] = msgspec.field(default_factory=dict)
    marketing_permissions: dict[str, bool] = msgspec.field(default_factory=dict)
    theirs_changed: dict[str, str | None] = msgspec.field(default_factory=dict)
    asked_evidence_id: int | None = None
    reason: str = ""  # why Muster did it, for the timeline
    refused_hash: str = ""  # of another address, to which Mailchimp does not let the member move

    @property
    def rest(self) -> dict[str, Any] | None:
        """What few rows have; None for nothing of it."""
        if not (
            self.trouble
            or self.is_failed
            or self.interests
            or self.marketing_permissions
            or self.asked_evidence_id
            or self.reason
        ):
            return None
        refused = {"refused_hash": self.refused_hash} if self.refused_hash else {}
        return {
            "error": {**self.trouble.as_dict(), **refused} if self.trouble else None,
            "sync_state": "failed" if self.is_failed else "ok",
            "interests": self.interests,
            "permissions": self.marketing_permissions,
            "asked_evidence_id": self.asked_evidence_id,
            "reason": self.reason,
        }


# One entry for each status that Mailchimp reports and that was not known; joining by a first push is one of them.
WRITE = text(f"""
    WITH given AS MATERIALIZED (
        SELECT g.contact_id, g.email, g.hash, g.status, CAST(g.merge_fields AS jsonb) AS merge_fields,
            CASE WHEN g.tags IS NULL OR g.tags = '[]' THEN ARRAY[]::text[]
                ELSE ARRAY(SELECT jsonb_array_elements_text(CAST(g.tags AS jsonb))) END AS tags,
            g.pushed_hash, g.remote_contact_id, CAST(g.last_changed AS timestamptz) AS last_changed,
            CASE WHEN o.contact_id IS NULL THEN jsonb_strip_nulls(CAST(g.theirs AS jsonb))
                ELSE CAST(g.theirs AS jsonb) END AS theirs,
            CAST(g.rest AS jsonb) AS rest, coalesce(o.status, '') AS was
        FROM unnest(CAST(:ids AS bigint[]), {texts_sql("emails")}, {texts_sql("hashes")}, {texts_sql("statuses")},
            {texts_sql("merge_fields")}, {texts_sql("tags")}, {texts_sql("pushed")}, {texts_sql("remote_ids")},
            {texts_sql("changed")}, {texts_sql("theirs")}, {texts_sql("rests")})
            AS g(contact_id, email, hash, status, merge_fields, tags, pushed_hash, remote_contact_id, last_changed,
                theirs, rest)
        LEFT JOIN LATERAL (SELECT contact_id, status FROM members
            WHERE audience_id = :audience_id AND contact_id = g.contact_id OFFSET 0) AS o ON true),
    told AS (
        INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
        SELECT g.contact_id, now(), 'member', 'Mailchimp: ' || g.status || ' in ' || a.slug,
            jsonb_strip_nulls(jsonb_build_object('audience', a.slug, 'status', g.status, 'was', g.was,
                'reason', nullif(g.rest ->> 'reason', '')))
        FROM given g JOIN audiences a ON a.id = :audience_id
        WHERE g.status <> '' AND g.status <> g.was)
    INSERT INTO members AS m (audience_id, contact_id, email_address, subscriber_hash, status, merge_fields, tags,
        pushed_hash, pushed_at, remote_contact_id, last_changed, theirs_changed, error, sync_state, interests,
        marketing_permissions, asked_evidence_id)
    SELECT :audience_id, contact_id, email, hash, coalesce(status, ''), merge_fields, tags,
        coalesce(pushed_hash, ''), CASE WHEN pushed_hash IS NOT NULL THEN now() END, remote_contact_id, last_changed,
        coalesce(theirs, '{{}}'), nullif(rest -> 'error', 'null'), coalesce(rest ->> 'sync_state', 'ok'),
        coalesce(rest -> 'interests', '{{}}'), coalesce(rest -> 'permissions', '{{}}'),
        CAST(rest ->> 'asked_evidence_id' AS bigint)
    FROM given ORDER BY contact_id
    ON CONFLICT (audience_id, contact_id) DO UPDATE SET
        email_address = coalesce(nullif(excluded.email_address, ''), m.email_address),
        subscriber_hash = excluded.subscriber_hash,
        status = CASE WHEN excluded.contact_id = ANY(CAST(:keep_status AS bigint[])) THEN m.status ELSE excluded.status END,
        merge_fields = m.merge_fields || excluded.merge_fields,
        tags = CASE WHEN excluded.contact_id = ANY(CAST(:keep_tags AS bigint[])) THEN m.tags ELSE excluded.tags END,
        pushed_hash = CASE WHEN excluded.pushed_at IS NULL THEN m.pushed_hash
            WHEN excluded.pushed_hash = '' AND m.pushed_hash NOT IN ('', 'left') THEN 'stale' ELSE excluded.pushed_hash END,
        pushed_at = coalesce(excluded.pushed_at, m.pushed_at),
        remote_contact_id = coalesce(nullif(excluded.remote_contact_id, ''),
            CASE WHEN m.subscriber_hash = excluded.subscriber_hash THEN m.remote_contact_id ELSE '' END),
        last_changed = coalesce(excluded.last_changed, m.last_changed),
        error = CASE WHEN excluded.contact_id = ANY(CAST(:keep_error AS bigint[])) AND m.status = excluded.status
            THEN m.error ELSE excluded.error END,
        sync_state = CASE WHEN excluded.contact_id = ANY(CAST(:keep_error AS bigint[])) AND m.status = excluded.status
            THEN m.sync_state ELSE excluded.sync_state END,
        interests = m.interests || excluded.interests,
        marketing_permissions = m.marketing_permissions || excluded.marketing_permissions,
        theirs_changed = jsonb_strip_nulls(m.theirs_changed || excluded.theirs_changed),
        asked_evidence_id = coalesce(excluded.asked_evidence_id, m.asked_evidence_id),
        updated_at = now()
""")  # noqa: S608 - constants only
# Where the mirror has learnt meanwhile what there is, it stays.
NOTE = text(f"""
    INSERT INTO members AS m (audience_id, contact_id, email_address, subscriber_hash)
    SELECT :audience_id, contact_id, email, hash
    FROM unnest(CAST(:ids AS bigint[]), {texts_sql("emails")}, {texts_sql("hashes")}) AS n(contact_id, email, hash)
    ORDER BY contact_id
    ON CONFLICT (audience_id, contact_id) DO UPDATE SET email_address = excluded.email_address,
        subscriber_hash = excluded.subscriber_hash, status = '', sync_state = 'ok', error = NULL, updated_at = now()
        WHERE m.status IN ('', 'archived')
""")  # noqa: S608 - constants only


def write_members(session: Session, audience_id: int, writes: Sequence[MirrorWrite]) -> None:
    """Bring mirror rows to what is written, and tell of new statuses; each contact at most once a call."""
    if not writes:
        return
    values = {
        "audience_id": audience_id,
        "ids": numbers_column([one.contact_id for one in writes]),
        "emails": texts_column([one.email for one in writes]),
        "hashes": texts_column([one.member_hash or subscriber_hash(one.email) for one in writes]),
        "statuses": texts_column([one.status for one in writes]),
        "merge_fields": texts_column([_text(one.merge_fields) for one in writes]),
        "tags": texts_column([None if one.tags is None else _text(one.tags) for one in writes]),
        "pushed": texts_column([one.pushed_hash for one in writes]),
        "remote_ids": texts_column([one.remote_contact_id for one in writes]),
        "changed": texts_column(
            [one.last_changed.isoformat() if one.last_changed else None for one in writes]
        ),
        "theirs": texts_column([_text(one.theirs_changed) if one.theirs_changed else None for one in writes]),
        "rests": texts_column([None if (rest := one.rest) is None else _text(rest) for one in writes]),
        "keep_status": numbers_column([one.contact_id for one in writes if one.status is None]),
        "keep_tags": numbers_column([one.contact_id for one in writes if one.tags is None]),
        "keep_error": numbers_column([one.contact_id for one in writes if one.keeps_error]),
    }
    session.execute(WRITE, values)


def _text(value: Any) -> str:
    return ENCODER.encode(value).decode()


def note_uncertain(session: Session, audience_id: int, emails: Mapping[int, str]) -> None:
    """A write that may have made a member was never settled (contact -> address): there may be somebody to take out."""
    if emails:
        values = {
            "audience_id": audience_id,
            "ids": numbers_column(emails),
            "emails": texts_column(emails.values()),
            "hashes": texts_column([subscriber_hash(email) for email in emails.values()]),
        }
        session.execute(NOTE, values)


def forget_members(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """Drop mirror rows: the members were erased at Mailchimp, or never were there."""
    if contact_ids:
        session.execute(
            text(
                "DELETE FROM members WHERE audience_id = :audience_id"
                " AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": numbers_column(sorted(contact_ids))},
        )


def distrust_members(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """A late writer may have left older values at Mailchimp: forget what was pushed, so that all of it goes again.

    Whose member it is and that Muster took them out stays known.
    """
    if contact_ids:
        session.execute(
            text(
                "UPDATE members SET pushed_hash = CASE WHEN pushed_hash IN ('', 'left', 'heir') THEN pushed_hash ELSE 'stale' END,"
                " merge_fields = '{}', tags = '{}', updated_at = now()"
                " WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": numbers_column(sorted(contact_ids))},
        )
