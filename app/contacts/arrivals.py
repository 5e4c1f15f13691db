"""What travels through this room: an arrival, the contact it is about, and what recording it changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.contacts.protect import Key
from mappings.language.patch import ContactPatch


@dataclass(frozen=True, slots=True)
class Arrival:
    """One contact patch on its way in, with where it comes from. `event_id` None = an admin's edit."""

    event_id: int | None
    ordinal: int  # of the patch within its event, from 0
    source_id: int | None
    mapping_version_id: int | None
    trust: int  # of the source; 100 = an admin's edit
    occurred_at: datetime  # aware; the event's time where the patch names none
    received_at: datetime  # aware
    patch: ContactPatch
    summary: str = ""  # for the timeline, without personal data; "" = the patch's own
    kind: str = "event"  # of the timeline entry: event, edit, member
    actor: str = ""  # an admin or "mailchimp", where there is no event
    is_first: bool = False  # nothing of its event was ever kept, so there is nothing to replace

    @property
    def happened_at(self) -> datetime:
        return self.patch.occurred_at or self.occurred_at


@dataclass(frozen=True, slots=True)
class MatchedIdentity:
    """An identity with its matching form."""

    key: Key
    given_value: str
    is_matching: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """An arrival and its contact. Nothing is stored for a suppressed one, nor for an erasure of nobody."""

    arrival: Arrival
    contact_id: int | None  # None = nobody: suppressed, or an erasure that found no contact
    is_new: bool = False  # the first arrival of a contact that `record` will make
    suppressed: bool = False  # the person was erased and stays so
    hashes: Mapping[Key, bytes] = field(
        default_factory=dict
    )  # of a suppressed one's addresses, as they would be kept
    identities: tuple[MatchedIdentity, ...] = ()
    absorbed_ids: tuple[int, ...] = ()  # contacts that turned out to be this one; `record` merges them
    doubts: tuple[tuple[int, str], ...] = ()  # (contact id, reason) for an admin to judge

    @property
    def is_erasure(self) -> bool:
        """The platform asks to erase this person: call `erase_arrival` instead of `record`."""
        return self.arrival.patch.is_erasure


@dataclass(frozen=True, slots=True)
class Recorded:
    """What `record` did. The changed contacts must be planned again for every audience."""

    changed_contact_ids: frozenset[int]
    written_count: int  # arrivals that changed their contact
    unchanged_count: int  # arrivals that said nothing new; kept all the same
