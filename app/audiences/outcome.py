"""What an answer of Mailchimp means for one contact: what the mirror learns, and how the change ends. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.audiences.mirror import MirrorWrite
from app.audiences.plan import Operation
from app.audiences.valve import REACHABLE_THERE
from app.audiences.views import LEFT, AudienceView, Trouble
from integrations.mailchimp.answers import MemberState
from integrations.mailchimp.problems import Classification

# done: nothing left. again: plan once more at once. retry: later, by kind. release: later, nobody's fault. park: given up.
Verdict = Literal["done", "again", "retry", "release", "park"]

OPT_OUT_METHODS: Mapping[str, str] = {"unsubscribed": "unsubscribe", "cleaned": "cleaned"}
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
    "done": "done",
    "give_up": "park",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one operation ended. `opt_out`: the method, when Mailchimp told of an opt-out that we did not ask for."""

    contact_id: int
    verdict: Verdict
    write: MirrorWrite | None = None
    is_forgotten: bool = False  # the mirror row goes
    trouble: Trouble | None = None
    kind: str = ""  # of the failure
    opt_out: str = ""
    state: MemberState | None = None


def from_member(
    operation: Operation, state: MemberState, audience: AudienceView, trouble: Trouble | None = None
) -> Outcome:
    """An accepted write, with the member as Mailchimp now has it."""
    tags = managed_tags(state, audience)
    is_ours = operation.kind == "set_status"
    write = MirrorWrite(
        operation.contact_id,
        state.email or operation.email,
        state.member_hash,
        state.status,
        mapped_fields(state, audience),
        tags,
        LEFT if is_ours else operation.pushed_hash,
        state.contact_id,
        state.changed_at,
        trouble or operation.trouble,
    )
    has_tags = {tag.casefold() for tag in operation.tags} == {tag.casefold() for tag in tags}
    opt_out = "" if is_ours else OPT_OUT_METHODS.get(state.status, "")
    # Anybody found out of the audience is planned once more, which notes the reason without a call.
    is_whole = has_tags and bool(operation.pushed_hash) and state.status in REACHABLE_THERE
    return Outcome(
        operation.contact_id, "done" if is_ours or is_whole else "again", write, opt_out=opt_out, state=state
    )


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


def from_archive(operation: Operation, *, is_archived: bool) -> Outcome:
    """Out of the audience. Where Mailchimp refused (pending, cleaned, archived before) the status stays as known."""
    status = "archived" if is_archived else None
    write = MirrorWrite(operation.contact_id, operation.email, operation.member, status, pushed_hash=LEFT)
    return Outcome(operation.contact_id, "done", write)


def from_problem(operation: Operation, problem: Classification, audience: AudienceView) -> Outcome:
    """A refused or failed operation, by the gateway's table."""
    verdict = VERDICTS.get(problem.action, "retry")
    hint = f"Send them the audience's own form: {audience.form_url}" if audience.form_url else ""
    needs_form = problem.action in {"opt_out", "hosted_form"}
    trouble = Trouble(problem.kind, problem.sentence, hint if needs_form else "")
    if problem.action == "gone":
        return _gone(operation, trouble)
    write = None
    if verdict in {"done", "park"}:
        status = {"opt_out": "unsubscribed", "hosted_form": "forgotten"}.get(problem.action)
        write = MirrorWrite(
            operation.contact_id, operation.email, operation.member, status, trouble=trouble, is_failed=True
        )
    opt_out = "compliance" if problem.action == "opt_out" else ""
    return Outcome(operation.contact_id, verdict, write, trouble=trouble, kind=problem.kind, opt_out=opt_out)


def _gone(operation: Operation, trouble: Trouble) -> Outcome:
    """Mailchimp does not know the member: nothing to take out, or to be made anew by the next plan."""
    if operation.kind in {"archive", "erase"}:
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


def managed_tags(state: MemberState, audience: AudienceView) -> tuple[str, ...]:
    """The managed tags that a member has, in our spelling; staff's tags are left out of sight."""
    there = {tag.casefold() for tag in state.tags}
    return tuple(tag for tag in sorted(audience.managed_tags) if tag.casefold() in there)


def mapped_fields(state: MemberState, audience: AudienceView) -> dict[str, object]:
    """The merge fields that Muster fills, as Mailchimp has them."""
    return {tag: value for tag, value in state.merge_fields.items() if tag in audience.merge_fields}
