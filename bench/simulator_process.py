"""Bench: a batch of 500 at the simulator as a process of its own, over the wire, at a set latency.

Wall time is what the caller waits beyond the latency; CPU is the simulator process's own, so that it stays true on a busy
machine. Both stand beside what no server can do without, measured in the same run: `json.loads` of the same bodies and
`json.dumps` of the same answers.
"""

import http.client
import json
import multiprocessing
import socket
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.simulator_bodies import BATCH, batch_body
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import serve

LATENCY_MS = 100
GOAL_MS = 50  # beyond the latency
START_SECONDS = 60.0
KINDS = (("create", "Ada"), ("update", "Eve"), ("unchanged", "Eve"))


@dataclass(frozen=True)
class Spent:
    """Milliseconds of one batch; `baseline`: CPU to read and write the same JSON."""

    wall: float
    cpu: float
    baseline: float


class Door:
    """One connection that is kept open to a simulator's process."""

    def __init__(self, config: SimulatorConfig, pid: int) -> None:
        self._process, self._config = psutil.Process(pid), config
        self._connection = http.client.HTTPConnection("127.0.0.1", config.port, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: str = "") -> bytes:
        """The answer's body; SystemExit where it is no success."""
        headers = {"Authorization": f"Bearer {self._config.api_key}", "Content-Type": "application/json"}
        self._connection.request(method, path, body.encode(), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{method} {path} answered {answer.status}: {content[:300]!r}")
        return content

    def send(self, bodies: list[str], latency_ms: int) -> Spent:
        """Batches one after another. The process's CPU is counted in steps of 10 ms, hence over all of them at once."""
        path, walls, answers = f"/3.0/lists/{self._config.list_id}", list[float](), list[bytes]()
        before = self._cpu_seconds()
        for body in bodies:
            started = time.perf_counter()
            answers.append(self.ask("POST", path, body))
            walls.append((time.perf_counter() - started) * 1000 - latency_ms)
        cpu = (self._cpu_seconds() - before) * 1000 / len(bodies)
        return Spent(statistics.median(walls), cpu, baseline_ms(bodies, answers))

    def _cpu_seconds(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)


def baseline_ms(bodies: list[str], answers: list[bytes]) -> float:
    """CPU milliseconds to read the requests and to write the answers, each."""
    told = [json.loads(answer) for answer in answers]
    started = time.process_time()
    for body, answer in zip(bodies, told, strict=True):
        json.loads(body)
        json.dumps(answer)
    return (time.process_time() - started) * 1000 / len(bodies)


def measure_process(
    members: int, rounds: int, state_file: Path | None, latency_ms: int = LATENCY_MS
) -> dict[str, Any]:
    """Figures of `rounds` batches of each kind, after `members` were made."""
    config = SimulatorConfig(state_file=state_file, journal_size=1000, port=_free_port())
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(config,), daemon=True)
    process.start()
    try:
        _await_port(config.port)
        door = Door(config, process.pid or 0)
        for number in range(members // BATCH):
            door.ask("POST", f"/3.0/lists/{config.list_id}", batch_body(number, "Ada"))
        door.ask("POST", "/_sim/switches", json.dumps({"latency_ms": latency_ms}))
        first = members // BATCH
        spent = {
            kind: door.send([batch_body(first + one, name) for one in range(rounds)], latency_ms)
            for kind, name in KINDS
        }
        door.close()
    finally:
        process.terminate()
        process.join(10)
    return {"latency_ms": latency_ms, "members": members, "goal_ms": GOAL_MS, **_figures(spent)}


def _figures(spent: dict[str, Spent]) -> dict[str, Any]:
    return {
        kind: {
            "wall_ms_beyond_latency": round(one.wall, 1),
            "cpu_ms": round(one.cpu, 1),
            "baseline": "json.loads of the request, json.dumps of the answer",
            "baseline_cpu_ms": round(one.baseline, 1),
            "cpu_ratio_to_baseline": round(one.cpu / one.baseline, 2),
        }
        for kind, one in spent.items()
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("The simulator did not start.")
