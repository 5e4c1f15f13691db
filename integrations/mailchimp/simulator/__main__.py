"""`python -m integrations.mailchimp.simulator`: the simulator by itself."""

import argparse
from pathlib import Path

from integrations.mailchimp.simulator.config import (
    DEFAULT_API_KEY,
    DEFAULT_LIST_ID,
    SimulatorConfig,
    read_switches,
)
from integrations.mailchimp.simulator.server import serve


def read_arguments(arguments: list[str] | None = None) -> SimulatorConfig:
    parser = argparse.ArgumentParser(prog="mailchimp-simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one and prints it")
    parser.add_argument(
        "--state-file", type=Path, default=None, help="keeps members over restarts; without it nothing stays"
    )
    parser.add_argument("--api-key", default=DEFAULT_API_KEY, help="32 hex digits, a dash and a data centre")
    parser.add_argument("--list-id", default=DEFAULT_LIST_ID)
    parser.add_argument("--list-name", default="Friends of the house")
    parser.add_argument("--latency-ms", type=int, default=0, help="waits this long before each answer")
    parser.add_argument("--double-optin", action="store_true")
    parser.add_argument(
        "--switch", action="append", default=[], metavar="NAME=VALUE", help="see config.Switches"
    )
    found = parser.parse_args(arguments)
    return SimulatorConfig(
        api_key=found.api_key,
        list_id=found.list_id,
        list_name=found.list_name,
        latency_ms=found.latency_ms,
        state_file=found.state_file,
        host=found.host,
        port=found.port,
        is_double_optin=found.double_optin,
        switches=read_switches(found.switch),
    )


if __name__ == "__main__":
    serve(read_arguments())
