"""A list is a source: its rows are events, its mapping is versioned, its provenance reads like any other."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import ConflictError, NotFoundError
from app.sources.mappings import mapping_in_force, publish_mapping
from app.sources.models import Source
from mappings.language.compile import CompiledMapping
from mappings.language.presets import find_preset, list_presets

LIST = "list"  # the integration of a source that no platform calls


@dataclass(frozen=True, slots=True)
class ListSource:
    """What a run needs of its list."""

    id: int
    slug: str
    trust: int
    mapping_version_id: int
    compiled: CompiledMapping


def open_list(session: Session, slug: str, preset_name: str) -> ListSource:
    """The list of that name; made from the preset at its first run. NotFoundError, ConflictError."""
    source = session.scalar(select(Source).where(Source.slug == slug))
    if source is None:
        source = _add_list(session, slug, preset_name)
    if source.integration != LIST:
        raise ConflictError(
            f"{slug} is a source of {source.integration}, not a list.", "Choose another name: --list NAME."
        )
    in_force = mapping_in_force(session, source.id)
    return ListSource(source.id, slug, source.trust, in_force.version_id, in_force.compiled)


def _add_list(session: Session, slug: str, preset_name: str) -> Source:
    preset = find_preset(preset_name)
    if preset is None:
        known = ", ".join(one.name for one in list_presets() if one.source == LIST)
        raise NotFoundError(f"There is no preset {preset_name}.", f"For lists there are: {known}.")
    source = Source(slug=slug, integration=LIST, label=slug)
    session.add(source)
    session.flush()
    publish_mapping(session, source.id, preset.text, note=f"The preset {preset_name}", author="muster")
    return source
