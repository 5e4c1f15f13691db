"""What is to be done for one contact at Mailchimp: a plan's answer, and what travels to whoever sends it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from app.audiences.valve import SUBSCRIBING
from app.audiences.views import Trouble
from integrations.mailchimp.answers import subscriber_hash

Kind = Literal[
    "nothing", "upsert", "ask", "set_status", "archive", "erase", "change_email", "tags", "cannot_sync"
]


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One intended step for one contact. `member` is the hash to address; `tags` are all that should be set.

    `is_new`: the mirror does not know the member, so that a write may make it. `status` is empty in every profile
    write; it is set to unsubscribe, and to take in again a member with consent for whom Mailchimp holds nothing
    against it. An `ask` sends `pending` for the line of the ledger `evidence_id`; a `set_status` has it where the member
    was asked and has not answered. `interests` and `permissions` are those to change; `known` the merge fields that the mirror had, so that an answer shows what others changed.
    An `erase` with status "forgotten" is the audience's policy; the contact stays, and the mirror says so.
    """

    kind: Kind
    contact_id: int
    email: str = ""
    member: str = ""
    status_if_new: str = ""
    status: str = ""
    merge_fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    pushed_hash: str = ""
    is_new: bool = False
    trouble: Trouble | None = None
    interests: Mapping[str, bool] = msgspec.field(default_factory=dict)
    permissions: Mapping[str, bool] = msgspec.field(default_factory=dict)
    known: Mapping[str, Any] = msgspec.field(default_factory=dict)
    evidence_id: int | None = None  # that the person confirmed, or that was asked about in vain
    is_double_opt_in: bool = False
    was: str = ""  # the member's status as known: a decided status rests on it, and it is no news
    seen_at: datetime | None = None  # when the member had changed last, as known: an `ask` rests on it
    reason: str = ""
    is_wanted: bool = False  # by somebody who has the address that a `change_email` leaves

    @property
    def is_call(self) -> bool:
        return self.kind not in {"nothing", "cannot_sync"}

    @property
    def is_subscribing(self) -> bool:
        return self.status in SUBSCRIBING or (self.kind == "upsert" and self.status_if_new in SUBSCRIBING)

    @property
    def is_bulk(self) -> bool:
        """Whether it can travel with others in one POST /lists/{id}, which takes no marketing permissions."""
        if self.kind == "upsert":
            return not self.status and bool(not self.permissions or self.is_new or self.merge_fields)
        return self.kind == "set_status" and self.member == subscriber_hash(self.email)


# What takes a member away from the address it has.
LEAVING_ADDRESS: frozenset[Kind] = frozenset({"change_email", "archive", "erase"})
