"""Everything one simulator holds, behind one lock: state, clock, journal, faults, the mail it would have sent."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.mailchimp.simulator.audience import Account, Audience
from integrations.mailchimp.simulator.clock import Clock, iso
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.faults import Faults
from integrations.mailchimp.simulator.happenings import Happening
from integrations.mailchimp.simulator.journal import Journal, Note
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.refusals import not_found
from integrations.mailchimp.simulator.store import Store
from integrations.mailchimp.simulator.store_lines import (
    State,
    account_line,
    audience_line,
    extra_lines,
    member_line,
    state_lines,
    story_line,
    tally_line,
)
from integrations.mailchimp.simulator.webhooks import WebhookSender, is_url_answering

FIRST_WEB_ID = 400_750_000
KEPT_DAYS = 200


@dataclass(slots=True)
class Change:
    """What one request is doing: notes for the journal, happenings for webhooks, things to write down."""

    notes: list[Note] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    lines: list[list[Any]] = field(default_factory=list)
    members: dict[str, tuple[Audience, Member]] = field(default_factory=dict)
    audiences: dict[str, Audience] = field(default_factory=dict)
    tallied: dict[str, Audience] = field(default_factory=dict)

    def all_lines(self) -> list[list[Any]]:
        """Each changed thing once, however often it was touched."""
        changed = [audience_line(audience) for audience in self.audiences.values()]
        changed += [member_line(audience.list_id, member) for audience, member in self.members.values()]
        changed += [tally_line(audience) for audience in self.tallied.values()]
        return changed + self.lines


class World:
    """The whole simulator without its HTTP. Every verb runs inside `with world.change()`."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.switches = replace(config.switches, latency_ms=config.latency_ms or config.switches.latency_ms)
        self.clock = Clock()
        self.lock = threading.RLock()
        self.journal = Journal(config.journal_size)
        self.faults = Faults()
        self.outbox: deque[dict[str, Any]] = deque(maxlen=10_000)
        self.current = Change()
        self.is_closed = False
        self.sender = WebhookSender(config, self.clock, self.switches)
        self._store = Store(config.state_file)
        self._take(self._store.read())
        self._settle_defaults()
        self._store.rewrite(self.all_lines())

    def _take(self, state: State) -> None:
        self.accounts, self.audiences = state.accounts, state.audiences
        self.clock.offset_seconds = state.offset_seconds
        self.connections, self.batches = state.connections, state.batches
        self.batch_webhooks = state.batch_webhooks
        self.renumber()

    def renumber(self) -> None:
        """Whoever comes next gets a web_id above everybody's."""
        self._next_web_id = 1 + max(
            (one.web_id for each in self.audiences.values() for one in each.members()), default=FIRST_WEB_ID
        )

    def _settle_defaults(self) -> None:
        config = self.config
        if config.api_key not in self.accounts:
            self.accounts[config.api_key] = Account(config.api_key)
        if config.list_id not in self.audiences:
            audience = self.make_audience(config.list_id, config.list_name, config.api_key)
            audience.is_double_optin = config.is_double_optin
        self.audiences[config.list_id].api_key = config.api_key

    def make_audience(self, list_id: str, name: str, api_key: str) -> Audience:
        number = 1 + max((one.web_id for one in self.audiences.values()), default=0)
        audience = Audience(list_id, name, api_key, web_id=number, created_at=self.clock.now())
        self.audiences[list_id] = audience
        return audience

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Hold the world still; on the way out write down and send what happened, also before a refusal."""
        with self.lock:
            self.current = change = Change()
            try:
                yield change
            finally:
                if self._store.is_wanted:
                    self._store.write(change.all_lines())
                    if self._store.is_due_for_rewrite(
                        sum(len(one.by_contact) for one in self.audiences.values())
                    ):
                        self._store.rewrite(self.all_lines())
                for happening in change.happenings:
                    self.sender.post(happening)

    def get_audience(self, list_id: str, api_key: str | None = None) -> Audience:
        audience = self.audiences.get(list_id)
        if audience is None or (api_key is not None and audience.api_key != api_key):
            raise not_found()
        return audience

    def list_audiences(self, api_key: str) -> list[Audience]:
        return [one for one in self.audiences.values() if one.api_key == api_key]

    def made_up(self, _name: str, usual: Any) -> Any:
        """What the server chooses by itself for something new; a replay knows what was chosen."""
        return usual

    def is_url_answering(self, url: str) -> bool:
        """Whether a webhook's URL passes its check."""
        return is_url_answering(url, self.config.webhook_timeout_seconds)

    def next_web_id(self) -> int:
        self._next_web_id += 1
        return self._next_web_id

    def save_member(self, audience: Audience, member: Member) -> None:
        audience.put(member)
        self.current.members[member.contact_id] = (audience, member)

    def save_dropped(self, audience: Audience, member: Member) -> None:
        audience.drop(member)
        self.current.members.pop(member.contact_id, None)
        self.current.lines.append(["dropped", audience.list_id, member.contact_id])

    def save_story(self, audience: Audience, member: Member) -> None:
        audience.version += 1
        self.current.lines.append(story_line(audience, member.contact_id))

    def save_audience(self, audience: Audience) -> None:
        audience.version += 1
        audience.shown_fields = audience.texts = audience.stale_stats = None
        self.current.audiences[audience.list_id] = audience

    def save_forgotten(self, audience: Audience, email_hash: str, *, is_forgotten: bool) -> None:
        (audience.forgotten.add if is_forgotten else audience.forgotten.discard)(email_hash)
        self.current.lines.append(["forgotten" if is_forgotten else "admitted", audience.list_id, email_hash])

    def save_deleted_audience(self, audience: Audience) -> None:
        del self.audiences[audience.list_id]
        self.current.lines.append(["deleted", audience.list_id, None])

    def save_account(self, account: Account) -> None:
        self.current.lines.append(account_line(account))

    def save_clock(self) -> None:
        self.current.lines.append(["clock", "", self.clock.offset_seconds])

    def save_extras(self, *kinds: str) -> None:
        """Write down batches, batch webhooks or OAuth connections; each kind whole."""
        self.current.lines += extra_lines(self.state(), kinds)

    def tally(self, audience: Audience, name: str, count: int = 1) -> None:
        """Count for the list's daily activity."""
        day = iso(self.clock.now() or 1)[:10]
        counted = audience.days.get(day)
        if counted is None:
            counted = audience.days[day] = {}
            while len(audience.days) > KEPT_DAYS:
                del audience.days[min(audience.days)]
        counted[name] = counted.get(name, 0) + count
        self.current.tallied[audience.list_id] = audience

    def say(self, happening: Happening | None) -> None:
        if happening is not None:
            self.current.happenings.append(happening)

    def mail(self, audience: Audience, member: Member, kind: str) -> None:
        """A message Mailchimp would have sent to the contact, with the link in it."""
        at, link = self.clock.now(), f"/confirm/{audience.list_id}/{member.contact_id}"
        told = {"kind": kind, "email": member.email, "list_id": audience.list_id, "at": at, "link": link}
        self.outbox.append(told)

    def reset(self) -> None:
        """As at the first start: the default account and audience, nobody in it, no history."""
        self.restore([])

    def restore(self, lines: list[list[Any]]) -> None:
        """As `all_lines` of a snapshot had it; without lines as at the first start."""
        state = State()
        for line in lines:
            state.take(*line)
        with self.lock:
            self._take(state)
            self.clock.frozen_at = None
            self.journal.clear()
            self.faults.clear()
            self.outbox.clear()
            self._settle_defaults()
            self._store.rewrite(self.all_lines())

    def close(self) -> None:
        self.is_closed = True
        self.sender.close()
        with self.lock:
            self._store.close()

    def state(self) -> State:
        return State(
            self.accounts,
            self.audiences,
            self.clock.offset_seconds,
            self.connections,
            self.batches,
            self.batch_webhooks,
        )

    def all_lines(self) -> Iterator[list[Any]]:
        return state_lines(self.state())
