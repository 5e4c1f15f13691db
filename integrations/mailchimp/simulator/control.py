"""The control plane, /_sim/*: move the clock, order faults, turn switches, read the journal, keep snapshots.

Everything takes and gives JSON. It is for tests and demonstrations on one machine and asks for no key, so a
request that a browser sends for another site is refused. Acting as contact or staff is in control_acts.py.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, request

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.batch_worker import BatchWorker
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.config import SwitchError, turn
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.refusals import Refusal
from integrations.mailchimp.simulator.world import World

control = Blueprint("control", __name__, url_prefix="/_sim")


def world() -> World:
    return cast("World", current_app.extensions["world"])


def wants_of_request() -> Mapping[str, Any]:
    body = request.get_json(silent=True, force=True)
    return body if isinstance(body, dict) else {}


def audience_named(list_id: str | None) -> Audience:
    """The audience, or the default one; after its deletion any other."""
    chosen = list_id or world().config.list_id
    if list_id is None and chosen not in world().audiences and world().audiences:
        chosen = next(iter(world().audiences))
    return world().get_audience(chosen)


def bad(text: str) -> Refusal:
    return Refusal(400, "Bad Request", text)


@control.before_request
def refuse_other_sites() -> None:
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise Refusal(403, "Forbidden", "The control plane answers its own page only.")


@control.get("/clock")
def get_clock() -> Response:
    clock = world().clock
    return jsonify(
        now=iso(clock.now()), offset_seconds=clock.offset_seconds, is_frozen=clock.frozen_at is not None
    )


@control.post("/clock")
def set_clock() -> Response:
    """`advance_seconds`, `freeze_at` (ISO 8601) or `reset`."""
    wants = wants_of_request()
    with world().change():
        if wants.get("reset"):
            world().clock.reset()
        if wants.get("freeze_at"):
            moment = datetime.fromisoformat(str(wants["freeze_at"]))
            world().clock.freeze(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    advance_clock(current_app, float(wants.get("advance_seconds") or 0))
    return get_clock()


def advance_clock(app: Flask, seconds: float) -> None:
    """Leap forward; whatever waits for the clock is told."""
    found = cast("World", app.extensions["world"])
    with found.change():
        found.clock.advance(seconds)
        found.save_clock()
    found.sender.wake()
    cast("BatchWorker", app.extensions["batch_worker"]).wake()


@control.get("/faults")
def get_faults() -> Response:
    return jsonify(rules=world().faults.list())


@control.post("/faults")
def add_fault() -> Response:
    """A rule (see faults.Rule), with an optional `seed` for the chances to come."""
    wants = dict(wants_of_request())
    seed = wants.pop("seed", None)
    try:
        world().faults.add(Rule(**wants), seed)
    except (TypeError, ValueError) as problem:
        raise bad(str(problem)) from None
    return get_faults()


@control.delete("/faults")
def clear_faults() -> Response:
    world().faults.clear()
    return get_faults()


@control.get("/journal")
def get_journal() -> Response:
    """Entries numbered above `since`, at most `limit`; with `email` or `subscribing=true` only those."""
    found = world().journal.entries(
        since=request.args.get("since", 0, type=int),
        email=request.args.get("email", ""),
        limit=request.args.get("limit", 1000, type=int),
        is_subscribing=request.args.get("subscribing") == "true",
    )
    return jsonify(entries=found, counts=world().journal.counts())


@control.delete("/journal")
def clear_journal() -> Response:
    world().journal.clear()
    return get_journal()


@control.get("/counts")
def get_counts() -> Response:
    """Calls by kind, members by status, webhooks, and the most connections that were open at once."""
    with world().lock:
        statuses = {
            audience.list_id: {status: count for status, count in audience.counts.items() if count}
            for audience in world().audiences.values()
        }
        most = max((one.max_in_flight for one in world().accounts.values()), default=0)
    webhooks = world().sender.counts()
    return jsonify(calls=world().journal.counts(), members=statuses, webhooks=webhooks, max_in_flight=most)


@control.get("/outbox")
def get_outbox() -> Response:
    """The messages Mailchimp would have sent to contacts: confirmations, with the link to follow."""
    return jsonify(messages=list(world().outbox))


@control.get("/switches")
def get_switches() -> Response:
    return jsonify(asdict(world().switches))


@control.post("/switches")
def set_switches() -> Response:
    """Any of the switches of config.Switches; all are checked before any is turned."""
    try:
        turn(world().switches, wants_of_request())
    except SwitchError as problem:
        raise bad(str(problem)) from None
    return get_switches()


@control.post("/reset")
def reset() -> Response:
    """As at the first start. The switches stay."""
    world().reset()
    return get_counts()


@control.get("/snapshot")
def get_snapshot() -> Response:
    """Everything that outlives a restart, line by line as in the state file."""
    with world().lock:
        return jsonify(lines=list(world().all_lines()))


@control.post("/snapshot")
def set_snapshot() -> Response:
    """Put the `lines` of a snapshot back; journal, faults and outbox begin anew, the switches stay."""
    lines = wants_of_request().get("lines")
    if not isinstance(lines, list):
        raise bad("Send the lines that GET /_sim/snapshot gave.")
    try:
        world().restore(lines)
    except (TypeError, ValueError, KeyError) as problem:
        raise bad(f"These lines are no snapshot: {problem!r}") from None
    return get_counts()
