"""The audience webhook: its source here, its registration there. Idempotent; the sweep asks until it is done."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.live import read_live_audience
from app.audiences.models import Audience, Destination
from app.audiences.simulated import AUDIENCE_SLUG, DESTINATION_SLUG
from app.core.config import Settings
from app.core.db import transaction
from app.core.secretbox import SecretBox
from app.sources.configure import add_source, find_secret, update_settings
from app.sources.models import Source
from app.sources.settings import hook_path
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem

INTEGRATION = "mailchimp"
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class HookState:
    """What is known of an audience's webhook. state: registered, unreachable (nobody outside can call us), missing."""

    state: str
    url: str = ""
    source: str = ""


def hook_state(audience: Audience) -> HookState:
    """As last seen."""
    stored = (audience.remote_schema or {}).get("webhook") or {}
    return HookState(stored.get("state", "missing"), stored.get("url", ""), stored.get("source", ""))


def ensure_webhook(
    sessions: sessionmaker[Session],
    settings: Settings,
    box: SecretBox,
    connections: Connections | None = None,
) -> bool:
    """Every enabled audience has its webhook (changes by people and staff, never our own); True once all have.

    Call it when the web server answers: Mailchimp checks the address by GET before it saves it.
    """
    own = connections or Connections(box, settings.valkey_url)
    try:
        with transaction(sessions) as session:
            rows = [
                (audience, destination)
                for audience, destination in _waiting(session)
                if hook_state(audience).state == "missing"
            ]
        done = [
            _ensure(sessions, settings, box, own.gateway(there), audience=audience, destination=there)
            for audience, there in rows
        ]
        return all(done)
    finally:
        if connections is None:
            own.close()


def _waiting(session: Session) -> list[tuple[Audience, Destination]]:
    query = (
        select(Audience, Destination)
        .join(Destination, Destination.id == Audience.destination_id)
        .where(Audience.is_enabled, Destination.paused_at.is_(None))
        .order_by(Audience.id)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def _ensure(
    sessions: sessionmaker[Session],
    settings: Settings,
    box: SecretBox,
    gateway: Gateway,
    *,
    audience: Audience,
    destination: Destination,
) -> bool:
    root = _public_root(settings, destination)
    if not root:
        return _remember(sessions, audience.id, {"state": "unreachable"})
    with transaction(sessions) as session:
        source_slug, url_key, has_secret = _ensure_source(session, box, audience.slug)
    url = root + hook_path(source_slug, url_key)
    try:
        signing_secret = _register(gateway, audience.list_id, url, has_secret=has_secret)
        schema = read_live_audience(gateway, audience.list_id).as_schema()
    except MailchimpProblem:
        return False
    with transaction(sessions) as session:
        if signing_secret:
            update_settings(session, box, source_slug, {"signing_secret": signing_secret}, actor="muster")
    shown = {"state": "registered", "url": root + hook_path(source_slug), "source": source_slug}
    return _remember(sessions, audience.id, shown, schema)


def _public_root(settings: Settings, destination: Destination) -> str:
    """Where Mailchimp reaches us; "" where it cannot."""
    if destination.slug == DESTINATION_SLUG:
        return f"http://127.0.0.1:{settings.port}"
    is_local = urlsplit(settings.public_url).hostname in LOCAL_HOSTS
    return "" if is_local else settings.public_url


def _ensure_source(session: Session, box: SecretBox, audience_slug: str) -> tuple[str, str, bool]:
    """Slug and URL key of the audience's own source, and whether its signing secret is known."""
    slug = INTEGRATION if audience_slug == AUDIENCE_SLUG else f"{INTEGRATION}-{audience_slug}"[:63]
    source = session.scalar(select(Source).where(Source.slug == slug))
    if source is None:
        add_source(session, box, INTEGRATION, slug, {}, label=f"Audience {audience_slug}", actor="muster")
        session.flush()
        source = session.scalars(select(Source).where(Source.slug == slug)).one()
    url_key = find_secret(session, box, source.id, "url_key") or ""
    return slug, url_key, find_secret(session, box, source.id, "signing_secret") is not None


def _register(gateway: Gateway, list_id: str, url: str, *, has_secret: bool) -> str:
    """The signing secret of a newly made webhook; "" where the one that exists stays.

    One whose secret was never heard (the answer was lost) is made anew.
    """
    for webhook in gateway.list_webhooks(list_id):
        if webhook.url != url:
            continue
        if has_secret or not webhook.is_signed:
            return ""
        gateway.delete_webhook(list_id, webhook.webhook_id)
    return gateway.create_webhook(list_id, url).signing_secret


def _remember(
    sessions: sessionmaker[Session],
    audience_id: int,
    webhook: dict[str, Any],
    schema: dict[str, Any] | None = None,
) -> bool:
    with transaction(sessions) as session:
        audience = session.get_one(Audience, audience_id)
        audience.remote_schema = {**(audience.remote_schema or {}), **(schema or {}), "webhook": webhook}
    return True
