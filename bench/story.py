"""Door to customer database and to Mailchimp: events a second with one worker, and how long one person waits.

Run by `make bench`. Times are PostgreSQL's own: received_at of the delivery, settled_at of the event, pushed_at of the member.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.kit.running import RunningMuster, running_muster, wait_until

EVENTS = 20_000
KNOCKS = 60
LATENCY_MS = 100

FILL = """
INSERT INTO deliveries (source_id, key, method, content_type, headers, body, body_sha256)
SELECT s.id, 'bench' || n, 'POST', 'application/json', '[["content-type", "application/json"]]', b.body, sha256(b.body)
FROM sources s, generate_series(1, %s) n,
LATERAL (SELECT convert_to(json_build_object('first_name', 'First' || n, 'last_name', 'Last' || (n %% 4000),
  'email', 'person' || (n %% %s) || '@bench.example', 'phone', '+1202555' || lpad((n %% 10000)::text, 4, '0'),
  'newsletter', 'yes', 'city', 'Town' || (n %% 50))::text, 'UTF8') AS body) b
WHERE s.slug = 'bench'
"""
SECONDS = (
    "SELECT extract(epoch FROM max(settled_at) - min(received_at)), count(*) FROM events WHERE state = 'done'"
)


def fill_and_wait(muster: RunningMuster, events: int) -> float:
    """Put deliveries in the inbox in one commit; events a second until the last is in the customer database."""
    with muster.connect() as connection:
        connection.execute(FILL, (events, events * 9 // 10))
    wait_until(
        lambda: muster.select("SELECT count(*) FROM events WHERE settled_at IS NOT NULL") == [(events,)],
        180,
        "all events",
    )
    [(seconds, count)] = muster.select(SECONDS)
    assert count == events
    return events / float(seconds)


def knock(muster: RunningMuster, hook: str) -> dict[str, Any]:
    """One person at a time on an idle Muster: milliseconds to the customer database and to Mailchimp."""
    requests.post(f"{muster.sim}/_sim/switches", json={"latency_ms": LATENCY_MS}, timeout=10)
    session = requests.Session()
    for number in range(KNOCKS):
        session.post(
            hook,
            data={"email": f"idle{number}@bench.example", "name": "Idle Person", "newsletter": "yes"},
            timeout=10,
        )
        time.sleep(0.35)
    wait_until(muster.is_drained, 30, "calm")
    contacts = muster.select(
        "SELECT extract(epoch FROM e.settled_at - d.received_at) * 1000 FROM events e JOIN deliveries d ON d.id = e.delivery_id"
        " WHERE e.content ->> 'email' LIKE 'idle%'"
    )
    members = muster.select(
        "SELECT extract(epoch FROM m.pushed_at - d.received_at) * 1000 FROM members m JOIN contact_patches p ON p.contact_id = m.contact_id"
        " JOIN events e ON e.id = p.event_id JOIN deliveries d ON d.id = e.delivery_id WHERE m.email_address LIKE 'idle%'"
    )
    return {"to_database_ms": quantiles(contacts), "to_mailchimp_ms": quantiles(members)}


def quantiles(rows: list[tuple[Any, ...]]) -> dict[str, float]:
    values = sorted(float(row[0]) for row in rows)
    cuts = statistics.quantiles(values, n=100)
    return {"count": len(values), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


def rss_mb(muster: RunningMuster) -> dict[str, int]:
    """Resident megabytes of each process below `muster up`."""
    found: dict[str, int] = {}
    for process in muster.descendants():
        try:
            name = " ".join(process.cmdline())[:60] or process.name()
            found[f"{process.pid} {name}"] = process.memory_info().rss >> 20
        except psutil.Error:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    arguments = parser.parse_args()
    with running_muster(MUSTER_WORKER_PROCESSES="1") as muster:
        hook = muster.ask("sources", "add", "website", "bench")["hook_url"]
        idle = knock(muster, hook)
        with muster.connect() as connection:
            connection.execute("UPDATE audiences SET is_enabled = false")
            connection.execute("TRUNCATE events, deliveries CASCADE")
        rate = fill_and_wait(muster, arguments.events)
        memory = rss_mb(muster)
    report = {"events_per_second": round(rate), "events": arguments.events, **idle, "rss_mb": memory}
    print(f"door -> customer database, one worker: {rate:,.0f} events/s (goal 2,000)")
    print(
        f"idle, door -> customer database: p50 {idle['to_database_ms']['p50']} ms, p99 {idle['to_database_ms']['p99']} ms (goal p50 100)"
    )
    print(
        f"idle, door -> Mailchimp at {LATENCY_MS} ms: p50 {idle['to_mailchimp_ms']['p50']} ms, p99 {idle['to_mailchimp_ms']['p99']} ms (goal p50 1000)"
    )
    print(f"largest process: {max(memory.values())} MB RSS (goal 300)")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
