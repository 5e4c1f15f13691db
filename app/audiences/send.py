"""Sending planned operations: network only. Operations in, one outcome for each out; no database."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.audiences.outcome import (
    OPT_OUT_METHODS,
    Outcome,
    from_archive,
    from_erasure,
    from_member,
    from_problem,
    from_tags,
)
from app.audiences.plan import Operation
from app.audiences.valve import is_own_opt_out, return_status
from app.audiences.views import AudienceView, Trouble
from integrations.mailchimp.answers import BatchError, MemberState, subscriber_hash
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import (
    BAD_MERGE_FIELD,
    COMPLIANCE,
    UNKNOWN_OUTCOME,
    Classification,
    MailchimpProblem,
)

PATCHED = ("email_address", "merge_fields", "interests", "marketing_permissions")


def send_job(gateway: Gateway, audience: AudienceView, operations: Sequence[Operation]) -> list[Outcome]:
    """Carry out one job; failures are outcomes too."""
    if len(operations) == 1:
        return [_send_single(gateway, audience, operations[0])]
    return _send_bulk(gateway, audience, operations)


# One by one


def _send_single(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
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
        return _without_bad_fields(
            operation,
            gateway,
            audience,
            lambda body: gateway.put_member(
                audience.list_id, operation.member, body, skip_merge_validation=True
            ),
        )
    except MailchimpProblem as problem:
        if problem.kind != "member_exists" or operation.status:
            raise
    return _put_by_address(gateway, audience, operation)


def _is_changed(operation: Operation, there: MemberState) -> bool:
    """Whether the member is not as it was when it was decided to take it in again."""
    is_anew = there.status in OPT_OUT_METHODS and (
        there.changed_at != operation.seen_at or is_own_opt_out(there.unsubscribe_reason)
    )
    return is_anew or there.status != (operation.was or "archived")


def _put_by_address(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """Very old members have the hash of an address that was not lower-cased, at which a PUT finds nobody."""
    there = gateway.get_member(audience.list_id, operation.email)
    return _without_bad_fields(
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

    What they said, they said of the address that they have there: it is learned of that one, which stays.
    """
    there = gateway.get_member(audience.list_id, operation.member)
    if there.status in OPT_OUT_METHODS and there.status != operation.was:
        return from_member(replace(operation, pushed_hash="", merge_fields={}), there, audience)
    try:
        return _without_bad_fields(
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
        if problem.kind != "member_exists":
            raise
    return _join_existing(gateway, audience, operation)


def _join_existing(gateway: Gateway, audience: AudienceView, operation: Operation) -> Outcome:
    """The new address is a member already: that one is theirs from now on, the old one leaves. Nobody's status changes."""
    state = whole_tags(gateway, audience, gateway.get_member(audience.list_id, operation.email))
    gateway.archive_member(audience.list_id, operation.member)
    # Nothing was written to it: what it lacks is the next plan's.
    return from_member(
        replace(operation, pushed_hash="", merge_fields={}, known={}, interests={}, permissions={}),
        state,
        audience,
    )


def _without_bad_fields(
    operation: Operation,
    gateway: Gateway,
    audience: AudienceView,
    send: Callable[[dict[str, Any]], MemberState],
) -> Outcome:
    """Send; when Mailchimp refuses merge fields, send once more without those it names (all, if it names none)."""
    body = member_body(operation)
    try:
        return from_member(operation, whole_tags(gateway, audience, send(body)), audience)
    except MailchimpProblem as problem:
        if problem.classification is not BAD_MERGE_FIELD and problem.kind != BAD_MERGE_FIELD.kind:
            raise
        bad = [error.field for error in problem.errors if error.field in operation.merge_fields]
    state = whole_tags(gateway, audience, send(without_fields(body, bad)))
    return from_member(operation, state, audience, bad_fields_trouble(bad))


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
    return from_archive(operation, is_archived=gateway.archive_member(audience.list_id, operation.member))


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


# Many at once


def _send_bulk(gateway: Gateway, audience: AudienceView, operations: Sequence[Operation]) -> list[Outcome]:
    """POST /lists/{id}; a call that is refused as a whole for its content is halved until the culprit stands alone."""
    bodies = {operation.member: member_body(operation, is_bulk=True) for operation in operations}
    try:
        outcomes, bad_fields = _post(gateway, audience, operations, bodies)
    except MailchimpProblem as problem:
        if problem.action not in {"give_up", "drop_fields"}:
            return [from_problem(operation, problem.classification, audience) for operation in operations]
        middle = len(operations) // 2
        halves = (operations[:middle], operations[middle:])
        return [outcome for half in halves for outcome in send_job(gateway, audience, half)]
    return outcomes + _resend(gateway, audience, operations, bodies, bad_fields)


def _post(
    gateway: Gateway,
    audience: AudienceView,
    operations: Sequence[Operation],
    bodies: Mapping[str, Mapping[str, Any]],
    troubles: Mapping[str, Trouble] | None = None,
) -> tuple[list[Outcome], dict[str, list[str]]]:
    """Outcomes of one call, and by member hash the fields to leave out of a second one."""
    answer = gateway.push_members(audience.list_id, list(bodies.values()), skip_merge_validation=True)
    # By the address: a very old member's id is the hash of one that was not lower-cased.
    states = {subscriber_hash(state.email): state for state in answer.members}
    errors: dict[str, list[BatchError]] = defaultdict(list)
    for error in answer.errors:
        errors[subscriber_hash(error.email)].append(error)
    outcomes, bad_fields = [], {}
    for operation in operations:
        key = operation.member
        if key not in bodies:
            continue
        if key in states:
            state = whole_tags(gateway, audience, _at(states[key], key))
            outcomes.append(
                from_member(operation, state, audience, (troubles or {}).get(key), has_permissions=False)
            )
        elif operation.merge_fields and any(error.kind == BAD_MERGE_FIELD.kind for error in errors[key]):
            bad_fields[key] = [error.field for error in errors[key]]
        else:
            outcomes.append(from_problem(operation, _worst(errors[key]), audience))
    return outcomes, bad_fields


def _at(state: MemberState, key: str) -> MemberState:
    return state if state.member_hash == key else replace(state, member_hash=key)


def _resend(
    gateway: Gateway,
    audience: AudienceView,
    operations: Sequence[Operation],
    bodies: Mapping[str, dict[str, Any]],
    bad_fields: Mapping[str, Sequence[str]],
) -> list[Outcome]:
    """Those with a bad merge field once more, without it; whoever is refused again, without any."""
    if not bad_fields:
        return []
    trimmed = {key: without_fields(bodies[key], fields) for key, fields in bad_fields.items()}
    again = [operation for operation in operations if operation.member in trimmed]
    troubles = {key: bad_fields_trouble(fields) for key, fields in bad_fields.items()}
    try:
        outcomes, still_bad = _post(gateway, audience, again, trimmed, troubles)
        if not still_bad:
            return outcomes
        rest = [operation for operation in again if operation.member in still_bad]
        bare = {key: {**trimmed[key], "merge_fields": {}} for key in still_bad}
        last, refused = _post(gateway, audience, rest, bare, troubles)
    except MailchimpProblem as problem:
        return [from_problem(operation, problem.classification, audience) for operation in again]
    kept = [one for one in rest if one.member in refused]
    return [*outcomes, *last, *(from_problem(one, BAD_MERGE_FIELD, audience) for one in kept)]


def _worst(errors: Sequence[BatchError]) -> Classification:
    """The first named reason; an address that the answer does not mention at all has an unknown outcome."""
    return errors[0].classification if errors else UNKNOWN_OUTCOME


def member_body(operation: Operation, *, is_bulk: bool = False) -> dict[str, Any]:
    """One member as PUT and the batch take it. `status` only where it was decided; in a batch no permissions."""
    body: dict[str, Any] = {"email_address": operation.email, "status_if_new": operation.status_if_new}
    if operation.status:
        body["status"] = operation.status
    if operation.kind != "set_status":
        body["merge_fields"] = dict(operation.merge_fields)
    if operation.interests:
        body["interests"] = dict(operation.interests)
    if operation.permissions and not is_bulk:
        body["marketing_permissions"] = [
            {"marketing_permission_id": one, "enabled": is_given}
            for one, is_given in operation.permissions.items()
        ]
    if operation.is_new and operation.tags:
        body["tags"] = list(operation.tags)
    return body


def without_fields(body: Mapping[str, Any], bad: Iterable[str]) -> dict[str, Any]:
    """The same body without these merge fields; without any where none of them is in it."""
    known = set(bad) & set(body["merge_fields"])
    kept = {tag: value for tag, value in body["merge_fields"].items() if known and tag not in known}
    return {**body, "merge_fields": kept}


def bad_fields_trouble(bad: Sequence[str]) -> Trouble:
    """What the admin is told of merge fields that were left out."""
    named = ", ".join(sorted(set(bad) - {""})) or "some"
    return Trouble(
        BAD_MERGE_FIELD.kind,
        f"Mailchimp refused the merge fields {named}; the rest was sent without them.",
        "Correct the value in the contact, or the field's type in the audience.",
    )
