"""What every platform with messages shares: private text stays out of Muster unless the source's switch is on."""

from collections.abc import Callable
from typing import Any

from integrations.kit.contract import Setting, SourceConfig, Unreadable
from integrations.kit.strict_json import dump_json, load_json

KEEPS_PRIVATE_TEXT = Setting(
    "keeps_private_text",
    "Keep the text of private messages (yes or no)",
    "Off, Muster notes that somebody wrote, and drops what: from the timeline and from the stored delivery.",
    default="no",
)


def keeps_private_text(config: SourceConfig) -> bool:
    """Whether the source's switch is on."""
    return config.settings.get(KEEPS_PRIVATE_TEXT.name, KEEPS_PRIVATE_TEXT.default).strip().lower() == "yes"


def private_text(text: str, config: SourceConfig) -> str:
    """The text where the source keeps it, else nothing."""
    return text if keeps_private_text(config) else ""


def without_private_text(body: bytes, config: SourceConfig, blank: Callable[[Any], None]) -> bytes:
    """The body to keep. `blank` empties the private texts of the parsed JSON in place; junk is kept as it came."""
    if keeps_private_text(config):
        return body
    try:
        parsed = load_json(body)
    except Unreadable:
        return body
    blank(parsed)
    return dump_json(parsed)
