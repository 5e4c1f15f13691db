"""Replays recorded exchanges with the real API into a simulator and compares every answer.

`python -m integrations.mailchimp.simulator.replay FILE` prints what differs and `recorded exchanges: N of N equal`.
A recording is one JSON object a line: method, path (query included), body, status, resp, headers (flat list), host.
What was there before the first line is derived from the answers; ids that the server makes up are compared by a
one-to-one relation (the same recorded id must always meet the same simulated one), times to within two seconds.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import Client

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.seeding import derive_seeds, plant
from integrations.mailchimp.simulator.world import World

TIME_TOLERANCE_SECONDS = 2
MADE_UP = frozenset({"contact_id", "web_id", "unique_email_id", "instance", "email_id"})  # made by the server
TIMES = frozenset(
    {"timestamp_opt", "timestamp_signup", "last_changed", "date_added", "created_at", "updated_at"}
)
CALLER_IPS = frozenset({"ip_opt", "ip_signup"})  # the recorder's own address
# Said since 2022 or so, and not in older recordings.
ADDED_LATER = frozenset({"merge_field_limit", "signing_enabled", "signing_secret"})
# Counted by Mailchimp at most every five minutes, over members that no recording shows.
STALE = frozenset({"stats", "total_subscribers"})
COMPARED_HEADERS = ("content-type", "allow")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its answer."""

    method: str
    path: str
    body: Any
    status: int
    answer: Any
    headers: Mapping[str, str]
    host: str

    @property
    def at(self) -> int:
        """When it was answered, epoch seconds."""
        return int(parsedate_to_datetime(self.headers["date"]).timestamp()) if "date" in self.headers else 0


@dataclass(slots=True)
class Comparison:
    """What was found different, exchange by exchange."""

    total: int = 0
    differences: dict[int, list[str]] = field(default_factory=dict)

    @property
    def equal_count(self) -> int:
        return self.total - len(self.differences)

    @property
    def sentence(self) -> str:
        return f"recorded exchanges: {self.equal_count} of {self.total} equal"


class Relation:
    """Ids that one side made up against those of the other: each has exactly one partner, for good."""

    def __init__(self) -> None:
        self._forth: dict[tuple[str, Any], Any] = {}
        self._back: dict[tuple[str, Any], Any] = {}

    def holds(self, kind: str, ours: Any, theirs: Any) -> bool:
        if (ours == "") != (theirs == ""):
            return False
        forth = self._forth.setdefault((kind, ours), theirs)
        back = self._back.setdefault((kind, theirs), ours)
        return bool(forth == theirs and back == ours)


def read_exchanges(path: Path) -> list[Exchange]:
    return [_exchange(json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def _exchange(line: Mapping[str, Any]) -> Exchange:
    flat = line.get("headers") or []
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    headers = {str(name).lower(): str(value) for name, value in pairs}
    return Exchange(
        line["method"],
        line["path"],
        line.get("body"),
        line["status"],
        line.get("resp"),
        headers,
        line.get("host", ""),
    )


def replay(exchanges: list[Exchange]) -> Comparison:
    """Run them in order, the simulator's clock standing at each one's own time."""
    seeds = derive_seeds(exchanges)
    config = SimulatorConfig(
        api_key=f"{'0' * 32}-{_centre(exchanges)}", list_id=next(iter(seeds.lists), "none")
    )
    world = World(config)
    try:
        plant(world, seeds)
        return _compare_all(world, exchanges)
    finally:
        world.close()


def _centre(exchanges: Iterable[Exchange]) -> str:
    hosts = (urlsplit(exchange.host).hostname or "" for exchange in exchanges)
    return next((host.split(".")[0] for host in hosts if host.endswith(".api.mailchimp.com")), "us1")


def _compare_all(world: World, exchanges: list[Exchange]) -> Comparison:
    client = Client(make_app(world=world))
    comparison, relation = Comparison(), Relation()
    for number, exchange in enumerate(exchanges):
        if not exchange.path.startswith("/3.0"):
            continue  # the login host's OAuth metadata is another server's affair
        comparison.total += 1
        if exchange.at:
            world.clock.freeze(exchange.at)
        answer = client.open(
            exchange.path,
            method=exchange.method,
            data=json.dumps(exchange.body) if exchange.method in {"POST", "PUT", "PATCH"} else None,
            headers={"Authorization": f"Bearer {world.config.api_key}"},
            environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
        )
        found = _differences(exchange, answer.status_code, answer.get_data(), relation)
        found += [
            f"header {name}: {answer.headers.get(name)!r} instead of {exchange.headers[name]!r}"
            for name in COMPARED_HEADERS
            if name in exchange.headers and answer.headers.get(name) != exchange.headers[name]
        ]
        if found:
            comparison.differences[number] = [f"{exchange.method} {exchange.path}", *found]
    return comparison


def _differences(exchange: Exchange, status: int, content: bytes, relation: Relation) -> list[str]:
    if status != exchange.status:
        return [f"status {status} instead of {exchange.status}: {content[:300].decode()}"]
    ours = json.loads(content) if content else ""
    return list(_unequal("", ours, exchange.answer if exchange.answer is not None else "", relation))


def _unequal(path: str, ours: Any, theirs: Any, relation: Relation) -> Iterator[str]:
    name = path.rpartition(".")[2]
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from _unequal_objects(path, ours, theirs, relation)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path} has {len(ours)} entries instead of {len(theirs)}"
        if name == "tags":  # their order means nothing
            ours, theirs = (sorted(each, key=lambda tag: str(tag.get("name"))) for each in (ours, theirs))
        for mine, their in zip(ours, theirs, strict=False):
            yield from _unequal(f"{path}[]", mine, their, relation)
    elif not _is_equal(name, ours, theirs, relation):
        yield f"{path} is {ours!r} instead of {theirs!r}"


def _unequal_objects(
    path: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], relation: Relation
) -> Iterator[str]:
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        if _is_left_out(key, ours, theirs):
            continue
        if key not in ours or key not in theirs:
            yield f"{path}.{key} is {'missing' if key not in ours else 'too much'}"
        else:
            known_as = "tag_id" if key == "id" and path.endswith("tags[]") else key
            yield from _unequal(f"{path}.{known_as}", ours[key], theirs[key], relation)


def _is_left_out(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Navigation (but for a single member's, which is recorded whole), later additions, and stale counts."""
    is_member = "email_address" in theirs
    if key == "_links":
        return not is_member
    return (key in ADDED_LATER and key not in theirs) or (key in STALE and not is_member and key in ours)


def _is_equal(name: str, ours: Any, theirs: Any, relation: Relation) -> bool:
    if name in MADE_UP or name == "tag_id":
        return relation.holds(name, ours, theirs)
    if name in CALLER_IPS:
        return bool(ours) == bool(theirs)
    if name in TIMES and ours and theirs:
        apart = datetime.fromisoformat(ours) - datetime.fromisoformat(theirs)
        return abs(apart.total_seconds()) <= TIME_TOLERANCE_SECONDS
    return bool(ours == theirs)


def main(arguments: list[str]) -> int:
    comparison = replay(read_exchanges(Path(arguments[0])))
    for number, found in comparison.differences.items():
        sys.stdout.write(f"{number}: " + "\n   ".join(found) + "\n")
    sys.stdout.write(comparison.sentence + "\n")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
