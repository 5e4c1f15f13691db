"""Integrations found by their folder: no list of them stands anywhere."""

import pkgutil
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import integrations
from integrations.kit.contract import Source


class UnknownIntegration(LookupError):  # noqa: N818 -- named like its neighbour Unreadable
    """No folder of this name offers a source; the message names those that do."""

    def __init__(self, name: str) -> None:
        known = ", ".join(list_integrations())
        super().__init__(f"There is no integration {name[:40]!r}. Known ones: {known}.")


@lru_cache(maxsize=1)
def list_integrations() -> tuple[str, ...]:
    """The names of all folders with a `source.py`, sorted."""
    folders = [module.name for module in pkgutil.iter_modules(integrations.__path__) if module.ispkg]
    return tuple(sorted(name for name in folders if (_folder(name) / "source.py").is_file()))


@lru_cache(maxsize=256)
def get_source(name: str) -> Source:
    """The `source` object of integrations/<name>/source.py, or UnknownIntegration."""
    if name not in list_integrations():
        raise UnknownIntegration(name)
    source: Source = import_module(f"integrations.{name}.source").source
    return source


def fixtures_folder(name: str) -> Path:
    """Where the integration keeps its captured deliveries."""
    return _folder(name) / "fixtures"


def _folder(name: str) -> Path:
    return Path(integrations.__path__[0]) / name
