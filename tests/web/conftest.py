"""A console on the real database, and people who use it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.connect import Connections, Deadlines
from app.core.config import Settings
from app.core.db import transaction
from app.core.secretbox import SecretBox
from app.factory import create_app
from app.web.accounts import accept_link, invite_link
from app.web.wiring import wiring
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from tests.kit.office import Office, Simulator
from tests.web.rows import add_office

PASSWORD = "a long walk in the hills"
TOKEN_FIELD = 'name="csrf_token" value="'


@pytest.fixture(scope="session")
def app(settings: Settings, database_url: str) -> Iterator[Flask]:
    """The application as it is served."""
    app = create_app(replace(settings, public_url="http://127.0.0.1:8080"))
    with (
        app.app_context()
    ):  # the same algorithm at its lowest cost, so that a hundred sign-ins take no minute
        app.extensions["security"].pwd_context.update(
            argon2__time_cost=1, argon2__memory_cost=64, argon2__parallelism=1
        )
    yield app
    app.extensions["muster"].runtime.engine.dispose()


@pytest.fixture(autouse=True)
def fresh(app: Flask, sessions: sessionmaker[Session]) -> None:
    """An empty database, nobody counted, nothing remembered."""
    from app.web.pages.accounts import THROTTLE
    from app.web.pages.overview import Snapshot
    from app.web.throttle import Throttle

    app.extensions[THROTTLE] = Throttle()
    app.extensions["muster_overview"] = Snapshot()


def token_of(page: str) -> str:
    """The CSRF token in a page."""
    return page.split(TOKEN_FIELD, 1)[1].split('"', 1)[0]


@dataclass
class Person:
    """Somebody with a browser."""

    client: FlaskClient
    email: str = ""

    def get(self, path: str, **options) -> TestResponse:
        return self.client.get(path, buffered=True, **options)

    def post(self, path: str, *, page: str = "/account", **options) -> TestResponse:
        token = token_of(self.client.get(page).text)
        return self.client.post(path, data={"csrf_token": token, **options.pop("data", {})}, **options)


def add_account(app: Flask, email: str, role: str) -> None:
    with app.app_context():
        session = wiring().session()
        link = invite_link(session, "", role)
        accept_link(session, link.rpartition("/")[2], email, hash_password(PASSWORD))
        session.commit()


@pytest.fixture
def visitor(app: Flask) -> Person:
    """Somebody who is not signed in."""
    return Person(app.test_client())


@pytest.fixture
def sign_in(app: Flask) -> Callable[[str], Person]:
    """Make an account with a role and sign in with it."""

    def make(role: str) -> Person:
        email = f"{role}@office.example"
        add_account(app, email, role)
        person = Person(app.test_client(), email)
        answer = person.post("/sign-in", page="/sign-in", data={"email": email, "password": PASSWORD})
        assert answer.status_code == 302
        return person

    return make


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Mailchimp of its own."""
    with RunningSimulator(SimulatorConfig(port=0)) as running:
        yield Simulator(running)


@pytest.fixture
def house(
    sessions: sessionmaker[Session],
    settings: Settings,
    box: SecretBox,
    redis_url: str,
    simulator: Simulator,
) -> Iterator[Office]:
    """The audience `newsletter` on the simulator, approved."""
    with transaction(sessions) as session:
        audience = ensure_simulated_audience(session, replace(settings, sim_port=simulator.running.port), box)
        assert audience is not None
        audience_id = audience.id
    connections = Connections(box, redis_url, deadlines=Deadlines(5, 10))
    yield Office(sessions, connections, audience_id)
    connections.close()


@pytest.fixture
def audited(engine: Engine) -> Callable[[], list[tuple[str, str, str]]]:
    """(actor, action, subject) of what people changed, the oldest first; the rows' own mapping apart."""

    def read() -> list[tuple[str, str, str]]:
        rows = run_sql(
            engine,
            "SELECT actor, action, subject FROM audit_entries WHERE action <> 'mapping.publish' ORDER BY id",
        )
        return [tuple(row) for row in rows if row[0].endswith("@office.example")]

    return read


@pytest.fixture
def viewer(sign_in) -> Person:
    return sign_in("viewer")


@pytest.fixture
def editor(sign_in) -> Person:
    return sign_in("editor")


@pytest.fixture
def admin(sign_in) -> Person:
    return sign_in("admin")


class Dom(HTMLParser):
    """A page as a browser reads it: elements, and the text of the ones asked for."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.isolated: list[str] = []
        self._depth = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "bdi":
            self._depth += 1
            self.isolated.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "bdi":
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.isolated[-1] += data


def run_sql(engine: Engine, statement: str, **values) -> list:
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result) if result.returns_rows else []


@pytest.fixture
def office(session) -> dict[str, int]:
    """A small office; the ids of its rows by what they are."""
    ids = add_office(session)
    session.commit()
    return ids


AUDIENCE_PAGE = "/audiences/newsletter"


def change_audience(engine: Engine, assignments: str) -> None:
    """Change the office's audience by an UPDATE's assignments."""
    run_sql(engine, f"UPDATE audiences SET {assignments} WHERE slug = 'newsletter'")


def read_audience(engine: Engine, columns: str) -> tuple:
    """These columns of the office's audience."""
    return tuple(run_sql(engine, f"SELECT {columns} FROM audiences WHERE slug = 'newsletter'")[0])
