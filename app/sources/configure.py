"""Sources as admins configure them: add, set, rotate, switch. Every change is audited and told to the door."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.audit import audit
from app.core.errors import ConflictError, InvalidError, NotFoundError
from app.core.secretbox import SecretBox
from app.sources.mappings import publish_preset
from app.sources.models import Secret, Source, source_revisions
from app.sources.settings import (
    GENERATORS,
    LIST_INTEGRATION,
    URL_KEY,
    CheckedSettings,
    check_given,
    check_list_columns,
    hook_path,
    integration_of,
    primary_setting,
    refuse_unusable,
)
from integrations.kit.contract import Setting, SourceConfig

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class AddedSource:
    """What the admin carries to the platform; the only time the secrets are shown."""

    slug: str
    hook_path: str
    secret: str
    generated: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A new secret; the old one is accepted until `old_until`."""

    slug: str
    name: str
    secret: str
    hook_path: str
    old_until: datetime


def bind(source_id: int, name: str) -> str:
    """What a sealed secret is bound to."""
    return f"secret:{source_id}:{name}"


def add_source(
    session: Session,
    box: SecretBox,
    integration: str,
    slug: str,
    given: Mapping[str, str],
    *,
    label: str = "",
    actor: str = "command line",
) -> AddedSource:
    """Add a source with the integration's preset as mapping version 1.

    NotFoundError: no such integration. InvalidError: settings or slug. ConflictError: the slug is taken.
    """
    kind = integration_of(integration)
    check_slug(slug)
    checked = check_given(kind, given, is_new=True)
    secrets = {name: (value,) for name, value in checked.secret.items()}
    refuse_unusable(kind, SourceConfig(slug, checked.plain, secrets), given)
    source = Source(
        slug=slug, integration=integration, label=label, settings=checked.plain, **checked.columns
    )
    try:
        with session.begin_nested():
            session.add(source)
    except IntegrityError as error:
        raise ConflictError(f"There is a source {slug!r} already.", "Choose another slug.") from error
    for name, value in checked.secret.items():
        _add_secret(session, box, source.id, name, value)
    publish_preset(session, source, author=actor)
    audit(session, actor, "source.add", f"source:{slug}", None, _shown(source, checked))
    primary = primary_setting(kind)
    secret = checked.secret.get(primary.name, "") if primary else ""
    return AddedSource(
        slug, hook_path(slug, checked.secret.get(URL_KEY, "")), secret, dict(checked.generated)
    )


def update_settings(
    session: Session, box: SecretBox, slug: str, given: Mapping[str, str], *, actor: str = "command line"
) -> None:
    """Change settings; a secret given here replaces the old one at once (rotate_secret keeps it for a while)."""
    source = get_source_row(session, slug, for_update=True)
    checked = _check_change(source, given)
    before = _shown(source)
    source.settings = {**source.settings, **checked.plain}
    for name, number in checked.columns.items():
        setattr(source, name, number)
    for name, value in checked.secret.items():
        _expire_secrets(session, source.id, name, grace_seconds=0)
        _add_secret(session, box, source.id, name, value)
    _bump(session, source)
    audit(session, actor, "source.set", f"source:{slug}", before, _shown(source, checked))


def _check_change(source: Source, given: Mapping[str, str]) -> CheckedSettings:
    """The given values, sorted. Stored secrets are not opened: no setting's use depends on another's value."""
    if source.integration == LIST_INTEGRATION:
        return check_list_columns(source.slug, given)
    kind = integration_of(source.integration)
    checked = check_given(kind, given, is_new=False)
    plain = {name: str(value) for name, value in {**source.settings, **checked.plain}.items()}
    secrets = {name: (value,) for name, value in checked.secret.items()}
    refuse_unusable(kind, SourceConfig(source.slug, plain, secrets), given)
    return checked


def rotate_secret(
    session: Session,
    box: SecretBox,
    slug: str,
    name: str | None = None,
    *,
    value: str | None = None,
    grace_seconds: float = DAY_SECONDS,
    actor: str = "command line",
) -> RotatedSecret:
    """Make (or take) a new value of a secret; the old ones stay valid for `grace_seconds`."""
    source = get_source_row(session, slug, for_update=True)
    if source.integration == LIST_INTEGRATION:
        raise InvalidError(
            f"{slug} is a list: it has no secrets.", f"`muster lists run FILE.csv --list {slug}` feeds it."
        )
    setting = _secret_setting(source, name)
    if value is None and not setting.generated:
        raise InvalidError(
            f"{setting.label} is made by the platform, so it must be given.",
            f"muster sources rotate {slug} --name {setting.name} --value ...",
        )
    new = value.strip() if value is not None else GENERATORS[setting.generated]()
    if not new:
        raise InvalidError(f"The new {setting.label} is empty.", setting.help)
    kind, tried = integration_of(source.integration), {setting.name: (new,)}
    refuse_unusable(kind, SourceConfig(slug, {}, tried), tried)
    until = _expire_secrets(session, source.id, setting.name, grace_seconds)
    _add_secret(session, box, source.id, setting.name, new)
    _bump(session, source)
    audit(
        session, actor, "source.rotate", f"source:{slug}", None, {"secret": setting.name, "old_until": until}
    )
    key = new if setting.name == URL_KEY else find_secret(session, box, source.id, URL_KEY) or ""
    return RotatedSecret(slug, setting.name, new, hook_path(slug, key), until)


def set_enabled(session: Session, slug: str, *, is_enabled: bool, actor: str = "command line") -> None:
    """Open or close a source; a closed one answers 503, so that platforms keep what they have for us."""
    source = get_source_row(session, slug, for_update=True)
    before = _shown(source)
    source.is_enabled = is_enabled
    _bump(session, source)
    audit(
        session,
        actor,
        "source.enable" if is_enabled else "source.disable",
        f"source:{slug}",
        before,
        _shown(source),
    )


def get_source_row(session: Session, slug: str, *, for_update: bool = False) -> Source:
    """The source with this slug, or NotFoundError."""
    query = select(Source).where(Source.slug == slug)
    source = session.scalar(query.with_for_update() if for_update else query)
    if source is None:
        raise NotFoundError(
            f"There is no source {slug[:80]!r}.", "`muster sources list` shows the ones there are."
        )
    return source


def find_secret(session: Session, box: SecretBox, source_id: int, name: str) -> str | None:
    """The newest valid value of a secret."""
    sealed = session.scalar(
        select(Secret.sealed)
        .where(Secret.source_id == source_id, Secret.name == name, _is_valid())
        .order_by(Secret.id.desc())
        .limit(1)
    )
    return None if sealed is None else box.open(sealed, bind(source_id, name))


def open_secrets(session: Session, box: SecretBox, source_id: int) -> dict[str, tuple[str, ...]]:
    """Every secret value that is valid now, newest first, by name."""
    rows = session.execute(
        select(Secret.name, Secret.sealed)
        .where(Secret.source_id == source_id, _is_valid())
        .order_by(Secret.id.desc())
    )
    found: dict[str, tuple[str, ...]] = {}
    for name, sealed in rows:
        found[name] = (*found.get(name, ()), box.open(sealed, bind(source_id, name)))
    return found


def _is_valid() -> Any:
    return (Secret.expires_at.is_(None)) | (Secret.expires_at > func.now())


def check_slug(slug: str) -> None:
    """InvalidError for what cannot name a source or a list."""
    if not SLUG.fullmatch(slug):
        raise InvalidError(
            f"{slug[:80]!r} cannot be a slug.",
            "Use up to 63 small letters, digits, - and _, starting with a letter or digit.",
        )


def _add_secret(session: Session, box: SecretBox, source_id: int, name: str, value: str) -> None:
    session.add(Secret(source_id=source_id, name=name, sealed=box.seal(value, bind(source_id, name))))
    session.flush()


def _expire_secrets(session: Session, source_id: int, name: str, grace_seconds: float) -> datetime:
    """Give valid values of the secret an end; one that ends earlier keeps its end."""
    until = func.now() + timedelta(seconds=grace_seconds)
    session.execute(
        update(Secret)
        .where(Secret.source_id == source_id, Secret.name == name)
        .values(expires_at=func.least(func.coalesce(Secret.expires_at, until), until))
    )
    end: datetime = session.execute(select(until)).scalar_one()
    return end


def _secret_setting(source: Source, name: str | None) -> Setting:
    kind = integration_of(source.integration)
    if name is None:
        primary = primary_setting(kind)
        if primary is None:
            raise InvalidError(
                f"{kind.label} has no secret to rotate.", "`muster sources show` lists its settings."
            )
        return primary
    names = {setting.name: setting for setting in kind.settings if setting.is_secret}
    if name not in names:
        raise InvalidError(
            f"{kind.label} has no secret {name[:80]!r}.", f"It has: {', '.join(names) or 'none'}."
        )
    return names[name]


def _bump(session: Session, source: Source) -> None:
    """Take the next revision, which the web processes look for each second."""
    source.revision = session.execute(select(source_revisions.next_value())).scalar_one()
    source.updated_at = session.execute(select(func.now())).scalar_one()
    source.paused_at, source.paused_reason = (
        None,
        None,
    )  # what was refused is tried again with what stands now
    session.flush()


def _shown(source: Source, checked: CheckedSettings | None = None) -> dict[str, Any]:
    """What the audit keeps: everything but the values of secrets."""
    return {
        "integration": source.integration,
        "label": source.label,
        "settings": dict(source.settings),
        "is_enabled": source.is_enabled,
        "max_body_bytes": source.max_body_bytes,
        "trust": source.trust,
        "secrets_set": sorted(checked.secret) if checked else [],
    }
