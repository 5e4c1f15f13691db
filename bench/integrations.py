"""Bench: verify, split and map an event of every integration, and a Meta batch of 1,000 changes from door to events.

Each integration's own fixtures are the input: of the signed cases with events the one whose body is nearest to 2 KB. The
median of many runs, in microseconds an event; beside it what the door does more, the delivery's key and what is stored of it. Run: python -m bench.integrations [--json FILE]
"""

import argparse
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from integrations.kit.contract import Event
from integrations.kit.registry import list_integrations
from integrations.kit.runner import Case, enrich_all, list_cases
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.presets import find_preset
from tests.kit.running import running_muster, wait_until

BODY_BYTES = 2_048
RUNS, SECONDS = 2_000, 0.6
GOAL_MICROSECONDS = 200
BATCH = 1_000


@dataclass(frozen=True)
class Timed:
    """One integration's figures; `microseconds` is the median of an event, `door_microseconds` what keeping it takes."""

    name: str
    case: str
    body_bytes: int
    events: int
    microseconds: float
    door_microseconds: float


def case_of(name: str) -> Case:
    """The signed case with events that is nearest to 2 KB; of thin ones with the API's answers where there are some."""
    cases = [case for case in list_cases(name) if case.is_signed and case.expect.get("events")]
    whole = [case for case in cases if not all(event.get("needs_enrich") for event in case.expect["events"])]
    fetched = [case for case in cases if case.answers]
    return min(whole or fetched or cases, key=lambda case: abs(len(case.request.body) - BODY_BYTES))


def once(case: Case, mapping: CompiledMapping) -> int:
    """What happens to a delivery, without database and network; the number of its events."""
    source, config, request = case.source, case.config, case.request
    assert source.verify(request, config, case.now).is_ok
    events = source.split(request, config).events
    for event in events if not case.answers else enrich_all(case, events):
        if isinstance(event, Event):
            info = EventInfo(
                event.key, event.kind, event.occurred_at, request.received_at, event.account, config.slug
            )
            mapping.apply(event.content, info)
    return len(events)


def keep(case: Case) -> None:
    """What the door has to know of a delivery before it is stored."""
    case.source.delivery_key(case.request, case.config)
    case.source.stored_body(case.request, case.config)


def median(work: Callable[[], object]) -> float:
    """Microseconds of one run."""
    took: list[int] = []
    until = time.perf_counter() + SECONDS
    while len(took) < RUNS and time.perf_counter() < until:
        started = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - started)
    return statistics.median(took) / 1_000


def timed(name: str) -> Timed:
    case = case_of(name)
    preset = find_preset(name)
    assert preset is not None
    mapping = compile_mapping(load_document(preset.text))
    count = max(once(case, mapping), 1)
    whole, door = median(partial(once, case, mapping)) / count, median(partial(keep, case)) / count
    return Timed(name, case.name, len(case.request.body), count, round(whole, 1), round(door, 1))


def batch_body() -> bytes:
    changes = [
        {
            "field": "leadgen",
            "value": {
                "leadgen_id": str(10**15 + number),
                "form_id": "2",
                "page_id": "1",
                "created_time": 1_762_000_000,
            },
        }
        for number in range(BATCH)
    ]
    return json.dumps(
        {"object": "page", "entry": [{"id": "1", "time": 1_762_000_000, "changes": changes}]}
    ).encode()


def door_to_events() -> float:
    """Seconds from posting a Meta batch of 1,000 changes until its events are in the database."""
    with running_muster() as muster:
        muster.run("sources", "add", "meta_leads", "leads", "--set", "app_secret=bench-secret")
        body = batch_body()
        proof = hmac.new(b"bench-secret", body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={proof}", "Content-Type": "application/json"}
        started = time.perf_counter()
        answer = requests.post(f"{muster.url}/hooks/leads", data=body, headers=headers, timeout=30)
        answer.raise_for_status()
        wait_until(lambda: muster.select("SELECT count(*) FROM events") == [(BATCH,)], 30, "the events")
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--without-door", action="store_true")
    asked = parser.parse_args()
    rows = [timed(name) for name in list_integrations()]
    for row in rows:
        mark = "" if row.microseconds <= GOAL_MICROSECONDS else "  over the goal"
        print(
            f"{row.name:<18} {row.microseconds:>7.1f} us an event, {row.door_microseconds:>6.1f} to keep it"
            f"  {row.body_bytes:>6} bytes, {row.events} events"
            f"  ({row.case}){mark}"
        )
    found: dict[str, Any] = {"events": [vars(row) for row in rows]}
    if not asked.without_door:
        found["door_to_events_seconds"] = round(door_to_events(), 3)
        print(
            f"A Meta batch of {BATCH} changes, door to events: {found['door_to_events_seconds']} s (goal 1 s)"
        )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
