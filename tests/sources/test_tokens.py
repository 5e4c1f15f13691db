"""Tokens from a login page: a state works once, tokens are renewed before they end, a refusal is told once."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from app.core.errors import InvalidError
from app.core.runtime import Runtime
from app.sources import tokens
from app.sources.configure import add_source, open_secrets
from integrations.kit.contract import OAuthApp
from integrations.kit.registry import get_source
from tests.kit.api import StandIn, api_answering

BACK = "https://muster.example/admin/sources/back"


@pytest.fixture
def runtime(settings, sessions) -> Runtime:
    runtime = Runtime(settings)
    yield runtime
    runtime.engine.dispose()


@pytest.fixture
def connected(runtime, monkeypatch):
    """A source whose platform has a login page, and the answers of its token endpoint by grant."""
    answers: dict[str, tuple[int, Any]] = {
        "authorization_code": (200, {"access_token": "first", "refresh_token": "again", "expires_in": 3600}),
        "refresh_token": (200, {"access_token": "second", "refresh_token": "once more", "expires_in": 3600}),
    }

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, Any]:
        return answers[parse_qs(body.decode())["grant_type"][0]]

    app = OAuthApp(
        "https://login.example/ask",
        "https://login.example/token",
        ("leads",),
        token_base_setting="token_base",
    )
    monkeypatch.setattr(type(get_source("website")), "oauth", app)
    with api_answering(answer) as api:
        with runtime.transaction() as session:
            source = add_source(session, runtime.box, "website", "form", {})
            session.execute(
                text("UPDATE sources SET settings = settings || CAST(:more AS jsonb)"),
                {"more": json.dumps({"client_id": "our-app", "token_base": api.url})},
            )
            source_id = session.execute(text("SELECT id FROM sources")).scalar_one()
            sealed = runtime.box.seal("our-secret", f"secret:{source_id}:client_secret")
            session.execute(
                text("INSERT INTO secrets (source_id, name, sealed) VALUES (:id, 'client_secret', :sealed)"),
                {"id": source_id, "sealed": sealed},
            )
        assert source.slug == "form"
        yield answers, api


def log_in(runtime: Runtime, actor: str = "ana") -> str:
    """The state in the address that the browser is sent to."""
    with runtime.transaction() as session:
        url = tokens.begin_connect(session, runtime.box, "form", BACK, actor)
    asked = parse_qs(urlsplit(url).query)
    assert ("our-app", BACK, "leads") == (asked["client_id"][0], asked["redirect_uri"][0], asked["scope"][0])
    return asked["state"][0]


def secrets_of(runtime: Runtime) -> dict[str, tuple[str, ...]]:
    with runtime.transaction() as session:
        source_id = session.execute(text("SELECT id FROM sources")).scalar_one()
        return open_secrets(session, runtime.box, source_id)


def let_expire(runtime: Runtime) -> None:
    with runtime.transaction() as session:
        session.execute(
            text("UPDATE secrets SET expires_at = now() + interval '5 min' WHERE name = 'access_token'")
        )


def test_a_login_leaves_both_tokens_sealed_with_the_source(runtime, connected):
    tokens.finish_connect(runtime, {"state": log_in(runtime), "code": "c"}, BACK, "ana")

    found = secrets_of(runtime)
    assert (("first",), ("again",)) == (found["access_token"], found["refresh_token"])


@pytest.mark.parametrize("actor", ["ana", "somebody else"])
def test_a_state_works_once_and_for_whoever_began(runtime, connected, actor):
    state = log_in(runtime)
    if actor == "ana":
        tokens.finish_connect(runtime, {"state": state, "code": "c"}, BACK, actor)

    with pytest.raises(InvalidError):
        tokens.finish_connect(runtime, {"state": state, "code": "c"}, BACK, actor)


def test_a_token_is_renewed_before_it_ends_and_not_earlier(runtime, connected):
    tokens.finish_connect(runtime, {"state": log_in(runtime), "code": "c"}, BACK, "ana")

    early = tokens.renew_due_tokens(runtime)
    let_expire(runtime)
    renewed = tokens.renew_due_tokens(runtime)

    assert (0, 1) == (early, renewed)
    found = secrets_of(runtime)
    assert (("second",), ("once more",)) == (found["access_token"], found["refresh_token"])


def test_a_refused_renewal_pauses_the_source_and_asks_an_admin_once(runtime, connected):
    answers, api = connected
    tokens.finish_connect(runtime, {"state": log_in(runtime), "code": "c"}, BACK, "ana")
    answers["refresh_token"] = (400, {"error": "invalid_grant"})
    let_expire(runtime)

    for _ in range(3):
        tokens.renew_due_tokens(runtime)

    with runtime.transaction() as session:
        reason, alerts = session.execute(
            text(
                "SELECT paused_reason, (SELECT count(*) FROM audit_entries WHERE action = 'source.pause') FROM sources"
            )
        ).one()
    assert ("the login has ended; connect the source again", 1) == (reason, alerts)
    assert 2 == calls(api)  # the code, and one renewal: the lease holds back the others


def test_a_token_refused_before_its_time_is_renewed_and_work_goes_on(runtime, connected):
    tokens.finish_connect(runtime, {"state": log_in(runtime), "code": "c"}, BACK, "ana")
    with runtime.transaction() as session:
        session.execute(text("UPDATE sources SET paused_at = now(), paused_reason = 'refused'"))

    renewed = [tokens.renew_due_tokens(runtime) for _ in range(2)]

    assert [1, 0] == renewed
    with runtime.transaction() as session:
        assert [None] == list(session.scalars(text("SELECT paused_at FROM sources")))


def test_an_outage_of_the_login_host_is_no_refusal(runtime, connected):
    answers, _ = connected
    tokens.finish_connect(runtime, {"state": log_in(runtime), "code": "c"}, BACK, "ana")
    answers["refresh_token"] = (503, {})
    let_expire(runtime)

    tokens.renew_due_tokens(runtime)

    with runtime.transaction() as session:
        assert [None] == list(session.scalars(text("SELECT paused_at FROM sources")))


def calls(api: StandIn) -> int:
    return len(api.asked)
