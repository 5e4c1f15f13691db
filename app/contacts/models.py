"""The customer database: contacts derived from kept patches, identities, consents, timeline, merges.

Of the foreign keys only those to contacts are checked by PostgreSQL, see docs/decisions/0004-foreign-keys-on-hot-tables.md.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy import (
    Identity as IdentityColumn,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base
from app.core.models import Timestamp


class Contact(Base):
    """One person. `fields`, `provenance`, `tags` are derived from the patches and never edited in place."""

    __tablename__ = "contacts"
    __table_args__ = (
        CheckConstraint("state in ('active', 'merged', 'erased')", name="state"),
        Index("ix_contacts_updated", "updated_at"),
        Index(
            "ix_contacts_merged_into", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    state: Mapped[str] = mapped_column(Text, server_default="active")
    merged_into_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # name -> value
    # name -> {patch_id, event_id, source_id, occurred_at}
    provenance: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    is_speaker: Mapped[bool] = mapped_column(server_default="false")  # chosen to stand for a shared address
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class StoredPatch(Base):
    """One applied contact patch, kept for ever: what an event, a list row or an edit said about a contact."""

    __tablename__ = "contact_patches"
    __table_args__ = (
        UniqueConstraint("event_id", "ordinal"),
        Index("ix_contact_patches_contact", "contact_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    event_id: Mapped[int | None] = mapped_column(BigInteger)  # NULL = an admin's edit
    ordinal: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    mapping_version_id: Mapped[int | None] = mapped_column(BigInteger)
    trust: Mapped[int] = mapped_column(
        Integer, server_default="50"
    )  # of the source then; 100 = an admin's edit
    occurred_at: Mapped[datetime] = mapped_column(Timestamp)
    received_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    fields: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    # what it said of who the person is: [[kind, scope, match value], ...]; a replay takes back what is no longer said
    identities: Mapped[list[Any]] = mapped_column(server_default="[]")
    tags_added: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    tags_removed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")


class Identity(Base):
    """A value that points at a contact. An address may be shared, so the value alone is not unique."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("kind", "scope", "match_value", "contact_id"),
        Index("ix_identities_contact", "contact_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text, server_default="")
    match_value: Mapped[str] = mapped_column(Text)  # for matching only
    given_value: Mapped[str] = mapped_column(Text)  # as the person or platform gave it
    # False for role addresses, sentinel values and whatever else must never find a person
    is_matching: Mapped[bool] = mapped_column(server_default="true")
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class ConsentEvidence(Base):
    """The consent ledger: append-only statements, each with its proof."""

    __tablename__ = "consent_evidence"
    __table_args__ = (
        CheckConstraint("verdict in ('given', 'withdrawn')", name="verdict"),
        CheckConstraint("proof in ('claimed', 'confirmed')", name="proof"),
        UniqueConstraint("event_id", "ordinal"),
        Index("ix_consent_evidence_contact", "contact_id"),
        Index("ix_consent_evidence_address", "address", postgresql_where=text("address <> ''")),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    channel: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)  # "*" on a withdrawal = every purpose
    address: Mapped[str] = mapped_column(Text, server_default="")  # match value of the address it is about
    verdict: Mapped[str] = mapped_column(Text)
    proof: Mapped[str] = mapped_column(Text, server_default="claimed")
    wording: Mapped[str] = mapped_column(Text, server_default="")
    method: Mapped[str] = mapped_column(Text, server_default="")
    occurred_at: Mapped[datetime] = mapped_column(Timestamp)
    received_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    ordinal: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    actor: Mapped[str] = mapped_column(
        Text, server_default=""
    )  # an admin or "mailchimp" where there is no event


class Consent(Base):
    """What the ledger adds up to, per contact, channel and purpose; derived by `app.contacts.consent`."""

    __tablename__ = "consents"

    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    status: Mapped[str] = mapped_column(Text)  # given | withdrawn
    proof: Mapped[str] = mapped_column(Text)
    evidence_id: Mapped[int] = mapped_column(BigInteger)
    decided_at: Mapped[datetime] = mapped_column(Timestamp)


class TimelineEntry(Base):
    """A line of a contact's history. `summary` and `detail` carry no secrets."""

    __tablename__ = "timeline_entries"
    __table_args__ = (
        Index("ix_timeline_entries_contact", "contact_id", "occurred_at"),
        Index(
            "uq_timeline_entries_event_id_ordinal",
            "event_id",
            "ordinal",
            unique=True,
            postgresql_where=text("event_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    # Contacts are kept, by a trigger there: no foreign key has to look.
    contact_id: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime] = mapped_column(Timestamp)
    kind: Mapped[str] = mapped_column(Text)  # event, message, consent, member, merge, unmerge, edit
    summary: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    is_private: Mapped[bool] = mapped_column(server_default="false")
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    ordinal: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class Merge(Base):
    """Two contacts joined; holds what unmerge needs to give both back."""

    __tablename__ = "merges"

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    winner_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    loser_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    moved: Mapped[dict[str, Any]]  # {patches: [...], identities: [...], evidence: [...], timeline: [...]} ids
    merged_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    unmerged_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Judgement(Base):
    """A verdict on a match: `unsure` waits for an admin, `different` keeps two contacts apart for ever."""

    __tablename__ = "judgements"
    __table_args__ = (
        UniqueConstraint("contact_a_id", "contact_b_id"),
        CheckConstraint("contact_a_id < contact_b_id", name="order"),
        CheckConstraint("verdict in ('same', 'different', 'unsure')", name="verdict"),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    contact_a_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    contact_b_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contacts.id"))
    verdict: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)  # "shared email, names differ"
    judge: Mapped[str] = mapped_column(Text)  # "muster" or an admin
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    judged_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Suppression(Base):
    """All that is left of an erased person's address: a keyed hash that stops every import."""

    __tablename__ = "suppressions"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)  # email, phone, ...
    value_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Message(Base):
    """What somebody said on a platform: a comment, a mention, a direct message, a review. One row a message."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("source_id", "message_id"),
        Index("ix_messages_event", "event_id"),
        Index("ix_messages_contact", "contact_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, IdentityColumn(), primary_key=True)
    source_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[str] = mapped_column(Text)  # the platform's
    event_id: Mapped[int | None] = mapped_column(BigInteger)  # that said it first
    contact_id: Mapped[int | None] = mapped_column(BigInteger)  # NULL: nobody we could know
    kind: Mapped[str] = mapped_column(Text)  # comment, mention, direct_message, review, post, reaction
    text: Mapped[str] = mapped_column(
        Text, server_default=""
    )  # "" where it is private and not kept, or deleted
    is_private: Mapped[bool] = mapped_column(server_default="false")
    url: Mapped[str] = mapped_column(Text, server_default="")
    thread_id: Mapped[str] = mapped_column(Text, server_default="")
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    influence: Mapped[float | None] = mapped_column(Double)
    said_at: Mapped[datetime] = mapped_column(Timestamp)
    worded_at: Mapped[datetime] = mapped_column(Timestamp)  # when the text that stands was written
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
