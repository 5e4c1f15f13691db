"""OAuth 2 as on Mailchimp's login host: ask the person, hand out a code and a token, say where the API is.

Tokens do not expire and have no scopes; a token that is revoked answers 401 on the API, and a bad one 200 without
`api_endpoint` in the metadata (seen in the Singer tap, 2026-11).
"""

import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, jsonify, redirect, render_template, request

from integrations.mailchimp.simulator.control import refuse_other_sites, world
from integrations.mailchimp.simulator.refusals import Refusal

oauth = Blueprint("oauth", __name__, url_prefix="/oauth2", template_folder="templates")
oauth.before_request(refuse_other_sites)


def _bad(error: str, text: str, status: int = 400) -> Response:
    response = jsonify(error=error, error_description=text)
    response.status_code = status
    return response


def _checked_request() -> tuple[str, str]:
    """Client and address to return to; whatever is wrong is shown here, never sent on."""
    client_id, target = request.values.get("client_id", ""), request.values.get("redirect_uri", "")
    if client_id not in world().connections.clients:
        raise Refusal(400, "invalid_client", "There is no application with this client_id.")
    if urlsplit(target).scheme not in {"http", "https"} or urlsplit(target).fragment:
        raise Refusal(400, "invalid_request", "redirect_uri must be a complete http(s) address.")
    return client_id, target


def _return(target: str, **told: str) -> Any:
    parts = urlsplit(target)
    query = urlencode([*parse_qsl(parts.query), *told.items()])
    return redirect(parts._replace(query=query).geturl(), 302)


@oauth.get("/authorize")
def show_question() -> str:
    client_id, _ = _checked_request()
    if request.args.get("response_type") != "code":
        raise Refusal(400, "invalid_request", "response_type must be code.")
    accounts = list(world().accounts.values())
    return render_template("authorize.html", client_id=client_id, accounts=accounts, asked=request.args)


@oauth.post("/authorize")
def give_code() -> Any:
    """The button: "allow" goes back with a code, "deny" with an error; `state` goes back as it came."""
    client_id, target = _checked_request()
    state = {"state": request.form["state"]} if request.form.get("state") else {}
    if request.form.get("answer") != "allow":
        return _return(target, error="access_denied", **state)
    number, accounts = request.form.get("account", 0, type=int), list(world().accounts.values())
    if not 0 <= number < len(accounts):
        raise Refusal(400, "invalid_request", "There is no such account.")
    code = secrets.token_hex(16)
    with world().change():
        kept = {"client_id": client_id, "redirect_uri": target, "api_key": accounts[number].api_key}
        world().connections.codes[code] = kept
        world().save_extras("connections")
    return _return(target, code=code, **state)


@oauth.post("/token")
def give_token() -> Response:
    """A code works once, for the client it was given to, with the same redirect_uri."""
    told, known = request.form, world().connections
    if told.get("grant_type") != "authorization_code":
        return _bad("unsupported_grant_type", "grant_type must be authorization_code")
    expected = known.clients.get(told.get("client_id", ""))
    if expected is None or not secrets.compare_digest(expected, told.get("client_secret", "")):
        return _bad("invalid_client", "client_id or client_secret is wrong", 401)
    with world().change():
        kept = known.codes.pop(told.get("code", ""), None)
        if kept is None or (kept["client_id"], kept["redirect_uri"]) != (
            told["client_id"],
            told.get("redirect_uri", ""),
        ):
            return _bad(
                "invalid_grant", "The code is unknown, was used before, or belongs to another request"
            )
        token = secrets.token_hex(16)
        known.tokens[token] = kept["api_key"]
        world().save_extras("connections")
    return jsonify(access_token=token, expires_in=0, scope=None)


@oauth.get("/metadata")
def tell_metadata() -> Response:
    """Where the token's API is, and whose it is."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = world().connections
    key = known.tokens.get(token.strip()) if scheme.lower() in {"oauth", "bearer"} else None
    if key is None or token.strip() in known.revoked or key not in world().accounts:
        return jsonify(error="invalid_token")
    account = world().accounts[key]
    who = {
        "email": "office@muster.example",
        "avatar": None,
        "login_id": 1,
        "login_name": account.name,
        "login_email": "office@muster.example",
    }
    return jsonify(
        {
            "dc": account.centre,
            "role": "owner",
            "accountname": account.name,
            "user_id": 1,
            "login": who,
            "login_url": "https://login.mailchimp.com",
            **account.metadata,
            "api_endpoint": world().config.api_endpoint or request.host_url.rstrip("/"),
        }
    )
