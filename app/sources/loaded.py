"""A source as the door holds it in memory, read from the database or from the sealed snapshot of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.core.errors import ConfigError
from app.core.log import get_log
from app.core.secretbox import SecretBox
from app.sources.configure import bind
from app.sources.models import Secret
from app.sources.models import Source as SourceRow
from integrations.kit.contract import Source, SourceConfig
from integrations.kit.registry import get_source, list_integrations

PER_MINUTE = "posts_per_minute"  # the setting of sources whose key stands in a page's source

log = get_log(__name__)

# Changes whenever a source, a secret or the validity of a secret does. The sum, as a transaction that took a lower
# revision may commit after one that took a higher.
_STAMP = text("""
    SELECT (SELECT coalesce(sum(revision), 0)::bigint FROM sources), (SELECT count(*) FROM sources),
           (SELECT count(*) FROM secrets WHERE expires_at IS NULL OR expires_at > now())
""")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """All the door needs to judge a request. `trouble` says why nothing can be accepted, "" when all is well."""

    id: int
    slug: str
    integration: str
    source: Source
    config: SourceConfig
    is_enabled: bool
    max_body_bytes: int
    trouble: str = ""
    per_minute: float = 0.0  # posts from one address; 0 = no limit


def read_stamp(session: Session) -> Stamp:
    """Three numbers that stay the same while nothing changed."""
    revisions, sources, secrets = session.execute(_STAMP).one()
    return int(revisions), int(sources), int(secrets)


def load_sources(session: Session, box: SecretBox) -> tuple[LoadedSource, ...]:
    """Every source that has a hook; sources of lists have none."""
    sealed: dict[int, list[tuple[str, bytes]]] = {}
    valid = (Secret.expires_at.is_(None)) | (Secret.expires_at > func.now())
    for source_id, name, value in session.execute(
        select(Secret.source_id, Secret.name, Secret.sealed).where(valid).order_by(Secret.id.desc())
    ):
        sealed.setdefault(source_id, []).append((name, value))
    known = list_integrations()
    rows = session.scalars(select(SourceRow).where(SourceRow.integration.in_(known)))
    return tuple(_load(row, sealed.get(row.id, []), box) for row in rows)


def _load(row: SourceRow, sealed: list[tuple[str, bytes]], box: SecretBox) -> LoadedSource:
    secrets: dict[str, tuple[str, ...]] = {}
    trouble = ""
    try:
        for name, value in sealed:
            secrets[name] = (*secrets.get(name, ()), box.open(value, bind(row.id, name)))
    except ConfigError as error:
        trouble = error.message
        log.warning("source.unusable", source=row.slug, reason=error.message)
    settings = {name: str(value) for name, value in row.settings.items()}
    source, config = get_source(row.integration), SourceConfig(row.slug, settings, secrets)
    return LoadedSource(
        id=row.id,
        slug=row.slug,
        integration=row.integration,
        source=source,
        config=config,
        is_enabled=row.is_enabled,
        max_body_bytes=row.max_body_bytes,
        trouble=trouble,
        per_minute=_per_minute(source, config),
    )


def _per_minute(source: Source, config: SourceConfig) -> float:
    """The limit of a source whose key anybody can see; one that cannot be read is the default."""
    default = next((each.default for each in source.settings if each.name == PER_MINUTE), "")
    for given in (config.settings.get(PER_MINUTE, ""), default):
        if given.isascii() and given.isdecimal():
            return float(given)
    return 0.0


def as_plain(source: LoadedSource) -> dict[str, Any]:
    """What the snapshot keeps; it holds secrets, so it is sealed as a whole."""
    return {
        "id": source.id,
        "slug": source.slug,
        "integration": source.integration,
        "settings": dict(source.config.settings),
        "secrets": {name: list(values) for name, values in source.config.secrets.items()},
        "is_enabled": source.is_enabled,
        "max_body_bytes": source.max_body_bytes,
        "trouble": source.trouble,
    }


def from_plain(plain: Mapping[str, Any]) -> LoadedSource:
    """The opposite of as_plain; KeyError, TypeError or LookupError for something else."""
    secrets = {name: tuple(values) for name, values in plain["secrets"].items()}
    source = get_source(plain["integration"])
    config = SourceConfig(plain["slug"], plain["settings"], secrets)
    return LoadedSource(
        id=plain["id"],
        slug=plain["slug"],
        integration=plain["integration"],
        source=source,
        config=config,
        is_enabled=plain["is_enabled"],
        max_body_bytes=plain["max_body_bytes"],
        trouble=plain["trouble"],
        per_minute=_per_minute(source, config),
    )
