"""Destinations by OAuth: one use of the state, the sealed token, a withdrawn one pauses once, connecting anew mends."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.account import begin_connect, finish_connect, rotate_key
from app.audiences.connect import Connections, binding
from app.audiences.gate import is_open, list_due_audiences
from app.audiences.models import Audience, Change, Destination
from app.audiences.push import push_audience
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import ConfigError, ConflictError, InvalidError
from app.core.secretbox import SecretBox
from app.inbox.models import Attempt
from app.sources.models import PendingLogin
from tests.kit.login_host import LoginHost

BACK = "https://crm.house.test/connect"
ADA = "ada@house.test"


@pytest.fixture
def host(simulator: Any) -> Iterator[LoginHost]:
    with LoginHost(simulator.running.config.api_key, simulator.running.origin) as host:
        yield host


@pytest.fixture
def oauth_settings(sim_settings: Settings, host: LoginHost) -> Settings:
    return replace(
        sim_settings,
        mailchimp_client_id="the-id",
        mailchimp_client_secret=host.secret,
        mailchimp_login_url=host.url,
    )


def begun(sessions: sessionmaker[Session], settings: Settings, slug: str = "house") -> str:
    """The state of a login just begun."""
    with transaction(sessions) as session:
        url = begin_connect(session, settings, slug, BACK, ADA)
    return parse_qs(urlsplit(url).query)["state"][0]


def connected(
    sessions: sessionmaker[Session], box: SecretBox, settings: Settings, state: str, code: str = "the-code"
) -> str:
    return finish_connect(
        sessions, box, settings, answer={"state": state, "code": code}, redirect_uri=BACK, actor=ADA
    )


def test_a_login_makes_a_destination_with_a_sealed_token(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, host: LoginHost
) -> None:
    slug = connected(sessions, box, oauth_settings, begun(sessions, oauth_settings))

    with sessions() as session:
        row = session.scalars(select(Destination)).one()
    assert (slug, row.slug, row.login, row.base_url) == ("house", "house", "oauth", f"{host.endpoint}/3.0")
    assert host.token.encode() not in bytes(row.sealed_key)
    assert box.open(row.sealed_key, binding("house")) == host.token
    assert (row.account["dc"], set(row.account)) == ("us3", {"account_id", "name", "role", "dc"})


def test_the_state_is_kept_as_a_hash_and_works_once(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, host: LoginHost
) -> None:
    state = begun(sessions, oauth_settings)
    with sessions() as session:
        assert state.encode() not in session.scalars(select(PendingLogin.state_hash)).one()
    connected(sessions, box, oauth_settings, state)
    host.code = "the-code"

    with pytest.raises(InvalidError, match="used already"):
        connected(sessions, box, oauth_settings, state)


def test_a_state_of_nobody_of_another_or_too_old_is_refused(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, host: LoginHost
) -> None:
    old, theirs = begun(sessions, oauth_settings), begun(sessions, oauth_settings)
    with transaction(sessions) as session:
        session.execute(
            update(PendingLogin)
            .where(PendingLogin.state_hash == func.sha256(old.encode()))
            .values(expires_at=func.now() - text("interval '1 second'"))
        )

    for state, actor in (("", ADA), ("made-up", ADA), (old, ADA), (theirs, "eve@house.test")):
        with pytest.raises(InvalidError, match="not begun here"):
            finish_connect(
                sessions,
                box,
                oauth_settings,
                answer={"state": state, "code": "the-code"},
                redirect_uri=BACK,
                actor=actor,
            )

    assert host.forms == []


@pytest.mark.parametrize("answer", [{"error": "access_denied"}, {"code": ""}, {"code": "wrong"}])
def test_a_refusal_at_mailchimp_stores_nothing(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, answer: dict[str, str]
) -> None:
    state = begun(sessions, oauth_settings)

    with pytest.raises(InvalidError):
        finish_connect(
            sessions, box, oauth_settings, answer={"state": state, **answer}, redirect_uri=BACK, actor=ADA
        )

    with sessions() as session:
        assert session.scalars(select(Destination)).all() == []


def test_without_a_registered_app_one_is_told_how_to_get_one(
    sessions: sessionmaker[Session], sim_settings: Settings
) -> None:
    with transaction(sessions) as session, pytest.raises(ConfigError) as caught:
        begin_connect(session, sim_settings, "house", BACK, ADA)

    assert BACK in caught.value.hint


def test_the_settings_own_destinations_are_not_taken(
    sessions: sessionmaker[Session], oauth_settings: Settings
) -> None:
    keyed = replace(oauth_settings, mailchimp_api_key="a" * 32 + "-us6")
    for slug in ("simulator", "mailchimp"):
        with transaction(sessions) as session, pytest.raises(InvalidError):
            begin_connect(session, keyed, slug, BACK, ADA)


def test_another_account_does_not_take_the_place_of_the_first(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, host: LoginHost
) -> None:
    connected(sessions, box, oauth_settings, begun(sessions, oauth_settings))
    with transaction(sessions) as session:
        session.execute(update(Destination).values(account={"account_id": "another", "name": "Other house"}))
    host.code = "the-code"

    with pytest.raises(ConflictError, match="Other house"):
        connected(sessions, box, oauth_settings, begun(sessions, oauth_settings))


def alerts(session: Session) -> int:
    return session.scalar(select(func.count()).where(Attempt.error["alert"].as_boolean())) or 0


def test_a_withdrawn_token_pauses_once_is_not_tried_again_and_connecting_anew_mends_it(
    office: Any, box: SecretBox, oauth_settings: Settings, host: LoginHost, simulator: Any
) -> None:
    connected(office.sessions, box, oauth_settings, begun(office.sessions, oauth_settings))
    with transaction(office.sessions) as session:
        house = session.scalars(select(Destination.id).where(Destination.slug == "house")).one()
        session.execute(update(Audience).values(destination_id=house))
    office.crowd(3)
    withdrawn = simulator.running.config.api_key
    account = simulator.running.world.accounts[withdrawn]
    account.is_revoked = True

    for _ in range(3):
        push_audience(office.sessions, office.connections, office.audience_id)
    with transaction(office.sessions) as session:
        row = session.get_one(Destination, house)
        assert (row.paused_code, alerts(session)) == ("revoked", 1)
        assert session.scalar(select(func.count()).where(Change.parked_at.is_not(None))) == 0
        row.breaker = {**row.breaker, "until": 0}  # the time for a probe has come
    calls = simulator.running.world.journal.counts()["calls"]
    with transaction(office.sessions) as session:
        assert list_due_audiences(session) == []
    assert not is_open(office.sessions, office.connections, house)
    assert calls == simulator.running.world.journal.counts()["calls"]

    account.is_revoked = False
    host.code = "the-code"
    connected(office.sessions, box, oauth_settings, begun(office.sessions, oauth_settings))
    with transaction(office.sessions) as session:
        assert list_due_audiences(session) == [office.audience_id]
    push_audience(office.sessions, office.connections, office.audience_id)

    with sessions_of(office) as session:
        assert session.scalar(select(func.count()).select_from(Change)) == 0
        assert alerts(session) == 1


def sessions_of(office: Any) -> Session:
    session: Session = office.sessions()
    return session


def test_a_new_key_is_tried_before_it_is_stored(
    sessions: sessionmaker[Session], box: SecretBox, sim_settings: Settings, simulator: Any
) -> None:
    key = simulator.running.config.api_key
    with pytest.raises(InvalidError, match="does not take"):
        rotate_key(
            sessions,
            box,
            sim_settings,
            slug="house",
            api_key="x-us1",
            actor=ADA,
            base_url=simulator.running.url,
        )
    with pytest.raises(InvalidError, match="not a Mailchimp API key"):
        rotate_key(sessions, box, sim_settings, slug="house", api_key="nonsense", actor=ADA)

    rotate_key(
        sessions, box, sim_settings, slug="house", api_key=key, actor=ADA, base_url=simulator.running.url
    )

    with sessions() as session:
        row = session.scalars(select(Destination)).one()
    assert (row.login, box.open(row.sealed_key, binding("house"))) == ("api_key", key)


def test_two_logins_to_one_account_share_its_connections(
    sessions: sessionmaker[Session], box: SecretBox, oauth_settings: Settings, redis_url: str, simulator: Any
) -> None:
    connected(sessions, box, oauth_settings, begun(sessions, oauth_settings))
    rotate_key(
        sessions,
        box,
        oauth_settings,
        slug="second",
        api_key=simulator.running.config.api_key,
        actor=ADA,
        base_url=simulator.running.url,
    )
    connections = Connections(box, redis_url)
    with sessions() as session:
        for row in session.scalars(select(Destination)):
            connections.gateway(row)

    keys = {slots._keys[0] for _, _, slots in connections._open.values()}
    connections.close()

    assert len(keys) == 1
