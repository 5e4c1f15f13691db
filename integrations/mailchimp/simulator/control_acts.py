"""The control plane's acts: as a contact, as staff, and as Mailchimp itself with accounts and audiences."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from integrations.mailchimp.simulator.acts import CONTACT_ACTS
from integrations.mailchimp.simulator.api.webhooks import new_secret
from integrations.mailchimp.simulator.audience import Account
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.control import (
    audience_named,
    bad,
    refuse_other_sites,
    wants_of_request,
    world,
)
from integrations.mailchimp.simulator.furnish import turn_permissions
from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.refusals import not_found
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.staff import STAFF_ACTS, STAFF_TASKS

NO_LIST_ID = "Say with list_id which audience has this name: one that is there is renamed, another id makes an audience."

acting = Blueprint("acting", __name__, url_prefix="/_sim")
acting.before_request(refuse_other_sites)


def act(kind: str, name: str, wants: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a contact or staff does; the member afterwards, or {} once it is erased."""
    audience = audience_named(wants.get("list_id"))
    if kind == "staff" and name in STAFF_TASKS:
        with world().change():
            return STAFF_TASKS[name](world(), audience, wants)
    found = {"contact": CONTACT_ACTS, "staff": STAFF_ACTS}.get(kind, {}).get(name)
    if found is None:
        raise not_found()
    with world().change():
        member = found(world(), audience, wants)
        if member is None:
            return {}
        texts = Shapes(world().accounts[audience.api_key]).texts(audience)
        shown: dict[str, Any] = json.loads(texts.full(member, has_links=False))
        return shown


@acting.post("/<any(contact, staff):kind>/<name>")
def do_act(kind: str, name: str) -> Response:
    return jsonify(act(kind, name, wants_of_request()))


@acting.get("/members")
def get_members() -> Response:
    """Members of `list_id` whose address contains `q`, the newest change first."""
    audience, wanted = audience_named(request.args.get("list_id")), request.args.get("q", "").casefold()
    limit = request.args.get("limit", 100, type=int)
    with world().lock:
        found = [one for one in audience.members() if wanted in one.email.casefold()]
        found.sort(key=lambda one: one.changed_at, reverse=True)
        texts = Shapes(world().accounts[audience.api_key]).texts(audience)
        members = [
            {**json.loads(texts.full(one, has_links=False)), "cause": one.cause} for one in found[:limit]
        ]
    return jsonify(members=members, total_items=len(found))


@acting.post("/accounts")
def set_account() -> Response:
    """`api_key` (default: the first), with `is_revoked` or `is_disabled`; an unknown key makes an account."""
    wants = wants_of_request()
    key = str(wants.get("api_key") or world().config.api_key)
    with world().change():
        account = world().accounts.setdefault(key, Account(key))
        account.is_revoked = bool(wants.get("is_revoked", account.is_revoked))
        account.is_disabled = bool(wants.get("is_disabled", account.is_disabled))
        world().save_account(account)
    return jsonify(api_key=key, is_revoked=account.is_revoked, is_disabled=account.is_disabled)


@acting.post("/oauth_clients")
def set_client() -> Response:
    """Register an application: `client_id` with `client_secret` (made up where none is given)."""
    wants = wants_of_request()
    client_id = str(wants.get("client_id") or secrets.randbelow(10**12))
    secret = str(wants.get("client_secret") or secrets.token_hex(25))
    with world().change():
        world().connections.clients[client_id] = secret
        world().save_extras("connections")
    return jsonify(client_id=client_id, client_secret=secret)


@acting.post("/oauth_revoke")
def revoke_token() -> Response:
    """The person disconnects the application: `token`, or without one every token there is."""
    token = wants_of_request().get("token")
    with world().change():
        known = world().connections
        if token is not None and token not in known.tokens:
            raise not_found()
        known.revoked |= set(known.tokens) if token is None else {str(token)}
        world().save_extras("connections")
    return jsonify(revoked=len(world().connections.revoked))


@acting.post("/lists")
def set_list() -> Response:
    """`list_id` with `name`, `is_double_optin`, `has_permissions`; an unknown id makes an audience.

    Without an id the first audience is meant, as everywhere here; but whoever gives a name may mean another one.
    """
    wants = wants_of_request()
    if wants.get("name") and not wants.get("list_id"):
        raise bad(NO_LIST_ID)
    list_id = str(wants.get("list_id") or world().config.list_id)
    with world().change():
        audience = world().audiences.get(list_id)
        if audience is None:
            key = str(wants.get("api_key") or world().config.api_key)
            if key not in world().accounts:
                raise bad("There is no account with this api_key.")
            audience = world().make_audience(list_id, list_id, key)
        audience.name = str(wants.get("name") or audience.name)
        audience.is_double_optin = bool(wants.get("is_double_optin", audience.is_double_optin))
        turn_permissions(audience, is_on=bool(wants.get("has_permissions", audience.has_permissions)))
        world().save_audience(audience)
    return jsonify(
        list_id=audience.list_id,
        name=audience.name,
        is_double_optin=audience.is_double_optin,
        has_permissions=audience.has_permissions,
        permissions=audience.permissions,
    )


@acting.delete("/lists/<list_id>")
def delete_list(list_id: str) -> Response:
    """The audience is gone, as if staff had deleted it."""
    with world().change():
        world().save_deleted_audience(audience_named(list_id))
    return jsonify({})


@acting.post("/signup_block")
def block_signup() -> Response:
    """`email` has "signed up to a lot of lists" for `hours` (default 24) of the simulator's clock."""
    wants = wants_of_request()
    audience = audience_named(wants.get("list_id"))
    with world().change():
        until = world().clock.now() + int(float(wants.get("hours") or 24) * 3600)
        audience.signup_blocks[md5_of(str(wants.get("email", "")))] = until
        world().save_audience(audience)
    return jsonify(until=iso(until))


@acting.post("/rotate_secret")
def rotate_secret() -> Response:
    """A new signing secret for `webhook_id`; the former one keeps signing too until `is_over` is sent."""
    wants = wants_of_request()
    audience = audience_named(wants.get("list_id"))
    webhook = audience.webhooks.get(str(wants.get("webhook_id", "")))
    if webhook is None:
        raise not_found()
    with world().change():
        if wants.get("is_over"):
            webhook.former_secret = ""
        else:
            webhook.former_secret, webhook.secret = webhook.secret, new_secret()
        world().save_audience(audience)
    return jsonify(webhook_id=webhook.webhook_id, signing_secret=webhook.secret)
