"""Steps in a row: checked for types once, then one function; a value that becomes blank is absent from there on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mappings.language.calls import StepCall
from mappings.language.paths import Path, Reader, Scope, compile_path, is_blank
from mappings.language.problems import Refused
from mappings.language.steps.declare import CASTS, as_list, as_text, fits
from mappings.language.steps.registry import STEPS

MAX_FIELD_TEXT = 2_000
MAX_LIST = 200

Run = Callable[[Any, Scope], Any]
_NUMBERS = (int, float, bool)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a link is made of, for `generate`: `run(cast(value), *arguments[, what stands at beside])` gives `gives`."""

    run: Callable[..., Any]
    cast: Callable[[Any], Any] | None
    arguments: tuple[Any, ...]
    beside: Path | None
    gives: str


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain, its input check included. With `needs_scope` it is called with the scope besides."""

    label: str
    call: Callable[..., Any]
    needs_scope: bool = False
    parts: Parts | None = None

    def run(self, value: Any, scope: Scope) -> Any:
        """The value after this step."""
        return self.call(value, scope) if self.needs_scope else self.call(value)


@dataclass(frozen=True, slots=True)
class Chain:
    """`run(value, scope)` gives the value after all links, or None; raises Refused. `kind` is the type it ends in."""

    links: tuple[Link, ...]
    kind: str
    run: Run


class Mismatch(Exception):  # noqa: N818 - a verdict, not a fault
    """Step number `index` cannot read what the one before gives."""

    def __init__(self, index: int, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.index, self.refused = index, refused


def build_chain(calls: tuple[StepCall, ...], wanted: str = "any", start: str = "any") -> Chain:
    """A chain that begins with any JSON value and ends in the type wanted. Raises Mismatch."""
    links: list[Link] = []
    kind = start
    for index, call in enumerate(calls):
        fit = fits(kind, call.step.takes)
        if fit == "no":
            raise Mismatch(index, _mismatch(call.step.name, call.step.takes, kind))
        links.append(_link(call, CASTS.get(call.step.takes, as_text) if fit == "cast" else None))
        kind = call.step.gives
    finish = _finish(kind, wanted, len(calls))
    if finish is not None:
        links.append(finish)
    return Chain(tuple(links), wanted if wanted != "any" else kind, _compose(tuple(links)))


def _mismatch(name: str, takes: str, kind: str) -> Refused:
    return Refused(
        "type_mismatch", f"{name} reads {takes}, but gets {kind} here.", "Change the order, or leave one out."
    )


def _link(call: StepCall, cast: Callable[[Any], Any] | None) -> Link:
    step = call.step
    if step.name == "each":
        return _each_link(call)
    parts = Parts(step.run, cast, () if step.prepare is None else (call.prepared,), call.beside, step.gives)
    if call.beside is not None:
        return Link(step.name, _reading(parts, compile_path(call.beside)), needs_scope=True, parts=parts)
    return Link(step.name, _calling(parts), parts=parts)


def _calling(parts: Parts) -> Callable[[Any], Any]:
    run, cast, arguments = parts.run, parts.cast, parts.arguments
    if cast is None:
        return lambda value: run(value, *arguments)
    return lambda value: run(cast(value), *arguments)


def _reading(parts: Parts, read: Reader) -> Callable[[Any, Scope], Any]:
    run, cast, arguments = parts.run, parts.cast, parts.arguments
    return lambda value, scope: run(cast(value) if cast else value, *arguments, read(scope))


def _each_link(call: StepCall) -> Link:
    inner = build_chain(call.inner).run

    def each(value: Any, scope: Scope) -> list[Any]:
        found = [inner(entry, scope) for entry in as_list(value) if not is_blank(entry)]
        return [entry for entry in found if entry is not None]

    return Link("each", each, needs_scope=True)


def tidy_text(value: Any) -> str:
    """The end of every text field: text or a number, trimmed, of bounded length, and nothing else done to it."""
    text = value if isinstance(value, str) and value.isascii() and "\x00" not in value else as_text(value)
    text = text.strip()
    if len(text) > MAX_FIELD_TEXT:
        raise Refused("too_long", f"A field has at most {MAX_FIELD_TEXT} characters.", "Add the step cut.")
    return text


def tidy_list(value: Any) -> list[str]:
    """The end of every list field: texts, trimmed, the blank and the repeated ones dropped."""
    texts = [tidy_text(entry) for entry in as_list(value) if not is_blank(entry)]
    return tidy_texts([text for text in texts if text])


def tidy_texts(texts: list[str]) -> list[str]:
    """The end of a list field whose entries are trimmed texts already."""
    found = list(dict.fromkeys(texts))
    if len(found) > MAX_LIST:
        raise Refused("too_long", f"A list has at most {MAX_LIST} entries.")
    return found


_FINISHING_STEPS = {"integer": "integer", "number": "decimal", "boolean": "truthy", "year": "class_year"}


def _finish(kind: str, wanted: str, index: int) -> Link | None:
    if wanted == "text" and fits(kind, "text") != "no":
        return Link("", tidy_text, parts=Parts(tidy_text, None, (), None, "text"))
    if wanted == "list" and fits(kind, "list") != "no":
        tidy = tidy_texts if kind == "texts" else tidy_list
        return Link("", tidy, parts=Parts(tidy, None, (), None, "texts"))
    if fits(kind, wanted) == "yes":
        return None
    step = STEPS.get(_FINISHING_STEPS.get(wanted, wanted))
    fit = fits(kind, step.takes) if step else "no"
    if step is None or fit == "no":
        raise Mismatch(max(index - 1, 0), _mismatch("The field", wanted, kind))
    prepared = step.prepare(None) if step.prepare else None
    return _link(StepCall(step, prepared=prepared), CASTS.get(step.takes, as_text) if fit == "cast" else None)


def _compose(links: tuple[Link, ...]) -> Run:
    if any(link.needs_scope for link in links):
        return _with_scope(links)
    calls = tuple(link.call for link in links)
    if len(calls) == 1:
        return _single(calls[0])

    def run(value: Any, _scope: Scope) -> Any:
        for call in calls:
            value = call(value)
            if not value and not isinstance(value, _NUMBERS):
                return None
        return value

    return run


def _single(call: Callable[[Any], Any]) -> Run:
    def run(value: Any, _scope: Scope) -> Any:
        value = call(value)
        return value if value or isinstance(value, _NUMBERS) else None

    return run


def _with_scope(links: tuple[Link, ...]) -> Run:
    def run(value: Any, scope: Scope) -> Any:
        for link in links:
            value = link.run(value, scope)
            if not value and not isinstance(value, _NUMBERS):
                return None
        return value

    return run
