"""Planning: what one contact needs at Mailchimp, decided from the contact, its consent and the mirror. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.audiences.desire import NONE, Desired, Difference, desire, find_difference, for_new
from app.audiences.operation import LEAVING_ADDRESS, Kind, Operation
from app.audiences.troubles import find_trouble, unfit_trouble
from app.audiences.valve import (
    REACHABLE_THERE,
    SAFE_IF_NEW,
    Move,
    Remote,
    Standing,
    admitted_move,
    entry_status,
    must_unsubscribe,
)
from app.audiences.views import STALE, AudienceView, ContactView, Mirror

# Why somebody leaves, for the timeline.
NO_LONGER_FITS = "no longer fits the audience's rule"
NO_ADDRESS = "has no e-mail address any more"
MERGED = "was merged into another contact"
NO_CONSENT = "has no consent any more"
WITHDRAWN = "withdrew consent"
ADDRESS_WITHDRAWN = "somebody at the same address opted out"
ERASED = "was erased"


def plan_member(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    """The next step for this contact; `nothing` when Mailchimp has what it should have."""
    operation = _plan(contact, mirror, audience)
    if mirror is None or not mirror.is_refused_there or operation.kind in LEAVING_ADDRESS:
        return operation
    return _unsubscribe_behind(contact, mirror, audience, operation)


def _plan(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    if contact.state != "active":
        if contact.state == "erased":
            return _erase(contact, mirror)
        return _leave_merged(contact, mirror, audience)
    standing = contact.standing
    if standing.is_opted_out:
        return _opt_out(contact, mirror, audience)
    if not standing.is_admitted:
        return _leave(contact, mirror, audience, NO_CONSENT)
    if not contact.email:
        return _leave(contact, mirror, audience, NO_ADDRESS)
    if audience.entry.tests and not audience.entry.holds(contact.facts):
        return _leave(contact, mirror, audience, NO_LONGER_FITS)
    desired = desire(contact, mirror, audience)
    move = find_move(contact, mirror, audience, desired.member_hash)
    trouble = find_trouble(contact, mirror, audience, move)
    if trouble is not None:
        return Operation(
            "cannot_sync", contact.contact_id, desired.email, desired.member_hash, trouble=trouble
        )
    if move in {"make", "join"} or mirror is None:
        return _enter(desired, contact, mirror, audience, move)
    # Consent for a new address says nothing for the one that opted out: the member moves there first, and is asked there.
    if move == "ask" and mirror.member_hash == desired.member_hash:
        return _ask(desired, contact, mirror, audience)
    return _profile(desired, contact, mirror, audience)


def find_move(contact: ContactView, mirror: Mirror | None, audience: AudienceView, member_hash: str) -> Move:
    """What the valve lets be done for somebody whose consent stands."""
    if mirror is None:
        return "make"
    if mirror.status == "subscribed":
        return "profile"
    remote = Remote(
        mirror.status,
        mirror.is_taken_out_by_us,
        mirror.asked_evidence_id,
        mirror.member_hash == member_hash,
    )
    return admitted_move(contact.standing, remote, audience.on_return)


def _erase(contact: ContactView, mirror: Mirror | None) -> Operation:
    if mirror is None or not mirror.member_hash:
        return Operation("nothing", contact.contact_id)
    return Operation("erase", contact.contact_id, mirror.email, mirror.member_hash, reason=ERASED)


def _opt_out(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    if mirror is None or not must_unsubscribe(
        contact.standing, mirror.status, is_uncertain=mirror.is_uncertain
    ):
        return Operation("nothing", contact.contact_id)
    return Operation(
        "set_status",
        contact.contact_id,
        contact.email or mirror.email,
        mirror.member_hash,
        SAFE_IF_NEW,
        "unsubscribed",
        is_new=mirror.is_uncertain,
        evidence_id=_asked_in_vain(contact, mirror, audience),
        reason=WITHDRAWN if contact.standing.ledger == "withdrawn" else ADDRESS_WITHDRAWN,
    )


def _asked_in_vain(contact: ContactView, mirror: Mirror, audience: AudienceView) -> int | None:
    """The consent about which a member is asked while Muster takes it out: no reason to ask once more."""
    is_asked = mirror.status == "pending" or (mirror.is_uncertain and audience.is_double_opt_in)
    return contact.standing.evidence_id if is_asked else None


def _unsubscribe_behind(
    contact: ContactView, mirror: Mirror, audience: AudienceView, operation: Operation
) -> Operation:
    """The member cannot follow to the new address, and whoever has the old one by now wants no mail there."""
    if not must_unsubscribe(Standing("withdrawn"), mirror.status, is_uncertain=mirror.is_uncertain):
        return operation
    return Operation(
        "set_status",
        contact.contact_id,
        mirror.email,
        mirror.member_hash,
        SAFE_IF_NEW,
        "unsubscribed",
        is_new=mirror.is_uncertain,
        trouble=operation.trouble,
        evidence_id=_asked_in_vain(contact, mirror, audience),
        reason=ADDRESS_WITHDRAWN,
    )


def _leave(contact: ContactView, mirror: Mirror | None, audience: AudienceView, reason: str) -> Operation:
    """Out by the audience's policy, and only somebody whom Muster put there.

    A contact merged into another never stays behind: nobody would carry its later opt-out there.
    """
    policy = (
        "archive" if contact.state != "active" and audience.on_leave != "unsubscribe" else audience.on_leave
    )
    is_ours = mirror is not None and (bool(mirror.pushed_hash) or mirror.is_uncertain)
    is_there = mirror is not None and (mirror.status in REACHABLE_THERE or mirror.is_uncertain)
    if mirror is None or not is_ours or not is_there or mirror.is_taken_out_by_us or policy == "keep":
        return Operation("nothing", contact.contact_id)
    if mirror.heir_id is not None:  # whose member it is from now on
        return Operation("nothing", contact.contact_id)
    kind, status = LEAVING[policy]
    return Operation(
        kind,
        contact.contact_id,
        mirror.email,
        mirror.member_hash,
        SAFE_IF_NEW,
        status,
        evidence_id=_asked_in_vain(contact, mirror, audience),
        reason=reason,
    )


def _leave_merged(contact: ContactView, mirror: Mirror | None, audience: AudienceView) -> Operation:
    """What Muster never wrote it does not archive; an opt-out of whom they were merged into counts there too.

    So it does where Mailchimp would not archive the member, who may confirm yet.
    """
    if contact.standing.is_opted_out and mirror is not None:
        is_left_behind = mirror.is_taken_out_by_us and mirror.status in REACHABLE_THERE
        if is_left_behind or not mirror.pushed_hash:
            return _opt_out(contact, mirror, audience)
    return _leave(contact, mirror, audience, MERGED)


LEAVING: Mapping[str, tuple[Kind, str]] = {
    "archive": ("archive", ""),
    "unsubscribe": ("set_status", "unsubscribed"),
    "delete": ("erase", "forgotten"),
}


def _enter(
    desired: Desired, contact: ContactView, mirror: Mirror | None, audience: AudienceView, move: Move
) -> Operation:
    """Somebody who is to be made a member, or taken in again."""
    if mirror is not None and mirror.is_uncertain and mirror.member_hash != desired.member_hash:
        return _step("change_email", desired, for_new(desired, audience), member=mirror.member_hash)
    # Mailchimp ignores status_if_new for a member it has (recorded answers), so coming back is a status.
    again = entry_status(is_double_opt_in=audience.is_double_opt_in) if move == "join" else ""
    return _step(
        "upsert",
        desired,
        for_new(desired, audience),
        is_new=True,
        status=again,
        was=mirror.status if mirror is not None else "",
        evidence_id=contact.standing.evidence_id if contact.standing.is_confirmed else None,
        seen_at=mirror.last_changed if mirror is not None else None,
    )


def _ask(desired: Desired, contact: ContactView, mirror: Mirror, audience: AudienceView) -> Operation:
    return Operation(
        "ask",
        contact.contact_id,
        desired.email,
        mirror.member_hash,
        SAFE_IF_NEW,
        "pending",
        evidence_id=contact.standing.evidence_id,
        is_double_opt_in=audience.is_double_opt_in,
        known=mirror.merge_fields,
        seen_at=mirror.last_changed,
    )


def _profile(desired: Desired, contact: ContactView, mirror: Mirror, audience: AudienceView) -> Operation:
    difference = find_difference(desired, contact, mirror, audience)
    if mirror.member_hash != desired.member_hash:
        return _step(
            "change_email",
            desired,
            difference,
            member=mirror.member_hash,
            was=mirror.status,
            known=mirror.merge_fields,
            is_wanted=mirror.heir_id is not None,
        )
    if difference.is_profile or difference.permissions:
        return _step("upsert", desired, difference, known=mirror.merge_fields, was=mirror.status)
    return _tags(desired, mirror, "" if difference.is_held else desired.hash)


def _tags(desired: Desired, mirror: Mirror, pushed_hash: str) -> Operation:
    if desired.tags == mirror.tags:
        return Operation("nothing", desired.contact_id, pushed_hash=pushed_hash)
    wanted = {tag.casefold() for tag in desired.tags}
    there = {tag.casefold() for tag in mirror.tags}
    add = tuple(tag for tag in desired.tags if tag.casefold() not in there)
    remove = tuple(tag for tag in mirror.tags if tag.casefold() not in wanted)
    if not add and not remove:
        return Operation("nothing", desired.contact_id, pushed_hash=pushed_hash)
    return _step("tags", desired, Difference(is_held=not pushed_hash), tags_add=add, tags_remove=remove)


def _step(
    kind: Kind,
    desired: Desired,
    difference: Difference,
    *,
    member: str = "",
    status: str = "",
    was: str = "",
    tags_add: tuple[str, ...] = (),
    tags_remove: tuple[str, ...] = (),
    known: Mapping[str, Any] = NONE,
    evidence_id: int | None = None,
    seen_at: datetime | None = None,
    is_new: bool = False,
    is_wanted: bool = False,
) -> Operation:
    return Operation(
        kind,
        desired.contact_id,
        desired.email,
        member or desired.member_hash,
        desired.status_if_new,
        status,
        difference.merge_fields,
        desired.tags,
        tags_add,
        tags_remove,
        STALE if difference.is_held else desired.hash,
        is_new,
        unfit_trouble(desired.unfit) if desired.unfit else None,
        difference.interests,
        difference.permissions,
        known,
        evidence_id,
        was=was,
        seen_at=seen_at,
        is_wanted=is_wanted,
    )
