"""The mapping of a source: published as immutable versions, rolled back as a new one, compiled once."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.audit import audit
from app.core.errors import ConflictError, InvalidError, NotFoundError
from app.sources.models import MappingVersion, Source, source_revisions
from mappings.language.checks import ADVICE_CODES, lint
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.presets import find_preset

COMPILED_LIMIT = 64  # different documents kept compiled in a process


@dataclass(frozen=True, slots=True)
class VersionView:
    """One published revision of a source's mapping."""

    id: int
    source_id: int
    number: int
    document: str
    note: str
    author: str
    created_at: datetime
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class MappingInForce:
    """The version that new events are mapped by, ready for use."""

    version_id: int
    number: int
    compiled: CompiledMapping


def publish_mapping(  # noqa: PLR0917 - what, for whom, why, by whom, instead of which
    session: Session,
    source_id: int,
    document: str,
    note: str = "",
    author: str = "",
    based_on: int | None = None,
) -> VersionView:
    """Make a document the source's mapping from now on.

    InvalidError with every problem when it does not load, compile or pass its own tests; ConflictError when
    `based_on` (the number of the version that was edited) is no longer the one in force.
    """
    check_document(document)
    source = _lock_source(session, source_id)
    in_force = _find_in_force(session, source)
    if based_on is not None and based_on != (in_force.number if in_force else 0):
        raise ConflictError(
            f"Somebody published version {in_force.number if in_force else 0} while you edited version {based_on}.",
            "Look at the newer version, bring your change into it, and publish again.",
        )
    version = _add_version(session, source, document, note, author)
    _audit(session, "mapping.publish", source, in_force, version)
    return _view(version, source)


def publish_preset(session: Session, source: Source, author: str = "") -> VersionView | None:
    """The integration's preset as the source's mapping; None where it has none."""
    preset = find_preset(source.integration)
    if preset is None:
        return None
    return publish_mapping(
        session, source.id, preset.text, note="The preset of the integration", author=author
    )


def roll_back(session: Session, source_id: int, number: int, author: str = "") -> VersionView:
    """Publish the document of an earlier version again, as a new version."""
    source = _lock_source(session, source_id)
    in_force = _find_in_force(session, source)
    earlier = _get_number(session, source, number)
    check_document(earlier.document)
    version = _add_version(session, source, earlier.document, f"Rolled back to version {number}", author)
    _audit(session, "mapping.roll_back", source, in_force, version)
    return _view(version, source)


def list_versions(session: Session, source_id: int) -> list[VersionView]:
    """Every version, newest first."""
    source = _get_source(session, source_id)
    versions = session.scalars(
        select(MappingVersion)
        .where(MappingVersion.source_id == source_id)
        .order_by(MappingVersion.number.desc())
    )
    return [_view(version, source) for version in versions]


def get_version(session: Session, source_id: int, number: int) -> VersionView:
    """One version by its number, or NotFoundError."""
    source = _get_source(session, source_id)
    return _view(_get_number(session, source, number), source)


def mapping_in_force(session: Session, source_id: int) -> MappingInForce:
    """The mapping for new events. NotFoundError where the source has none."""
    row = session.execute(
        select(MappingVersion.id, MappingVersion.number, MappingVersion.document)
        .join(Source, Source.mapping_version_id == MappingVersion.id)
        .where(Source.id == source_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"The source {source_id} has no mapping.",
            "Publish one: `muster map publish`, or on the source's mapping page.",
        )
    return MappingInForce(row.id, row.number, _compile(row.document))


def compiled_mapping(session: Session, version_id: int) -> CompiledMapping:
    """A published version, compiled. Compiled documents are kept; NotFoundError for an unknown version."""
    document = session.scalar(select(MappingVersion.document).where(MappingVersion.id == version_id))
    if document is None:
        raise NotFoundError(
            f"There is no mapping version {version_id}.", "List them on the source's mapping page."
        )
    return _compile(document)


def check_document(document: str) -> None:
    """InvalidError with every problem that stands in the way of publishing; advice does not."""
    problems = [problem for problem in lint(document) if problem.code not in ADVICE_CODES]
    if problems:
        raise InvalidError(
            f"The mapping has {len(problems)} problem{'s' if len(problems) > 1 else ''}.",
            "`muster map lint` shows them with their lines.",
            problems,
        )


# Keyed by the text itself, which never changes under a version, so nothing has to be thrown away.
@lru_cache(maxsize=COMPILED_LIMIT)
def _compile(document: str) -> CompiledMapping:
    return compile_mapping(load_document(document))


def _get_source(session: Session, source_id: int) -> Source:
    source = session.get(Source, source_id)
    if source is None:
        raise NotFoundError(
            f"There is no source {source_id}.", "`muster sources list` shows the ones there are."
        )
    return source


def _lock_source(session: Session, source_id: int) -> Source:
    """The source, held against other publishers until the transaction ends."""
    source = session.scalar(
        select(Source)
        .where(Source.id == source_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return source or _get_source(session, source_id)


def _find_in_force(session: Session, source: Source) -> MappingVersion | None:
    return session.get(MappingVersion, source.mapping_version_id) if source.mapping_version_id else None


def _get_number(session: Session, source: Source, number: int) -> MappingVersion:
    version = session.scalar(
        select(MappingVersion).where(MappingVersion.source_id == source.id, MappingVersion.number == number)
    )
    if version is None:
        raise NotFoundError(
            f"The mapping of {source.slug} has no version {number}.", "List them on its mapping page."
        )
    return version


def _add_version(session: Session, source: Source, document: str, note: str, author: str) -> MappingVersion:
    highest = session.scalar(
        select(func.coalesce(func.max(MappingVersion.number), 0)).where(MappingVersion.source_id == source.id)
    )
    version = MappingVersion(
        source_id=source.id, number=(highest or 0) + 1, document=document, note=note, author=author
    )
    session.add(version)
    session.flush()
    source.mapping_version_id = version.id
    source.revision = session.execute(select(source_revisions.next_value())).scalar_one()
    session.flush()
    return version


def _audit(
    session: Session, action: str, source: Source, before: MappingVersion | None, after: MappingVersion
) -> None:
    was: dict[str, int] | None = {"version": before.number} if before else None
    shown = {"version": after.number, "note": after.note}
    audit(session, after.author, action, f"source:{source.slug}", was, shown)


def _view(version: MappingVersion, source: Source) -> VersionView:
    return VersionView(
        id=version.id,
        source_id=version.source_id,
        number=version.number,
        document=version.document,
        note=version.note,
        author=version.author,
        created_at=version.created_at,
        is_in_force=version.id == source.mapping_version_id,
    )
