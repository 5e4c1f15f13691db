"""The audience webhook: its source here, its registration there. Made, looked after daily, repaired, its secret rotated.

Everything is idempotent; the sweep asks until it is done. Mailchimp checks an address by GET before it saves it, so the
web server must be answering.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import mind_problem
from app.audiences.hook_check import EVENTS, SOURCES, HookPlan, plan_hook
from app.audiences.leaving import INTEGRATION, source_slug
from app.audiences.live import LiveAudience, read_live_audience
from app.audiences.models import Audience, Destination
from app.audiences.pauses import GONE, raise_alert
from app.audiences.schema import keep_schema
from app.audiences.simulated import DESTINATION_SLUG
from app.audiences.views import Trouble
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.db import transaction
from app.core.secretbox import SecretBox
from app.sources.catalogue import REFRESH_SECONDS
from app.sources.configure import DAY_SECONDS, add_source, find_secret, rotate_secret
from app.sources.models import Source
from app.sources.settings import hook_path
from integrations.mailchimp.answers import Webhook
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem

# Until every web process has read its sources anew (app/sources/catalogue.py) it refuses Mailchimp's check of the new address.
DOOR_SECONDS = REFRESH_SECONDS + 0.5
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
CHECK_EVERY = timedelta(days=1)
RETRY_EVERY = timedelta(minutes=5)  # once it has been in trouble for longer than a start takes
PATIENCE = timedelta(minutes=2)  # web servers start late; only then is it worth an alert
LAST_DELIVERY = text("""
    SELECT d.received_at FROM deliveries d JOIN sources s ON s.id = d.source_id
    WHERE s.slug = :slug ORDER BY d.received_at DESC LIMIT 1
""")
AWAITED = "awaited"  # stands for a hook's id while one is made: should the answer be lost, none was heard
REPAIR_HINT = "See that the public URL reaches this Muster; then `muster audiences repair-webhook {slug}`."


@dataclass(frozen=True, slots=True)
class HookState:
    """What is known of an audience's webhook.

    state: registered; unreachable (nobody outside can call us, so only pulls bring news); missing; broken.
    `trouble`: why it cannot be repaired, since when. `repaired`: what was wrong, or renewed, when it was mended last.
    """

    state: str
    url: str = ""
    source: str = ""
    checked_at: datetime | None = None
    trouble: str = ""
    since: datetime | None = None
    repaired: str = ""


def hook_state(audience: Audience) -> HookState:
    """As last seen."""
    stored = (audience.remote_schema or {}).get("webhook") or {}
    return HookState(
        stored.get("state", "missing"),
        stored.get("url", ""),
        stored.get("source", ""),
        _time(stored.get("checked_at")),
        stored.get("trouble", ""),
        _time(stored.get("since")),
        stored.get("repaired", ""),
    )


def find_last_delivery(session: Session, state: HookState) -> datetime | None:
    """When Mailchimp last called."""
    found: datetime | None = session.scalar(LAST_DELIVERY, {"slug": state.source}) if state.source else None
    return found


def is_due(state: HookState, now: datetime) -> bool:
    """Whether it is time to look after a webhook: daily, and sooner while something is wrong. Pure."""
    if state.state == "missing" or state.checked_at is None:
        return True
    if state.trouble:
        is_young = state.since is None or now - state.since < PATIENCE
        return is_young or now - state.checked_at >= RETRY_EVERY
    return now - state.checked_at >= CHECK_EVERY


def ensure_webhook(
    sessions: sessionmaker[Session],
    settings: Settings,
    box: SecretBox,
    connections: Connections | None = None,
) -> bool:
    """Every enabled audience has its webhook, and it is as it should be; True once nothing is missing any more.

    Call it often, when the web server answers: it does nothing until something is due.
    """
    own = connections or Connections(box, settings.valkey_url)
    keeper = HookKeeper(sessions, settings, box, own)
    now = utc_now()
    try:
        with transaction(sessions) as session:
            due = [pair for pair in _all(session) if is_due(hook_state(pair[0]), now)]
        done = [keeper.care(audience, there).trouble == "" for audience, there in due]
        return all(done)
    finally:
        if connections is None:
            own.close()


def repair_webhook(
    sessions: sessionmaker[Session],
    settings: Settings,
    box: SecretBox,
    connections: Connections,
    audience_id: int,
    *,
    rotates: bool = False,
) -> HookState:
    """Look after one webhook now, whenever that was done last; with `rotates` under a new address and secret.

    The old address and secret stay valid for a day, so nothing on its way is lost. A new address is waited for until
    the web server knows it. What came of it, troubles too.
    """
    with transaction(sessions) as session:
        audience, destination = next(pair for pair in _all(session, audience_id))
    return HookKeeper(sessions, settings, box, connections).care(audience, destination, rotates=rotates)


def _all(session: Session, audience_id: int | None = None) -> list[tuple[Audience, Destination]]:
    query = select(Audience, Destination).join(Destination, Destination.id == Audience.destination_id)
    if audience_id is not None:
        query = query.where(Audience.id == audience_id)
    else:
        is_there = Audience.paused_code.is_distinct_from(GONE)
        query = query.where(Audience.is_enabled, Destination.paused_at.is_(None), is_there)
    return [(row[0], row[1]) for row in session.execute(query.order_by(Audience.id))]


class HookKeeper:
    """Makes and mends webhooks; what it finds is kept with the audience."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        settings: Settings,
        box: SecretBox,
        connections: Connections,
    ) -> None:
        self._sessions, self._settings, self._box, self._connections = sessions, settings, box, connections

    def care(self, audience: Audience, destination: Destination, *, rotates: bool = False) -> HookState:
        """Look at one webhook and do what is needed; the state afterwards."""
        root = public_root(self._settings, destination)
        if not root:
            return self._remember(audience.id, {"state": "unreachable"})
        with transaction(self._sessions) as session:
            slug, url_key, has_secret = self._ensure_source(session, audience.slug)
            if rotates:
                path = rotate_secret(session, self._box, slug, "url_key", actor="muster").hook_path
                url_key = path.rpartition("/")[2]
        if rotates:
            time.sleep(DOOR_SECONDS)
        shown = {"url": root + hook_path(slug), "source": slug}
        try:
            gateway = self._connections.gateway(destination)
            url = root + hook_path(slug, url_key)
            heard = ((audience.remote_schema or {}).get("webhook") or {}).get("heard", "")
            plan = plan_hook(gateway.list_webhooks(audience.list_id), url, has_secret=has_secret, heard=heard)
            self._carry_out(gateway, audience, slug, url, plan)
            live = read_live_audience(gateway, audience.list_id)
        except MailchimpProblem as problem:
            mind_problem(self._sessions, audience.id, problem)
            return self._remember(audience.id, {**shown, "state": "broken", "trouble": problem.sentence})
        before = hook_state(audience)
        is_repaired = bool(before.url) and not plan.is_well
        repaired = "; ".join(plan.faults) if is_repaired else before.repaired
        shown |= {"heard": plan.keeps} if plan.keeps else {}
        return self._remember(audience.id, {**shown, "state": "registered", "repaired": repaired}, live)

    def _carry_out(self, gateway: Gateway, audience: Audience, slug: str, url: str, plan: HookPlan) -> None:
        list_id = audience.list_id
        for webhook_id in plan.clears:
            gateway.delete_webhook(list_id, webhook_id)
        if plan.creates:
            with transaction(self._sessions) as session:
                _note_heard(session, audience.id, AWAITED)
            self._keep_secret(audience.id, slug, gateway.create_webhook(list_id, url, EVENTS, SOURCES))
        if plan.updates:
            gateway.update_webhook(list_id, plan.updates, url, EVENTS, SOURCES)
        for webhook_id in plan.deletes:
            gateway.delete_webhook(list_id, webhook_id)

    def _keep_secret(self, audience_id: int, slug: str, made: Webhook) -> None:
        """The one before stays valid for a day, for what is on its way. Together with it: which hook it is of."""
        with transaction(self._sessions) as session:
            if made.signing_secret:
                rotate_secret(
                    session,
                    self._box,
                    slug,
                    "signing_secret",
                    value=made.signing_secret,
                    grace_seconds=DAY_SECONDS,
                    actor="muster",
                )
            _note_heard(session, audience_id, made.webhook_id)

    def _ensure_source(self, session: Session, audience_slug: str) -> tuple[str, str, bool]:
        """Slug and URL key of the audience's own source, and whether its signing secret is known."""
        slug = source_slug(audience_slug)
        source = session.scalar(select(Source).where(Source.slug == slug))
        if source is None:
            label = f"Audience {audience_slug}"
            add_source(session, self._box, INTEGRATION, slug, {}, label=label, actor="muster")
            session.flush()
            source = session.scalars(select(Source).where(Source.slug == slug)).one()
        url_key = find_secret(session, self._box, source.id, "url_key") or ""
        return slug, url_key, find_secret(session, self._box, source.id, "signing_secret") is not None

    def _remember(
        self, audience_id: int, webhook: dict[str, Any], live: LiveAudience | None = None
    ) -> HookState:
        """Keep what was found; a trouble that lasts becomes one alert."""
        now = utc_now()
        with transaction(self._sessions) as session:
            if live is not None:
                keep_schema(session, audience_id, live)
            audience = session.get_one(Audience, audience_id, with_for_update=True)
            before = (audience.remote_schema or {}).get("webhook") or {}
            kept = {"heard": before.get("heard", ""), **webhook, "checked_at": now.isoformat()}
            if webhook.get("trouble"):
                kept["since"] = before.get("since") or now.isoformat()
                is_lasting = now - (_time(kept["since"]) or now) >= PATIENCE
                kept["is_alerted"] = bool(before.get("is_alerted")) or is_lasting
                if is_lasting and not before.get("is_alerted"):
                    hint = REPAIR_HINT.format(slug=audience.slug)
                    raise_alert(session, audience_id, Trouble("webhook", webhook["trouble"], hint))
            audience.remote_schema = {**(audience.remote_schema or {}), "webhook": kept}
            session.flush()
            return hook_state(audience)


def _note_heard(session: Session, audience_id: int, webhook_id: str) -> None:
    audience = session.get_one(Audience, audience_id, with_for_update=True)
    remote = audience.remote_schema or {}
    audience.remote_schema = {**remote, "webhook": {**(remote.get("webhook") or {}), "heard": webhook_id}}


def public_root(settings: Settings, destination: Destination) -> str:
    """Where Mailchimp reaches us; "" where it cannot."""
    if destination.slug == DESTINATION_SLUG:
        return f"http://127.0.0.1:{settings.port}"
    is_local = urlsplit(settings.public_url).hostname in LOCAL_HOSTS
    return "" if is_local else settings.public_url


def _time(stored: Any) -> datetime | None:
    return datetime.fromisoformat(stored).astimezone(UTC) if stored else None
