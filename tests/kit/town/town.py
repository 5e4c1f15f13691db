"""A small town against the real pipeline, the real database and the local Mailchimp: people, steps, and a judge.

Four people, three addresses each of which one is the household's, two audiences (single and double opt-in). Every step
is one thing that happens in the world; `life.settle` lets everything come to rest. Mailchimp's clock runs some minutes behind
and leaps with each step, so that fifty steps take no waiting.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.configure import AudienceWish, add_audience
from app.audiences.connect import Connections
from app.audiences.live import LiveAudience
from app.audiences.models import Destination
from app.core.runtime import Runtime
from app.pipeline import apply_events, split_deliveries
from app.sources.configure import add_source
from app.sources.mappings import publish_mapping
from integrations.mailchimp.answers import MergeField
from integrations.mailchimp.simulator.acts import CONTACT_ACTS
from integrations.mailchimp.simulator.config import Switches, turn
from integrations.mailchimp.simulator.happenings import Happening, form_body
from integrations.mailchimp.simulator.parts import Webhook
from integrations.mailchimp.simulator.refusals import Refusal
from integrations.mailchimp.simulator.server import RunningSimulator
from integrations.mailchimp.simulator.staff import STAFF_ACTS
from mappings.language.presets import find_preset
from tests.kit.history import Judge
from tests.kit.town.steps import AWAY, DOUBLE, LISTS

STRANGERS = ("stranger1@else.test", "stranger2@else.test", "stranger3@else.test")
BEHIND_SECONDS = 540  # a reading looks ten minutes back
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
    """Begin, then `life.take` steps, then `life.settle`. `found` are the violations met so far."""

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
    rows: dict[str, dict[str, str]] = field(default_factory=dict)  # the last of each person in a list
    audience_ids: dict[str, int] = field(default_factory=dict)
    strangers_before: list[dict[str, Any]] = field(default_factory=list)
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
            double = add_audience(session, session.get_one(Destination, single.destination_id), live, wish)
            single.entry_rule = double.entry_rule = {"tags_none": [AWAY]}

    def begin(self) -> None:
        """An empty town; sources and audiences stay."""
        self._empty_database()
        world = self.simulator.world
        world.reset()
        self.judge, self.hooks, self.forms, self.found = Judge(), [], [], []
        self.staff_tagged, self.merges, self.seen_number, self.count = set(), [], world.journal._number, 0
        self.rows = {}
        turn(world.switches, asdict(Switches()))
        with world.change():
            world.make_audience(DOUBLE, "Double", world.config.api_key).is_double_optin = True
            world.clock.freeze(int(time.time()) - BEHIND_SECONDS)
            for list_id in LISTS:
                world.audiences[list_id].webhooks["w1"] = _webhook()
        world.sender.post = self._overhear  # type: ignore[method-assign]
        for list_id in LISTS:
            for email in STRANGERS:
                self.staff_does("add", list_id, {"email": email, "tags": ["Donor", "Alumni"]})
        self.judge.strangers = set(STRANGERS)
        self.strangers_before = self.strangers()
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

    def strangers(self) -> list[dict[str, Any]]:
        world = self.simulator.world
        return [asdict(world.audiences[list_id].find(email)) for list_id in LISTS for email in STRANGERS]  # type: ignore[arg-type]

    def _overhear(self, happening: Happening) -> None:
        body = form_body(happening.kind, happening.at, happening.fields)
        fields = happening.fields
        email = str(fields.get("old_email") or fields.get("email") or "")
        self.hooks.append(Told(body, str(fields["list_id"]), happening.kind, email))

    # What is done in it

    def look(self) -> None:
        """Judge every request since the last look."""
        entries = self.simulator.world.journal.entries(since=self.seen_number, limit=100_000)
        self.found += self.judge.violations(entries)
        self.seen_number = max([self.seen_number, *(entry["number"] for entry in entries)])

    def deliver(self, slug: str, key: str, body: bytes, content_type: str) -> None:
        with self.runtime.transaction() as session:
            values = {"slug": slug, "key": key, "body": body, "content_type": content_type}
            session.execute(DELIVERY, values)
        self.drain()

    def drain(self) -> None:
        while (split := split_deliveries(self.runtime)).count or apply_events(self.runtime).count:
            apply_events(self.runtime, split.held)

    def contact_does(self, act: str, list_id: str, wants: dict[str, Any]) -> bool:
        return self._do(CONTACT_ACTS[act], list_id, wants)

    def staff_does(self, act: str, list_id: str, wants: dict[str, Any]) -> bool:
        return self._do(STAFF_ACTS[act], list_id, wants)

    def _do(self, act: Callable[..., Any], list_id: str, wants: dict[str, Any]) -> bool:
        world = self.simulator.world
        try:
            with world.change():
                act(world, world.audiences[list_id], wants)
        except Refusal:
            return False
        return True


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
