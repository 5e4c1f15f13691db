"""What reaches Muster of itself: forms, confirmed or not, in time or late, and the rows of a list."""

import csv
import json
from datetime import UTC, datetime
from typing import Any

from app.lists.run import ListWish, apply_run, plan_run
from tests.kit.town.steps import PEOPLE, Step
from tests.kit.town.town import Form, Town


def form(town: Town, step: Step) -> None:
    """A form by another system: nothing about the newsletter, yes, or unsubscribed."""
    verdict = ("", "given", "given", "withdrawn")[step.number % 4]
    write_form(town, step, "forms", verdict, is_confirmed=False)


def proof(town: Town, step: Step) -> None:
    """A form whose consent the owner of the address confirmed."""
    write_form(town, step, "proofs", "given", is_confirmed=True)


def leave(town: Town, step: Step) -> None:
    """The form's unsubscribe."""
    write_form(town, step, "forms", "withdrawn", is_confirmed=False)


def write_form(town: Town, step: Step, source: str, verdict: str, *, is_confirmed: bool) -> None:
    first, last = PEOPLE[step.person]
    data: dict[str, Any] = {"email": step.email, "first_name": first, "last_name": last}
    if step.number % 3:
        data["external_id"] = f"n{step.person}"
    if step.number % 5 == 0:
        data["tags"] = [("Alumni", "Friends", "Private")[step.number % 3]]
    if step.number % 11 == 0:
        data["first_name"] = f"{first}{step.number}"
    if verdict:
        data["newsletter"] = True if verdict == "given" else "unsubscribed"
    at = datetime.fromtimestamp(town.now, UTC).isoformat()
    body = json.dumps({"type": "contact.updated", "timestamp": at, "data": data}).encode()
    sent = Form(source, body, step.email, verdict, is_confirmed, town.now)
    if step.number % 6 == 5:
        town.forms.append(sent)  # it comes late
    else:
        _receive(town, sent)


def _receive(town: Town, sent: Form) -> None:
    town.deliver(sent.source, f"{sent.source} {town.count} {sent.at}", sent.body, "application/json")
    if sent.verdict == "given":
        town.judge.agree(sent.email, sent.at, town.number, is_confirmed=sent.is_confirmed)
    elif sent.verdict:
        town.judge.withdraw(sent.email, sent.at, town.number, what="form")


def late_form(town: Town, step: Step) -> None:
    if town.forms:
        _receive(town, town.forms.pop(step.number % len(town.forms)))


def row(town: Town, step: Step) -> None:
    """A row of a list: claimed consent of another day, a solicit code, or neither."""
    first, last = PEOPLE[step.person]
    is_out = step.number % 5 == 0
    cells = {
        "ID": f"n{step.person}" if step.number % 2 else "",
        "First name": first,
        "Last name": last,
        "Email": step.email,
        "Newsletter": "" if is_out else ("yes", "yes", "")[step.number % 3],
        "Consent Date": "2019-05-04" if step.number % 2 else "",
        "Do Not Email": "yes" if is_out else "",
        "Tags": "Alumni" if step.number % 4 == 0 else "",
    }
    path = town.folder / f"list{town.count}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(cells))
        writer.writeheader()
        writer.writerow(cells)
    as_of = datetime.fromtimestamp(town.now, UTC)
    wish = ListWish(path, "plain_sheet", "alumni", path.with_suffix(".report.csv"), as_of=as_of)
    apply_run(town.runtime, plan_run(town.runtime, wish, _quiet), wish, _quiet)
    told = {name: value for name, value in cells.items() if name != "Consent Date" or cells["Newsletter"]}
    person = cells["ID"] or step.email
    is_unchanged, town.rows[person] = town.rows.get(person) == told, told
    if is_unchanged:
        return  # a row that is as it was in the last file says nothing new
    if is_out:
        town.judge.withdraw(step.email, town.now, town.number, what="row")
    elif cells["Newsletter"]:
        town.judge.agree(step.email, town.now, town.number, is_confirmed=False)


def _quiet(_stage: str, _count: int) -> None:
    """Nobody watches."""
