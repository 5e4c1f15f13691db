"""Reads YAML 1.2 text with the JSON schema of types, and nothing that makes YAML dangerous.

The tree is built from ruamel.yaml's pure-Python events, so that anchors, aliases, tags, repeated keys, depth and
size are refused before anything is constructed. Plain scalars are null, true, false, a JSON number or text:
`2026-03-05`, `010`, `yes` and `12:30:45` stay text. Keys are always text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mappings.language.patch import Problem
from mappings.language.problems import MappingError, place_text

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
# ruamel.yaml reads about 20,000 nodes a second; more than this many is not a mapping a person wrote.
MAX_NODES = 6_000
MAX_DIGITS = 18
MAX_BRACKETS = 100

Place = tuple[str | int, ...]

_WORDS: dict[str, Any] = {"": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class YamlTree:
    """JSON values, and for each place in them the 1-based line it stands on."""

    value: Any
    lines: dict[Place, int]

    def line_at(self, place: Place) -> int | None:
        """The line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_yaml(text: str) -> YamlTree:
    """One document as JSON values. Raises MappingError with one problem; never anything else."""
    _check_text(text)
    reader = _TreeReader(YAML(typ="safe", pure=True).parse(text))
    try:
        return reader.read()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(
            "not_yaml",
            f"This is not YAML: {error.problem or error.context}.",
            line=mark.line + 1 if mark else None,
        )
    except (YAMLError, ValueError, OverflowError, TypeError, AttributeError, IndexError) as error:
        # ruamel.yaml lets chr() and int() errors of broken escapes and directives through.
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        _refuse("not_yaml", f"This is not YAML: {first}.")


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        _refuse("not_text", "The document holds half of a character pair, which no file can hold.")
    if _brackets(text) > MAX_BRACKETS:
        _refuse("too_deep", f"More than {MAX_DEPTH} levels inside each other.")
    if size > MAX_BYTES:
        _refuse(
            "too_long",
            f"The document has {size} bytes; {MAX_BYTES} are allowed.",
            "Split it into two sources.",
        )


def _brackets(text: str) -> int:
    """How many brackets stand open at once; counted roughly, quotes and all.

    ruamel.yaml looks far ahead for a colon, and every open bracket makes that slower, long before it sees the depth.
    """
    most = opened = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        opened = opened + 1 if bracket in "[{" else max(opened - 1, 0)
        most = max(most, opened)
    return most


def _refuse(
    code: str, reason: str, hint: str = "", *, line: int | None = None, place: Place = ()
) -> NoReturn:
    raise MappingError(
        [Problem(path=place_text(place), code=code, reason=reason, hint=hint, line=line)]
    ) from None


class _TreeReader:
    """Walks the events of one document, keeping place and line."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._lines: dict[Place, int] = {}
        self._nodes = 0

    def read(self) -> YamlTree:
        next(self._events)  # the stream's start
        start = next(self._events)
        if not isinstance(start, DocumentStartEvent):
            _refuse("empty", "The document is empty.", "Start from a preset.")
        if start.version not in (None, (1, 2)) or start.tags:
            _refuse(
                "not_yaml_12",
                "Only YAML 1.2 without directives is read.",
                "Remove the lines that begin with %.",
            )
        value = self._node(next(self._events), ())
        next(self._events)  # the document's end
        if isinstance(next(self._events), DocumentStartEvent):
            _refuse(
                "several_documents", "There is a second document after '---'.", "Keep one document a file."
            )
        return YamlTree(value, self._lines)

    def _node(self, event: Any, place: Place) -> Any:
        self._admit(event, place)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(place)
        if isinstance(event, MappingStartEvent):
            return self._mapping(place)
        _refuse("not_yaml", "This is not YAML.", place=place)

    def _admit(self, event: Any, place: Place) -> None:
        line = event.start_mark.line + 1
        self._lines[place] = line
        self._nodes += 1
        if self._nodes > MAX_NODES:
            _refuse("too_long", f"The document has more than {MAX_NODES} entries.", line=line)
        if len(place) + isinstance(event, SequenceStartEvent | MappingStartEvent) > MAX_DEPTH:
            _refuse("too_deep", f"More than {MAX_DEPTH} levels inside each other.", line=line)
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            _refuse(
                "alias",
                "Anchors (&) and aliases (*) are not read.",
                "Write the value out.",
                line=line,
                place=place,
            )
        if getattr(event, "tag", None) is not None:
            _refuse("tag", "Tags (!) are not read.", "Write the value without a tag.", line=line, place=place)

    def _sequence(self, place: Place) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            values.append(self._node(event, (*place, len(values))))
        return values

    def _mapping(self, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, place)
            if key in values:
                line = event.start_mark.line + 1
                _refuse(
                    "repeated_key",
                    f'"{key[:80]}" stands here twice.',
                    "Keep one.",
                    line=line,
                    place=(*place, key),
                )
            values[key] = self._node(next(self._events), (*place, key))
            self._lines[(*place, key)] = event.start_mark.line + 1
        return values

    def _key(self, event: Any, place: Place) -> str:
        self._admit(event, (*place, "?"))
        if not isinstance(event, ScalarEvent):
            _refuse("not_a_key", "A key must be text.", line=event.start_mark.line + 1, place=place)
        self._check_scalar(event, place)
        return str(event.value)

    def _scalar(self, event: ScalarEvent, place: Place) -> Any:
        self._check_scalar(event, place)
        text = str(event.value)
        return _plain(text) if event.style in (None, "") else text

    def _check_scalar(self, event: ScalarEvent, place: Place) -> None:
        text, line = event.value, event.start_mark.line + 1
        if "\x00" in text:
            _refuse("control_character", "A NUL character cannot be stored.", line=line, place=place)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            _refuse("control_character", "Half of a character pair cannot be stored.", line=line, place=place)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS + 2:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
