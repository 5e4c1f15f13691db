"""How a message travels with its event: as plain JSON in the content, under a name that no mapping reads. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from integrations.kit.contract import Event

MESSAGE_KEY = "$message"


def content_of(event: Event) -> dict[str, Any]:
    """The event's content as it is stored."""
    if event.message is None:
        return dict(event.content)
    return {**event.content, MESSAGE_KEY: asdict(event.message)}


def find_message(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message in a stored content; None where nobody said anything."""
    found = content.get(MESSAGE_KEY)
    return found if isinstance(found, Mapping) and found.get("id") else None
