"""Writes one Python function for all rules of a mapping: what each rule's own function does, without the calls between.

Only the common case is written out: text found under plain keys, steps in a row, a value at the end. Everything else
(conditions, checks, lists, blank values with a default, refusals) is left to the rule's own function, which starts over;
so that function alone defines what a rule means, and this module only makes it quick. The text holds nothing of a
document but keys and names, each as a Python literal made by `repr`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mappings.language.chain import MAX_FIELD_TEXT, Link, Parts, tidy_text
from mappings.language.frozen import quick_maker
from mappings.language.patch import Identity
from mappings.language.paths import Path, Scope, is_blank
from mappings.language.problems import Refused
from mappings.language.rules import Draft, Program
from mappings.language.steps.declare import MAX_TEXT, as_scalar, as_text, fits
from mappings.language.steps.text import trim

Names = dict[str, Any]
_TAB = "    "


def generate_run(programs: Sequence[Program]) -> Callable[[Scope, Draft], None]:
    """A function that runs all rules on a scope and a draft, in order."""
    names: Names = {
        "Refused": Refused,
        "is_blank": is_blank,
        "as_text": as_text,
        "NOTHING": {},
        "make_identity": quick_maker(Identity),
    }
    keys = _Keys()
    body: list[str] = []
    written: set[str] = set()
    for number, program in enumerate(programs):
        names[f"rule{number}"] = program.run
        lines = _field_lines(program, number, names, keys, is_repeated=program.to in written)
        body += lines or [f"rule{number}(scope, draft)"]
        written.add(program.to)
    head = ["def run(scope, draft):", f"{_TAB}here = scope.here", f"{_TAB}fields = draft.fields"]
    text = "\n".join([*head, *(_TAB + line for line in (*keys.lines, *body)), ""])
    exec(compile(text, "<mapping>", "exec"), names)  # noqa: S102 - the text is made here, of literals only
    run: Callable[[Scope, Draft], None] = names["run"]
    return run


class _Keys:
    """The objects that paths lead through, each looked up once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._objects: dict[tuple[str, ...], str] = {(): "here"}

    def expression(self, path: Path) -> str:
        """The text that finds the value of a path of plain keys."""
        *outer, last = (str(part) for part in path.parts)
        return f"{self._object(tuple(outer))}.get({last!r})"

    def _object(self, keys: tuple[str, ...]) -> str:
        if keys not in self._objects:
            outer, name = self._object(keys[:-1]), f"keys{len(self._objects)}"
            self.lines += [
                f"{name} = {outer}.get({keys[-1]!r})",
                f"if not isinstance({name}, dict): {name} = NOTHING",
            ]
            self._objects[keys] = name
        return self._objects[keys]


def _is_plain(path: Path) -> bool:
    return path.start == "here" and all(isinstance(part, str) for part in path.parts)


def _field_lines(program: Program, number: int, names: Names, keys: _Keys, *, is_repeated: bool) -> list[str]:
    """The lines of a field rule; none where the rule is not of the common kind."""
    rule, chain = program.rule, program.chain
    if rule is None or chain is None or rule.when or rule.check or not rule.paths:
        return []
    parts = [link.parts for link in chain.links]
    if (
        not all(map(_is_plain, rule.paths))
        or not all(part is None or _is_writable(part) for part in parts)
        or None in parts
    ):
        return []
    slow = f"rule{number}(scope, draft)"
    fallback = _fallback(program, number, names)
    store = _store_text(program, number, names)
    lines = [
        *_first_present(rule.paths, keys),
        "text = raw.strip() if raw.__class__ is str else ''",
        "if text:",
        f"{_TAB}try:",
        *(_TAB * 2 + line for line in _chain_lines(chain.links, number, names, keys)),
        *(
            _TAB * 2 + line
            for line in (f"if {_is_there(chain.links)}: {store}", f"else: {fallback}" if fallback else "")
        ),
        f"{_TAB}except Refused: {slow}",
        f"elif raw is not None and raw.__class__ is not str: {slow}",
        f"else: {fallback}" if fallback else "",
    ]
    lines = [line for line in lines if line.strip()]
    return [f"if {rule.to!r} not in fields:", *(_TAB + line for line in lines)] if is_repeated else lines


def _fallback(program: Program, number: int, names: Names) -> str:
    """What happens where no value was found; nothing for most rules."""
    is_required = program.rule is not None and program.rule.is_required
    if program.default is None:
        return f"rule{number}(scope, draft)" if is_required else ""
    if program.identity_kind != "" or isinstance(program.default, list):
        return f"rule{number}(scope, draft)"
    names[f"default{number}"] = program.default
    return f"fields[{program.to!r}] = default{number}"


def _store_text(program: Program, number: int, names: Names) -> str:
    if program.identity_kind == "":
        return f"fields[{program.to!r}] = value"
    if program.identity_kind and f"kind {program.identity_kind}" not in names:
        names[f"kind {program.identity_kind}"] = True  # the first of its kind cannot be there already
        return f"fields[{program.to!r}] = value; draft.identities.append(make_identity({program.identity_kind!r}, value, ''))"
    names[f"store{number}"] = program.store
    return f"store{number}(value, scope, draft)"


def _is_writable(part: Parts) -> bool:
    return part.beside is None or _is_plain(part.beside)


def _first_present(paths: tuple[Path, ...], keys: _Keys) -> list[str]:
    first, *others = (keys.expression(path) for path in paths)
    return [f"raw = {first}", *(f"if raw is None or is_blank(raw): raw = {other}" for other in others)]


def _chain_lines(links: tuple[Link, ...], number: int, names: Names, keys: _Keys) -> list[str]:
    is_trimmed = bool(links) and links[0].parts is not None and links[0].parts.run in (trim.run, tidy_text)
    lines = ["value = text" if is_trimmed else "value = raw"]
    kind = "raw"
    for place, link in enumerate(links):
        part = link.parts
        if part is None:
            continue
        step = _step_lines(part, kind, f"{number}_{place}", names, keys)
        lines += step if kind == "raw" else [f"if {_truth(kind)}:", *(_TAB + line for line in step)]
        kind = part.gives
    return lines


def _truth(kind: str) -> str:
    """When a value of a type is there: text and lists when not empty, numbers always."""
    return (
        "value"
        if fits(kind, "text") == "yes" or fits(kind, "list") == "yes"
        else "value or isinstance(value, (int, float))"
    )


def _is_there(links: tuple[Link, ...]) -> str:
    last = links[-1].parts if links else None
    return _truth(last.gives if last else "any")


def _step_lines(part: Parts, kind: str, tag: str, names: Names, keys: _Keys) -> list[str]:
    is_text = kind == "raw" or fits(kind, "text") == "yes"
    clean = (
        [f"if not value.isprintable() or len(value) > {MAX_TEXT}: value = as_text(value)"]
        if kind == "raw"
        else []
    )
    if part.run is tidy_text and is_text:
        names[f"tidy{tag}"] = tidy_text
        strip = [] if kind == "raw" else ["value = value.strip()"]
        return [
            *strip,
            f"if not value.isprintable() or len(value) > {MAX_FIELD_TEXT}: value = tidy{tag}(value)",
        ]
    if part.run is trim.run and is_text:
        return [*clean, "value = value.strip()"] if kind != "raw" else clean
    names[f"step{tag}"], names[f"cast{tag}"] = part.run, part.cast
    arguments = ["value"]
    for index, argument in enumerate(part.arguments):
        names[f"given{tag}_{index}"] = argument
        arguments.append(f"given{tag}_{index}")
    arguments += [keys.expression(part.beside)] if part.beside else []
    lines = (
        clean
        if part.cast in (as_text, as_scalar) and kind == "raw"
        else [f"value = cast{tag}(value)"]
        if part.cast
        else []
    )
    return [*lines, f"value = step{tag}({', '.join(arguments)})"]
