"""Paths into an event's content: dotted names, `[0]`, `[*]`, quoted keys, `$event.kind`, `$root.x`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mappings.language.event import EVENT_NAMES, EventInfo
from mappings.language.problems import Refused, suggestion

MAX_PATH_CHARACTERS = 300
MAX_PARTS = 20
MAX_STARS = 2
MAX_FOUND = 1_000

_PART = re.compile(
    r"""\.?(?: "(?P<quoted>(?:[^"\\]|\\.)*)"
          | \[(?P<index>-?\d{1,4})\]
          | (?P<star>\[\*\])
          | \["(?P<key>(?:[^"\\]|\\.)*)"\]
          | (?P<name>[^.\[\]"]+) )""",
    re.VERBOSE,
)


class Star:
    """The part `[*]`: every value of a list, or of an object."""


STAR = Star()
Part = str | int | Star


@dataclass(slots=True)
class Scope:
    """Where paths start: the content, or inside `each` the one entry (`here`); the whole content (`root`)."""

    here: Mapping[str, Any]
    root: Mapping[str, Any]
    event: EventInfo


Reader = Callable[[Scope], Any]


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `start` says what it reads from."""

    text: str
    start: Literal["here", "root", "event"]
    parts: tuple[Part, ...]


def parse_path(text: str) -> Path:
    """Raises Refused with a sentence about what is wrong with the path."""
    if not text.strip() or len(text) > MAX_PATH_CHARACTERS:
        raise Refused("bad_path", f"A path has 1 to {MAX_PATH_CHARACTERS} characters.")
    parts = _parts(text)
    if len(parts) > MAX_PARTS or sum(part is STAR for part in parts) > MAX_STARS:
        raise Refused("bad_path", f"A path has at most {MAX_PARTS} parts and {MAX_STARS} stars.")
    if parts[0] == "$event":
        return Path(text, "event", _event_parts(parts))
    if parts[0] == "$root":
        return Path(text, "root", parts[1:])
    if isinstance(parts[0], str) and parts[0].startswith("$"):
        raise Refused(
            "bad_path", f'"{parts[0]}" is not known.', "Use $event.kind, $root.name, or a quoted key."
        )
    return Path(text, "here", parts)


def _parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    position, bare = 0, text.strip()
    while position < len(bare):
        match = _PART.match(bare, position)
        if (
            match is None
            or (position == 0 and bare.startswith("."))
            or (position and match.lastgroup in ("name", "quoted") and bare[position] != ".")
        ):
            raise Refused(
                "bad_path",
                f"The path cannot be read at character {position + 1}.",
                'Write a.b, a[0], a[*] or a."odd key".',
            )
        parts.append(_part(match))
        position = match.end()
    return tuple(parts)


def _part(match: re.Match[str]) -> Part:
    if match.group("star"):
        return STAR
    if match.group("index") is not None:
        return int(match.group("index"))
    quoted = match.group("quoted") if match.group("quoted") is not None else match.group("key")
    return re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match.group("name").strip()


def _event_parts(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    if len(parts) == 2 and parts[1] in EVENT_NAMES:  # noqa: PLR2004 - "$event" and the name
        return parts[1:]
    word = str(parts[1]) if len(parts) > 1 and isinstance(parts[1], str) else ""
    raise Refused("bad_path", f'"$event.{word}" is not known.', suggestion(word, EVENT_NAMES))


def is_blank(value: Any) -> bool:
    """Blank values count as absent: null, white space, an empty list or object."""
    if value is None:
        return True
    return not value.strip() if isinstance(value, str) else isinstance(value, list | dict) and not value


def compile_path(path: Path) -> Reader:
    """A function that finds the path's value in a scope; None when there is none."""
    if path.start == "event":
        name = str(path.parts[0])
        return lambda scope: scope.event.value_of(name)
    if path.start == "here" and len(path.parts) == 1 and isinstance(path.parts[0], str):
        key = path.parts[0]
        return lambda scope: scope.here.get(key)
    if path.start == "here" and len(path.parts) == 2 and all(isinstance(part, str) for part in path.parts):  # noqa: PLR2004
        return _two_keys(str(path.parts[0]), str(path.parts[1]))
    parts, is_root = path.parts, path.start == "root"
    return lambda scope: _walk(scope.root if is_root else scope.here, parts)


def _two_keys(outer: str, inner: str) -> Reader:
    def read(scope: Scope) -> Any:
        found = scope.here.get(outer)
        return found.get(inner) if isinstance(found, dict) else None

    return read


def compile_first_present(paths: tuple[Path, ...]) -> Reader:
    """A function that finds the first value that is not blank."""
    readers = tuple(compile_path(path) for path in paths)
    if len(readers) == 1:
        return readers[0]

    def read(scope: Scope) -> Any:
        for reader in readers:
            value = reader(scope)
            if not is_blank(value):
                return value
        return None

    return read


def _walk(value: Any, parts: tuple[Part, ...]) -> Any:
    for position, part in enumerate(parts):
        if isinstance(part, Star):
            return _spread(value, parts[position + 1 :])
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and -len(value) <= part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return None
    return value


def _spread(value: Any, rest: tuple[Part, ...]) -> list[Any] | None:
    entries = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    found: list[Any] = []
    for entry in entries[:MAX_FOUND]:
        inner = _walk(entry, rest)
        if inner is not None:
            found.extend(inner if any(isinstance(part, Star) for part in rest) else [inner])
    return found[:MAX_FOUND] or None
