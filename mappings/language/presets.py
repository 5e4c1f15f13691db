"""The mappings that an admin starts from, one a file in `mappings/presets`."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from mappings.language.document import load_document


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset's name (that of its integration, or of a kind of list) and its text."""

    name: str
    text: str
    source: str = ""  # the integration it is for; "list" for sheets


@lru_cache(maxsize=1)
def list_presets() -> tuple[Preset, ...]:
    """All presets, by name."""
    folder = files("mappings").joinpath("presets")
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name
    )
    return tuple(
        _preset(entry.name.removesuffix(".yaml"), entry.read_text(encoding="utf-8")) for entry in found
    )


def _preset(name: str, text: str) -> Preset:
    return Preset(name, text, load_document(text).source)


def find_preset(name: str) -> Preset | None:
    """The preset of that name, or None."""
    return next((preset for preset in list_presets() if preset.name == name), None)
