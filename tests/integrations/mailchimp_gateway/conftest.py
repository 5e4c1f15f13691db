"""A simulator on a free port, a gateway to it, and the official definition where the shared folder is there."""

from collections.abc import Iterator

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from tests.kit.contract import DEFINITION, Definition, Exchange, load_definition, recorded


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(SimulatorConfig(port=0, webhook_retry_seconds=(0.05, 0.1))) as running:
        yield running


@pytest.fixture
def gateway(simulator: RunningSimulator) -> Iterator[Gateway]:
    gateway = Gateway(
        simulator.url, simulator.config.api_key, deadline_seconds=5.0, bulk_deadline_seconds=10.0
    )
    yield gateway
    gateway.close()


@pytest.fixture
def list_id(simulator: RunningSimulator) -> str:
    return simulator.config.list_id


@pytest.fixture
def exchanges(simulator: RunningSimulator) -> Iterator[list[Exchange]]:
    """Everything that was asked of the simulator, with its answers."""
    with recorded(simulator) as found:
        yield found


@pytest.fixture
def definition(shared) -> Definition:
    """Mailchimp's own; the test is skipped where it is absent."""
    return load_definition(shared / DEFINITION)
