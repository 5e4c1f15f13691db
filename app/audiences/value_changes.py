"""What a run that waits would write over, value by value, of the people it shows: looked up when asked, kept nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.audiences.configure import get_audience_row
from app.audiences.formats import is_same_value
from app.audiences.load import load_situations, view_audience
from app.audiences.operation import Operation
from app.audiences.plan import plan_member
from app.audiences.run_views import RunView
from app.audiences.views import AudienceView, Mirror
from app.contacts.survivorship import is_blank

CHANGED_KINDS = ("changed", "differing")  # as a first sync and a reconcile call them
ASKING_STATES = frozenset({"waiting", "failed"})  # later the values are written, and there is nothing to tell


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One merge field of one person: what Mailchimp was last seen to have, and what would be written. Both as text."""

    tag: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.tag}: {self.theirs or 'nothing'} → {self.ours or 'nothing'}"


def find_run_values(session: Session, run: RunView) -> Mapping[int, Sequence[ValueChange]]:
    """Contact -> what would be written over, of those whom the run's samples name and whom it would change."""
    samples: Mapping[str, Sequence[Mapping[str, Any]]] = run.findings.get("samples") or {}
    ids = {int(one["contact_id"]) for kind in CHANGED_KINDS for one in samples.get(kind, ())}
    if run.state not in ASKING_STATES or not ids:
        return {}
    return find_value_changes(session, view_audience(get_audience_row(session, run.audience)), sorted(ids))


def find_value_changes(
    session: Session, audience: AudienceView, contact_ids: Sequence[int]
) -> Mapping[int, Sequence[ValueChange]]:
    """As planned now; nobody for whom there is nothing to tell."""
    found = {
        contact_id: list_value_changes(one.mirror, plan_member(one.contact, one.mirror, audience))
        for contact_id, one in load_situations(session, audience, contact_ids).items()
    }
    return {contact_id: changes for contact_id, changes in found.items() if changes}


def list_value_changes(mirror: Mirror | None, operation: Operation) -> tuple[ValueChange, ...]:
    """The merge fields of a member that would get another value. Pure."""
    if mirror is None or mirror.status in {"", "archived"}:
        return ()
    theirs = mirror.merge_fields
    return tuple(
        ValueChange(tag, value_text(theirs.get(tag)), value_text(ours))
        for tag, ours in sorted(operation.merge_fields.items())
        if not is_same_value(ours, theirs.get(tag))
    )


def value_text(value: Any) -> str:
    """A merge field's value in one line; an address by its parts. "" for nothing."""
    if isinstance(value, Mapping):
        return ", ".join(str(part) for part in value.values() if not is_blank(part))
    return "" if is_blank(value) else str(value)
