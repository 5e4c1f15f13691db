"""What an answer of Mailchimp means for one contact: what the mirror learns, and how the change ends. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from app.audiences.mirror import MirrorWrite
from app.audiences.operation import Operation
from app.audiences.there import (
    managed_interests,
    managed_permissions,
    managed_tags,
    mapped_fields,
    opt_out_method,
)
from app.audiences.valve import REACHABLE_THERE, is_own_opt_out
from app.audiences.views import LEFT, STALE, AudienceView, Trouble
from integrations.mailchimp.answers import MemberState, subscriber_hash
from integrations.mailchimp.problems import PERMISSION_GONE, Classification

# done: nothing left. again: plan once more at once. retry: later, by kind. release: later, nobody's fault. park: given up.
Verdict = Literal["done", "again", "retry", "release", "park"]

# What a failed call's action (the gateway's table) makes of a change.
VERDICTS: Mapping[str, Verdict] = {
    "retry": "retry",
    "slow_down": "retry",
    "reread": "retry",
    "retry_tomorrow": "retry",
    "rekey": "retry",
    "gone": "retry",
    "pause": "release",
    "opt_out": "done",
    "hosted_form": "done",
    "reject_address": "done",
    "drop_fields": "done",
    "drop_permissions": "done",
    "done": "done",
    "give_up": "park",
}


# Refusals of what a member has, for which nobody may stay who is to be taken out: tried again, and given up in the admin's sight.
VALUE_REFUSED = frozenset({"drop_fields", "reject_address"})
# Refusals of an address; the member that was to move there is none the worse for it.
ADDRESS_REFUSED = frozenset({"opt_out", "hosted_form", "reject_address"})


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one operation ended. `opt_out`: the method, when Mailchimp told of an opt-out that we did not ask for,
    by whoever has `address` where no `state` names it.

    `theirs` are merge fields that somebody else filled or changed since the mirror was written, as the answer shows.
    """

    contact_id: int
    verdict: Verdict
    write: MirrorWrite | None = None
    is_forgotten: bool = False  # the mirror row goes
    trouble: Trouble | None = None
    kind: str = ""  # of the failure
    opt_out: str = ""
    state: MemberState | None = None
    theirs: Mapping[str, Any] = msgspec.field(default_factory=dict)
    is_first_reading: bool = False  # of a member whom the mirror did not know
    is_unasked: bool = False  # an `ask` that ended before anything was asked
    address: str = ""
    gone_permissions: tuple[str, ...] = ()  # that Mailchimp refused, and does not show


def from_member(
    operation: Operation,
    state: MemberState,
    audience: AudienceView,
    trouble: Trouble | None = None,
    *,
    has_permissions: bool = True,
) -> Outcome:
    """An accepted write, with the member as Mailchimp now has it.

    `has_permissions` False: a batch, which takes no marketing permissions; they follow by a call of their own.
    """
    tags = managed_tags(state, audience)
    is_setting = operation.kind == "set_status"
    is_ours = is_setting and not is_own_opt_out(state.unsubscribe_reason)
    fields = mapped_fields(state, audience)
    write = MirrorWrite(
        operation.contact_id,
        state.email or operation.email,
        state.member_hash,
        state.status,
        fields,
        tags,
        LEFT if is_ours else operation.pushed_hash,
        state.contact_id,
        state.changed_at,
        trouble or operation.trouble,
        interests=_interests(operation, state, audience),
        marketing_permissions=_permissions(operation, state, audience, has_permissions=has_permissions),
        theirs_changed=dict.fromkeys(operation.merge_fields),
        reason=operation.reason,
    )
    # What was known before is in the ledger with its own time; our write's time would make it newer than it is. Whoever
    # turns out to have gone by themselves before our write is news.
    is_news = not is_ours and state.status != operation.was
    opt_out = opt_out_method(state) if is_news else ""
    # Anybody found out of the audience is planned once more, which notes the reason without a call.
    is_whole = (
        (operation.tags == tags or has_same_tags(operation.tags, tags))
        and operation.pushed_hash not in {"", STALE}
        and state.status in REACHABLE_THERE
        and (has_permissions or not operation.permissions)
    )
    return Outcome(
        operation.contact_id,
        "done" if is_setting or is_whole else "again",
        write,
        opt_out=opt_out,
        state=state,
        theirs=_changed_by_others(operation, fields),
        is_first_reading=operation.is_new,
    )


def from_unpermitted(
    operation: Operation, state: MemberState, audience: AudienceView, trouble: Trouble | None
) -> Outcome:
    """An accepted write whose permissions had been refused, and were left out of it.

    A member's answer names every permission there is: what it does not name is gone. Where it names them all nobody
    knows which was refused, so that nobody is planned once more for it: that would be refused again.
    """
    gone = tuple(one for one in operation.permissions if one not in state.marketing_permissions)
    why = trouble or (None if gone else Trouble(PERMISSION_GONE.kind, PERMISSION_GONE.sentence))
    found = from_member(operation, state, audience, why, has_permissions=False)
    is_again = gone or state.status not in REACHABLE_THERE
    return replace(found, verdict="again" if is_again else "done", gone_permissions=gone)


def has_same_tags(wanted: tuple[str, ...], there: tuple[str, ...]) -> bool:
    """Whatever their case and order."""
    return {tag.casefold() for tag in wanted} == {tag.casefold() for tag in there}


def _interests(operation: Operation, state: MemberState, audience: AudienceView) -> dict[str, bool]:
    if not audience.interests:
        return {}
    return {**operation.interests, **managed_interests(state, audience)}


def _changed_by_others(operation: Operation, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    known, sent = operation.known, operation.merge_fields
    if operation.is_new:
        return {tag: value for tag, value in fields.items() if value != "" and tag not in sent}
    if not known:
        return {}
    return {tag: value for tag, value in fields.items() if tag not in sent and known.get(tag, value) != value}


def _permissions(
    operation: Operation, state: MemberState, audience: AudienceView, *, has_permissions: bool
) -> dict[str, bool]:
    if not audience.marketing_permissions:
        return {}
    sent = dict(operation.permissions) if has_permissions else {}
    there = managed_permissions(state, audience)
    # What is not given there and not of our doing was perhaps taken away: that stays for a reading to tell.
    told = {one: is_given for one, is_given in there.items() if is_given or one in sent or operation.is_new}
    return {**sent, **told}


def from_tags(operation: Operation) -> Outcome:
    """Tags were set. The endpoint answers nothing and shows them late, so the mirror takes what was asked."""
    write = MirrorWrite(
        operation.contact_id,
        operation.email,
        operation.member,
        tags=operation.tags,
        pushed_hash=operation.pushed_hash,
        trouble=operation.trouble,
    )
    return Outcome(operation.contact_id, "done", write)


def from_archive(operation: Operation, *, is_archived: bool, is_ours: bool = True) -> Outcome:
    """Out of the audience. Where Mailchimp refused (pending, cleaned, archived before) the status stays as known.

    `is_ours` False: something else may have happened to the member, so that Muster does not take it in again.
    """
    status = "archived" if is_archived else None
    write = MirrorWrite(
        operation.contact_id,
        operation.email,
        operation.member,
        status,
        pushed_hash=LEFT if is_ours else "",
        reason=operation.reason,
    )
    return Outcome(operation.contact_id, "done", write)


def from_erasure(operation: Operation) -> Outcome:
    """Deleted for good. Of an erased person nothing stays; of a contact whom the audience's policy deleted, that it was."""
    if operation.status != "forgotten":
        return Outcome(operation.contact_id, "done", is_forgotten=True)
    write = MirrorWrite(
        operation.contact_id,
        operation.email,
        operation.member,
        "forgotten",
        tags=(),
        pushed_hash=LEFT,
        reason=operation.reason,
    )
    return Outcome(operation.contact_id, "done", write)


def from_problem(operation: Operation, problem: Classification, audience: AudienceView) -> Outcome:
    """A refused or failed operation, by the gateway's table."""
    verdict = VERDICTS.get(problem.action, "retry")
    needs_form = problem.action in {"opt_out", "hosted_form"}
    trouble = Trouble(problem.kind, problem.sentence, audience.form_hint if needs_form else "")
    if problem.action == "gone":
        return _gone(operation, trouble)
    if operation.kind == "change_email" and problem.action in ADDRESS_REFUSED:
        return _stayed(operation, problem, trouble)
    if operation.kind == "set_status" and problem.action in VALUE_REFUSED:
        return Outcome(operation.contact_id, "retry", trouble=trouble, kind=problem.kind)
    if problem.action == "opt_out":
        return _held_out(operation, trouble)
    write = None
    if verdict in {"done", "park"}:
        status = "forgotten" if problem.action == "hosted_form" else None
        write = MirrorWrite(
            operation.contact_id, operation.email, operation.member, status, trouble=trouble, is_failed=True
        )
    return Outcome(operation.contact_id, verdict, write, trouble=trouble, kind=problem.kind)


def _stayed(operation: Operation, problem: Classification, trouble: Trouble) -> Outcome:
    """The member could not move to another address, and is what it was at the one it has."""
    write = MirrorWrite(
        operation.contact_id,
        "",
        operation.member,
        trouble=trouble,
        is_failed=True,
        refused_hash=subscriber_hash(operation.email),
    )
    opt_out = "compliance" if problem.action == "opt_out" else ""
    return Outcome(
        operation.contact_id,
        "done",
        write,
        trouble=trouble,
        kind=problem.kind,
        opt_out=opt_out,
        address=operation.email,
    )


def _held_out(operation: Operation, trouble: Trouble) -> Outcome:
    """A compliance state: Mailchimp holds the person's own opt-out, or a complaint, of a time unknown.

    The ledger decides whether it is news. Where consent stands that the person confirmed, planning looks once more:
    it may ask by `pending`, once. If `pending` itself was refused, only the form is left.
    """
    write = MirrorWrite(
        operation.contact_id,
        operation.email,
        operation.member,
        "unsubscribed",
        pushed_hash="",
        trouble=trouble,
        is_failed=True,
    )
    if operation.kind == "ask":
        return Outcome(operation.contact_id, "done", write, trouble=trouble, kind=trouble.code)
    verdict: Verdict = "again" if operation.evidence_id is not None else "done"
    return Outcome(
        operation.contact_id, verdict, write, trouble=trouble, kind=trouble.code, opt_out="compliance"
    )


def _gone(operation: Operation, trouble: Trouble) -> Outcome:
    """Mailchimp does not know the member: nothing to take out, or to be made anew by the next plan."""
    if operation.kind == "erase":
        return from_erasure(operation)
    if operation.kind == "archive":
        return Outcome(operation.contact_id, "done", is_forgotten=True)
    if operation.kind in {
        "upsert",
        "set_status",
    }:  # both make the member, so it is the audience that is not there
        return Outcome(operation.contact_id, "retry", trouble=trouble, kind=trouble.code)
    write = MirrorWrite(operation.contact_id, operation.email, status="", tags=(), pushed_hash="")
    return Outcome(operation.contact_id, "retry", write, trouble=trouble, kind=trouble.code)


def cannot_sync(operation: Operation) -> Outcome:
    """A person who cannot be written, with the reason kept beside the mirror."""
    write = MirrorWrite(
        operation.contact_id, operation.email, operation.member, trouble=operation.trouble, is_failed=True
    )
    return Outcome(operation.contact_id, "done", write, trouble=operation.trouble)
