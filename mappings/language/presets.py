"""The mappings that an admin starts from, one a file in `mappings/presets`."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from mappings.language.document import load_document


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset's name (that of its integration, or of a kind of list) and its text."""

    name: str
    text: str
    source: str = ""  # the integration it is for; "list" for sheets


def list_presets() -> tuple[Preset, ...]:
    """All presets, by name."""
    names = sorted(entry.name for entry in _folder().iterdir() if entry.name.endswith(".yaml"))
    return tuple(_read(name.removesuffix(".yaml")) for name in names)


def find_preset(name: str) -> Preset | None:
    """The preset of that name, or None."""
    names = {entry.name for entry in _folder().iterdir()}
    return _read(name) if f"{name}.yaml" in names else None


def _folder() -> Traversable:
    return files("mappings").joinpath("presets")


@lru_cache(maxsize=64)
def _read(name: str) -> Preset:
    text = _folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Preset(name, text, load_document(text).source)
