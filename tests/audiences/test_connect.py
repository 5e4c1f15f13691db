"""Breaker, gate, configuration, webhook registration, and the commands."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.breaker import (
    Breaker,
    after_probe,
    count_calls,
    may_call,
    read_breaker,
    start_probe,
    wants_probe,
)
from app.audiences.configure import AudienceWish, connect_audience, ensure_destination
from app.audiences.connect import Connections, binding
from app.audiences.gate import get_destination_of, list_audiences_to_pull, list_due_audiences
from app.audiences.hooks import ensure_webhook
from app.audiences.models import Audience, Destination
from app.cli import audiences as audience_commands
from app.cli import sync as sync_commands
from app.cli.audiences import audiences
from app.cli.sync import sync
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import BusyError, ConfigError, ConflictError, InvalidError, NotFoundError
from app.core.runtime import Runtime
from app.core.secretbox import SecretBox
from app.sources.configure import open_secrets
from app.sources.models import Source

# Breaker


def test_the_breaker_opens_at_ten_calls_of_which_seven_failed() -> None:
    breaker = Breaker()
    for number in range(10):
        assert may_call(breaker)
        breaker = count_calls(breaker, 1000 + number, 1, int(number != 5))

    assert breaker.state == "open"
    assert not wants_probe(breaker, 1009)
    assert wants_probe(breaker, 1010 + 30)


def test_few_failures_or_old_ones_do_not_open_it() -> None:
    breaker = Breaker()
    for number in range(40):
        breaker = count_calls(breaker, 1000 + 10 * number, 1, 1)

    assert breaker.state == "closed"


def test_one_process_probes_and_the_answer_decides() -> None:
    probing = start_probe(Breaker("open", (), 100, 1), 100)

    assert not wants_probe(probing, 110)
    assert after_probe(probing, 110, is_up=True) == Breaker()
    assert after_probe(probing, 110, is_up=False).state == "open"
    assert read_breaker(probing.as_dict()) == probing


# Which audiences have work


def test_audiences_with_due_changes_are_found(office: Any) -> None:
    with transaction(office.sessions) as session:
        assert list_due_audiences(session) == []
    office.crowd(1)
    with transaction(office.sessions) as session:
        assert list_due_audiences(session) == [office.audience_id]
    office.execute(
        'UPDATE destinations SET paused_at = now(), breaker = \'{"state": "open", "until": 9999999999}\''
    )

    with transaction(office.sessions) as session:
        assert list_due_audiences(session) == []


def test_an_audience_is_pulled_again_after_a_while(office: Any) -> None:
    with transaction(office.sessions) as session:
        assert list_audiences_to_pull(session) == [office.audience_id]
    office.execute("UPDATE audiences SET pulled_until = now()")

    with transaction(office.sessions) as session:
        assert list_audiences_to_pull(session) == []


# Configuration


def test_the_first_start_makes_one_audience_however_often_it_is_repeated(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    for _ in range(2):
        with transaction(sessions) as session:
            ensure_simulated_audience(session, sim_settings, box)

    with sessions() as session:
        rows = session.query(Audience).all()
        assert [(row.slug, row.is_enabled) for row in rows] == [("newsletter", True)]
        assert rows[0].merge_fields == {"FNAME": "first_name", "LNAME": "last_name", "PHONE": "phone"}


def test_with_a_real_key_the_simulated_audience_rests(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session:
        ensure_simulated_audience(session, sim_settings, box)
    real = replace(sim_settings, mailchimp_api_key="0" * 32 + "-us6")

    with transaction(sessions) as session:
        ensure_simulated_audience(session, real, box)

    with sessions() as session:
        assert [row.is_enabled for row in session.query(Audience)] == [False]
        found = {row.slug: row.base_url for row in session.query(Destination)}
    assert found["mailchimp"] == "https://us6.api.mailchimp.com/3.0"


def test_the_key_is_sealed_and_a_new_one_unpauses(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    first = replace(sim_settings, mailchimp_api_key="a" * 32 + "-us6")
    with transaction(sessions) as session:
        destination = ensure_destination(session, box, first)
        destination.paused_reason = "wrong key"
        assert b"aaaa" not in bytes(destination.sealed_key)

    with transaction(sessions) as session:
        ensure_destination(session, box, replace(first, mailchimp_api_key="b" * 32 + "-us6"))

    with sessions() as session:
        destination = session.query(Destination).one()
        assert destination.paused_reason is None
        assert box.open(destination.sealed_key, binding("mailchimp")) == "b" * 32 + "-us6"


def test_a_key_without_a_data_centre_is_refused(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session, pytest.raises(ConfigError):
        ensure_destination(session, box, replace(sim_settings, mailchimp_api_key="nonsense"))


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (AudienceWish("Big Letters", "a1b2c3d4e5"), InvalidError),
        (AudienceWish("second", "0000000000"), InvalidError),
        (AudienceWish("second", "a1b2c3d4e5", merge_fields={"NONE": "x"}), InvalidError),
        (AudienceWish("second", "a1b2c3d4e5", entry_rule={"x": 1}), InvalidError),
        (AudienceWish("second", "a1b2c3d4e5"), ConflictError),
    ],
)
def test_an_audience_that_cannot_be_is_refused(
    office: Any, wish: AudienceWish, error: type[Exception]
) -> None:
    with office.sessions() as session:
        destination = get_destination_of(session, office.audience_id)

    with pytest.raises(error):
        connect_audience(office.sessions, office.connections, destination, wish)


# Webhook


class Hook(BaseHTTPRequestHandler):
    """A web server that answers what Mailchimp asks when a webhook is saved."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), type("OwnHook", (Hook,), {})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_webhook_is_registered_once_and_its_secret_is_kept(
    office: Any, simulator: Any, sim_settings: Settings, box: SecretBox, web: HTTPServer
) -> None:
    settings = replace(sim_settings, port=web.server_port)

    done = [ensure_webhook(office.sessions, settings, box, office.connections) for _ in range(2)]

    webhooks = list(simulator.running.world.audiences["a1b2c3d4e5"].webhooks.values())
    assert done == [True, True]
    assert len(webhooks) == 1
    assert {name for name, is_on in webhooks[0].sources.items() if is_on} == {"user", "admin"}
    with office.sessions() as session:
        source = session.query(Source).one()
        secrets = open_secrets(session, box, source.id)
        audience = session.get_one(Audience, office.audience_id)
    assert source.slug == "mailchimp"
    assert secrets["signing_secret"] == (webhooks[0].secret,)
    assert webhooks[0].url.endswith(secrets["url_key"][0])
    assert audience.remote_schema["webhook"]["state"] == "registered"
    assert secrets["url_key"][0] not in json.dumps(audience.remote_schema)


def test_while_the_web_server_does_not_answer_the_webhook_waits(
    office: Any, simulator: Any, sim_settings: Settings, box: SecretBox, web: HTTPServer
) -> None:
    settings = replace(sim_settings, port=web.server_port)
    web.RequestHandlerClass.status = 404  # type: ignore[attr-defined]

    assert not ensure_webhook(office.sessions, settings, box, office.connections)
    web.RequestHandlerClass.status = 200  # type: ignore[attr-defined]

    assert ensure_webhook(office.sessions, settings, box, office.connections)


def test_a_webhook_whose_secret_was_never_heard_is_made_anew(
    office: Any, simulator: Any, sim_settings: Settings, box: SecretBox, web: HTTPServer
) -> None:
    settings = replace(sim_settings, port=web.server_port)
    simulator.fault("reset_after", method="POST", path="/webhooks", times=1)

    assert not ensure_webhook(office.sessions, settings, box, office.connections)
    assert ensure_webhook(office.sessions, settings, box, office.connections)

    assert len(simulator.running.world.audiences["a1b2c3d4e5"].webhooks) == 1


# Commands


@pytest.fixture
def run(office: Any, sim_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    runtime = Runtime(sim_settings)
    for commands in (audience_commands, sync_commands):
        monkeypatch.setattr(commands, "open_runtime", lambda: runtime)

    def run(group: Any, *arguments: str) -> Any:
        result = CliRunner().invoke(group, list(arguments), catch_exceptions=False, standalone_mode=False)
        if result.exception:
            raise result.exception
        return json.loads(result.output) if "--json" in arguments else result.output

    yield run
    runtime.engine.dispose()


def test_push_and_pull_by_command_leave_run_rows(
    run: Callable[..., Any], office: Any, simulator: Any
) -> None:
    office.crowd(3)

    pushed = run(sync, "push", "newsletter", "--json")
    again = run(sync, "push", "--json")
    pulled = run(sync, "pull", "newsletter", "--full", "--json")

    assert (pushed[0]["upsert"], pushed[0]["calls"]) == (3, 1)
    assert (again[0]["nothing"], again[0]["calls"]) == (3, 0)
    assert (pulled[0]["ours"], simulator.member_count()) == (3, 3)
    assert [(row["kind"], row["state"]) for row in run(sync, "runs", "--json")] == [
        ("pull", "done"),
        ("push", "done"),
        ("push", "done"),
    ]


def test_show_tells_members_and_who_cannot_be_synced(run: Callable[..., Any], office: Any) -> None:
    office.crowd(2)
    fake = office.add("x@example.com")
    office.push()

    found = run(audiences, "show", "newsletter", "--json")

    assert found["members"] == {"subscribed": 2}
    assert [(one["code"], one["people"], one["contact_ids"]) for one in found["cannot_sync"]] == [
        ("fake_address", 1, [fake])
    ]
    assert "example.com" not in json.dumps(found["cannot_sync"])
    assert "newsletter" in run(audiences, "list")
    assert "subscribed 2" in run(audiences, "show", "newsletter")
    assert run(audiences, "list", "--json")[0]["cannot_sync"] == 1


def test_an_audience_is_added_by_command(run: Callable[..., Any], office: Any) -> None:
    office.execute("DELETE FROM changes")
    office.execute("DELETE FROM audiences")

    found = run(
        audiences, "add", "second", "a1b2c3d4e5", "--tag", "Alumni", "--merge", "FNAME=first_name", "--json"
    )

    assert (found["label"], found["tags"], found["merge_fields"]) == (
        "Friends of the house",
        ["Alumni"],
        {"FNAME": "first_name"},
    )


def test_an_audience_that_is_not_there_is_named(run: Callable[..., Any]) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        run(audiences, "show", "nobody")


def test_a_push_that_may_not_call_says_so(run: Callable[..., Any], office: Any) -> None:
    office.execute(
        'UPDATE destinations SET paused_at = now(), breaker = \'{"state": "open", "until": 9999999999}\''
    )

    with pytest.raises(BusyError):
        run(sync, "push", "--json")


def test_a_gateway_is_opened_once_and_again_for_a_new_key(
    office: Any, connections: Connections, box: SecretBox
) -> None:
    with transaction(office.sessions) as session:
        destination = get_destination_of(session, office.audience_id)
        first = connections.gateway(destination)
        assert connections.gateway(destination) is first
        destination.sealed_key = box.seal("x-us1", binding(destination.slug))

        assert connections.gateway(destination) is not first
