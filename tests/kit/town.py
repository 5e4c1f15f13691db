"""A small town against the real pipeline, the real database and the local Mailchimp: people, steps, and a judge.

Four people, three addresses each of which one is the household's, two audiences (single and double opt-in). Every step
is one thing that happens in the world; `settle` lets everything come to rest. Mailchimp's clock runs some minutes behind
and leaps with each step, so that fifty steps take no waiting.
"""

import csv
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs

from sqlalchemy import text

from app.audiences import push as push_module
from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.configure import AudienceWish, add_audience
from app.audiences.connect import Connections
from app.audiences.live import LiveAudience
from app.audiences.models import Destination
from app.audiences.outbox import queue_audience, queue_changes
from app.audiences.pull import pull_audience
from app.audiences.reconcile import run_reconcile
from app.audiences.steer import pause, resume
from app.contacts.erase import erase_contact
from app.contacts.merge import merge, unmerge
from app.contacts.normalise import match_value
from app.core.errors import BusyError, ConflictError
from app.core.runtime import Runtime
from app.inbox.replay import Choice, replay
from app.lists.run import ListWish, apply_run, plan_run
from app.pipeline import apply_events, split_deliveries
from app.sources.configure import add_source
from app.sources.mappings import mapping_in_force, publish_mapping
from integrations.mailchimp.answers import MergeField
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.acts import CONTACT_ACTS
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.happenings import Happening, form_body
from integrations.mailchimp.simulator.parts import Webhook
from integrations.mailchimp.simulator.refusals import Refusal
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.simulator.staff import STAFF_ACTS, import_members
from mappings.language.fields import default_fields
from mappings.language.presets import find_preset
from tests.kit.agreement import disagreements
from tests.kit.history import Judge

SINGLE, DOUBLE = "a1b2c3d4e5", "d0ub1e0123"
LISTS = (SINGLE, DOUBLE)
PEOPLE = (("Ada", "Hart"), ("Ben", "Hart"), ("Cleo", "Moss"), ("Dov", "Lind"))
FAMILY = "family@house.test"
STRANGERS = ("stranger1@else.test", "stranger2@else.test", "stranger3@else.test")
STAFF_TAG = "Board"
BEHIND_SECONDS = 540  # a reading looks ten minutes back
FAULTS = ("reset_after", "reset_before", "429", "500", "503_html", "200_empty", "truncated", "403_html")
OUT_ACTS = ("unsubscribe", "abuse", "bounce")
KEPT = ("sources", "source_secrets", "mapping_versions", "destinations", "audiences", "alembic_version")
DELIVERY = text("""
    INSERT INTO deliveries (source_id, key, method, content_type, body, body_sha256)
    SELECT id, :key, 'POST', :content_type, :body, sha256(:body) FROM sources WHERE slug = :slug
    ON CONFLICT DO NOTHING
""")
FRESH_AUDIENCES = text("""
    UPDATE audiences SET paused_at = NULL, paused_code = NULL, paused_reason = NULL, pulled_until = NULL,
        reconciled_at = NULL, approved_at = now()
""")
FRESH_ACCOUNTS = text(
    "UPDATE destinations SET breaker = '{}', paused_at = NULL, paused_code = NULL, paused_reason = NULL"
)
TIME_PASSES = text("""
    UPDATE changes SET next_attempt_at = now(), leased_until = CASE WHEN leased_until IS NULL THEN NULL ELSE now() END
""")
WAITING = text("SELECT count(*) FROM changes WHERE parked_at IS NULL")


class CrashError(Exception):
    """A process that died between Mailchimp's answer and its own commit."""


@dataclass(frozen=True)
class Step:
    """One thing that happens: what, to whom, by which address, on which list, and a number for the rest."""

    what: str
    person: int = 0
    place: int = 0
    number: int = 0

    def __str__(self) -> str:
        return f'Step("{self.what}", {self.person}, {self.place}, {self.number})'

    @property
    def email(self) -> str:
        name = PEOPLE[self.person][0].lower()
        return (f"{name}@house.test", f"{name}.new@house.test", FAMILY)[self.place]

    @property
    def list_id(self) -> str:
        return LISTS[self.number % 2]


@dataclass
class Told:
    """A webhook on its way."""

    body: bytes
    list_id: str
    kind: str
    email: str


@dataclass
class Form:
    """A form on its way."""

    source: str
    body: bytes
    email: str
    verdict: str
    is_confirmed: bool
    at: int


@dataclass
class Town:
    """Begin, then `take` steps, then `settle`. `found` are the violations met so far."""

    runtime: Runtime
    connections: Connections
    simulator: RunningSimulator
    folder: Path
    judge: Judge = field(default_factory=Judge)
    hooks: list[Told] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    staff_tagged: set[tuple[str, str]] = field(default_factory=set)
    merges: list[int] = field(default_factory=list)
    seen_number: int = 0
    count: int = 0

    # Beginning

    def build(self) -> None:
        """What every history shares: sources and audiences."""
        with self.runtime.transaction() as session:
            for slug, integration in (
                ("forms", "standard_webhooks"),
                ("proofs", "standard_webhooks"),
                ("mc", "mailchimp"),
            ):
                add_source(session, self.runtime.box, integration, slug, {})
            source_id = session.execute(text("SELECT id FROM sources WHERE slug = 'proofs'")).scalar_one()
            publish_mapping(session, source_id, _confirming(), note="confirmed by a mail", author="test")
            single = ensure_simulated_audience(session, self.runtime.settings, self.runtime.box)
            assert single is not None
            single.tags = ["Alumni", "Friends"]
            fields = (MergeField(1, "FNAME", "FNAME", "text"), MergeField(2, "LNAME", "LNAME", "text"))
            live = LiveAudience(DOUBLE, "Double", merge_fields=fields, is_double_optin=True)
            wish = AudienceWish("double", DOUBLE, tags=["Alumni", "Friends"])
            add_audience(session, session.get_one(Destination, single.destination_id), live, wish)

    def begin(self) -> None:
        """An empty town; sources and audiences stay."""
        self._empty_database()
        world = self.simulator.world
        world.reset()
        self.judge, self.hooks, self.forms, self.found = Judge(), [], [], []
        self.staff_tagged, self.merges, self.seen_number, self.count = set(), [], world.journal._number, 0
        with world.change():
            world.make_audience(DOUBLE, "Double", world.config.api_key).is_double_optin = True
            world.clock.freeze(int(time.time()) - BEHIND_SECONDS)
            for list_id in LISTS:
                world.audiences[list_id].webhooks["w1"] = _webhook()
        world.sender.post = self._overhear  # type: ignore[method-assign]
        for list_id in LISTS:
            for email in STRANGERS:
                self._staff("add", list_id, {"email": email, "tags": ["Donor", "Alumni"]})
        self.judge.strangers = set(STRANGERS)
        self.strangers_before = self._strangers()
        self.hooks.clear()

    def _empty_database(self) -> None:
        with self.runtime.transaction() as session:
            names = session.execute(
                text(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(:kept)"
                ),
                {"kept": list(KEPT)},
            ).scalars()
            filled = " UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT FROM {one})" for one in names)
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for name in session.execute(text(filled)).scalars().all():
                session.execute(text(f"DELETE FROM {name}"))
            session.execute(FRESH_AUDIENCES)
            session.execute(FRESH_ACCOUNTS)
            self.audience_ids = dict(session.execute(text("SELECT list_id, id FROM audiences")).all())

    # What the town knows

    @property
    def now(self) -> int:
        return self.simulator.world.clock.now()

    @property
    def number(self) -> int:
        return self.simulator.world.journal._number

    def select(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.runtime.transaction() as session:
            return [tuple(row) for row in session.execute(text(query), values)]

    def there(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Mailchimp's members as its API lists them."""
        world = self.simulator.world
        return {
            list_id: {
                one.hash: {
                    "status": one.status,
                    "merge_fields": one.merge_fields,
                    "tags": [audience.tags[tag].name for tag in one.tag_ids],
                }
                for one in audience.members()
                if one.status != "archived"
            }
            for list_id, audience in world.audiences.items()
        }

    def _strangers(self) -> list[dict[str, Any]]:
        world = self.simulator.world
        return [asdict(world.audiences[list_id].find(email)) for list_id in LISTS for email in STRANGERS]  # type: ignore[arg-type]

    def _overhear(self, happening: Happening) -> None:
        body = form_body(happening.kind, happening.at, happening.fields)
        fields = happening.fields
        email = str(fields.get("old_email") or fields.get("email") or "")
        self.hooks.append(Told(body, str(fields["list_id"]), happening.kind, email))

    # Steps

    def take(self, step: Step) -> None:
        """One step, and the judge's look at what was asked of Mailchimp."""
        self.count += 1
        self.simulator.world.clock.advance(1 + step.number % 7)
        STEPS[step.what](self, step)
        self.look()

    def look(self) -> None:
        """Judge every request since the last look."""
        entries = self.simulator.world.journal.entries(since=self.seen_number, limit=100_000)
        self.found += self.judge.violations(entries)
        self.seen_number = max([self.seen_number, *(entry["number"] for entry in entries)])

    def form(self, step: Step) -> None:
        """A form by another system: nothing about the newsletter, yes, or unsubscribed."""
        verdict = ("", "given", "given", "withdrawn")[step.number % 4]
        self._write_form(step, "forms", verdict, is_confirmed=False)

    def proof(self, step: Step) -> None:
        """A form whose consent the owner of the address confirmed."""
        self._write_form(step, "proofs", "given", is_confirmed=True)

    def leave(self, step: Step) -> None:
        """The form's unsubscribe."""
        self._write_form(step, "forms", "withdrawn", is_confirmed=False)

    def _write_form(self, step: Step, source: str, verdict: str, *, is_confirmed: bool) -> None:
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
        at = datetime.fromtimestamp(self.now, UTC).isoformat()
        body = json.dumps({"type": "contact.updated", "timestamp": at, "data": data}).encode()
        form = Form(source, body, step.email, verdict, is_confirmed, self.now)
        if step.number % 6 == 5:
            self.forms.append(form)  # it comes late
        else:
            self._receive(form)

    def _receive(self, form: Form) -> None:
        self._deliver(form.source, f"{form.source} {self.count} {form.at}", form.body, "application/json")
        if form.verdict == "given":
            self.judge.agree(form.email, form.at, self.number, is_confirmed=form.is_confirmed)
        elif form.verdict:
            self.judge.withdraw(form.email, form.at, self.number, what="form")

    def late_form(self, step: Step) -> None:
        if self.forms:
            self._receive(self.forms.pop(step.number % len(self.forms)))

    def row(self, step: Step) -> None:
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
        path = self.folder / f"list{self.count}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(cells))
            writer.writeheader()
            writer.writerow(cells)
        as_of = datetime.fromtimestamp(self.now, UTC)
        wish = ListWish(path, "plain_sheet", "alumni", path.with_suffix(".report.csv"), as_of=as_of)
        apply_run(self.runtime, plan_run(self.runtime, wish, _quiet), wish, _quiet)
        if is_out:
            self.judge.withdraw(step.email, self.now, self.number, what="row")
        elif cells["Newsletter"]:
            self.judge.agree(step.email, self.now, self.number, is_confirmed=False)

    def _deliver(self, slug: str, key: str, body: bytes, content_type: str) -> None:
        with self.runtime.transaction() as session:
            values = {"slug": slug, "key": key, "body": body, "content_type": content_type}
            session.execute(DELIVERY, values)
        self.drain()

    def drain(self) -> None:
        while (split := split_deliveries(self.runtime)).count or apply_events(self.runtime).count:
            apply_events(self.runtime, split.held)

    # At Mailchimp

    def act(self, step: Step) -> None:
        """The person leaves, complains, or the address bounces."""
        self._leave_there(step, OUT_ACTS[step.number // 2 % 3])

    def _leave_there(self, step: Step, act: str) -> None:
        member = self.simulator.world.audiences[step.list_id].find(step.email)
        # Whoever is out already and goes once more changes nothing at Mailchimp, and nobody can read it there.
        is_out = member is not None and member.status == "unsubscribed" and act != "bounce"
        if member is None or is_out or member.status in {"archived", "cleaned"}:
            return
        if self._contact(act, step.list_id, {"email": step.email}):
            self.judge.withdraw(
                step.email, self.now, self.number, is_known=False, list_id=step.list_id, what=act
            )

    def sign_up(self, step: Step) -> None:
        """Mailchimp's own form."""
        first, _ = PEOPLE[step.person]
        wants = {"email": step.email, "merge_fields": {"FNAME": first}}
        if self._contact("signup", step.list_id, wants):
            self.judge.agree(step.email, self.now, self.number, is_confirmed=step.list_id == SINGLE)

    def confirm(self, step: Step) -> None:
        """The link in Mailchimp's mail."""
        member = self.simulator.world.audiences[step.list_id].find(step.email)
        if member is not None and member.status == "pending":
            self._contact("confirm", step.list_id, {"email": step.email})
            self.judge.agree(step.email, self.now, self.number, is_confirmed=True)

    def edit(self, step: Step) -> None:
        wants = {"email": step.email, "merge_fields": {"LNAME": f"Edited{step.number % 3}"}}
        self._contact("edit", step.list_id, wants)

    def move(self, step: Step) -> None:
        """They change their address in the preference centre.

        Mailchimp shows the time of their form beside the new address, as if they had given that one; nobody can tell.
        What they said in the form counts from then for either.
        """
        other = Step(step.what, step.person, (step.place + 1) % 3)
        member = self.simulator.world.audiences[step.list_id].find(step.email)
        wants = {"email": step.email, "new_email": other.email}
        if self._contact("change_email", step.list_id, wants) and member is not None and member.signup_at:
            is_in = member.status == "subscribed"
            self.judge.agree(other.email, member.signup_at, self.number, is_confirmed=is_in)

    def staff(self, step: Step) -> None:
        """Staff unsubscribes, archives, deletes, adds, imports, tags."""
        what = ("unsubscribe", "archive", "delete", "add", "import", "tag", "untag")[step.number // 2 % 7]
        list_id, email = step.list_id, step.email
        before = self.simulator.world.audiences[list_id].find(email)
        status = before.status if before else ""
        if what == "import":
            if before is not None and status == "pending" and before.signup_at:
                # Whether the link or staff's file ended `pending` nobody can tell: Mailchimp then shows the time of
                # their form, and an opt-in, in either case. What they said in the form counts from then.
                self.judge.agree(email, before.signup_at, self.number, is_confirmed=True)
            with self.simulator.world.change():
                import_members(
                    self.simulator.world,
                    self.simulator.world.audiences[list_id],
                    {"members": [{"email": email, "status": "subscribed"}]},
                )
            return
        if what in {"tag", "untag"}:
            wants = (
                {"email": email, "add": [STAFF_TAG]}
                if what == "tag"
                else {"email": email, "remove": ["Alumni"]}
            )
            if self._staff("tag", list_id, wants) and what == "tag" and before:
                self.staff_tagged.add((list_id, before.contact_id))
            return
        is_out = what == "unsubscribe" and status == "unsubscribed"
        if self._staff(what, list_id, {"email": email}) and what != "add" and status != "" and not is_out:
            is_of_list = what != "unsubscribe"
            self.judge.withdraw(
                email,
                self.now,
                self.number,
                is_known=False,
                list_id=list_id,
                is_of_list=is_of_list,
                what=f"staff {what}",
            )

    def _contact(self, act: str, list_id: str, wants: dict[str, Any]) -> bool:
        return self._do(CONTACT_ACTS[act], list_id, wants)

    def _staff(self, act: str, list_id: str, wants: dict[str, Any]) -> bool:
        return self._do(STAFF_ACTS[act], list_id, wants)

    def _do(self, act: Callable[..., Any], list_id: str, wants: dict[str, Any]) -> bool:
        world = self.simulator.world
        try:
            with world.change():
                act(world, world.audiences[list_id], wants)
        except Refusal:
            return False
        return True

    # Webhooks

    def hook(self, step: Step) -> None:
        """One of the webhooks under way arrives, perhaps twice; the others later, or never."""
        if self.hooks:
            told = self.hooks.pop(step.number % len(self.hooks))
            for copy in range(1 + (step.number % 3 == 0)):
                key = hashlib.sha256(told.body + bytes([copy * (step.number % 2)])).hexdigest()
                self._deliver("mc", key, told.body, "application/x-www-form-urlencoded")
            if told.kind in {"unsubscribe", "cleaned"}:
                self._heard_of(told)
            elif told.kind == "subscribe":
                self.judge.agree(
                    told.email, self.now, self.number, is_confirmed=False
                )  # no more than a claim
            if step.number % 4 == 0:
                self.hooks.append(told)  # once more, much later

    def _heard_of(self, told: Told) -> None:
        fired = parse_qs(told.body.decode())["fired_at"][0]
        at = int(datetime.fromisoformat(fired).replace(tzinfo=UTC).timestamp())
        for said in self.judge.opt_outs:
            if (said.email, said.list_id, said.at) == (told.email.casefold(), told.list_id, at):
                said.known_number = self.number if said.known_number is None else said.known_number

    def all_hooks(self, step: Step) -> None:
        """Everything under way arrives, the newest first or in any order."""
        random.Random(step.number).shuffle(self.hooks)
        for _ in range(len(self.hooks)):
            self.hook(Step("hook", number=1))

    def lose_hooks(self, _step: Step) -> None:
        self.hooks.clear()

    # Muster's own work

    def push(self, step: Step) -> None:
        for list_id in self._some_lists(step):
            self._push(list_id)

    def _some_lists(self, step: Step) -> Sequence[str]:
        return LISTS if step.number % 3 == 0 else (step.list_id,)

    def _push(self, list_id: str) -> int:
        options = push_module.PushOptions(thread_count=2)
        audience_id = self.audience_ids[list_id]
        return push_module.push_audience(
            self.runtime.sessions, self.connections, audience_id, options
        ).call_count

    def crash(self, step: Step) -> None:
        """The process dies after Mailchimp's answers and before its own commit."""
        with patch.object(push_module, "settle_outcomes", _die), suppress(CrashError):
            self.push(step)
        if step.number % 2:
            self.wait(step)

    def race(self, step: Step) -> None:
        """Something happens while the calls of a push are under way: just before they are sent, or just after."""
        send, is_first = push_module.send_job, [True]

        def interrupted(*arguments: Any) -> Any:
            outcomes = send(*arguments) if step.number % 2 else None
            if is_first.pop() if is_first else False:
                self._meanwhile(step)
            return outcomes if outcomes is not None else send(*arguments)

        known = len(self.judge.opt_outs)
        with patch.object(push_module, "send_job", interrupted):
            self.push(step)
        for said in self.judge.opt_outs[known:]:
            said.number = self.number  # what was on its way already could not know
            if said.known_number is not None:
                said.known_number = self.number

    def _meanwhile(self, step: Step) -> None:
        if step.number % 4 < 2:
            self._write_form(
                Step("leave", step.person, step.place, 4), "forms", "withdrawn", is_confirmed=False
            )
        else:
            self._leave_there(step, "unsubscribe")

    def pull(self, step: Step) -> None:
        for list_id in self._some_lists(step):
            self._pull(list_id, is_full=step.number % 5 == 0)

    def _pull(self, list_id: str, *, is_full: bool = False) -> None:
        try:
            counts = pull_audience(
                self.runtime.sessions, self.connections, self.audience_ids[list_id], is_full=is_full
            )
        except MailchimpProblem:
            return
        if not counts.is_blocked:
            self._read(list_id)

    def _read(self, list_id: str) -> None:
        """Whoever is seen out of the list is known to be out, if somebody here has the address: nothing is kept of others."""
        ours = {email for (email,) in self.select("SELECT match_value FROM identities WHERE kind = 'email'")}
        for one in self.simulator.world.audiences[list_id].members():
            if one.status in {"unsubscribed", "cleaned"} and match_value("email", one.email).value in ours:
                self.judge.learn(one.email, list_id, self.number)

    def reconcile(self, step: Step) -> None:
        try:
            run_reconcile(self.runtime.sessions, self.connections, self.audience_ids[step.list_id])
        except (MailchimpProblem, BusyError):
            return
        self._read(step.list_id)

    def fault(self, step: Step) -> None:
        """The next calls go wrong."""
        kind = FAULTS[step.number % len(FAULTS)]
        method = ("", "PUT", "POST", "PATCH")[step.number % 4]
        self.simulator.world.faults.add(Rule(kind, method=method, times=1 + step.number % 3))

    def mend(self, _step: Step) -> None:
        self.simulator.world.faults.clear()

    def wait(self, _step: Step) -> None:
        """Every wait and every lease is over."""
        with self.runtime.transaction() as session:
            session.execute(TIME_PASSES)
            session.execute(FRESH_ACCOUNTS)

    def pause(self, step: Step) -> None:
        with self.runtime.transaction() as session:
            pause(session, self.audience_ids[step.list_id], "test")

    def resume(self, step: Step) -> None:
        with self.runtime.transaction() as session:
            resume(session, self.audience_ids[step.list_id], "test")

    # What admins do

    def merge(self, step: Step) -> None:
        people = self.select("SELECT id FROM contacts WHERE state = 'active' ORDER BY id")
        if len(people) < 2:
            return
        winner = people[step.number % len(people)][0]
        loser = people[(step.number + 1 + step.person) % len(people)][0]
        if winner == loser:
            return
        with self.runtime.transaction() as session:
            merged = merge(session, winner, loser, "same", "test", dictionary=default_fields())
            queue_changes(session, merged.changed_contact_ids)
        self.merges.append(merged.merge_id)

    def unmerge(self, _step: Step) -> None:
        if not self.merges:
            return
        merge_id = self.merges.pop()
        try:
            with self.runtime.transaction() as session:
                undone = unmerge(session, merge_id, "test", dictionary=default_fields())
                queue_changes(session, undone.changed_contact_ids)
        except ConflictError:
            return
        # What each of them had said stands again, so whom the merge had taken out while pending may be asked anew.
        query = "SELECT fields ->> 'email' FROM contacts WHERE id = ANY(:ids) AND fields ->> 'email' <> ''"
        for (email,) in self.select(query, ids=list(undone.changed_contact_ids)):
            self.judge.agree(email, 0, self.number, is_confirmed=False)

    def erase(self, step: Step) -> None:
        people = self.select("SELECT id FROM contacts WHERE state = 'active' ORDER BY id")
        if not people or step.number % 2:
            return
        contact_id = people[step.number // 2 % len(people)][0]
        with self.runtime.transaction() as session:
            erased = erase_contact(session, contact_id, self.runtime.box, "asked")
            queue_changes(session, erased.contact_ids)
            shared = (
                session.execute(
                    text(
                        "SELECT i.match_value FROM identities i JOIN contacts c ON c.id = i.contact_id"
                        " WHERE i.kind = 'email' AND c.state = 'active'"
                    )
                )
                .scalars()
                .all()
            )
        for email in erased.addresses:
            if "@" in email and email.casefold() not in shared:
                self.judge.withdraw(email, self.now, self.number, what="erasure")

    def replay(self, step: Step) -> None:
        with self.runtime.transaction() as session:
            replay(session, Choice(source=("forms", "proofs", "mc")[step.number % 3]))
        self.drain()

    def republish(self, step: Step) -> None:
        """A new version of a mapping, the same words."""
        slug = ("forms", "proofs", "mc")[step.number % 3]
        with self.runtime.transaction() as session:
            source_id = session.execute(
                text("SELECT id FROM sources WHERE slug = :slug"), {"slug": slug}
            ).scalar_one()
            document = session.execute(
                text("SELECT document FROM mapping_versions WHERE id = :id"),
                {"id": mapping_in_force(session, source_id).version_id},
            ).scalar_one()
            publish_mapping(session, source_id, document, note="again", author="test")

    # Rest

    def settle(self) -> list[str]:
        """No more faults, no more events: pull, push and reconcile until nothing is left; then everybody agrees."""
        self.simulator.world.faults.clear()
        self.simulator.world.clock.reset()
        for list_id in LISTS:
            self.resume(Step("resume", number=LISTS.index(list_id)))
        calls = self._rest(6)
        for list_id in LISTS:
            self.reconcile(Step("reconcile", number=LISTS.index(list_id)))
        if self.select("SELECT FROM changes LIMIT 1"):
            calls = self._rest(6)
        found = [f"{calls} calls in the last of many rounds: it does not come to rest"] if calls else []
        with self.runtime.transaction() as session:
            waiting = session.execute(WAITING).scalar_one()
        found += [f"{waiting} changes wait for ever"] if waiting else []
        found += self._second_thoughts()
        found += disagreements(self.select, self.there())
        if self.strangers_before != self._strangers():
            found.append("members that are not Muster's were changed")
        return self.found + found + self._lost_staff_tags()

    def _rest(self, rounds: int) -> int:
        """The push calls of the last round; 0 ends it early."""
        calls = 0
        for _ in range(rounds):
            self.wait(Step("wait"))
            for list_id in LISTS:
                self._pull(list_id, is_full=True)
            calls = sum(self._push(list_id) for list_id in LISTS)
            self.look()
            if not calls:
                break
        return calls

    def _second_thoughts(self) -> list[str]:
        """Planning everybody anew finds nothing to do."""
        with self.runtime.transaction() as session:
            for audience_id in self.audience_ids.values():
                queue_audience(session, audience_id)
        calls = sum(self._push(list_id) for list_id in LISTS)
        return [f"{calls} calls when everybody is planned anew"] if calls else []

    def _lost_staff_tags(self) -> list[str]:
        lost = []
        for list_id, contact_id in sorted(self.staff_tagged):
            audience = self.simulator.world.audiences[list_id]
            member = audience.by_contact.get(contact_id)
            if member is not None and STAFF_TAG not in {audience.tags[tag].name for tag in member.tag_ids}:
                lost.append(f"staff's tag is gone from a member of {list_id}")
        return lost


def _quiet(_stage: str, _count: int) -> None:
    """Nobody watches."""


def _die(*_arguments: Any) -> Any:
    raise CrashError


def _webhook() -> Webhook:
    kinds = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail")
    sources = {"user": True, "admin": True, "api": False}
    return Webhook("w1", "http://127.0.0.1:9/never", dict.fromkeys(kinds, True), sources)


def _confirming() -> str:
    preset = find_preset("standard_webhooks")
    assert preset is not None
    return preset.text.replace("    method: webhook\n", "    method: webhook\n    proof: confirmed\n").split(
        "tests:"
    )[0]


WEIGHTS: dict[str, int] = {
    "form": 10, "proof": 5, "leave": 4, "late_form": 3, "row": 4, "act": 5, "sign_up": 4, "confirm": 5, "edit": 2,
    "move": 3, "staff": 5, "hook": 7, "all_hooks": 2, "lose_hooks": 1, "push": 14, "crash": 2, "race": 3, "pull": 8,
    "reconcile": 2, "fault": 4, "mend": 1, "wait": 4, "pause": 1, "resume": 2, "merge": 3, "unmerge": 2, "erase": 2,
    "replay": 2, "republish": 1,
}  # fmt: skip
STEPS: dict[str, Callable[[Town, Step], None]] = {name: getattr(Town, name) for name in WEIGHTS}


def make_steps(seed: int, count: int = 50) -> list[Step]:
    """The same steps for the same seed."""
    chance = random.Random(seed)
    names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [
        Step(name, chance.randrange(len(PEOPLE)), chance.choice((0, 0, 0, 1, 2)), chance.randrange(840))
        for name in names
    ]


def shrink(steps: Sequence[Step], is_failing: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Fewer steps that fail still: ever smaller pieces are left out while that is so."""
    kept, size = list(steps), max(len(steps) // 2, 1)
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if is_failing(fewer):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept


def live_history(town: Town, steps: Iterable[Step]) -> list[str]:
    """One history from beginning to rest; what was wrong with it."""
    town.begin()
    for step in steps:
        town.take(step)
    return town.settle()
