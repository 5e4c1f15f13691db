"""Sending planned operations: network only. Operations in, one outcome for each out; no database."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.audiences.bodies import bad_fields_trouble, member_body, without_fields
from app.audiences.operation import Operation
from app.audiences.outcome import (
    Outcome,
    from_member,
    from_problem,
)
from app.audiences.send_single import send_single, whole_tags
from app.audiences.views import AudienceView, Trouble
from integrations.mailchimp.answers import BatchError, MemberState, subscriber_hash
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import (
    BAD_MERGE_FIELD,
    UNKNOWN_OUTCOME,
    Classification,
    MailchimpProblem,
)


def send_job(gateway: Gateway, audience: AudienceView, operations: Sequence[Operation]) -> list[Outcome]:
    """Carry out one job; failures are outcomes too."""
    if len(operations) == 1:
        return [send_single(gateway, audience, operations[0])]
    return _send_bulk(gateway, audience, operations)


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
