"""Access tokens of sources whose platform hands them out by a login page: connect, keep, renew before they expire."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.core.audit import audit
from app.core.errors import ConfigError, InvalidError
from app.core.runtime import Runtime
from app.core.secretbox import SecretBox
from app.sources.configure import bind, get_source_row, open_secrets
from app.sources.loaded import LoadedSource, load_sources
from app.sources.logins import begin_login, use_login
from app.sources.models import Secret, Source, source_revisions
from app.sources.pause import pause_source
from integrations.kit.contract import EnrichError, OAuthApp, SourceConfig
from integrations.kit.fetch import make_client_at

PURPOSE = "source"
RENEW_BEFORE_SECONDS = 600  # a token this near to its end is renewed
RENEW_LEASE_SECONDS = (
    60  # one process renews at a time: some platforms void a refresh token that is used twice
)
LONGEST_TOKEN_SECONDS = 400 * 86_400
ACCESS, REFRESH = "access_token", "refresh_token"

DUE = text("""
    SELECT s.id FROM sources s
    WHERE s.is_enabled AND EXISTS (SELECT FROM secrets r WHERE r.source_id = s.id AND r.name = 'refresh_token'
            AND (r.expires_at IS NULL OR r.expires_at > now()))
      AND NOT EXISTS (SELECT FROM secrets a WHERE a.source_id = s.id AND a.name = 'access_token'
            AND (a.expires_at IS NULL OR a.expires_at > now() + make_interval(secs => :before))
            -- a token that was refused before its time: a new one is asked for, once for each pause
            AND (s.paused_at IS NULL OR a.created_at > s.paused_at))
      AND coalesce(CAST(s.health ->> 'renewing_until' AS timestamptz), '-infinity') < now()
""")
LEASE = text("""
    UPDATE sources SET health = health || jsonb_build_object('renewing_until', now() + make_interval(secs => :lease))
    WHERE id = :id AND coalesce(CAST(health ->> 'renewing_until' AS timestamptz), '-infinity') < now() RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint answered. `seconds` None: it does not expire."""

    access_token: str
    refresh_token: str = ""
    seconds: float | None = None


def begin_connect(session: Session, box: SecretBox, slug: str, redirect_uri: str, actor: str) -> str:
    """Where to send the browser of `actor` to connect the source. InvalidError where that is not how it connects."""
    row = get_source_row(session, slug)
    app, client_id, _ = _client(_loaded(session, box, row))
    state = begin_login(session, PURPOSE, slug, actor)
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        **({"scope": " ".join(app.scopes)} if app.scopes else {}),
    }
    return f"{app.authorize_url}?{urlencode(asked)}"


def finish_connect(runtime: Runtime, answer: Mapping[str, str], redirect_uri: str, actor: str) -> str:
    """Take the browser's return and keep the tokens; the source's slug. No transaction is open while we ask."""
    with runtime.transaction() as session:
        slug = use_login(session, PURPOSE, answer.get("state", ""), actor)
        loaded = _loaded(session, runtime.box, get_source_row(session, slug))
    if not answer.get("code"):
        raise InvalidError(
            "The platform did not allow the connection.", "Start it again, and allow it there."
        )
    asked = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect_uri}
    try:
        tokens = _ask(loaded, asked)
    except EnrichError as error:
        raise InvalidError(f"The platform gave no token: {error.reason}.", error.hint) from None
    with runtime.transaction() as session:
        keep_tokens(session, runtime.box, slug, tokens, actor)
    return slug


def keep_tokens(session: Session, box: SecretBox, slug: str, tokens: Tokens, actor: str) -> None:
    """Store tokens in the place of the old ones, and let the source try again."""
    row = get_source_row(session, slug, for_update=True)
    given = {ACCESS: (tokens.access_token, tokens.seconds)}
    if tokens.refresh_token:
        given[REFRESH] = (tokens.refresh_token, None)
    for name, (value, seconds) in given.items():
        session.execute(delete(Secret).where(Secret.source_id == row.id, Secret.name == name))
        ends = None if seconds is None else func.now() + timedelta(seconds=seconds)
        session.add(
            Secret(source_id=row.id, name=name, sealed=box.seal(value, bind(row.id, name)), expires_at=ends)
        )
    row.paused_at, row.paused_reason = None, None
    row.revision = session.scalar(select(source_revisions.next_value())) or row.revision
    row.updated_at = func.now()
    audit(session, actor, "source.tokens", f"source:{slug}", None, {"kept": sorted(given)})


def renew_due_tokens(runtime: Runtime) -> int:
    """Renew what expires soon; how many were renewed. A refusal pauses the source, with one alert."""
    with runtime.transaction() as session:
        due = list(session.scalars(DUE, {"before": RENEW_BEFORE_SECONDS}))
        sources = {one.id: one for one in load_sources(session, runtime.box)} if due else {}
    return sum(_renew(runtime, sources[source_id]) for source_id in due if source_id in sources)


def _renew(runtime: Runtime, loaded: LoadedSource) -> bool:
    with runtime.transaction() as session:
        if session.execute(LEASE, {"id": loaded.id, "lease": RENEW_LEASE_SECONDS}).first() is None:
            return False
        # Read again under the lease: whoever renewed just before us left another refresh token.
        secrets = open_secrets(session, runtime.box, loaded.id)
    loaded = replace(loaded, config=SourceConfig(loaded.slug, loaded.config.settings, secrets))
    refresh = secrets.get(REFRESH, ("",))[0]
    try:
        tokens = _ask(loaded, {"grant_type": "refresh_token", "refresh_token": refresh})
    except (EnrichError, InvalidError) as error:
        _note_refusal(runtime, loaded, error)
        return False
    with runtime.transaction() as session:
        keep_tokens(session, runtime.box, loaded.slug, tokens, "muster")
    return True


def _note_refusal(runtime: Runtime, loaded: LoadedSource, error: EnrichError | InvalidError) -> None:
    from_outage = isinstance(error, EnrichError) and error.outcome == "waiting_enrich"
    if from_outage:
        return  # the lease ends in a minute, and it is tried again
    with runtime.transaction() as session:
        pause_source(session, loaded.id, "the login has ended; connect the source again")


def _ask(loaded: LoadedSource, asked: Mapping[str, str]) -> Tokens:
    app, client_id, client_secret = _client(loaded)
    client, path = make_client_at(app.token_url, loaded.config.settings.get(app.token_base_setting, ""))
    form, headers = dict(asked), {}
    if app.is_basic:
        pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode("ascii")
        headers["Authorization"] = f"Basic {pair}"
    else:
        form |= {"client_id": client_id, "client_secret": client_secret}
    return read_tokens(client.post_form(path, form, headers))


def read_tokens(answer: Any) -> Tokens:
    """The tokens in an answer (RFC 6749, 5.1), or EnrichError."""
    access = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(access, str) or not access:
        raise EnrichError("invalid", "the platform's answer holds no token", "Connect the source again.")
    refresh, seconds = answer.get("refresh_token"), answer.get("expires_in")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    return Tokens(
        access,
        refresh if isinstance(refresh, str) else "",
        min(float(seconds), LONGEST_TOKEN_SECONDS) if is_number else None,
    )


def _client(loaded: LoadedSource) -> tuple[OAuthApp, str, str]:
    app = loaded.source.oauth
    if app is None:
        raise InvalidError(
            f"{loaded.source.label} has no login page.",
            "Its tokens are settings: `muster sources show` lists them.",
        )
    client_id = loaded.config.settings.get("client_id", "")
    client_secret = (loaded.config.secrets.get("client_secret") or ("",))[0]
    if not client_id or not client_secret:
        raise InvalidError(
            "The platform's app is not set.",
            f"muster sources set {loaded.slug} client_id=... client_secret=...",
        )
    return app, client_id, client_secret


def _loaded(session: Session, box: SecretBox, row: Source) -> LoadedSource:
    found = next((one for one in load_sources(session, box) if one.id == row.id), None)
    if found is None or found.trouble:
        raise ConfigError("The source's secrets cannot be opened.", "See `muster doctor`.")
    return found
