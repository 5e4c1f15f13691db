"""Writing the mirror: what Mailchimp said of members, many at once, with a timeline entry where a status changed."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.views import Trouble
from integrations.mailchimp.answers import subscriber_hash


@dataclass(frozen=True, slots=True)
class MirrorWrite:
    """A mirror row as it should stand. None keeps what stands there.

    `merge_fields`, `interests` and `marketing_permissions` are added to the known ones, as are the times in
    `theirs_changed` (ISO text by merge tag; None takes one away); `tags` are the managed ones that are set.
    """

    contact_id: int
    email: str
    member_hash: str = ""
    status: str | None = None
    merge_fields: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    pushed_hash: str | None = None
    remote_contact_id: str = ""
    last_changed: datetime | None = None
    trouble: Trouble | None = None
    is_failed: bool = False
    keeps_error: bool = (
        False  # a reading: why somebody cannot be synced stays true while the status is the same
    )
    interests: dict[str, bool] = field(default_factory=dict)
    marketing_permissions: dict[str, bool] = field(default_factory=dict)
    theirs_changed: dict[str, str | None] = field(default_factory=dict)
    asked_evidence_id: int | None = None

    def as_row(self) -> dict[str, Any]:
        return {
            "contact_id": self.contact_id,
            "email": self.email,
            "hash": self.member_hash or subscriber_hash(self.email),
            "status": self.status,
            "merge_fields": self.merge_fields,
            "tags": None if self.tags is None else list(self.tags),
            "pushed_hash": self.pushed_hash,
            "remote_contact_id": self.remote_contact_id,
            "last_changed": self.last_changed.isoformat() if self.last_changed else None,
            "error": self.trouble.as_dict() if self.trouble else None,
            "sync_state": "failed" if self.is_failed else "ok",
            "interests": self.interests,
            "permissions": self.marketing_permissions,
            "theirs_changed": self.theirs_changed,
            "asked_evidence_id": self.asked_evidence_id,
        }


ROWS = """
    SELECT contact_id, email, hash, status, merge_fields, pushed_hash, remote_contact_id, last_changed, error, sync_state,
           interests, permissions, theirs_changed, asked_evidence_id,
           CASE WHEN tags IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(tags)) END AS tags
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(contact_id bigint, email text, hash text, status text,
        merge_fields jsonb, tags jsonb, pushed_hash text, remote_contact_id text, last_changed timestamptz, error jsonb,
        sync_state text, interests jsonb, permissions jsonb, theirs_changed jsonb, asked_evidence_id bigint)
"""
# One entry for each status that Mailchimp reports and that was not known; joining by a first push is one of them.
TELL = text(
    "INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)"  # noqa: S608 - constants only
    " SELECT r.contact_id, now(), 'member', 'Mailchimp: ' || r.status || ' in ' || a.slug,"
    "   jsonb_build_object('audience', a.slug, 'status', r.status, 'was', coalesce(m.status, ''))"
    f" FROM ({ROWS}) r JOIN audiences a ON a.id = :audience_id"
    " LEFT JOIN members m ON m.audience_id = a.id AND m.contact_id = r.contact_id"
    " WHERE r.status <> '' AND r.status IS DISTINCT FROM coalesce(m.status, '')"
)
WRITE = text(f"""
    INSERT INTO members AS m (audience_id, contact_id, email_address, subscriber_hash, status, merge_fields, tags,
        pushed_hash, pushed_at, remote_contact_id, last_changed, error, sync_state, interests, marketing_permissions,
        theirs_changed, asked_evidence_id)
    SELECT :audience_id, contact_id, email, hash, coalesce(status, ''), merge_fields, coalesce(tags, ARRAY[]::text[]),
        coalesce(pushed_hash, ''), CASE WHEN pushed_hash IS NOT NULL THEN now() END, remote_contact_id, last_changed,
        error, sync_state, interests, permissions, theirs_changed, asked_evidence_id
    FROM ({ROWS}) r ORDER BY contact_id
    ON CONFLICT (audience_id, contact_id) DO UPDATE SET
        email_address = excluded.email_address, subscriber_hash = excluded.subscriber_hash,
        status = CASE WHEN excluded.contact_id = ANY(CAST(:keep_status AS bigint[])) THEN m.status ELSE excluded.status END,
        merge_fields = m.merge_fields || excluded.merge_fields,
        tags = CASE WHEN excluded.contact_id = ANY(CAST(:keep_tags AS bigint[])) THEN m.tags ELSE excluded.tags END,
        pushed_hash = CASE WHEN excluded.pushed_at IS NULL THEN m.pushed_hash ELSE excluded.pushed_hash END,
        pushed_at = coalesce(excluded.pushed_at, m.pushed_at),
        remote_contact_id = coalesce(nullif(excluded.remote_contact_id, ''), m.remote_contact_id),
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


def write_members(session: Session, audience_id: int, writes: Sequence[MirrorWrite]) -> None:
    """Bring mirror rows to what is written; each contact at most once a call."""
    if not writes:
        return
    rows = [one.as_row() for one in writes]
    values = {"rows": json.dumps(rows, ensure_ascii=False), "audience_id": audience_id}
    session.execute(TELL, values)
    values["keep_status"] = [one.contact_id for one in writes if one.status is None]
    values["keep_tags"] = [one.contact_id for one in writes if one.tags is None]
    values["keep_error"] = [one.contact_id for one in writes if one.keeps_error]
    session.execute(WRITE, values)


def note_intents(session: Session, audience_id: int, members: Sequence[tuple[int, str]]) -> None:
    """Before a write that may make a member: from now on it is uncertain whether there is one (contact, address).

    Should the answer be lost and an opt-out come, planning knows that there may be somebody to unsubscribe.
    """
    rows = [
        {"contact_id": contact_id, "email": email, "hash": subscriber_hash(email)}
        for contact_id, email in members
    ]
    if rows:
        session.execute(
            text(
                "INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash)"
                " SELECT :audience_id, contact_id, email, hash FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
                "   AS r(contact_id bigint, email text, hash text) ORDER BY contact_id"
                " ON CONFLICT (audience_id, contact_id) DO UPDATE SET email_address = excluded.email_address,"
                "   subscriber_hash = excluded.subscriber_hash, status = '', sync_state = 'ok', error = NULL,"
                "   updated_at = now()"
            ),
            {"audience_id": audience_id, "rows": json.dumps(rows, ensure_ascii=False)},
        )


def forget_members(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """Drop mirror rows: the members were erased at Mailchimp, or never were there."""
    if contact_ids:
        session.execute(
            text(
                "DELETE FROM members WHERE audience_id = :audience_id"
                " AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": sorted(contact_ids)},
        )


def distrust_members(session: Session, audience_id: int, contact_ids: Collection[int]) -> None:
    """A late writer may have left older values at Mailchimp: forget what was pushed, so that all of it goes again."""
    if contact_ids:
        session.execute(
            text(
                "UPDATE members SET pushed_hash = CASE WHEN pushed_hash = 'left' THEN pushed_hash ELSE '' END,"
                " merge_fields = '{}', tags = '{}', updated_at = now()"
                " WHERE audience_id = :audience_id AND contact_id = ANY(CAST(:ids AS bigint[]))"
            ),
            {"audience_id": audience_id, "ids": sorted(contact_ids)},
        )
