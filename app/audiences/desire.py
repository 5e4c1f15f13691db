"""What an audience should know of a contact who belongs in it, and which of it is to be written. Pure.

Which side's value stands where both have one is the merge field's direction. Time decides only where a change of
theirs was seen between two readings (`Mirror.theirs_changed`): a member's `last_changed` says when anything of the
member changed, so it never makes a value newer that nobody touched.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from app.audiences.formats import fill_address, is_same_value
from app.audiences.valve import ADDRESS_HOLDS, status_if_new
from app.audiences.views import CAREFUL, HEIR, AudienceView, ContactView, Mirror
from app.contacts.consent import EVERY_PURPOSE
from integrations.mailchimp.answers import subscriber_hash

NONE: Mapping[str, bool] = {}


class Desired(msgspec.Struct, frozen=True, gc=False):
    """What an audience should know of a contact who belongs in it."""

    contact_id: int
    email: str
    member_hash: str
    status_if_new: str
    merge_fields: Mapping[str, Any]
    tags: tuple[str, ...]
    interests: Mapping[str, bool]
    permissions: Mapping[str, bool]
    hash: str  # of the profile; tags, interests and permissions are compared on their own
    unfit: tuple[str, ...] = ()


def desire(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Desired:
    """The state that an admitted contact should have in the audience."""
    values, unfit = audience.shape.values_and_unfit(contact.fields)
    if audience.contact_id_field:
        values[audience.contact_id_field] = own_id(contact, audience)
    email = contact.email
    member_hash = subscriber_hash(email)
    return Desired(
        contact.contact_id,
        email,
        member_hash,
        status_if_new(
            contact.standing, _status_held(mirror, member_hash), is_double_opt_in=audience.is_double_opt_in
        ),
        values,
        _tags(contact, audience),
        _interests(contact, audience) if audience.interest_rules else NONE,
        _permissions(contact, mirror, audience) if audience.marketing_permissions else NONE,
        hashlib.md5(f"{member_hash}{values}".encode(), usedforsecurity=False).hexdigest(),
        tuple(unfit),
    )


def _status_held(mirror: Mirror | None, member_hash: str) -> str:
    """What stands against a new member: an opt-out, and a hold on this very address."""
    if mirror is None or (mirror.status in ADDRESS_HOLDS and mirror.member_hash != member_hash):
        return ""
    return mirror.status


def own_id(contact: ContactView, audience: AudienceView) -> int | str:
    """Our contact id in the form of its merge field."""
    spec = audience.schema.get(audience.contact_id_field)
    return contact.contact_id if spec is not None and spec.type == "number" else str(contact.contact_id)


def _tags(contact: ContactView, audience: AudienceView) -> tuple[str, ...]:
    if not contact.tags or not audience.tag_order:
        return ()
    own = {tag.casefold() for tag in contact.tags}
    return tuple([tag for tag, folded in audience.tag_order if folded in own])


def _interests(contact: ContactView, audience: AudienceView) -> dict[str, bool]:
    own = {tag.strip().casefold() for tag in contact.tags}
    return {
        rule.interest_id: rule.tag in own
        if rule.tag
        else bool(_words(contact.fields.get(rule.field)) & rule.values)
        for rule in audience.interest_rules
    }


def _permissions(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> dict[str, bool]:
    """What the ledger says of each; of which it says nothing, that stays as it stands there.

    Of several who share an address the strictest counts. Whoever takes over a member permits nothing by it.
    """
    refused = frozenset(contact.refused)
    no = {*contact.withdrawn, *refused}
    is_all_told = EVERY_PURPOSE in no or (mirror is not None and mirror.pushed_hash == HEIR)
    return {
        one: purpose in contact.purposes and not refused & {purpose, EVERY_PURPOSE}
        for one, purpose in audience.marketing_permissions.items()
        if is_all_told or purpose in no or purpose in contact.purposes
    }


def _words(value: Any) -> frozenset[str]:
    many = value if isinstance(value, list) else [value]
    return frozenset("" if one is None else str(one).strip().casefold() for one in many)


class Difference(msgspec.Struct, frozen=True, gc=False):
    """What a member lacks of what is desired. `is_held`: something waits until the member was read."""

    merge_fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    interests: Mapping[str, bool] = msgspec.field(default_factory=dict)
    permissions: Mapping[str, bool] = msgspec.field(default_factory=dict)
    is_held: bool = False

    @property
    def is_profile(self) -> bool:
        return bool(self.merge_fields or self.interests)


NO_DIFFERENCE = Difference()


def for_new(desired: Desired, audience: AudienceView) -> Difference:
    """For somebody of whom nothing is known at Mailchimp. A permission that is not given is not mentioned."""
    values = desired.merge_fields
    is_held = not audience.is_read and not audience.careful_tags.isdisjoint(values)
    if is_held:
        values = {tag: value for tag, value in values.items() if tag not in audience.careful_tags}
    given = (
        {one: True for one, is_given in desired.permissions.items() if is_given}
        if desired.permissions
        else NONE
    )
    return Difference(values, desired.interests, given, is_held)


def find_difference(
    desired: Desired, contact: ContactView, mirror: Mirror, audience: AudienceView
) -> Difference:
    """For a member whom Mailchimp is known to have."""
    values, is_held = _fields(desired, contact, mirror, audience)
    if not desired.permissions and not desired.interests:
        return NO_DIFFERENCE if not values and not is_held else Difference(values, is_held=is_held)
    permissions = {
        one: is_given
        for one, is_given in desired.permissions.items()
        if mirror.marketing_permissions.get(one, False) is not is_given
    }
    interests = {
        one: is_set for one, is_set in desired.interests.items() if mirror.interests.get(one) is not is_set
    }
    return Difference(values, interests, permissions, is_held)


def _fields(
    desired: Desired, contact: ContactView, mirror: Mirror, audience: AudienceView
) -> tuple[Mapping[str, Any], bool]:
    """The merge fields to write, and whether some wait until the member was read.

    What was written and is unchanged is not written again, unless somebody undid it.
    """
    is_pushed = mirror.pushed_hash == desired.hash
    if is_pushed and not mirror.theirs_changed:
        return {}, False
    values: dict[str, Any] = {}
    is_held = False
    for tag, ours in desired.merge_fields.items():
        theirs, theirs_at = mirror.merge_fields.get(tag), mirror.theirs_changed.get(tag)
        value = fill_address(ours, theirs)
        if is_same_value(value, theirs) or (is_pushed and theirs_at is None):
            continue
        direction = _direction(audience, tag)
        if theirs is None and direction in CAREFUL:
            is_held = True
        elif stands_here(
            direction,
            theirs,
            theirs_at,
            partial(_changed_at, contact, audience, tag),
            is_written=bool(mirror.pushed_hash),
        ):
            values[tag] = value
    return values, is_held


def stands_here(
    direction: str,
    theirs: Any,
    theirs_at: str | None,
    ours_at: Callable[[], datetime | None],
    *,
    is_written: bool,
) -> bool:
    """Whether our value is written where theirs differs. `ours_at` is called only where time decides.

    `is_written`: we have written this member before, so that an untouched value there is one of ours.
    """
    is_touched = theirs_at is not None
    is_blank = theirs is None or theirs == ""
    if direction == "ours" or (is_blank and (not is_touched or direction == "never_blank")):
        return True
    if direction == "theirs":
        return False
    if direction == "review":
        return not is_touched and is_written
    return not is_touched or is_newer(ours_at(), theirs_at)


def is_newer(ours_at: datetime | None, theirs_at: str | datetime | None) -> bool:
    """Whether our value is the later one; one of unknown age is not.

    Mailchimp tells whole seconds. Within one second theirs is the later: it was found changed after ours was written.
    """
    if ours_at is None or theirs_at is None:
        return ours_at is not None
    moment = datetime.fromisoformat(theirs_at) if isinstance(theirs_at, str) else theirs_at
    return ours_at.replace(microsecond=0) > moment


def changed_at(provenance: Mapping[str, Any], names: tuple[str, ...]) -> datetime | None:
    """When the latest of these contact fields got its value; None where nobody knows."""
    times = [str(origin["occurred_at"]) for name in names if (origin := provenance.get(name))]
    return max(map(datetime.fromisoformat, times)) if times else None


def _changed_at(contact: ContactView, audience: AudienceView, tag: str) -> datetime | None:
    found = audience.outward.fields.get(tag)
    return changed_at(contact.provenance, found.inputs) if found else None


def _direction(audience: AudienceView, tag: str) -> str:
    found = audience.outward.fields.get(tag)
    return found.direction if found else "ours"  # our own contact id
