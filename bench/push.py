"""Bench: pushing contacts to the simulator - calls per changed contact, contacts a second, share of the possible.

The possible is what 8 connections x 500 members a call allow at the set latency. Run: python -m bench.push [--json FILE]
"""

import argparse
import json
import multiprocessing
import resource
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of
from app.audiences.outbox import queue_audience
from app.audiences.pull import pull_audience
from app.audiences.push import PushCounts, push_audience
from app.core.config import Settings
from app.core.db import make_engine, make_sessions, transaction
from app.core.migrate import migrate
from app.core.secretbox import open_box
from app.core.servers import scratch_servers
from integrations.mailchimp.gateway import BATCH_SIZE, wait_until_up
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import serve
from integrations.mailchimp.slots import DEFAULT_SLOT_COUNT

CROWD = text("""
WITH people AS (
    INSERT INTO contacts (fields)
    SELECT jsonb_build_object('email', 'p' || n || '@house.test', 'first_name', 'P' || n, 'last_name', 'Person',
                              'phone', '+4420794' || lpad(n::text, 6, '0'))
    FROM generate_series(1, :count) AS n RETURNING id, fields ->> 'email' AS email),
addresses AS (
    INSERT INTO identities (kind, match_value, given_value, contact_id) SELECT 'email', email, email, id FROM people)
INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
SELECT id, 'email', 'newsletter', 'given', 'claimed', 1, now() FROM people
""")


@dataclass(frozen=True)
class Phase:
    """One measured push or pull."""

    name: str
    seconds: float
    calls: int
    contacts: int
    contacts_per_second: float
    calls_per_contact: float


def measured(name: str, contacts: int, work: Any) -> Phase:
    started = time.perf_counter()
    counts = work()
    seconds = time.perf_counter() - started
    return Phase(
        name,
        round(seconds, 3),
        counts.call_count,
        contacts,
        round(contacts / seconds),
        round(counts.call_count / max(contacts, 1), 5),
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def drained(sessions: sessionmaker[Session], connections: Connections, audience_id: int) -> PushCounts:
    """Push until nothing is left."""
    counts = push_audience(sessions, connections, audience_id)
    with transaction(sessions) as session:
        left = session.execute(text("SELECT count(*) FROM changes")).scalar_one()
        failures = (
            session.execute(text("SELECT error FROM attempts ORDER BY id DESC LIMIT 3")).scalars().all()
        )
    if left:
        raise SystemExit(f"{left} changes are left: {failures} {counts.as_dict()}")
    return counts


def bench(settings: Settings, count: int, latency_ms: int) -> dict[str, Any]:
    engine = make_engine(settings.postgres_url)
    migrate(engine)
    sessions, box = make_sessions(engine), open_box(settings)
    connections = Connections(box, settings.valkey_url)
    with transaction(sessions) as session:
        audience = ensure_simulated_audience(session, settings, box)
        assert audience is not None
        audience_id = audience.id
        destination = get_destination_of(session, audience_id)
        session.execute(CROWD, {"count": count})
        session.execute(text("ANALYZE contacts, identities, consents"))
        queue_audience(session, audience_id)
    if not wait_until_up(connections.gateway(destination), 60):
        raise SystemExit("The simulator did not start.")
    phases = [measured("first push", count, lambda: drained(sessions, connections, audience_id))]
    with transaction(sessions) as session:
        queue_audience(session, audience_id)
    phases.append(measured("unchanged", count, lambda: drained(sessions, connections, audience_id)))
    with transaction(sessions) as session:
        session.execute(
            text('UPDATE contacts SET fields = fields || \'{"first_name": "Q"}\' WHERE id % 100 = 0')
        )
        queue_audience(session, audience_id)
    phases.append(measured("1 % changed", count // 100, lambda: drained(sessions, connections, audience_id)))
    phases.append(
        measured("full pull", count, lambda: pull_audience(sessions, connections, audience_id, is_full=True))
    )
    connections.close()
    engine.dispose()
    possible = DEFAULT_SLOT_COUNT * BATCH_SIZE / (latency_ms / 1000)
    return {
        "contacts": count,
        "latency_ms": latency_ms,
        "possible_per_second": round(possible),
        "share_of_possible": round(phases[0].contacts_per_second / possible, 3),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "phases": [asdict(phase) for phase in phases],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--latency-ms", type=int, default=200)
    parser.add_argument("--json", type=Path, default=None)
    asked = parser.parse_args()
    port = free_port()
    config = SimulatorConfig(port=port, latency_ms=asked.latency_ms)
    simulator = multiprocessing.get_context("spawn").Process(target=serve, args=(config,), daemon=True)
    simulator.start()
    with scratch_servers() as settings:
        found = bench(replace(settings, sim_port=port), asked.contacts, asked.latency_ms)
    simulator.terminate()
    simulator.join(10)
    for phase in found["phases"]:
        print(
            f"{phase['name']:<12} {phase['seconds']:>8.2f} s {phase['calls']:>5} calls"
            f" {phase['contacts_per_second']:>8}/s {phase['calls_per_contact']:.5f} calls a contact"
        )
    print(
        f"share of what 8 x 500 at {asked.latency_ms} ms allow: {found['share_of_possible']:.0%}, RSS {found['rss_mb']} MB"
    )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
