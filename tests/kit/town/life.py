"""One history from beginning to rest: each step as it comes, then everything settles, and everybody agrees."""

from collections.abc import Callable, Iterable

from sqlalchemy import text

from app.audiences.outbox import queue_audience
from tests.kit.agreement import disagreements
from tests.kit.town import acts, admins, forms, hooks, work
from tests.kit.town.acts import STAFF_TAG
from tests.kit.town.steps import LISTS, WEIGHTS, Step
from tests.kit.town.town import Town
from tests.kit.town.work import pull_list, push_list, reconcile, resume, wait

WAITING = text("SELECT count(*) FROM changes WHERE parked_at IS NULL")
STEPS: dict[str, Callable[[Town, Step], None]] = {
    "form": forms.form, "proof": forms.proof, "leave": forms.leave, "late_form": forms.late_form, "row": forms.row,
    "act": acts.act, "sign_up": acts.sign_up, "confirm": acts.confirm, "edit": acts.edit, "move": acts.move,
    "staff": acts.staff, "hook": hooks.hook, "all_hooks": hooks.all_hooks, "lose_hooks": hooks.lose_hooks,
    "push": work.push, "crash": work.crash, "race": work.race, "pull": work.pull, "reconcile": work.reconcile,
    "fault": work.fault, "mend": work.mend, "wait": work.wait, "pause": work.pause, "resume": work.resume,
    "merge": admins.merge, "unmerge": admins.unmerge, "erase": admins.erase, "replay": admins.replay,
    "republish": admins.republish, "go_away": admins.go_away, "speak": admins.speak, "api": work.turn_switches,
}  # fmt: skip
assert set(STEPS) == set(WEIGHTS)


def take(town: Town, step: Step) -> None:
    """One step, and the judge's look at what was asked of Mailchimp."""
    town.count += 1
    town.simulator.world.clock.advance(1 + step.number % 7)
    STEPS[step.what](town, step)
    town.look()


def settle(town: Town) -> list[str]:
    """No more faults, no more events: pull, push and reconcile until nothing is left; then everybody agrees."""
    town.simulator.world.faults.clear()
    town.simulator.world.clock.reset()
    for list_id in LISTS:
        resume(town, Step("resume", number=LISTS.index(list_id)))
    calls = _rest(town, 6)
    for list_id in LISTS:
        reconcile(town, Step("reconcile", number=LISTS.index(list_id)))
    if town.select("SELECT FROM changes LIMIT 1"):
        calls = _rest(town, 6)
    found = [f"{calls} calls in the last of many rounds: it does not come to rest"] if calls else []
    with town.runtime.transaction() as session:
        waiting = session.execute(WAITING).scalar_one()
    found += [f"{waiting} changes wait for ever"] if waiting else []
    found += _second_thoughts(town)
    found += disagreements(town.select, town.there())
    if town.strangers_before != town.strangers():
        found.append("members that are not Muster's were changed")
    return town.found + found + _lost_staff_tags(town)


def _rest(town: Town, rounds: int) -> int:
    """The push calls of the last round; 0 ends it early."""
    calls = 0
    for _ in range(rounds):
        wait(town, Step("wait"))
        for list_id in LISTS:
            pull_list(town, list_id, is_full=True)
        calls = sum(push_list(town, list_id) for list_id in LISTS)
        town.look()
        if not calls:
            break
    return calls


def _second_thoughts(town: Town) -> list[str]:
    """Planning everybody anew finds nothing to do."""
    with town.runtime.transaction() as session:
        for audience_id in town.audience_ids.values():
            queue_audience(session, audience_id)
    calls = sum(push_list(town, list_id) for list_id in LISTS)
    return [f"{calls} calls when everybody is planned anew"] if calls else []


def _lost_staff_tags(town: Town) -> list[str]:
    lost = []
    for list_id, contact_id in sorted(town.staff_tagged):
        audience = town.simulator.world.audiences[list_id]
        member = audience.by_contact.get(contact_id)
        if member is not None and STAFF_TAG not in {audience.tags[tag].name for tag in member.tag_ids}:
            lost.append(f"staff's tag is gone from a member of {list_id}")
    return lost


def live_history(town: Town, steps: Iterable[Step]) -> list[str]:
    """One history from beginning to rest; what was wrong with it."""
    town.begin()
    for step in steps:
        take(town, step)
    return settle(town)
