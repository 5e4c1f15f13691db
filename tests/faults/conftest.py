"""A started Muster for tests of what goes wrong at Mailchimp; each begins and ends with a Mailchimp that works."""

from collections.abc import Iterator

import pytest

from tests.kit.faulty import CONNECTION_LIMIT, Trial
from tests.kit.running import RunningMuster, running_muster


@pytest.fixture(scope="module")
def started() -> Iterator[Trial]:
    with running_muster() as muster:
        yield Trial(muster, muster.ask("sources", "add", "standard_webhooks", "shop"))


@pytest.fixture
def trial(started: Trial) -> Iterator[Trial]:
    """Never more than ten connections, and all agree within a minute of the last fault."""
    yield started
    started.mend()
    started.agree()
    assert started.most_at_once() <= CONNECTION_LIMIT


@pytest.fixture
def muster(trial: Trial) -> RunningMuster:
    return trial.muster
