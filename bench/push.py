"""Bench: pushing contacts to the simulator - calls per changed contact, contacts a second, share of two limits.

The arithmetic limit is what 8 connections x 500 members a call allow at the set latency. The measured limit is what this
simulator answers on this machine to a client that does nothing else, over as many connections and with as many members;
it is measured in the same run, before and after each push; of the shares the median counts. Muster, PostgreSQL and the simulator share the machine.
Run: python -m bench.push [--contacts N] [--latency-ms N] [--rounds N] [--json FILE]
"""

import argparse
import json
import multiprocessing
import resource
import socket
import time
import urllib.request
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
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
from app.core.secretbox import SecretBox, open_box
from app.core.servers import scratch_servers
from bench.bare_client import post_all
from integrations.mailchimp.gateway import BATCH_SIZE, wait_until_up
from integrations.mailchimp.simulator.config import DEFAULT_API_KEY, DEFAULT_LIST_ID, SimulatorConfig
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
ONE_PERCENT = 'UPDATE contacts SET fields = fields || \'{"first_name": "Q"}\' WHERE id % 100 = 0'
BARE_COUNT = 40_000  # enough for a steady rate


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


def bare_limit(port: int, count: int) -> float:
    """Contacts a second that the bare client reaches; the simulator is empty afterwards."""
    origin = f"http://127.0.0.1:{port}"
    seconds = post_all(origin, DEFAULT_API_KEY, DEFAULT_LIST_ID, count, DEFAULT_SLOT_COUNT)
    reset(port)
    return count / seconds


def prepare(sessions: sessionmaker[Session], settings: Settings, box: SecretBox, count: int) -> int:
    """The crowd and its audience; the audience's id."""
    with transaction(sessions) as session:
        audience = ensure_simulated_audience(session, settings, box)
        assert audience is not None
        session.execute(text("UPDATE audiences SET approved_at = now()"))
        session.execute(CROWD, {"count": count})
        audience_id = audience.id
    tidy(sessions)
    return audience_id


def tidy(sessions: sessionmaker[Session]) -> None:
    """What PostgreSQL has yet to do for the crowd's arrival is done, and does not run beside what is measured."""
    with sessions.kw["bind"].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))


def queue(sessions: sessionmaker[Session], audience_id: int, change: str = "") -> None:
    """Everybody is to be planned again, after a change of some."""
    with transaction(sessions) as session:
        if change:
            session.execute(text(change))
        queue_audience(session, audience_id)
    tidy(sessions)


def first_pushes(
    sessions: sessionmaker[Session], port: int, audience_id: int, push: Any, *, count: int, rounds: int
) -> tuple[list[Phase], list[float]]:
    """The bare client and a first push in turn, so that both meet the machine at its speed of the moment."""
    bare_count = min(count, BARE_COUNT)
    pushes, bare = [], [bare_limit(port, bare_count)]
    for left in reversed(range(rounds)):
        queue(sessions, audience_id)
        pushes.append(measured("first push", count, push))
        if left:
            forget(sessions, port)
            bare.append(bare_limit(port, bare_count))
    return pushes, bare


def forget(sessions: sessionmaker[Session], port: int) -> None:
    """As if nothing had been pushed yet, on either side."""
    with transaction(sessions) as session:
        session.execute(text("TRUNCATE members, timeline_entries"))
    reset(port)


def reset(port: int) -> None:
    """An empty simulator."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/_sim/reset", b"{}", {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def bench(settings: Settings, count: int, latency_ms: int, rounds: int) -> dict[str, Any]:
    engine = make_engine(settings.postgres_url)
    migrate(engine)
    sessions, box = make_sessions(engine), open_box(settings)
    connections = Connections(box, settings.valkey_url)
    audience_id = prepare(sessions, settings, box, count)
    with transaction(sessions) as session:
        gateway = connections.gateway(get_destination_of(session, audience_id))
    if not wait_until_up(gateway, 60):
        raise SystemExit("The simulator did not start.")
    push = partial(drained, sessions, connections, audience_id)
    pushes, bare = first_pushes(sessions, settings.sim_port, audience_id, push, count=count, rounds=rounds)
    queue(sessions, audience_id)
    phases = [measured("unchanged", count, push)]
    queue(sessions, audience_id, ONE_PERCENT)
    phases.append(measured("1 % changed", count // 100, push))
    phases.append(
        measured("full pull", count, lambda: pull_audience(sessions, connections, audience_id, is_full=True))
    )
    reset(settings.sim_port)
    bare.append(bare_limit(settings.sim_port, min(count, BARE_COUNT)))
    connections.close()
    engine.dispose()
    arithmetic = DEFAULT_SLOT_COUNT * BATCH_SIZE / (latency_ms / 1000)
    speeds = [one.contacts_per_second for one in pushes]
    beside = [speed / ((bare[n] + bare[n + 1]) / 2) for n, speed in enumerate(speeds)]
    return {
        "contacts": count,
        "latency_ms": latency_ms,
        "arithmetic_per_second": round(arithmetic),
        "bare_client_per_second": [round(one) for one in bare],
        "share_of_arithmetic": round(median(speeds) / arithmetic, 3),
        "share_of_bare_client": round(median(beside), 3),
        "shares_of_bare_client": [round(one, 3) for one in beside],
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "phases": [asdict(phase) for phase in [*pushes, *phases]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--latency-ms", type=int, default=200)
    parser.add_argument(
        "--rounds", type=int, default=3, help="first pushes, each between two of the bare client"
    )
    parser.add_argument("--json", type=Path, default=None)
    asked = parser.parse_args()
    port = free_port()
    config = SimulatorConfig(port=port, latency_ms=asked.latency_ms)
    simulator = multiprocessing.get_context("spawn").Process(target=serve, args=(config,), daemon=True)
    simulator.start()
    with scratch_servers() as settings:
        found = bench(replace(settings, sim_port=port), asked.contacts, asked.latency_ms, asked.rounds)
    simulator.terminate()
    simulator.join(10)
    for phase in found["phases"]:
        print(
            f"{phase['name']:<12} {phase['seconds']:>8.2f} s {phase['calls']:>5} calls"
            f" {phase['contacts_per_second']:>8}/s {phase['calls_per_contact']:.5f} calls a contact"
        )
    bare = ", ".join(f"{one}/s" for one in found["bare_client_per_second"])
    shares = ", ".join(f"{one:.0%}" for one in found["shares_of_bare_client"])
    print(
        f"first push: {found['share_of_arithmetic']:.0%} of what 8 x 500 at {asked.latency_ms} ms allow"
        f" ({found['arithmetic_per_second']}/s), {found['share_of_bare_client']:.0%} of what the bare client reached"
        f" (by round {shares}; {bare})"
    )
    print(f"RSS {found['rss_mb']} MB")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
