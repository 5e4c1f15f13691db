"""Sending an operation by itself: network only. An operation in, its outcome out; no database."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from app.audiences.bodies import bad_fields_trouble, member_body, without_fields
from app.audiences.operation import Operation
from app.audiences.outcome import (
    Outcome,
    from_archive,
    from_erasure,
    from_member,
    from_problem,
    from_tags,
    from_unpermitted,
)
from app.audiences.there import OPT_OUT_METHODS
from app.audiences.valve import is_own_opt_out, return_status
from app.audiences.views import AudienceView
from integrations.mailchimp.answers import MemberState, subscriber_hash
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import (
    BAD_MERGE_FIELD,
    COMPLIANCE,
    MEMBER_EXISTS,
    MOVE_REFUSED,
    PERMISSION_GONE,
    Classification,
    MailchimpProblem,
)

ARCHIVED_AT_NEW_ADDRESS = Classification(
    "archived_there",
    "reject_address",
    "Somebody archived the member at the new address. Take it in again at Mailchimp, or delete it there; until then mail goes to the old one.",
)
PATCHED = ("email_address", "merge_fields", "interests", "marketing_permissions")


def send_single(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    try:
        return SINGLES[operation.kind](gateway, audience, operation)
    except MailchimpProblem as problem:
        return from_problem(operation, problem.classification, audience)


def _put(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    if operation.status:
        there = gateway.find_member(audience.list_id, operation.member)
        # Somebody else took them in, or out, since, or out anew: what is there now decides, not a status of ours.
        if there is not None and _is_changed(operation, there):
            return from_member(replace(operation, pushed_hash="", merge_fields={}, was=""), there, audience)
    try:
        return _without_refused(
            operation,
            gateway,
            audience,
            lambda body: gateway.put_member(
                audience.list_id, operation.member, body, skip_merge_validation=True
            ),
        )
    except MailchimpProblem as problem:
        if problem.kind not in {MEMBER_EXISTS.kind, MOVE_REFUSED.kind} or operation.status:
            raise
    return _put_by_address(gateway, audience, operation)


def _is_changed(operation: Operation, there: MemberState) -> bool:
    """Whether the member is not as it was when it was decided to take it in again."""
    is_anew = there.status in OPT_OUT_METHODS and (
        there.changed_at != operation.seen_at or is_own_opt_out(there.unsubscribe_reason)
    )
    return is_anew or there.status != (operation.was or "archived")


def _put_by_address(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """Very old members have the hash of an address that was not lower-cased, at which a PUT finds nobody.

    Nor can the spelling of an address be changed where Mailchimp takes that for another one.
    """
    there = gateway.get_member(audience.list_id, operation.email)
    return _without_refused(
        operation,
        gateway,
        audience,
        lambda body: replace(
            gateway.patch_member(
                audience.list_id,
                there.contact_id or there.member_hash,
                {name: value for name, value in body.items() if name in PATCHED and name != "email_address"},
                skip_merge_validation=True,
            ),
            member_hash=operation.member,
        ),
    )


def _ask(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """Once for new consent of somebody whom Mailchimp holds out: read, then send what may bring them back."""
    read = replace(operation, pushed_hash="", status="")
    try:
        there = gateway.get_member(audience.list_id, operation.member)
    except MailchimpProblem as problem:
        return replace(from_problem(operation, problem.classification, audience), is_unasked=True)
    # Out they are, but perhaps anew since we looked: then that is learned first.
    if there.status != "unsubscribed" or there.changed_at != operation.seen_at:
        return replace(from_member(read, there, audience), is_unasked=True)
    status = return_status(there.unsubscribe_reason, is_double_opt_in=operation.is_double_opt_in)
    try:
        state = _set_status(gateway, audience, operation, status)
    except MailchimpProblem as problem:
        if problem.kind != COMPLIANCE.kind or status == "pending":
            raise
        state = _set_status(gateway, audience, operation, "pending")
    return from_member(read, state, audience)


def _set_status(gateway: Gateway, audience: AudienceView, operation: Operation, status: str) -> MemberState:
    """Whatever is wrong with the values that the member has, nobody is kept in or out for it."""
    return gateway.patch_member(
        audience.list_id, operation.member, {"status": status}, skip_merge_validation=True
    )


def _change_email(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """The member keeps its id, tags and status under the new address, but for whoever opted out since.

    What they said, they said of the address that they have there: it is learned of that one, which stays. Whom Mailchimp
    does not let go (unsubscribed, never confirmed) stays behind, and the new address is made a member of its own.
    """
    there = gateway.get_member(audience.list_id, operation.member)
    if there.status in OPT_OUT_METHODS and there.status != operation.was:
        return from_member(replace(operation, pushed_hash="", merge_fields={}), there, audience)
    try:
        return _without_refused(
            operation,
            gateway,
            audience,
            lambda body: gateway.patch_member(
                audience.list_id,
                operation.member,
                {name: value for name, value in body.items() if name in PATCHED},
                skip_merge_validation=True,
            ),
        )
    except MailchimpProblem as problem:
        if problem.kind == MOVE_REFUSED.kind:
            return _make_there(gateway, audience, operation)
        if problem.kind != MEMBER_EXISTS.kind:
            raise
    return _join_existing(gateway, audience, operation)


def _make_there(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    body = {"email_address": operation.email, "status_if_new": operation.status_if_new}
    member = subscriber_hash(operation.email)
    state = gateway.put_member(audience.list_id, member, body, skip_merge_validation=True)
    return from_member(_unwritten(operation), whole_tags(gateway, audience, state), audience)


def _unwritten(operation: Operation) -> Operation:
    """For a member to whom nothing was written yet: what it lacks is the next plan's."""
    return replace(operation, pushed_hash="", merge_fields={}, known={}, interests={}, permissions={})


def _join_existing(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """The new address is a member already: that one is theirs from now on, the old one leaves. Nobody's status changes.

    The old one stays where somebody else has its address by now and wants mail there: that one takes it over.
    Where somebody archived it, the member stays at the old address: else nobody would be left to be mailed.
    """
    state = whole_tags(gateway, audience, gateway.get_member(audience.list_id, operation.email))
    if state.status == "archived":
        return from_problem(operation, ARCHIVED_AT_NEW_ADDRESS, audience)
    if not operation.is_wanted:
        gateway.archive_member(audience.list_id, operation.member)
    return from_member(_unwritten(operation), state, audience)


def _without_refused(
    operation: Operation,
    gateway: Gateway,
    audience: AudienceView,
    send: Callable[[dict[str, Any]], MemberState],
) -> Outcome:
    """Send; what Mailchimp refuses of it is left out, and the rest sent once more.

    Of merge fields those that it names (all, if it names none), of permissions all: the answer shows which are gone.
    """
    if audience.gone_permissions:  # some perhaps since this was planned
        operation = replace(operation, permissions=audience.without_gone(operation.permissions))
    body, bad = member_body(operation), None
    while True:
        try:
            state = whole_tags(gateway, audience, send(body))
            break
        except MailchimpProblem as problem:
            if problem.kind == BAD_MERGE_FIELD.kind and bad is None:
                bad = [error.field for error in problem.errors if error.field in operation.merge_fields]
                body = without_fields(body, bad)
            elif problem.kind == PERMISSION_GONE.kind and "marketing_permissions" in body:
                body = {name: value for name, value in body.items() if name != "marketing_permissions"}
            else:
                raise
    trouble = None if bad is None else bad_fields_trouble(bad)
    if "marketing_permissions" in body or not operation.permissions:
        return from_member(operation, state, audience, trouble)
    return from_unpermitted(operation, state, audience, trouble)


def whole_tags(gateway: Gateway, audience: AudienceView, state: MemberState) -> MemberState:
    """With all its tags: a member is shown with its first 50, among which a managed one may not be."""
    if state.tag_count <= len(state.tags) or not audience.managed_tags:
        return state
    tags = gateway.list_member_tags(audience.list_id, state.member_hash)
    return replace(state, tags=tuple(tag.name for tag in tags))


def _unsubscribe(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """By PATCH, which needs a member; where one may exist unknown to us, by PUT, which leaves no gap for a late writer."""
    if not operation.is_new:
        try:
            state = _set_status(gateway, audience, operation, operation.status)
            return from_member(operation, state, audience)
        except MailchimpProblem as problem:
            if problem.kind != "not_found":
                raise
    body = {
        "email_address": operation.email,
        "status_if_new": operation.status_if_new,
        "status": operation.status,
    }
    state = gateway.put_member(
        audience.list_id, subscriber_hash(operation.email), body, skip_merge_validation=True
    )
    return from_member(operation, state, audience)


def _archive(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """Out of sight, where nobody could read an opt-out any more: one that we have not heard of is learned instead."""
    there = gateway.get_member(audience.list_id, operation.member)
    if there.status in OPT_OUT_METHODS:
        return from_member(replace(operation, pushed_hash="", merge_fields={}), there, audience)
    if (
        there.status == "archived"
    ):  # by staff, or by a call of ours whose answer was lost: then nobody takes them in unasked
        return from_archive(operation, is_archived=True, is_ours=False)
    is_archived = gateway.archive_member(audience.list_id, operation.member)
    # Nobody pending is archived: whoever was has confirmed or gone since we looked, and which of it nobody can read any more.
    is_as_seen = not is_archived or there.status != "pending"
    return from_archive(operation, is_archived=is_archived, is_ours=is_as_seen)


def _erase(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    gateway.delete_member_permanently(audience.list_id, operation.member)
    return from_erasure(operation)


def _tag(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    gateway.update_tags(audience.list_id, operation.member, operation.tags_add, operation.tags_remove)
    return from_tags(operation)


SINGLES: Mapping[str, Callable[[Gateway, AudienceView, Operation], Outcome]] = {
    "upsert": _put,
    "ask": _ask,
    "change_email": _change_email,
    "set_status": _unsubscribe,
    "archive": _archive,
    "erase": _erase,
    "tags": _tag,
}
