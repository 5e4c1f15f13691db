"""Accounts as destinations: signing in by OAuth, another key, and what mends a connection that was refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.call_errors import tell_failed
from app.audiences.connect import CALL_SECONDS, binding
from app.audiences.models import Destination
from app.audiences.outbox import excuse_pause, wake_changes
from app.audiences.simulated import DESTINATION_SLUG
from app.audiences.whose import describe_account, note_account
from app.core.audit import audit
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import ConfigError, ConflictError, InvalidError, NotFoundError
from app.core.secretbox import SecretBox
from app.sources.logins import begin_login, use_login
from integrations.mailchimp.answers import AccountInfo
from integrations.mailchimp.gateway import Gateway, base_url_for
from integrations.mailchimp.oauth import OAuthClient, Token, authorize_url, exchange_code
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.transport import Login

PURPOSE = "destination"
SETTINGS_SLUG = "mailchimp"  # the account of MAILCHIMP_API_KEY
CALLBACK_PATH = "/destinations/connected"  # of the console: where Mailchimp sends the browser back to
ACCOUNTS = text("""
    SELECT d.slug, d.label, d.login, d.base_url, coalesce(d.account ->> 'name', '') AS account,
      CASE WHEN d.paused_at IS NOT NULL THEN 'paused: ' || coalesce(d.paused_reason, '')
           WHEN coalesce(d.breaker ->> 'state', 'closed') <> 'closed' THEN 'waiting: Mailchimp is down'
           ELSE 'ready' END AS state,
      d.paused_at, d.paused_code, (SELECT count(*) FROM audiences a WHERE a.destination_id = d.id) AS audiences
    FROM destinations d ORDER BY d.slug
""")


@dataclass(frozen=True, slots=True)
class Access:
    """What opens an account, once it was seen to: the key or token, where, and whose it is."""

    login: Login
    key: str
    base_url: str
    account: Mapping[str, Any]  # {account_id, name, role, dc}


def oauth_client(settings: Settings, redirect_uri: str) -> OAuthClient:
    """The registered app of the settings. ConfigError where it is not set."""
    if not settings.mailchimp_client_id or not settings.mailchimp_client_secret:
        raise ConfigError(
            "There is no registered Mailchimp app to sign in with.",
            "Register one under Account > Extras > Registered apps, with this redirect address:"
            f" {redirect_uri} - then set MAILCHIMP_CLIENT_ID and MAILCHIMP_CLIENT_SECRET.",
        )
    return OAuthClient(
        settings.mailchimp_client_id,
        settings.mailchimp_client_secret,
        redirect_uri,
        settings.mailchimp_login_url,
    )


def begin_connect(session: Session, settings: Settings, slug: str, redirect_uri: str, actor: str) -> str:
    """Where to send the browser of `actor`, to connect (or connect again) the destination `slug`.

    The state in the address works once, for a quarter of an hour; only its hash is kept.
    """
    _check_slug(settings, slug)
    client = oauth_client(settings, redirect_uri)
    state = begin_login(session, PURPOSE, slug, actor)
    return authorize_url(client, state)


def finish_connect(
    sessions: sessionmaker[Session],
    box: SecretBox,
    settings: Settings,
    *,
    answer: Mapping[str, str],
    redirect_uri: str,
    actor: str,
) -> str:
    """Take the browser's return (`state` and `code`, or `error`) and store the token; the destination's slug.

    InvalidError for a state that does not fit, or with Mailchimp's reason; BusyError where it cannot be asked;
    ConflictError for another account than the one that the destination had.
    """
    client = oauth_client(settings, redirect_uri)
    with transaction(sessions) as session:
        slug = use_login(session, PURPOSE, answer.get("state", ""), actor)
    if not answer.get("code"):
        raise InvalidError("Mailchimp did not allow the connection.", "Start it again, and allow it there.")
    try:
        token = exchange_code(client, answer["code"])
        info = look_in(token.base_url, token.access_token, "oauth")
    except MailchimpProblem as problem:
        left = "nothing was stored, and the login begins anew"
        raise tell_failed(problem, "Mailchimp did not complete the login", left) from problem
    with transaction(sessions) as session:
        store_access(session, box, slug, _token_access(token, info), actor)
    return slug


def rotate_key(
    sessions: sessionmaker[Session],
    box: SecretBox,
    settings: Settings,
    *,
    slug: str,
    api_key: str,
    actor: str,
    base_url: str = "",
) -> None:
    """Try a new API key and put it in the place of the old one (or of a token); waiting work resumes.

    InvalidError where Mailchimp does not take it, BusyError where it cannot be asked, ConflictError where it opens
    another account.
    """
    _check_slug(settings, slug)
    try:
        address = base_url or base_url_for(api_key)
        info = look_in(address, api_key, "api_key")
    except ValueError as error:
        raise InvalidError("This is not a Mailchimp API key.", str(error)) from error
    except MailchimpProblem as problem:
        raise tell_failed(problem, "Mailchimp does not take this key") from problem
    account = describe_account(info, api_key.rpartition("-")[2])
    with transaction(sessions) as session:
        store_access(session, box, slug, Access("api_key", api_key, address, account), actor)


def look_in(base_url: str, key: str, login: Login) -> AccountInfo:
    """Whose account a key or token opens: one call. MailchimpProblem where it opens none."""
    gateway = Gateway(base_url, key, login=login, deadline_seconds=CALL_SECONDS)
    try:
        return gateway.get_root()
    finally:
        gateway.close()


def store_access(session: Session, box: SecretBox, slug: str, access: Access, actor: str) -> Destination:
    """Make the destination, or give it new access: unpaused, its breaker closed, its waiting changes awake."""
    destination = session.scalar(select(Destination).where(Destination.slug == slug).with_for_update())
    is_new = destination is None
    if destination is None:
        destination = Destination(slug=slug, label=str(access.account.get("name") or ""))
        session.add(destination)
    known, other = destination.account or {}, access.account.get("account_id")
    if known.get("account_id") and other and known["account_id"] != other:
        raise ConflictError(
            f"{slug!r} is connected with the account {known.get('name')!r}; this access is for {access.account.get('name')!r}.",
            "Sign in with the right account, or connect this one under another name.",
        )
    destination.base_url, destination.login = access.base_url, access.login
    destination.sealed_key = box.seal(access.key, binding(slug))
    if not is_new:
        excuse_pause(session, destination.paused_at, destination_id=destination.id)
    destination.paused_at, destination.paused_code, destination.paused_reason = None, None, None
    destination.breaker = {}
    note_account(session, destination, access.account)
    if not is_new:
        wake_changes(session, destination.id)
    action = "destination.connect" if is_new else "destination.reconnect"
    audit(session, actor, action, f"destination:{slug}", None, {"login": access.login, **access.account})
    return destination


def list_accounts(session: Session) -> list[dict[str, Any]]:
    """Every destination for people and programs; no key or token."""
    return [dict(row) for row in session.execute(ACCOUNTS).mappings()]


def get_destination(session: Session, slug: str) -> Destination:
    """NotFoundError where there is none."""
    found = session.scalar(select(Destination).where(Destination.slug == slug))
    if found is None:
        raise NotFoundError(f"There is no destination {slug!r}.", "`muster destinations list` shows them.")
    return found


def _token_access(token: Token, info: AccountInfo) -> Access:
    account = describe_account(info, token.data_centre)
    return Access("oauth", token.access_token, token.base_url, account)


def _check_slug(settings: Settings, slug: str) -> None:
    if slug == DESTINATION_SLUG or (slug == SETTINGS_SLUG and settings.mailchimp_api_key):
        raise InvalidError(
            f"The destination {slug!r} gets its key from the settings.",
            "Change MAILCHIMP_API_KEY and start Muster again, or choose another name.",
        )
