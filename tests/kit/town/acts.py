"""What happens at Mailchimp: people leave, sign up, confirm, edit and move; staff does as staff does."""

from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.staff import import_members
from tests.kit.town.steps import PEOPLE, SINGLE, Step
from tests.kit.town.town import Town

STAFF_TAG = "Board"
OUT_ACTS = ("unsubscribe", "abuse", "bounce")


def act(town: Town, step: Step) -> None:
    """The person leaves, complains, or the address bounces."""
    leave_there(town, step, OUT_ACTS[step.number // 2 % 3])


def leave_there(town: Town, step: Step, act: str) -> None:
    member = town.simulator.world.audiences[step.list_id].find(step.email)
    # Whoever is out already and goes once more changes nothing at Mailchimp, and nobody can read it there.
    is_out = member is not None and member.status == "unsubscribed" and act != "bounce"
    if member is None or is_out or member.status in {"archived", "cleaned"}:
        return
    if town.contact_does(act, step.list_id, {"email": step.email}):
        town.judge.withdraw(step.email, town.now, town.number, is_known=False, list_id=step.list_id, what=act)


def sign_up(town: Town, step: Step) -> None:
    """Mailchimp's own form."""
    first, _ = PEOPLE[step.person]
    wants = {"email": step.email, "merge_fields": {"FNAME": first}}
    if town.contact_does("signup", step.list_id, wants):
        town.judge.agree(step.email, town.now, town.number, is_confirmed=step.list_id == SINGLE)


def confirm(town: Town, step: Step) -> None:
    """The link in Mailchimp's mail."""
    member = town.simulator.world.audiences[step.list_id].find(step.email)
    if member is not None and member.status == "pending":
        town.contact_does("confirm", step.list_id, {"email": step.email})
        town.judge.agree(step.email, town.now, town.number, is_confirmed=True)


def edit(town: Town, step: Step) -> None:
    wants = {"email": step.email, "merge_fields": {"LNAME": f"Edited{step.number % 3}"}}
    town.contact_does("edit", step.list_id, wants)


def move(town: Town, step: Step) -> None:
    """They change their address in the preference centre.

    Mailchimp shows the time of their form beside the new address, as if they had given that one; nobody can tell.
    What they said in the form counts from then for either.
    """
    other = Step(step.what, step.person, (step.place + 1) % 3)
    member = town.simulator.world.audiences[step.list_id].find(step.email)
    if member is None or member.status in {"archived", "cleaned", "unsubscribed"}:
        return  # nobody sends them the way there any more
    wants = {"email": step.email, "new_email": other.email}
    if town.contact_does("change_email", step.list_id, wants) and member.signup_at:
        is_in = member.status == "subscribed"
        town.judge.agree(other.email, member.signup_at, town.number, is_confirmed=is_in)


def staff(town: Town, step: Step) -> None:
    """Staff unsubscribes, archives, deletes, adds, imports, tags."""
    what = ("unsubscribe", "archive", "delete", "add", "import", "tag", "untag")[step.number // 2 % 7]
    before = town.simulator.world.audiences[step.list_id].find(step.email)
    if what == "import":
        _import(town, step, before)
    elif what in {"tag", "untag"}:
        _tag(town, step, before, is_adding=what == "tag")
    else:
        _put_or_take(town, step, what, before.status if before else "")


def _import(town: Town, step: Step, before: Member | None) -> None:
    world, email = town.simulator.world, step.email
    if before is not None and before.status == "pending" and before.signup_at:
        # Whether the link or staff's file ended `pending` nobody can tell: Mailchimp then shows the time of
        # their form, and an opt-in, in either case. What they said in the form counts from then.
        town.judge.agree(email, before.signup_at, town.number, is_confirmed=True)
    wants = {"members": [{"email": email, "status": "subscribed"}]}
    with world.change():
        import_members(world, world.audiences[step.list_id], wants)


def _tag(town: Town, step: Step, before: Member | None, *, is_adding: bool) -> None:
    change = {"add": [STAFF_TAG]} if is_adding else {"remove": ["Alumni"]}
    is_done = town.staff_does("tag", step.list_id, {"email": step.email, **change})
    if is_done and is_adding and before:
        town.staff_tagged.add((step.list_id, before.contact_id))


def _put_or_take(town: Town, step: Step, what: str, status: str) -> None:
    is_out = what == "unsubscribe" and status == "unsubscribed"
    is_done = town.staff_does(what, step.list_id, {"email": step.email})
    if is_done and what != "add" and status != "" and not is_out:
        more = {"list_id": step.list_id, "is_of_list": what != "unsubscribe", "what": f"staff {what}"}
        town.judge.withdraw(step.email, town.now, town.number, is_known=False, **more)
