"""Signing in to a Mailchimp account by OAuth 2: where to send the admin, the token for a code, whose token it is.

Authorization code flow without scopes, expiry or refresh (expires_in is 0): a token works until it is withdrawn.
https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/, recorded metadata of 2021 (seen 2026-11).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from integrations.mailchimp.outside import ask_outside
from integrations.mailchimp.problems import (
    BAD_ANSWER,
    LOGIN_REFUSED,
    MailchimpProblem,
    problem_from_answer,
)
from integrations.mailchimp.transport import LOOPBACK_HOSTS, check_base_url

LOGIN_URL = "https://login.mailchimp.com"
DEADLINE_SECONDS = 10.0
MAX_ANSWER_BYTES = 256 * 1024
API_HOST = (
    "api.mailchimp.com"  # since 2026 for whoever has a token; before, and still, one of its data centres
)
# RFC 6749, 5.2; anything else (429, 403 of the edge, 5xx) says nothing about the app.
REFUSALS = frozenset({400, 401})


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The app as registered with Mailchimp (Account > Extras > Registered apps)."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    login_url: str = LOGIN_URL  # another only for a simulator


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the account that it opens. `base_url` is where its API is."""

    access_token: str = field(repr=False)
    base_url: str
    data_centre: str = ""
    account_name: str = ""
    role: str = ""
    login_email: str = ""


def authorize_url(client: OAuthClient, state: str) -> str:
    """Where to send the admin's browser; it comes back to the redirect address with `code` and this `state`."""
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "state": state,
    }
    return f"{check_base_url(client.login_url)}/oauth2/authorize?{urlencode(query)}"


def exchange_code(client: OAuthClient, code: str, seconds: float = DEADLINE_SECONDS) -> Token:
    """The token for a code, and what it opens. MailchimpProblem (kind login_refused) where either is refused."""
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": client.redirect_uri,
        "code": code,
    }
    answer = _ask(client, "POST", "/oauth2/token", seconds, form=form)
    token = str(answer.get("access_token") or "")
    if not token:
        raise MailchimpProblem(LOGIN_REFUSED, 200, "No Token", where="POST /oauth2/token")
    return read_metadata(client, token, seconds)


def read_metadata(client: OAuthClient, token: str, seconds: float = DEADLINE_SECONDS) -> Token:
    """Whose token it is. A bad one is answered with status 200 and without `api_endpoint`."""
    answer = _ask(client, "GET", "/oauth2/metadata", seconds, headers={"Authorization": f"OAuth {token}"})
    endpoint = str(answer.get("api_endpoint") or "")
    if not endpoint:
        raise MailchimpProblem(LOGIN_REFUSED, 200, "Bad Token", where="GET /oauth2/metadata")
    login = answer.get("login")
    return Token(
        access_token=token,
        base_url=_api_url(client, endpoint),
        data_centre=str(answer.get("dc") or ""),
        account_name=str(answer.get("accountname") or ""),
        role=str(answer.get("role") or ""),
        login_email=str(login.get("login_email") or "") if isinstance(login, Mapping) else "",
    )


def _api_url(client: OAuthClient, endpoint: str) -> str:
    """The API's base URL, on a host of Mailchimp's; on this machine only where the login was on it too."""
    try:
        host = urlsplit(check_base_url(endpoint)).hostname or ""
    except ValueError:
        host = ""
    is_local = host in LOOPBACK_HOSTS and urlsplit(client.login_url).hostname in LOOPBACK_HOSTS
    if host != API_HOST and not host.endswith(f".{API_HOST}") and not is_local:
        raise MailchimpProblem(BAD_ANSWER, 200, "Strange Endpoint", where="GET /oauth2/metadata")
    base = endpoint.rstrip("/")
    return base if base.endswith("/3.0") else f"{base}/3.0"


def _ask(
    client: OAuthClient,
    method: str,
    path: str,
    seconds: float,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """One call to the login host within `seconds`. Nothing of what was sent stands in a problem."""
    where, url = f"{method} {path}", check_base_url(client.login_url) + path
    accepted = {"Accept": "application/json", **(headers or {})}
    status, content = ask_outside(
        method, url, where, seconds, most_bytes=MAX_ANSWER_BYTES, form=form, headers=accepted
    )
    return _read(status, content, where)


def _read(status: int, content: bytes, where: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError:
        parsed = None
    if status == HTTPStatus.OK and isinstance(parsed, Mapping):
        return parsed
    if status in REFUSALS and isinstance(parsed, Mapping):  # {"error": "invalid_grant"}
        raise MailchimpProblem(LOGIN_REFUSED, status, str(parsed.get("error") or "")[:80], where=where)
    raise problem_from_answer(status, "", where)
