"""Destinations and audiences as admins configure them: ensure, add, list, show."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.call_errors import is_no_audience, tell_failed, tell_no_audience
from app.audiences.connect import Connections, binding
from app.audiences.hooks import LOCAL_HOSTS
from app.audiences.live import LiveAudience, default_merge_fields, read_live_audience
from app.audiences.models import Audience, Destination
from app.audiences.outbox import excuse_pause, queue_audience, wake_changes
from app.audiences.settings import CHECKS, check_settings
from app.audiences.simulated import ACCOUNT_ID, API_KEY, DESTINATION_SLUG
from app.audiences.whose import find_twin, learn_accounts_with
from app.core.audit import audit
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import ConfigError, ConflictError, InvalidError, NotFoundError
from app.core.secretbox import SecretBox
from integrations.mailchimp.gateway import Gateway, base_url_for
from integrations.mailchimp.problems import MailchimpProblem

REAL_SLUG = "mailchimp"
KEY_LOGIN = "api_key"
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class AudienceWish:
    """What an admin asks for. None = from the live audience, or the default."""

    slug: str
    list_id: str
    label: str = ""
    purpose: str = "newsletter"
    merge_fields: Mapping[str, Any] | None = None
    tags: Sequence[str] = ()
    entry_rule: Mapping[str, Any] = field(default_factory=dict)
    is_double_opt_in: bool | None = None
    on_leave: str = "archive"
    on_return: str = "pending_once"
    interests: Mapping[str, Any] = field(default_factory=dict)
    marketing_permissions: Mapping[str, str] = field(default_factory=dict)
    contact_id_field: str = ""


def ensure_destination(session: Session, box: SecretBox, settings: Settings) -> Destination:
    """The account that the settings name: the real one, or the simulator. A changed key or address is taken over.

    Whose account a key opens is read before its first work.
    """
    slug, key, base_url = _account(settings)
    account = {"account_id": ACCOUNT_ID} if settings.is_simulated else {}
    destination = session.scalar(select(Destination).where(Destination.slug == slug).with_for_update())
    if destination is None:
        destination = Destination(
            slug=slug, base_url=base_url, sealed_key=box.seal(key, binding(slug)), account=account
        )
        session.add(destination)
        session.flush()
    elif (destination.login, destination.base_url) != (KEY_LOGIN, base_url) or box.open(
        destination.sealed_key, binding(slug)
    ) != key:
        destination.base_url, destination.sealed_key = base_url, box.seal(key, binding(slug))
        destination.login, destination.account = KEY_LOGIN, account
        # A new key deserves a new try at once.
        excuse_pause(session, destination.paused_at, destination_id=destination.id)
        destination.paused_at, destination.paused_code, destination.paused_reason = None, None, None
        destination.breaker = {}
        session.flush()
        wake_changes(session, destination.id)
    return destination


def find_connected(session: Session) -> list[Destination]:
    """Accounts at Mailchimp that an admin connected, by slug; none that stand on this machine."""
    rows = session.scalars(
        select(Destination).where(Destination.slug != DESTINATION_SLUG).order_by(Destination.slug)
    )
    return [row for row in rows if urlsplit(row.base_url).hostname not in LOCAL_HOSTS]


def default_destination(session: Session, box: SecretBox, settings: Settings) -> Destination:
    """The account that is meant where nobody names one: the settings', or the only one that is connected.

    InvalidError where several are. The simulator only counts as long as there is no other.
    """
    connected = find_connected(session) if settings.is_simulated else []
    if len(connected) > 1:
        raise InvalidError(
            "Several Mailchimp accounts are connected.",
            f"Say which with --destination: {', '.join(one.slug for one in connected)}.",
        )
    return connected[0] if connected else ensure_destination(session, box, settings)


def _account(settings: Settings) -> tuple[str, str, str]:
    if settings.is_simulated:
        return DESTINATION_SLUG, API_KEY, settings.mailchimp_base_url or settings.simulator_url
    try:
        base_url = settings.mailchimp_base_url or base_url_for(settings.mailchimp_api_key)
    except ValueError as error:
        raise ConfigError("MAILCHIMP_API_KEY is not a Mailchimp API key.", str(error)) from error
    return REAL_SLUG, settings.mailchimp_api_key, base_url


def find_destination(session: Session, slug: str) -> Destination | None:
    return session.scalar(select(Destination).where(Destination.slug == slug))


def add_audience(
    session: Session,
    destination: Destination,
    live: LiveAudience,
    wish: AudienceWish,
    actor: str = "command line",
) -> Audience:
    """Add an audience and queue everybody with consent for it. InvalidError, ConflictError."""
    _check(wish, live)
    _check_list(session, destination, wish)
    audience = Audience(
        slug=wish.slug,
        destination_id=destination.id,
        list_id=wish.list_id,
        label=wish.label or live.name,
        purpose=wish.purpose,
        merge_fields=dict(default_merge_fields(live) if wish.merge_fields is None else wish.merge_fields),
        tags=list(wish.tags),
        entry_rule=dict(wish.entry_rule),
        is_double_opt_in=live.is_double_optin if wish.is_double_opt_in is None else wish.is_double_opt_in,
        on_leave=wish.on_leave,
        on_return=wish.on_return,
        interests=dict(wish.interests),
        marketing_permissions=dict(wish.marketing_permissions),
        contact_id_field=wish.contact_id_field,
        remote_schema=live.as_schema(),
    )
    try:
        with session.begin_nested():
            session.add(audience)
    except IntegrityError as error:
        raise ConflictError(
            f"There is an audience {wish.slug!r} already.",
            "`muster audiences list` shows them.",
        ) from error
    audit(
        session,
        actor,
        "audience.add",
        f"audience:{wish.slug}",
        None,
        {"list_id": wish.list_id, "purpose": wish.purpose},
    )
    queue_audience(session, audience.id)
    return audience


def _check(wish: AudienceWish, live: LiveAudience) -> None:
    if not SLUG.fullmatch(wish.slug):
        raise InvalidError(f"{wish.slug!r} is no slug.", "Use small letters, digits, - and _; at most 63.")
    chosen = {name: getattr(wish, name) for name in CHECKS}
    checked = {name: value for name, value in chosen.items() if value is not None}
    check_settings(checked, live.as_schema(), wish.slug)


def _check_list(session: Session, destination: Destination, wish: AudienceWish) -> None:
    """A list of an account has one audience, through whichever destination: two would undo each other's work."""
    twin = find_twin(session, destination.id, wish.list_id)
    if twin is not None:
        through = session.get_one(Destination, twin.destination_id).slug
        raise ConflictError(
            f"The audience {twin.slug!r} keeps {wish.list_id} in step already (destination {through}).",
            f"Change that one: `muster audiences set {twin.slug}`. Two on one list would undo each other's work.",
        )


def connect_audience(
    sessions: sessionmaker[Session],
    connections: Connections,
    destination: Destination,
    wish: AudienceWish,
    actor: str = "command line",
) -> Audience:
    """Read the live audience, then add it. InvalidError with Mailchimp's reason; BusyError where it cannot be asked."""
    learn_accounts_with(sessions, connections, destination, wish.list_id)
    gateway = connections.gateway(destination)
    try:
        live = read_live_audience(gateway, wish.list_id)
    except MailchimpProblem as problem:
        if is_no_audience(problem):
            raise tell_no_audience(wish.list_id, _names_there(gateway)) from problem
        raise tell_failed(
            problem, f"Mailchimp does not give the audience {wish.list_id}", "nothing was added"
        ) from problem
    with transaction(sessions) as session:
        return add_audience(session, destination, live, wish, actor)


def _names_there(gateway: Gateway) -> dict[str, str]:
    """The audiences of the account by id; none where they cannot be read now."""
    try:
        return {one.list_id: one.name for one in gateway.list_audiences()}
    except MailchimpProblem:
        return {}


def get_audience_row(session: Session, slug: str) -> Audience:
    """NotFoundError where there is none."""
    audience = session.scalar(select(Audience).where(Audience.slug == slug))
    if audience is None:
        raise NotFoundError(f"There is no audience {slug!r}.", "`muster audiences list` shows them.")
    return audience


def list_audiences(session: Session) -> list[tuple[Audience, Destination]]:
    """Every audience with its destination, by slug."""
    rows = session.execute(
        select(Audience, Destination)
        .join(Destination, Destination.id == Audience.destination_id)
        .order_by(Audience.slug)
    )
    return [(row[0], row[1]) for row in rows]


def count_audiences(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Audience)).scalar_one()
