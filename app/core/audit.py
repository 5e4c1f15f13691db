"""What admins changed, as a chain of hashes: a row that was altered or removed shows."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.core.models import AuditEntry

LOCK_KEY = 0x61756474  # "audt": entries are chained one after the other
FIRST_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """How many entries were checked, and the first one that does not fit the chain."""

    entry_count: int
    broken_id: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.broken_id is None


def audit(  # noqa: PLR0917 - who, what, to what, from what, into what: read like a sentence
    session: Session,
    actor: str,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry to the chain inside the caller's transaction. `before` and `after` must not hold secrets.

    Writers wait for each other until their transactions end, so that the chain has no fork.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    previous = session.scalar(select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)) or FIRST_HASH
    entry = AuditEntry(
        at=session.scalar(select(func.clock_timestamp())),
        actor=actor,
        action=action,
        subject=subject,
        before=_plain(before),
        after=_plain(after),
        previous_hash=previous,
    )
    entry.hash = _hash(entry)
    session.add(entry)
    session.flush()
    return entry


def verify_chain(session: Session) -> ChainReport:
    """Recompute every hash, oldest first."""
    previous, count = FIRST_HASH, 0
    entries = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=500)
    with closing(session.scalars(entries)) as chain:
        for entry in chain:
            count += 1
            if bytes(entry.previous_hash) != previous or bytes(entry.hash) != _hash(entry):
                return ChainReport(count, entry.id)
            previous = bytes(entry.hash)
    return ChainReport(count)


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The values as they come back from jsonb, so that the hash can be made again."""
    if values is None:
        return None
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), default=_text))
    return plain


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _hash(entry: AuditEntry) -> bytes:
    content = [
        entry.at.astimezone(UTC).isoformat(),
        entry.actor,
        entry.action,
        entry.subject,
        entry.before,
        entry.after,
    ]
    text_form = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(bytes(entry.previous_hash) + text_form.encode("ascii")).digest()
