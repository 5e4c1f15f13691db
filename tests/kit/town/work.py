"""Muster's own work: pushing, reading, comparing; dying and being overtaken in the middle of it; faults and waiting."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from sqlalchemy import text

from app.audiences import push as push_module
from app.audiences import steer
from app.audiences.pull import pull_audience
from app.audiences.reconcile import run_reconcile
from app.audiences.send import send_job
from app.contacts.normalise import match_value
from app.core.errors import BusyError
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from tests.kit.town.acts import leave_there
from tests.kit.town.forms import write_form
from tests.kit.town.steps import LISTS, Step
from tests.kit.town.town import FRESH_ACCOUNTS, Town

FAULTS = ("reset_after", "reset_before", "429", "500", "503_html", "200_empty", "truncated", "403_html")
TIME_PASSES = text("""
    UPDATE changes SET next_attempt_at = now(), leased_until = CASE WHEN leased_until IS NULL THEN NULL ELSE now() END
""")
# What is undecided of the real API: Muster has to pass either way. Not `is_signup_time_renewed`: if staff's adding somebody gave
# them the time of a form, nobody could tell it from the person's own; in the recordings the API's does not.
UNDECIDED = (
    "are_archived_listed", "are_put_tags_applied_on_update", "is_webhook_sent_on_archive", "are_only_subscribed_moved",
)  # fmt: skip


class CrashError(Exception):
    """A process that died between Mailchimp's answer and its own commit."""


def _die(*_arguments: Any) -> Any:
    raise CrashError


def push(town: Town, step: Step) -> None:
    for list_id in _some_lists(town, step):
        push_list(town, list_id)


def _some_lists(town: Town, step: Step) -> Sequence[str]:
    return LISTS if step.number % 3 == 0 else (step.list_id,)


def push_list(town: Town, list_id: str) -> int:
    options = push_module.PushOptions(thread_count=2)
    audience_id = town.audience_ids[list_id]
    return push_module.push_audience(town.runtime.sessions, town.connections, audience_id, options).call_count


def crash(town: Town, step: Step) -> None:
    """The process dies after Mailchimp's answers and before its own commit."""
    with patch.object(push_module, "settle_outcomes", _die), suppress(CrashError):
        push(town, step)
    if step.number % 2:
        wait(town, step)


def race(town: Town, step: Step) -> None:
    """Something happens while the calls of a push are under way: just before they are sent, or just after."""
    send, is_first = send_job, [True]

    def interrupted(*arguments: Any) -> Any:
        outcomes = send(*arguments) if step.number % 2 else None
        if is_first.pop() if is_first else False:
            _meanwhile(town, step)
        return outcomes if outcomes is not None else send(*arguments)

    known = len(town.judge.opt_outs)
    with patch.object(push_module, "send_job", interrupted):
        push(town, step)
    for said in town.judge.opt_outs[known:]:
        said.number = town.number  # what was on its way already could not know
        if said.known_number is not None:
            said.known_number = town.number


def _meanwhile(town: Town, step: Step) -> None:
    if step.number % 4 < 2:
        write_form(town, Step("leave", step.person, step.place, 4), "forms", "withdrawn", is_confirmed=False)
    else:
        leave_there(town, step, "unsubscribe")


def pull(town: Town, step: Step) -> None:
    for list_id in _some_lists(town, step):
        pull_list(town, list_id, is_full=step.number % 5 == 0)


def pull_list(town: Town, list_id: str, *, is_full: bool = False) -> None:
    try:
        counts = pull_audience(
            town.runtime.sessions, town.connections, town.audience_ids[list_id], is_full=is_full
        )
    except MailchimpProblem:
        return
    if not counts.is_blocked:
        _read(town, list_id)


def _read(town: Town, list_id: str) -> None:
    """Whoever is seen out of the list is known to be out, if somebody here has the address: nothing is kept of others."""
    ours = {email for (email,) in town.select("SELECT match_value FROM identities WHERE kind = 'email'")}
    for one in town.simulator.world.audiences[list_id].members():
        if one.status in {"unsubscribed", "cleaned"} and match_value("email", one.email).value in ours:
            town.judge.learn(one.email, list_id, town.number)


def reconcile(town: Town, step: Step) -> None:
    try:
        run_reconcile(town.runtime.sessions, town.connections, town.audience_ids[step.list_id])
    except (MailchimpProblem, BusyError):
        return
    _read(town, step.list_id)


def fault(town: Town, step: Step) -> None:
    """The next calls go wrong."""
    kind = FAULTS[step.number % len(FAULTS)]
    method = ("", "PUT", "POST", "PATCH")[step.number % 4]
    town.simulator.world.faults.add(Rule(kind, method=method, times=1 + step.number % 3))


def mend(town: Town, _step: Step) -> None:
    town.simulator.world.faults.clear()


def turn_switches(town: Town, step: Step) -> None:
    """A history has one Mailchimp: nothing of the kind changes on the way."""
    for place, name in enumerate(UNDECIDED):
        setattr(town.simulator.world.switches, name, bool(step.number >> place & 1))


def wait(town: Town, _step: Step) -> None:
    """Every wait and every lease is over."""
    with town.runtime.transaction() as session:
        session.execute(TIME_PASSES)
        session.execute(FRESH_ACCOUNTS)


def pause(town: Town, step: Step) -> None:
    with town.runtime.transaction() as session:
        steer.pause(session, town.audience_ids[step.list_id], "test")


def resume(town: Town, step: Step) -> None:
    with town.runtime.transaction() as session:
        steer.resume(session, town.audience_ids[step.list_id], "test")
