"""An audience on a simulator of its own, and webhooks on their way behind the door."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.account import rotate_key
from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.configure import ensure_destination
from app.audiences.connect import Connections, Deadlines
from app.audiences.gate import is_open
from app.audiences.models import Destination
from app.audiences.simulated import API_KEY
from app.audiences.slots import SharedSlots
from app.core.config import Settings
from app.core.db import transaction
from app.core.runtime import Runtime, keep_runtime
from app.core.secretbox import SecretBox
from app.pipeline import apply_events, split_deliveries
from app.sources.configure import add_source
from integrations.mailchimp.answers import subscriber_hash
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from tests.kit.office import Office, Simulator

LIST_ID = "a1b2c3d4e5"
DELIVERY = text("""
    INSERT INTO deliveries (source_id, key, method, content_type, body, body_sha256)
    SELECT id, :key, 'POST', 'application/x-www-form-urlencoded', :body, sha256(:body) FROM sources
""")


@pytest.fixture
def runtime(sim_settings: Settings) -> Iterator[Runtime]:
    """What jobs and rounds find kept."""
    runtime = Runtime(sim_settings)
    keep_runtime(runtime)
    yield runtime
    runtime.engine.dispose()
    runtime.redis.close()


@pytest.fixture
def account() -> str:
    return f"test-{time.monotonic_ns()}"


@pytest.fixture
def make_slots(redis_url: str, account: str) -> Iterator[Callable[..., SharedSlots]]:
    """Slots of one account as another process would open them."""
    made: list[SharedSlots] = []

    def make(count: int = 8, recovery_seconds: float = 30.0) -> SharedSlots:
        made.append(SharedSlots(redis_url, account, count, recovery_seconds))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with RunningSimulator(SimulatorConfig(port=0)) as running:
        yield Simulator(running)


@pytest.fixture
def sim_settings(settings: Settings, simulator: Simulator) -> Settings:
    return replace(settings, sim_port=simulator.running.port)


@pytest.fixture
def connections(box: SecretBox, redis_url: str) -> Iterator[Connections]:
    connections = Connections(box, redis_url, deadlines=Deadlines(5, 10))
    yield connections
    connections.close()


@pytest.fixture
def office(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox, connections: Connections
) -> Office:
    with transaction(sessions) as session:
        audience = ensure_simulated_audience(session, sim_settings, box)
        assert audience is not None
        audience.tags = ["Alumni", "Friends"]
    return Office(sessions, connections, audience.id)


@pytest.fixture
def keyed_settings(sim_settings: Settings, simulator: Any) -> Settings:
    """A key in the settings, as with the real Mailchimp; whose it is nobody read yet."""
    return replace(sim_settings, mailchimp_api_key=API_KEY, mailchimp_base_url=simulator.running.url)


@pytest.fixture
def connect_college(
    sessions: sessionmaker[Session], box: SecretBox, keyed_settings: Settings, simulator: Any
) -> Callable[[], None]:
    """Connect the account under a name, with a key that is tried before."""
    given = {"slug": "college", "api_key": API_KEY, "actor": "ada", "base_url": simulator.running.url}
    return lambda: rotate_key(sessions, box, keyed_settings, **given)


@pytest.fixture
def accesses(
    sessions: sessionmaker[Session],
    box: SecretBox,
    keyed_settings: Settings,
    connect_college: Callable[[], None],
) -> Callable[[], tuple[Destination, Destination]]:
    """The account of the settings, connected under a name of its own as well; as they are now."""
    with transaction(sessions) as session:
        ensure_destination(session, box, keyed_settings)
    connect_college()

    def read() -> tuple[Destination, Destination]:
        with sessions() as session:
            rows = {one.slug: one for one in session.scalars(select(Destination))}
        return rows["mailchimp"], rows["college"]

    return read


@pytest.fixture
def known_accesses(sessions: sessionmaker[Session], connections: Connections, accesses: Any) -> Any:
    """The same, and it is known that they are one."""
    assert all(is_open(sessions, connections, one.id) for one in accesses())
    return accesses


@pytest.fixture
def permissions(office: Any, simulator: Any) -> tuple[str, str]:
    """Marketing permissions of the audience: by mail, for the newsletter; for advertising."""
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "has_permissions": True})
    mail, ads, *_ = next(iter(simulator.running.world.audiences.values())).permissions
    office.put(marketing_permissions={mail: "newsletter", ads: "advertising"})
    return mail, ads


@pytest.fixture
def webhook(office: Office, sim_settings: Settings) -> Iterator[Callable[..., None]]:
    """A webhook's delivery, stored as though it had passed the door, all the way into contact, ledger and mirror."""
    runtime = Runtime(sim_settings)
    with runtime.transaction() as session:
        add_source(session, runtime.box, "mailchimp", "mailchimp", {})

    def deliver(kind: str, fired_at: str = "2099-01-01 00:00:00", **more: str) -> None:
        fields = {"list_id": LIST_ID, **more}
        told = {"type": kind, "fired_at": fired_at, **{f"data[{name}]": one for name, one in fields.items()}}
        with runtime.transaction() as session:
            session.execute(DELIVERY, {"key": f"{kind} {fired_at}", "body": urlencode(told).encode()})
        apply_events(runtime, split_deliveries(runtime).held)
        assert office.execute("SELECT DISTINCT state FROM events") == [("done",)]

    yield deliver
    runtime.engine.dispose()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], Any]], None]:
    def wait(is_true: Callable[[], Any]) -> None:
        until = time.monotonic() + 10
        while not is_true():
            assert time.monotonic() < until, "waited 10 s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def hash_of() -> Callable[[str], str]:
    return subscriber_hash
