"""Whether an address that a platform has on its list is the one of a source of ours."""

from typing import Any
from urllib.parse import urlsplit


def is_hook_of(url: Any, slug: str) -> bool:
    """Whether the address ends in /hooks/<slug> or /hooks/<slug>/<key>, whatever the host."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url).path.strip("/").split("/")
    except ValueError:
        return False
    return any(parts[at : at + 2] == ["hooks", slug] for at in range(max(0, len(parts) - 3), len(parts)))
