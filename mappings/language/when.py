"""Conditions: `{path: form, is: join}`, `in`, `exists`, `not`, `any`; a list of them holds when all hold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mappings.language.calls import Flaws, Place
from mappings.language.paths import Path, Scope, compile_path, is_blank, parse_path
from mappings.language.problems import Refused, suggestion
from mappings.language.steps.arguments import texts
from mappings.language.steps.declare import as_text

MAX_LEVELS = 5
_KEYS = ("path", "is", "in", "exists", "not", "any")
Holds = Callable[[Scope], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """`words` are compared without case; `parts` are the conditions inside all, any and not."""

    kind: Literal["words", "exists", "all", "any", "not"]
    path: Path | None = None
    words: tuple[str, ...] = ()
    parts: tuple["Condition", ...] = ()

    def paths(self) -> list[str]:
        """Every path read."""
        own = [self.path.text] if self.path else []
        return own + [text for part in self.parts for text in part.paths()]

    def sentence(self) -> str:
        """The condition in words, for the reason why an event was ignored."""
        if self.path and self.kind == "words":
            return f"{self.path.text} is {' or '.join(self.words)}"
        if self.path:
            return f"{self.path.text} is there"
        if self.kind == "not":
            return f"not ({self.parts[0].sentence()})"
        return (" and " if self.kind == "all" else " or ").join(part.sentence() for part in self.parts)


def parse_condition(raw: Any, flaws: Flaws, place: Place = (), level: int = 0) -> Condition | None:
    """The condition in a document; what is wrong is added to `flaws` with its place."""
    if isinstance(raw, list) and raw and level < MAX_LEVELS:
        return _group("all", raw, flaws, place, level)
    if not isinstance(raw, dict) or level >= MAX_LEVELS:
        flaws.append(
            (place, Refused("bad_condition", "A condition is {path: ..., is: ...}, or a list of them."))
        )
        return None
    for key in raw:
        if key not in _KEYS:
            flaws.append(
                (
                    (*place, key),
                    Refused("unknown_key", f'"{key[:40]}" is not known here.', suggestion(key, _KEYS)),
                )
            )
            return None
    if set(raw) == {"not"}:
        return _group("not", [raw["not"]], flaws, (*place, "not"), level)
    if set(raw) == {"any"} and isinstance(raw["any"], list) and raw["any"]:
        return _group("any", raw["any"], flaws, (*place, "any"), level)
    return _comparison(raw, flaws, place)


def _group(
    kind: Literal["all", "any", "not"], entries: list[Any], flaws: Flaws, place: Place, level: int
) -> Condition | None:
    places = [place] if kind == "not" else [(*place, index) for index in range(len(entries))]
    parts = [
        parse_condition(entry, flaws, inner, level + 1) for entry, inner in zip(entries, places, strict=True)
    ]
    return Condition(kind, parts=tuple(part for part in parts if part is not None)) if all(parts) else None


def _comparison(raw: dict[str, Any], flaws: Flaws, place: Place) -> Condition | None:
    tests = [key for key in ("is", "in", "exists") if key in raw]
    if "path" not in raw or len(tests) != 1 or len(raw) != 2:  # noqa: PLR2004 - path and its one test
        flaws.append((place, Refused("bad_condition", "A condition has a path and one of is, in, exists.")))
        return None
    (test,) = tests
    try:
        path = parse_path(raw["path"] if isinstance(raw["path"], str) else "")
    except Refused as refused:
        flaws.append(((*place, "path"), refused))
        return None
    if test == "exists":
        condition = Condition("exists", path)
        return condition if raw["exists"] is not False else Condition("not", parts=(condition,))
    try:
        return Condition("words", path, words=_words(raw[test], is_list=test == "in"))
    except Refused as refused:
        flaws.append(((*place, test), refused))
        return None


def _words(raw: Any, *, is_list: bool) -> tuple[str, ...]:
    if isinstance(raw, bool):
        return ("true" if raw else "false",)
    if isinstance(raw, list) != is_list:
        raise Refused("bad_condition", "in takes a list, is takes one value.")
    return texts()(raw)


def compile_condition(condition: Condition | None) -> Holds | None:
    """A function that says whether the condition holds; None for no condition."""
    if condition is None:
        return None
    if condition.path is not None:
        read = compile_path(condition.path)
        if condition.kind == "exists":
            return lambda scope: not is_blank(read(scope))
        words = frozenset(word.strip().casefold() for word in condition.words)
        return lambda scope: _is_word(read(scope), words)
    parts = [holds for holds in map(compile_condition, condition.parts) if holds is not None]
    if condition.kind == "not":
        return lambda scope: not parts[0](scope)
    gather = all if condition.kind == "all" else any
    return lambda scope: gather(holds(scope) for holds in parts)


def _is_word(value: Any, words: frozenset[str]) -> bool:
    if isinstance(value, list):
        return any(_is_word(entry, words) for entry in value[:1_000] if not isinstance(entry, list))
    if isinstance(value, bool):
        return ("true" if value else "false") in words
    try:
        return value is not None and as_text(value).strip().casefold() in words
    except Refused:
        return False
