"""A server that was started so that it may forget what it confirmed is refused."""

import pytest

from app.core.db import make_engine
from app.core.errors import ConfigError
from app.core.postgres import check_database
from app.core.servers import scratch_servers


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_started_without_durability_is_refused(name):
    with scratch_servers({name: "off"}) as settings:
        engine = make_engine(settings.postgres_url)
        with pytest.raises(ConfigError, match=f"{name} = off"):
            check_database(engine)
        engine.dispose()
