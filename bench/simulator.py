"""Bench: the simulator by itself - CPU for a batch of 500 and a page of 1,000, and memory for each member.

The calls go through the whole application, without sockets. `--members` fills the audience first (default 100,000);
the figure for memory is the growth of the process, all strings and indexes included.
"""

import argparse
import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from werkzeug.test import Client

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.world import World

BATCH = 500
ROUNDS = 9


def batch_body(number: int, name: str) -> str:
    """500 members as Muster sends them: two names, a phone, an address for every fifth, two tags."""
    address = {
        "addr1": "1 High Street",
        "city": "Springfield",
        "state": "IL",
        "zip": "62701",
        "country": "US",
    }
    members = []
    for place in range(BATCH):
        fields: dict[str, object] = {
            "FNAME": f"{name}{place}",
            "LNAME": f"Doe{number}",
            "PHONE": f"+1555{place:07}",
        }
        if place % 5 == 0:
            fields["ADDRESS"] = address
        email = f"person{number}.{place}@people.example"
        told = {"email_address": email, "status_if_new": "subscribed", "merge_fields": fields}
        members.append({**told, "tags": ["alumni", "news"], "language": "en"})
    return json.dumps({"members": members, "update_existing": True})


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument(
        "--state-file", action="store_true", help="with a state file, as `muster sim` has one"
    )
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(chosen.members, Path(folder) / "state.jsonl" if chosen.state_file else None)
    for name, value in found.items():
        print(f"{name:>20}: {value}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"python": platform.python_version(), **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
