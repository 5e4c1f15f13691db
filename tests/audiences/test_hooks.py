"""The audience webhook: judged, made, mended, rotated, watched."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.hook_check import plan_hook
from app.audiences.hooks import HookState, ensure_webhook, is_due, repair_webhook
from app.core.config import Settings
from app.core.db import transaction
from app.core.secretbox import SecretBox
from app.sources.catalogue import Catalogue
from app.sources.configure import open_secrets
from app.sources.models import Source
from integrations.mailchimp.answers import Webhook
from integrations.mailchimp.gateway_audience import AudienceCalls

URL = "https://muster.example/hooks/mailchimp/key2"
OLD = "https://muster.example/hooks/mailchimp/key1"
EVENTS = {"subscribe": True, "unsubscribe": True, "profile": True, "upemail": True, "cleaned": True}
SOURCES = {"user": True, "admin": True, "api": False}
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def hook(number: int = 1, url: str = URL, **more: Any) -> Webhook:
    return Webhook(
        str(number),
        url,
        more.get("events", EVENTS),
        more.get("sources", SOURCES),
        more.get("is_signed", True),
    )


@pytest.mark.parametrize(
    ("webhooks", "has_secret", "fault"),
    [
        ([], True, "it is not there"),
        ([hook()], True, ""),
        ([hook(url=OLD)], True, "its secret was renewed"),
        ([hook(is_signed=False)], True, "it is not signed"),
        ([hook()], False, "its secret was never heard"),
        ([hook(sources={**SOURCES, "api": True})], True, "wrongly set: api"),
        (
            [hook(events={**EVENTS, "cleaned": False, "campaign": True})],
            True,
            "wrongly set: cleaned, campaign",
        ),
        ([hook(), hook(2)], True, "there is more than one"),
        ([hook(2, "https://other.example/hook")], True, "it is not there"),
    ],
)
def test_a_webhook_is_judged_by_address_signature_events_and_sources(
    webhooks: list[Webhook], has_secret: bool, fault: str
) -> None:
    plan = plan_hook(webhooks, URL, has_secret=has_secret)

    assert "; ".join(plan.faults) == fault
    assert plan.is_well is (fault == "")


@pytest.mark.parametrize(
    ("is_signed", "has_secret", "heard", "fault"),
    [
        (True, True, "1", ""),
        (True, True, "9", "its secret was never heard"),  # the answer that named it was lost
        (True, False, "1", "its secret was never heard"),
        (False, False, "1", ""),  # made by us in an account that signs nothing
        (False, False, "", "it is not signed"),
        (False, False, "9", "it is not signed"),
        (False, True, "1", "it is not signed"),  # its deliveries would be refused
    ],
)
def test_a_webhook_is_ours_where_the_answer_to_its_making_was_heard(
    is_signed: bool, has_secret: bool, heard: str, fault: str
) -> None:
    plan = plan_hook([hook(is_signed=is_signed)], URL, has_secret=has_secret, heard=heard)

    assert ("; ".join(plan.faults), plan.keeps) == (fault, "" if fault else "1")


def test_other_peoples_webhooks_are_left_alone() -> None:
    plan = plan_hook(
        [hook(7, "https://other.example/hooks/mailchimp/key2"), hook(8, OLD)], URL, has_secret=True
    )

    assert (plan.creates, plan.clears, plan.deletes) == (True, (), ("8",))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (HookState("missing"), True),
        (HookState("registered", checked_at=NOW - timedelta(hours=23)), False),
        (HookState("registered", checked_at=NOW - timedelta(hours=25)), True),
        (HookState("broken", checked_at=NOW, trouble="x", since=NOW - timedelta(seconds=30)), True),
        (HookState("broken", checked_at=NOW, trouble="x", since=NOW - timedelta(hours=1)), False),
        (
            HookState(
                "broken", checked_at=NOW - timedelta(minutes=6), trouble="x", since=NOW - timedelta(hours=1)
            ),
            True,
        ),
    ],
)
def test_it_is_looked_after_daily_and_sooner_while_something_is_wrong(
    state: HookState, expected: bool
) -> None:
    assert is_due(state, NOW) is expected


class Answering(BaseHTTPRequestHandler):
    status = 200
    catalogue: ClassVar[Catalogue | None] = None  # what the web server knows; None: everything

    def do_GET(self) -> None:
        """Mailchimp's check of the address."""
        known = type(self).catalogue
        if known is not None:
            slug, url_key = self.path.split("/")[-2:]
            source = known.find(slug)
            keys = source.config.secrets.get("url_key", ()) if source else ()
            self.send_response(200 if url_key in keys else 404)
        else:
            self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Silence."""


@pytest.fixture
def kept(office: Any, sim_settings: Settings) -> Iterator[Settings]:
    """A web server that answers Mailchimp's check."""
    Answering.status = 200
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield replace(sim_settings, port=server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ensure(office: Any, kept: Settings, box: SecretBox) -> Any:
    def ensure() -> bool:
        return ensure_webhook(office.sessions, kept, box, office.connections)

    return ensure


def registered(simulator: Any) -> list[Any]:
    return list(simulator.running.world.audiences["a1b2c3d4e5"].webhooks.values())


def stored(office: Any) -> dict[str, Any]:
    found: dict[str, Any] = office.execute("SELECT remote_schema -> 'webhook' FROM audiences")[0][0]
    return found


def age(office: Any, **times: int) -> None:
    """Let the last check (and the trouble) be so many hours ago."""
    webhook = stored(office)
    for name, hours in times.items():
        webhook[name] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    office.execute(
        "UPDATE audiences SET remote_schema = jsonb_set(remote_schema, '{webhook}', CAST(:webhook AS jsonb))",
        webhook=json.dumps(webhook),
    )


def secrets(office: Any, box: SecretBox) -> dict[str, tuple[str, ...]]:
    with transaction(office.sessions) as session:
        return open_secrets(session, box, session.query(Source).one().id)


def test_nothing_is_asked_again_before_a_day_is_over(office: Any, simulator: Any, ensure: Any) -> None:
    ensure()
    before = simulator.calls

    assert ensure()

    assert before == simulator.calls


def test_a_webhook_that_staff_deleted_is_made_again_the_next_day(
    office: Any, simulator: Any, ensure: Any
) -> None:
    ensure()
    simulator.running.world.audiences["a1b2c3d4e5"].webhooks.clear()
    age(office, checked_at=25)

    assert ensure()

    assert len(registered(simulator)) == 1
    assert stored(office)["repaired"] == "it is not there"


def test_sources_that_somebody_switched_on_are_switched_off_again(
    office: Any, simulator: Any, ensure: Any
) -> None:
    ensure()
    (webhook,) = registered(simulator)
    webhook.sources["api"] = True
    age(office, checked_at=25)

    assert ensure()

    (webhook,) = registered(simulator)
    assert (webhook.sources["api"], stored(office)["repaired"]) == (False, "wrongly set: api")


def test_rotating_gives_a_new_address_and_secret_while_the_old_ones_still_count(
    office: Any, simulator: Any, ensure: Any, kept: Settings, box: SecretBox
) -> None:
    ensure()
    before = secrets(office, box)

    state = repair_webhook(office.sessions, kept, box, office.connections, office.audience_id, rotates=True)

    after = secrets(office, box)
    (webhook,) = registered(simulator)
    assert (state.state, state.trouble, state.repaired) == ("registered", "", "its secret was renewed")
    assert webhook.url.endswith(after["url_key"][0])
    assert after["signing_secret"] == (webhook.secret, *before["signing_secret"])
    assert after["url_key"][1:] == before["url_key"]


def test_a_new_address_is_told_to_mailchimp_once_the_web_server_knows_it(  # noqa: PLR0917 - fixtures
    office: Any, simulator: Any, ensure: Any, kept: Settings, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure()
    catalogue = Catalogue(kept, box)
    catalogue.open()
    monkeypatch.setattr(Answering, "catalogue", catalogue)

    states = [
        repair_webhook(office.sessions, kept, box, office.connections, office.audience_id, rotates=True)
        for _ in range(2)
    ]

    catalogue.close()
    asked = [one for one in simulator.running.world.journal.entries() if one["path"].endswith("/webhooks")]
    assert [""] * 2 == [state.trouble for state in states]
    assert {200} == {one["status"] for one in asked if one["method"] == "POST"}


def test_a_rotation_that_took_two_tries_is_still_told_as_one(
    office: Any, simulator: Any, ensure: Any, kept: Settings, box: SecretBox
) -> None:
    ensure()
    care = partial(
        repair_webhook, office.sessions, kept, box, office.connections, office.audience_id
    )  # as the command does: until the web server knows the key
    Answering.status = 404
    assert care(rotates=True).trouble
    Answering.status = 200

    state = care()

    assert ("", "its secret was renewed") == (state.trouble, state.repaired)


def test_trouble_that_lasts_is_one_alert_and_gone_once_mended(
    office: Any, simulator: Any, ensure: Any
) -> None:
    Answering.status = 404
    assert not ensure()
    assert stored(office)["state"] == "broken"
    age(office, checked_at=1, since=1)

    for _ in range(3):
        assert not ensure()
        age(office, checked_at=1)

    raised = office.execute("SELECT count(*) FROM attempts WHERE error ->> 'code' = 'webhook'")[0][0]
    with transaction(office.sessions) as session:
        (alert,) = list_alerts(session)
    assert (raised, alert.level, alert.code) == (1, "notice", "webhook")
    assert "repair-webhook newsletter" in alert.next_step
    Answering.status = 200
    assert ensure()
    with transaction(office.sessions) as session:
        assert list_alerts(session) == []


def test_a_muster_that_nobody_outside_reaches_has_no_webhook_and_says_so(
    office: Any, simulator: Any, ensure: Any
) -> None:
    office.execute("UPDATE destinations SET slug = 'mailchimp'")

    assert ensure()

    assert (stored(office)["state"], registered(simulator)) == ("unreachable", [])


def is_heard(office: Any, simulator: Any, box: SecretBox) -> bool:
    """Whether there is one webhook, and deliveries signed by it are believed."""
    (webhook,) = registered(simulator)
    return (
        stored(office)["state"] == "registered" and webhook.secret in secrets(office, box)["signing_secret"]
    )


def lose_an_answer(simulator: Any) -> None:
    simulator.fault("reset_after", times=1, path="/webhooks", method="POST")


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_webhook_whose_answer_was_lost_is_made_again(
    office: Any, simulator: Any, ensure: Any, box: SecretBox, is_noted: bool
) -> None:
    ensure()
    if not is_noted:
        forget_heard(office)
    simulator.running.world.audiences["a1b2c3d4e5"].webhooks.clear()
    age(office, checked_at=25)
    lose_an_answer(simulator)
    assert not ensure()
    simulator.mend()

    assert ensure()

    assert is_heard(office, simulator, box)


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_rotation_whose_answer_was_lost_is_made_again(  # noqa: PLR0917 - fixtures
    office: Any, simulator: Any, ensure: Any, kept: Settings, box: SecretBox, is_noted: bool
) -> None:
    ensure()
    if not is_noted:
        forget_heard(office)
    care = partial(repair_webhook, office.sessions, kept, box, office.connections, office.audience_id)
    lose_an_answer(simulator)
    assert care(rotates=True).trouble
    simulator.mend()

    assert care().state == "registered"

    assert is_heard(office, simulator, box)


def forget_heard(office: Any) -> None:
    """As before the id was noted."""
    office.execute("UPDATE audiences SET remote_schema = remote_schema #- '{webhook,heard}'")


def test_a_webhook_made_before_its_id_was_noted_stays_and_is_noted(
    office: Any, simulator: Any, ensure: Any
) -> None:
    ensure()
    (before,) = registered(simulator)
    forget_heard(office)
    age(office, checked_at=25)

    assert ensure()

    (after,) = registered(simulator)
    assert (after.webhook_id, stored(office)["heard"]) == (before.webhook_id, before.webhook_id)


def test_a_webhook_of_an_account_that_signs_nothing_is_made_once(
    office: Any, simulator: Any, ensure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, listed = AudienceCalls.create_webhook, AudienceCalls.list_webhooks

    def make_bare(self: AudienceCalls, *args: Any) -> Webhook:
        return replace(create(self, *args), is_signed=False, signing_secret="")

    def list_bare(self: AudienceCalls, list_id: str) -> tuple[Webhook, ...]:
        return tuple(replace(one, is_signed=False) for one in listed(self, list_id))

    monkeypatch.setattr(AudienceCalls, "create_webhook", make_bare)
    monkeypatch.setattr(AudienceCalls, "list_webhooks", list_bare)
    ensure()
    (first,) = registered(simulator)

    for _ in range(2):
        age(office, checked_at=25)
        assert ensure()

    (last,) = registered(simulator)
    assert last.webhook_id == first.webhook_id
