"""What came from somebody who was erased is not kept: the event stays as a number, without a word of theirs."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

_EVENTS = text(
    "UPDATE events SET content = '{}', enriched = NULL, warnings = '[]', error = NULL WHERE id = ANY(:ids)"
)
# A batch holds others too, so its bytes stay as they came until those others are erased as well.
_DELIVERIES = text("""
    UPDATE deliveries d SET body = '', headers = '[]', query = '[]'
    WHERE d.id IN (SELECT delivery_id FROM events WHERE id = ANY(:ids))
      AND NOT EXISTS (SELECT FROM events o WHERE o.delivery_id = d.id AND o.id <> ALL(:ids))
""")


def forget_events(session: Session, event_ids: Sequence[int]) -> None:
    """Blank these events and the deliveries that held nothing else."""
    if event_ids:
        arguments = {"ids": list(event_ids)}
        session.execute(_EVENTS, arguments)
        session.execute(_DELIVERIES, arguments)
