"""Who stands for an address that several people share: an admin's choice, in every audience."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.errors import ConflictError, NotFoundError

# Whoever is written at the same address as this contact, itself among them; locked in order of id.
SHARERS = text("""
    SELECT c.id FROM contacts a JOIN contacts c ON c.state = 'active'
        AND lower(btrim(c.fields ->> 'email')) = lower(btrim(a.fields ->> 'email'))
        AND (c.id = a.id OR c.id IN (
            SELECT j.contact_id FROM identities i JOIN identities j
                ON j.kind = i.kind AND j.scope = i.scope AND j.match_value = i.match_value
            WHERE i.contact_id = a.id AND i.kind = 'email'))
    WHERE a.id = :contact_id ORDER BY c.id FOR UPDATE OF c
""")
CHOOSE = text("""
    UPDATE contacts SET is_speaker = id = :contact_id
    WHERE id = ANY(CAST(:ids AS bigint[])) AND is_speaker IS DISTINCT FROM (id = :contact_id)
""")
STATE = text("SELECT state FROM contacts WHERE id = :contact_id")


def choose_speaker(session: Session, contact_id: int) -> tuple[int, ...]:
    """Let a contact stand for its address, instead of whoever did; everybody at the address, to be planned anew.

    Where the contact has no consent for an audience, or does not fit its rule, another one stands for the address there.
    NotFoundError; ConflictError for somebody who is no active contact, or shares no address.
    """
    state = session.scalar(STATE, {"contact_id": contact_id})
    if state is None:
        raise NotFoundError(f"There is no contact {contact_id}.", "`muster contacts find` looks for one.")
    ids = tuple(session.scalars(SHARERS, {"contact_id": contact_id}))
    if state != "active" or len(ids) < 2:  # noqa: PLR2004 - alone
        raise ConflictError(
            f"Contact {contact_id} shares no address with anybody, so that there is nothing to choose.",
            "`muster contacts show` tells the address; `muster contacts find ADDRESS` who else has it.",
        )
    session.execute(CHOOSE, {"contact_id": contact_id, "ids": list(ids)})
    return ids
