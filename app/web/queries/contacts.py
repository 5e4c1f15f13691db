"""Contacts: found by what one knows of them, and one of them with all that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import NotFoundError
from mappings.language.fields import FieldDictionary, default_fields

MOST_FOUND = 50
MOST_LINES = 200
WILD = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
# How a person is called, in SQL and from fields: the whole name, else its parts.
NAME = """coalesce(nullif(c.fields->>'full_name', ''),
    nullif(concat_ws(' ', nullif(c.fields->>'first_name', ''), nullif(c.fields->>'last_name', '')), ''), '')"""


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One contact in a list."""

    id: int
    name: str
    email: str
    phone: str
    tags: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a contact and where its value comes from."""

    name: str
    label: str
    value: Any
    source: str
    source_label: str
    event_id: int | None
    delivery_id: int | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class IdentityLine:
    """A value that points at the contact."""

    kind: str
    scope: str
    value: str
    is_matching: bool
    source: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One statement of the consent ledger."""

    channel: str
    purpose: str
    verdict: str
    proof: str
    wording: str
    method: str
    address: str
    occurred_at: datetime
    source: str
    delivery_id: int | None
    actor: str
    is_deciding: bool


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What the ledger adds up to for a channel and purpose, with its statements, the newest first."""

    channel: str
    purpose: str
    status: str
    proof: str
    decided_at: datetime
    evidence: tuple[EvidenceLine, ...]


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One timeline entry."""

    occurred_at: datetime
    kind: str
    summary: str
    source: str
    delivery_id: int | None


@dataclass(frozen=True, slots=True)
class Membership:
    """One contact in one audience, as Mailchimp last said."""

    audience: str
    status: str
    email_address: str
    sync_state: str
    error: Mapping[str, Any]
    tags: tuple[str, ...]
    pushed_at: datetime | None
    last_changed: datetime | None
    is_waiting: bool
    waiting_reason: str


@dataclass(frozen=True, slots=True)
class ContactView:
    """One person, with provenance."""

    id: int
    state: str
    merged_into_id: int | None
    name: str
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    fields: tuple[FieldLine, ...]
    identities: tuple[IdentityLine, ...]
    consents: tuple[ConsentLine, ...]
    memberships: tuple[Membership, ...]
    history: tuple[HistoryLine, ...]


LINES = f"""
    SELECT c.id, {NAME} AS name, coalesce(c.fields->>'email', '') AS email, coalesce(c.fields->>'phone', '') AS phone,
        c.tags, c.updated_at
    FROM contacts c WHERE {{condition}} ORDER BY c.updated_at DESC, c.id DESC LIMIT :limit
"""  # noqa: S608 - constants
NEWEST = text(LINES.format(condition="c.state = 'active'"))
FOUND = text(
    LINES.format(
        condition=f"""c.state <> 'merged' AND (
            c.id IN (SELECT contact_id FROM identities WHERE kind = 'email' AND scope = '' AND match_value = lower(:query))
            OR c.id IN (SELECT contact_id FROM identities WHERE kind = 'phone' AND scope = '' AND match_value = :phone)
            OR c.fields->>'email' ILIKE :like OR {NAME} ILIKE :like
            OR (:phone <> '' AND c.fields->>'phone' LIKE :phone_like)
            OR c.id = cast(:id AS bigint))"""  # noqa: S608 - constants
    )
)
CONTACT = text(f"""
    SELECT c.id, c.state, c.merged_into_id, {NAME} AS name, c.tags, c.created_at, c.updated_at, c.fields, c.provenance
    FROM contacts c WHERE c.id = :id
""")  # noqa: S608 - constants
ORIGINS = text("""
    SELECT e.id AS event_id, e.delivery_id FROM events e WHERE e.id = ANY(cast(:ids AS bigint[]))
""")
SOURCES = text("SELECT id, slug, coalesce(nullif(label, ''), slug) AS label FROM sources")
IDENTITIES = text("""
    SELECT i.kind, i.scope, i.given_value AS value, i.is_matching, coalesce(s.slug, '') AS source, i.created_at
    FROM identities i LEFT JOIN sources s ON s.id = i.source_id WHERE i.contact_id = :id ORDER BY i.kind, i.id LIMIT :limit
""")
EVIDENCE = text("""
    SELECT v.channel, v.purpose, v.verdict, v.proof, v.wording, v.method, v.address, v.occurred_at,
        coalesce(s.slug, '') AS source, e.delivery_id, v.actor, c.evidence_id IS NOT NULL AS is_deciding
    FROM consent_evidence v LEFT JOIN sources s ON s.id = v.source_id LEFT JOIN events e ON e.id = v.event_id
    LEFT JOIN consents c ON c.evidence_id = v.id AND c.contact_id = v.contact_id
    WHERE v.contact_id = :id ORDER BY v.occurred_at DESC, v.id DESC LIMIT :limit
""")
CONSENTS = text("""
    SELECT channel, purpose, status, proof, decided_at FROM consents WHERE contact_id = :id ORDER BY channel, purpose
""")
HISTORY = text("""
    SELECT t.occurred_at, t.kind, t.summary, coalesce(s.slug, '') AS source, e.delivery_id
    FROM timeline_entries t LEFT JOIN sources s ON s.id = t.source_id LEFT JOIN events e ON e.id = t.event_id
    WHERE t.contact_id = :id AND NOT t.is_private ORDER BY t.occurred_at DESC, t.id DESC LIMIT :limit
""")
MEMBERSHIPS = text("""
    SELECT coalesce(nullif(a.label, ''), a.slug) AS audience, coalesce(m.status, '') AS status,
        coalesce(m.email_address, '') AS email_address, coalesce(m.sync_state, 'ok') AS sync_state, m.error,
        coalesce(m.tags, '{}') AS tags, m.pushed_at, m.last_changed, c.contact_id IS NOT NULL AS is_waiting,
        coalesce(c.error->>'reason', '') AS waiting_reason
    FROM audiences a
    LEFT JOIN members m ON m.audience_id = a.id AND m.contact_id = :id
    LEFT JOIN changes c ON c.audience_id = a.id AND c.contact_id = :id
    WHERE m.contact_id IS NOT NULL OR c.contact_id IS NOT NULL
    ORDER BY 1
""")


def list_newest(session: Session) -> tuple[ContactLine, ...]:
    """The contacts that changed last."""
    return _lines(session.execute(NEWEST, {"limit": MOST_FOUND}).mappings())


def find_contacts(session: Session, query: str) -> tuple[ContactLine, ...]:
    """Contacts by a part of the name or address, a telephone number, or the contact's own number."""
    like = f"%{query.translate(WILD)}%"
    digits = "".join(char for char in query if char in "0123456789")
    is_phone = len(digits) > 5 and not query.strip("+0123456789 ()-./")  # noqa: PLR2004 - shorter ones name nobody
    values = {
        "query": query,
        "like": like,
        "phone": f"+{digits}" if is_phone else "",
        "phone_like": f"%{digits}" if is_phone else "",
        "id": int(query) if query.isdecimal() and query.isascii() and len(query) < 18 else None,  # noqa: PLR2004 - bigint
        "limit": MOST_FOUND,
    }
    return _lines(session.execute(FOUND, values).mappings())


def _lines(rows: Any) -> tuple[ContactLine, ...]:
    return tuple(ContactLine(**{**row, "tags": tuple(row["tags"])}) for row in rows)


def get_contact_view(session: Session, contact_id: int) -> ContactView:
    """One person with all that is known. NotFoundError when there is none."""
    row = session.execute(CONTACT, {"id": contact_id}).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no contact {contact_id}.", "Search for the person by name or address.")
    values = {"id": contact_id, "limit": MOST_LINES}
    own = {name: row[name] for name in ("id", "state", "merged_into_id", "name", "created_at", "updated_at")}
    return ContactView(
        **own,
        tags=tuple(row["tags"]),
        fields=_fields(session, row["fields"], row["provenance"], default_fields()),
        identities=tuple(IdentityLine(**i) for i in session.execute(IDENTITIES, values).mappings()),
        consents=_consents(session, values),
        memberships=tuple(
            Membership(**{**m, "error": m["error"] or {}, "tags": tuple(m["tags"])})
            for m in session.execute(MEMBERSHIPS, {"id": contact_id}).mappings()
        ),
        history=tuple(HistoryLine(**line) for line in session.execute(HISTORY, values).mappings()),
    )


def _fields(
    session: Session, fields: Mapping[str, Any], provenance: Mapping[str, Any], dictionary: FieldDictionary
) -> tuple[FieldLine, ...]:
    order = {name: number for number, name in enumerate(dictionary.names())}
    events = [origin["event_id"] for origin in provenance.values() if origin.get("event_id")]
    deliveries = {row.event_id: row.delivery_id for row in session.execute(ORIGINS, {"ids": events})}
    sources = {row.id: (row.slug, row.label) for row in session.execute(SOURCES)}
    lines = []
    for name in sorted(fields, key=lambda name: (order.get(name, len(order)), name)):
        origin, entry = provenance.get(name, {}), dictionary.find(name)
        slug, label = sources.get(origin.get("source_id"), ("", ""))
        at = datetime.fromisoformat(origin["occurred_at"]) if origin.get("occurred_at") else None
        event_id = origin.get("event_id")
        lines.append(
            FieldLine(name, entry.label if entry else name, fields[name], slug, label, event_id, deliveries.get(event_id), at)
        )
    return tuple(lines)


def _consents(session: Session, values: Mapping[str, Any]) -> tuple[ConsentLine, ...]:
    evidence = [EvidenceLine(**row) for row in session.execute(EVIDENCE, values).mappings()]
    return tuple(
        ConsentLine(
            **row,
            evidence=tuple(
                line for line in evidence if line.channel == row["channel"] and line.purpose in (row["purpose"], "*")
            ),
        )
        for row in session.execute(CONSENTS, values).mappings()
    )
