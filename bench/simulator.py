"""Bench: the simulator by itself - CPU and wall time for a batch of 500, CPU for a page of 1,000, memory for each member.

Most calls go through the whole application, without sockets; a batch is measured over the wire as well, beyond a set
latency (simulator_process). `--members` fills the audience first (default 100,000); the figure for memory is the growth
of the process, all strings and indexes included.
"""

import argparse
import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from werkzeug.test import Client

from bench.simulator_bodies import BATCH, batch_body
from bench.simulator_process import GOAL_MS, measure_process
from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.world import World

ROUNDS = 9
WIRE_MEMBERS = 20_000  # an audience that is filled before a batch is measured over the wire


def cpu_ms(client: Client, method: str, path: str, key: str, body: str | None = None) -> float:
    """CPU milliseconds of one call that must succeed."""
    headers, started = {"Authorization": f"Bearer {key}"}, time.process_time()
    answer = client.open(path, method=method, data=body, headers=headers)
    spent = (time.process_time() - started) * 1000
    if answer.status_code != 200:
        raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
    return spent


def fill(client: Client, config: SimulatorConfig, count: int) -> float:
    """Bytes by which the process grew for each member."""
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for number in range(count // BATCH):
        cpu_ms(client, "POST", f"/3.0/lists/{config.list_id}", config.api_key, batch_body(number, "Ada"))
    gc.collect()
    return (process.memory_info().rss - before) / max(count, 1)


def measure(count: int, state_file: Path | None) -> dict[str, float]:
    config = SimulatorConfig(state_file=state_file, journal_size=1000)
    world = World(config)
    client = Client(make_app(world=world))
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the server does
    path, key = f"/3.0/lists/{config.list_id}", config.api_key
    bytes_each = fill(client, config, count)
    first = count // BATCH + 1
    creates = [cpu_ms(client, "POST", path, key, batch_body(first + one, "Ada")) for one in range(ROUNDS)]
    updates = [cpu_ms(client, "POST", path, key, batch_body(first + one, "Eve")) for one in range(ROUNDS)]
    same = [cpu_ms(client, "POST", path, key, batch_body(first + one, "Eve")) for one in range(ROUNDS)]
    page = f"{path}/members?count=1000"
    cpu_ms(client, "GET", page, key)
    pages = [cpu_ms(client, "GET", f"{page}&offset={one * 1000}", key) for one in range(ROUNDS)]
    lean = f"{page}&exclude_fields=_links,members._links"
    leans = [cpu_ms(client, "GET", f"{lean}&offset={one * 1000}", key) for one in range(ROUNDS)]
    world.close()
    found = {
        "create": creates,
        "update": updates,
        "unchanged": same,
        "page": pages,
        "page without links": leans,
    }
    return {
        **{f"{name} ms": round(statistics.median(spent), 1) for name, spent in found.items()},
        "bytes a member": round(bytes_each),
        "rss MB": round(psutil.Process().memory_info().rss / 1e6),
        "members": count,
    }


def say_batches(batches: Mapping[str, Any]) -> None:
    print(
        f"a batch of {BATCH} over the wire, beyond {batches['latency_ms']} ms of latency (goal {GOAL_MS} ms):"
    )
    for kind, one in batches.items():
        if isinstance(one, dict):
            print(
                f"{kind:>20}: {one['wall_ms_beyond_latency']} ms wall, {one['cpu_ms']} ms CPU,"
                f" {one['cpu_ratio_to_baseline']} x {one['baseline']} ({one['baseline_cpu_ms']} ms)"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument(
        "--state-file", action="store_true", help="with a state file, as `muster sim` has one"
    )
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"state{number}.jsonl" if chosen.state_file else None for number in range(2)]
        found = measure(chosen.members, files[0])  # first: memory given back would not show as growth
        batches = measure_process(min(chosen.members, WIRE_MEMBERS), ROUNDS, files[1])
    for name, value in found.items():
        print(f"{name:>20}: {value}")
    say_batches(batches)
    if chosen.json:
        told = {"python": platform.python_version(), **found, "batch_of_500_over_the_wire": batches}
        chosen.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
