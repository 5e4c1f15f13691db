"""Planning: what one contact needs at Mailchimp, decided from the contact, its consent and the mirror. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.audiences.entry import is_entitled
from app.audiences.formats import merge_values
from app.audiences.valve import (
    OPTED_OUT_THERE,
    REACHABLE_THERE,
    SAFE_IF_NEW,
    SUBSCRIBING,
    must_unsubscribe,
    status_if_new,
)
from app.audiences.views import AudienceView, ContactView, Mirror, Trouble
from integrations.mailchimp.answers import subscriber_hash

Kind = Literal["nothing", "upsert", "set_status", "archive", "erase", "change_email", "tags", "cannot_sync"]

# Refusals that stay true for as long as the address stays the same.
REFUSED_ADDRESS = frozenset({"fake_address", "forgotten"})


@dataclass(frozen=True, slots=True)
class Desired:
    """What an audience should know of a contact who belongs in it."""

    contact_id: int
    email: str
    member_hash: str
    status_wanted: Literal["member", "out"]
    status_if_new: str
    merge_fields: Mapping[str, Any]
    tags: tuple[str, ...]
    unfit: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Of the profile; tags are compared on their own."""
        profile = [self.member_hash, self.status_wanted, self.merge_fields]
        return hashlib.sha256(json.dumps(profile, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Operation:
    """One intended step for one contact. `member` is the hash to address; `tags` are all that should be set.

    `is_new`: the mirror does not know the member, so that a write may make it. `status` is empty in every profile
    write; it is set to unsubscribe, and to take in again a member with consent whom Muster itself archived.
    """

    kind: Kind
    contact_id: int
    email: str = ""
    member: str = ""
    status_if_new: str = ""
    status: str = ""
    merge_fields: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    pushed_hash: str = ""
    is_new: bool = False
    trouble: Trouble | None = None

    @property
    def is_call(self) -> bool:
        return self.kind not in {"nothing", "cannot_sync"}

    @property
    def is_subscribing(self) -> bool:
        return self.status in SUBSCRIBING or (self.kind == "upsert" and self.status_if_new in SUBSCRIBING)

    @property
    def is_bulk(self) -> bool:
        """Whether it can travel with others in one POST /lists/{id}."""
        is_own_address = self.member == subscriber_hash(self.email)
        return (self.kind == "upsert" and not self.status) or (self.kind == "set_status" and is_own_address)


def plan_member(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    """The next step for this contact; `nothing` when Mailchimp has what it should have."""
    if contact.state == "erased":
        return _erase(contact, mirror)
    if contact.state != "active":
        return _leave(contact, mirror, audience)
    if contact.standing.is_opted_out:
        return _opt_out(contact, mirror)
    if not contact.standing.is_admitted:
        return Operation("nothing", contact.contact_id)
    if not contact.email or not is_entitled(audience.entry_rule, contact.fields, contact.tags):
        return _leave(contact, mirror, audience)
    trouble = find_trouble(contact, mirror, audience)
    if trouble:
        return Operation(
            "cannot_sync", contact.contact_id, contact.email, subscriber_hash(contact.email), trouble=trouble
        )
    return _profile(desire(contact, mirror, audience), mirror)


def desire(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Desired:
    """The state that an admitted contact should have in the audience."""
    merged = merge_values(contact.fields, audience.merge_fields, audience.schema)
    own = {tag.casefold() for tag in contact.tags}
    return Desired(
        contact.contact_id,
        contact.email,
        subscriber_hash(contact.email),
        "member" if contact.standing.is_admitted else "out",
        status_if_new(
            contact.standing, mirror.status if mirror else "", is_double_opt_in=audience.is_double_opt_in
        ),
        merged.values,
        tuple(tag for tag in sorted(audience.managed_tags) if tag.casefold() in own),
        merged.unfit,
    )


def find_trouble(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Trouble | None:
    """Why somebody who gave consent can still not be written; None when nothing stands in the way."""
    form = f"Send them the audience's own form: {audience.form_url}" if audience.form_url else ""
    if contact.speaker_id is not None and contact.speaker_id != contact.contact_id:
        return Trouble(
            "shared_address",
            f"Contact {contact.speaker_id} has the same address and stands for it in this audience.",
            "Give this person an address of their own, or merge the two.",
        )
    if mirror is None:
        return None
    if mirror.status in OPTED_OUT_THERE:
        return Trouble(
            "opted_out_there",
            f"The member is {mirror.status} at Mailchimp; only the person can come back.",
            form,
        )
    if mirror.status == "archived" and not mirror.is_taken_out_by_us:
        return Trouble(
            "archived_there",
            "Somebody archived this member at Mailchimp, and Muster does not undo that.",
            form or "Unarchive the member in Mailchimp if that was a mistake.",
        )
    is_same = mirror.member_hash == subscriber_hash(contact.email)
    if mirror.error_code in REFUSED_ADDRESS and is_same and not mirror.status:
        error = mirror.error or {}
        return Trouble(mirror.error_code, str(error.get("reason", "")), str(error.get("hint", "")))
    return None


def _erase(contact: ContactView, mirror: Mirror | None) -> Operation:
    if mirror is None or not mirror.member_hash:
        return Operation("nothing", contact.contact_id)
    return Operation("erase", contact.contact_id, mirror.email, mirror.member_hash)


def _opt_out(contact: ContactView, mirror: Mirror | None) -> Operation:
    if mirror is None or not must_unsubscribe(
        contact.standing, mirror.status, is_uncertain=mirror.is_uncertain
    ):
        return Operation("nothing", contact.contact_id)
    email = contact.email or mirror.email
    return Operation(
        "set_status",
        contact.contact_id,
        email,
        mirror.member_hash,
        SAFE_IF_NEW,
        "unsubscribed",
        is_new=mirror.is_uncertain,
    )


def _leave(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    """Out by the audience's policy, and only somebody whom Muster put there.

    A contact merged into another never stays behind: nobody would carry its later opt-out there.
    """
    policy = "archive" if contact.state != "active" and audience.on_leave == "keep" else audience.on_leave
    is_ours = mirror is not None and (bool(mirror.pushed_hash) or mirror.is_uncertain)
    is_there = mirror is not None and (mirror.status in REACHABLE_THERE or mirror.is_uncertain)
    if mirror is None or not is_ours or not is_there or mirror.is_taken_out_by_us or policy == "keep":
        return Operation("nothing", contact.contact_id)
    kind: Kind = "archive" if policy == "archive" else "set_status"
    status = "unsubscribed" if kind == "set_status" else ""
    return Operation(kind, contact.contact_id, mirror.email, mirror.member_hash, SAFE_IF_NEW, status)


def _profile(desired: Desired, mirror: Mirror | None) -> Operation:
    if mirror is None or mirror.status in {"", "archived"}:
        if mirror is not None and mirror.is_uncertain and mirror.member_hash != desired.member_hash:
            return _step("change_email", desired, member=mirror.member_hash)
        # Mailchimp ignores status_if_new for an archived member (recorded answers), so coming back is a status.
        again = desired.status_if_new if mirror is not None and mirror.is_taken_out_by_us else ""
        return _step("upsert", desired, is_new=True, status=again)
    if mirror.member_hash != desired.member_hash:
        return _step("change_email", desired, member=mirror.member_hash)
    if mirror.pushed_hash != desired.hash:
        changed = changed_fields(desired, mirror)
        if changed:
            return _step("upsert", desired, merge_fields=changed)
    return _tags(desired, mirror)


def changed_fields(desired: Desired, mirror: Mirror) -> dict[str, Any]:
    """The merge fields that differ from what Mailchimp has; all of them where that is not known for sure."""
    if not mirror.pushed_hash and not mirror.merge_fields:
        return dict(desired.merge_fields)
    return {
        tag: value for tag, value in desired.merge_fields.items() if mirror.merge_fields.get(tag) != value
    }


def _tags(desired: Desired, mirror: Mirror) -> Operation:
    wanted = {tag.casefold() for tag in desired.tags}
    there = {tag.casefold() for tag in mirror.tags}
    add = tuple(tag for tag in desired.tags if tag.casefold() not in there)
    remove = tuple(tag for tag in mirror.tags if tag.casefold() not in wanted)
    if not add and not remove:
        return Operation("nothing", desired.contact_id, pushed_hash=desired.hash)
    return _step("tags", desired, tags_add=add, tags_remove=remove)


def _step(kind: Kind, desired: Desired, *, member: str = "", **parts: Any) -> Operation:
    return Operation(
        kind,
        desired.contact_id,
        desired.email,
        member or desired.member_hash,
        desired.status_if_new,
        merge_fields=parts.pop("merge_fields", desired.merge_fields),
        tags=desired.tags,
        pushed_hash=desired.hash,
        trouble=unfit_trouble(desired.unfit),
        **parts,
    )


def unfit_trouble(unfit: tuple[str, ...]) -> Trouble | None:
    """What the admin is told of values that do not fit their merge field; the rest is sent without them."""
    if not unfit:
        return None
    return Trouble(
        "unfit_merge_field",
        f"The values for {', '.join(unfit)} do not fit those merge fields and were left out.",
        "Correct the value in the contact, or the field's type in the audience.",
    )
