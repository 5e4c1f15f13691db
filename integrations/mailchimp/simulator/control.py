"""The control plane, /_sim/*: act as contact or staff, move the clock, order faults, read the journal.

Everything takes and gives JSON. It is for tests and demonstrations on one machine and asks for no key, so a
request that a browser sends for another site is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request

from integrations.mailchimp.simulator.acts import CONTACT_ACTS, STAFF_ACTS
from integrations.mailchimp.simulator.config import Switches
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.simulator.refusals import Refusal, not_found
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.state import Account, Audience, iso, md5_of
from integrations.mailchimp.simulator.world import World

control = Blueprint("control", __name__, url_prefix="/_sim")


def world() -> World:
    return cast("World", current_app.extensions["world"])


def _wants() -> Mapping[str, Any]:
    body = request.get_json(silent=True, force=True)
    return body if isinstance(body, dict) else {}


def audience_named(list_id: str | None) -> Audience:
    """The audience, or the default one."""
    return world().get_audience(list_id or world().config.list_id)


def bad(text: str) -> Refusal:
    return Refusal(400, "Bad Request", text)


@control.before_request
def refuse_other_sites() -> None:
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise Refusal(403, "Forbidden", "The control plane answers its own page only.")


def act(kind: str, name: str, wants: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a contact or staff does; the member afterwards, or {} once it is erased."""
    found = {"contact": CONTACT_ACTS, "staff": STAFF_ACTS}.get(kind, {}).get(name)
    if found is None:
        raise not_found()
    audience = audience_named(wants.get("list_id"))
    with world().change():
        member = found(world(), audience, wants)
        if member is None:
            return {}
        shapes = Shapes(world().accounts[audience.api_key])
        return shapes.member(audience, audience.fields_by_tag(), member, has_links=False)


@control.post("/<any(contact, staff):kind>/<name>")
def do_act(kind: str, name: str) -> Response:
    return jsonify(act(kind, name, _wants()))


@control.get("/clock")
def get_clock() -> Response:
    clock = world().clock
    return jsonify(
        now=iso(clock.now()), offset_seconds=clock.offset_seconds, is_frozen=clock.frozen_at is not None
    )


@control.post("/clock")
def set_clock() -> Response:
    """`advance_seconds`, `freeze_at` (ISO 8601) or `reset`."""
    wants = _wants()
    with world().change():
        if wants.get("reset"):
            world().clock.reset()
        if wants.get("freeze_at"):
            moment = datetime.fromisoformat(str(wants["freeze_at"]))
            world().clock.freeze(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
        world().clock.advance(float(wants.get("advance_seconds") or 0))
        world().save_clock()
    return get_clock()


@control.get("/faults")
def get_faults() -> Response:
    return jsonify(rules=world().faults.list())


@control.post("/faults")
def add_fault() -> Response:
    """A rule (see faults.Rule), with an optional `seed` for the chances to come."""
    wants = dict(_wants())
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
    statuses: dict[str, dict[str, int]] = {}
    with world().lock:
        for audience in world().audiences.values():
            counts = statuses.setdefault(audience.list_id, {})
            for member in audience.members():
                counts[member.status] = counts.get(member.status, 0) + 1
        most = max((one.max_in_flight for one in world().accounts.values()), default=0)
    webhooks = world().sender.counts()
    return jsonify(calls=world().journal.counts(), members=statuses, webhooks=webhooks, max_in_flight=most)


@control.get("/members")
def get_members() -> Response:
    """Members of `list_id` whose address or first name contains `q`, the newest change first."""
    audience, wanted = audience_named(request.args.get("list_id")), request.args.get("q", "").casefold()
    limit = request.args.get("limit", 100, type=int)
    with world().lock:
        found = [one for one in audience.members() if wanted in one.email.casefold()]
        found.sort(key=lambda one: one.changed_at, reverse=True)
        shapes, by_tag = Shapes(world().accounts[audience.api_key]), audience.fields_by_tag()
        members = [
            {**shapes.member(audience, by_tag, one, has_links=False), "cause": one.cause}
            for one in found[:limit]
        ]
    return jsonify(members=members, total_items=len(found))


@control.get("/outbox")
def get_outbox() -> Response:
    """The messages Mailchimp would have sent to contacts: confirmations."""
    return jsonify(messages=list(world().outbox))


@control.get("/switches")
def get_switches() -> Response:
    return jsonify(asdict(world().switches))


@control.post("/switches")
def set_switches() -> Response:
    """Any of the switches of config.Switches."""
    known = {one.name: one for one in fields(Switches)}
    for name, value in _wants().items():
        if name not in known:
            raise bad(f"There is no switch {name}; there are {', '.join(known)}.")
        setattr(world().switches, name, type(getattr(world().switches, name))(value))
    return get_switches()


@control.post("/accounts")
def set_account() -> Response:
    """`api_key` (default: the first), with `is_revoked` or `is_disabled`; an unknown key makes an account."""
    wants = _wants()
    key = str(wants.get("api_key") or world().config.api_key)
    with world().change():
        account = world().accounts.setdefault(key, Account(key))
        account.is_revoked = bool(wants.get("is_revoked", account.is_revoked))
        account.is_disabled = bool(wants.get("is_disabled", account.is_disabled))
        world().save_account(account)
    return jsonify(asdict(account))


@control.post("/lists")
def set_list() -> Response:
    """`list_id` with `name` and `is_double_optin`; an unknown id makes an audience."""
    wants = _wants()
    list_id = str(wants.get("list_id") or world().config.list_id)
    with world().change():
        audience = world().audiences.get(list_id)
        if audience is None:
            key = str(wants.get("api_key") or world().config.api_key)
            number = len(world().audiences) + 1
            audience = Audience(list_id, list_id, key, web_id=number, created_at=world().clock.now())
            world().audiences[list_id] = audience
        audience.name = str(wants.get("name") or audience.name)
        audience.is_double_optin = bool(wants.get("is_double_optin", audience.is_double_optin))
        world().save_audience(audience)
    return jsonify(list_id=audience.list_id, name=audience.name, is_double_optin=audience.is_double_optin)


@control.delete("/lists/<list_id>")
def delete_list(list_id: str) -> Response:
    """The audience is gone, as if staff had deleted it."""
    with world().change():
        world().save_deleted_audience(audience_named(list_id))
    return jsonify({})


@control.post("/signup_block")
def block_signup() -> Response:
    """`email` has "signed up to a lot of lists" for `hours` (default 24) of the simulator's clock."""
    wants = _wants()
    audience = audience_named(wants.get("list_id"))
    with world().change():
        until = world().clock.now() + int(float(wants.get("hours") or 24) * 3600)
        audience.signup_blocks[md5_of(str(wants.get("email", "")))] = until
        world().save_audience(audience)
    return jsonify(until=iso(until))


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
