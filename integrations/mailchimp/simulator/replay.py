"""Replays recorded exchanges with the real API into a simulator and compares every answer.

`python -m integrations.mailchimp.simulator.replay [FILE]` (or MUSTER_RECORDED) prints what differs and
`recorded exchanges: N of N equal`. A recording is one JSON object a line: method, path (query included), body,
status, resp, headers (flat list), host, and `file`: exchanges of different files are different worlds.

What was there before the first line is derived from the answers; ids that the server makes up are compared by a
one-to-one relation (the same recorded id must always meet the same simulated one), times to within two seconds.
Ids that a request makes are the recorded ones, for later paths name them. Which key was offered, and how busy the
server was, no recording says: a refusal of the key is asked for with such a key; 429, 5xx and pages of HTML are ordered
as faults. Members that pages leave out are added until the totals agree. Nothing is sent to anybody: recorded webhooks
are not called, and their URLs pass the check as recorded.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.test import Client

from integrations.mailchimp.simulator.app import make_app
from integrations.mailchimp.simulator.arranging import (
    DIGITS,
    LOGIN,
    TOKEN,
    StillWorker,
    arranged,
    fault_of,
    offered_headers,
    plant_batches,
)
from integrations.mailchimp.simulator.comparing import Comparison, Relation, differences
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.fillers import Fillers, place_of
from integrations.mailchimp.simulator.recorded_world import RecordedWorld
from integrations.mailchimp.simulator.recording import Exchange, read_exchanges, tell_apart
from integrations.mailchimp.simulator.seeding import derive_seeds, plant

API = "/3.0"
MOST_ROUNDS = 6


def replay(exchanges: list[Exchange]) -> Comparison:
    """Run them in order, each file in a world of its own, the clock standing at each exchange's time."""
    worlds: dict[str, list[tuple[int, Exchange]]] = {}
    for number, exchange in enumerate(exchanges):
        worlds.setdefault(exchange.world, []).append((number, exchange))
    whole = Comparison()
    for numbered in worlds.values():
        found = _replay_world([exchange for _, exchange in numbered])
        whole.total += found.total
        whole.differences |= {numbered[place][0]: told for place, told in found.differences.items()}
    whole.differences = dict(sorted(whole.differences.items()))
    return whole


def _replay_world(exchanges: list[Exchange]) -> Comparison:
    """Again with more members that no page shows, as long as only totals are short."""
    exchanges, fillers = tell_apart(exchanges), Fillers()
    for _ in range(MOST_ROUNDS):
        comparison = _replay_once(exchanges, fillers)
        if not comparison.differences or not fillers.adjust(exchanges, comparison):
            break
    return comparison


def _replay_once(exchanges: list[Exchange], fillers: Fillers) -> Comparison:
    seeds = derive_seeds(exchanges)
    centre = _centre(exchanges)
    config = SimulatorConfig(
        api_key=f"{DIGITS}-{centre}",
        list_id=next((one.list_id for one in seeds.lists.values() if not one.is_absent), "none"),
        api_endpoint=f"https://{centre}.api.mailchimp.com",
    )
    world = RecordedWorld(config)
    try:
        world.clock.freeze(next((one.at for one in exchanges if one.at), 1))
        if config.list_id == "none" or seeds.list_count:
            world.audiences.clear()
        plant(world, seeds)
        plant_batches(world, exchanges)
        fillers.plant(world, exchanges)
        world.renumber()
        world.connections.tokens[TOKEN] = config.api_key
        return _compare_all(world, exchanges)
    finally:
        world.close()


def _centre(exchanges: list[Exchange]) -> str:
    """The data centre of whoever answered other than with a refusal of the key, or else of anybody."""
    for is_refused in (False, True):
        for exchange in exchanges:
            host = urlsplit(exchange.host).hostname or ""
            if host.endswith(".api.mailchimp.com") and (exchange.status in {401, 403}) == is_refused:
                return host.split(".")[0]
        endpoint = next((str(one.found["dc"]) for one in exchanges if "dc" in one.found), "")
        if endpoint:
            return endpoint
    return "us1"


def _compare_all(world: RecordedWorld, exchanges: list[Exchange]) -> Comparison:
    app = make_app(world=world)
    worker = app.extensions["batch_worker"] = StillWorker(world, app)
    client, comparison, relation = Client(app), Comparison(), Relation()
    for number, exchange in enumerate(exchanges):
        comparison.total += 1
        if exchange.at:
            world.clock.freeze(exchange.at)
        found = _missing_route(app, exchange)
        if not found:
            with arranged(world, worker, exchange):
                status, content, headers = _ask(world, client, exchange)
            found = differences(exchange, status, content, headers, relation)
        if found:
            comparison.differences[number] = [f"{exchange.method} {exchange.path}", *found]
            place = place_of(world, exchange) if exchange.is_fine else None
            if place is not None:
                comparison.places[number] = place
    return comparison


def _ask(world: RecordedWorld, client: Client, exchange: Exchange) -> tuple[int, bytes, Any]:
    has_body = exchange.method in {"POST", "PUT", "PATCH"} and exchange.body not in ("", None)
    answer = client.open(
        exchange.path,
        method=exchange.method,
        data=json.dumps(exchange.body) if has_body else None,
        headers=offered_headers(world, exchange),
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )
    return answer.status_code, answer.get_data(), answer.headers


def _missing_route(app: Any, exchange: Exchange) -> list[str]:
    """Say plainly that the simulator does not know such a resource."""
    path = urlsplit(exchange.path).path
    known = path.startswith((API, LOGIN))
    try:
        app.url_map.bind("localhost").match(path, method=exchange.method)
    except HTTPException as problem:
        is_refused = exchange.status in {404, 405} and exchange.status == problem.code
        is_refused |= bool(fault_of(exchange))  # whoever is busy does not look at the path
        if not is_refused or not known:
            return [f"the simulator knows no {exchange.method} {path}"]
    return []


def main(arguments: list[str]) -> int:
    named = arguments[0] if arguments else os.environ.get("MUSTER_RECORDED", "")
    if not named:
        sys.stderr.write("Name a recording, as an argument or in MUSTER_RECORDED.\n")
        return 2
    comparison = replay(read_exchanges(Path(named)))
    for number, found in comparison.differences.items():
        sys.stdout.write(f"{number}: " + "\n   ".join(found) + "\n")
    sys.stdout.write(comparison.sentence + "\n")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
