"""Reading a stranger's JSON without trusting its shape: each gives something usable, or nothing; none raises."""

from typing import Any

MAX_NAME = 60
MAX_IDENTIFIER = 200


def object_at(value: Any, *names: str) -> dict[str, Any]:
    """The object found by going down the names; {} where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; whatever else stands there is left out."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """The text, or ""."""
    return value if isinstance(value, str) else ""


def identifier(value: Any) -> str:
    """An id as text, whether it came as text or as a number; "" where it is none (or absurdly long)."""
    if value.__class__ is str:
        made = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        made = str(value)
    else:
        return ""
    return made if len(made) <= MAX_IDENTIFIER else ""


def short_name(value: Any, otherwise: str = "unnamed") -> str:
    """A word of the sender's for a list of ignored parts, cut to a bearable length."""
    return value.strip()[:MAX_NAME] if isinstance(value, str) and value.strip() else otherwise


def count_of(value: Any) -> int | None:
    """A count that came as a number or as digits; None where it is none."""
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= len("1000000000000")
    ):
        return int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None


def filled(content: dict[str, Any]) -> dict[str, Any]:
    """The content without its blank entries (None, "", [] and {}); False and 0 stay."""
    return {name: value for name, value in content.items() if value not in (None, "", [], {})}
