"""What a mapping text would do: its problems by line, its tests, and its result on a stored event. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from mappings.language.checks import ADVICE_CODES, lint
from mappings.language.compile import compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.explain import RuleTrace, explain
from mappings.language.patch import MappingResult, Problem
from mappings.language.problems import MappingError

LONGEST_DOCUMENT = 256 * 1024
CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """What the check found. `outcome` and `traces` are of the chosen event, where one was chosen."""

    problems: tuple[Problem, ...] = ()  # they stand in the way of publishing
    advice: tuple[Problem, ...] = ()  # these do not
    test_count: int = 0
    traces: tuple[RuleTrace, ...] = ()
    outcome: MappingResult | None = None

    @property
    def is_ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison: same, added, removed, or a gap of unchanged lines."""

    kind: str
    text: str


def check_mapping(document: str, content: Mapping[str, Any] | None, event: EventInfo) -> Check:
    """Read, compile and test the text; show what it makes of one event, where there is one."""
    found = tuple(lint(document))
    problems = tuple(problem for problem in found if problem.code not in ADVICE_CODES)
    advice = tuple(problem for problem in found if problem.code in ADVICE_CODES)
    try:
        compiled = compile_mapping(load_document(document))
    except MappingError:
        return Check(problems, advice)
    test_count = len(compiled.document.tests)
    if content is None:
        return Check(problems, advice, test_count)
    return Check(
        problems, advice, test_count, tuple(explain(compiled, content, event)), compiled.apply(content, event)
    )


def compare(old: str, new: str) -> tuple[DiffLine, ...]:
    """The lines that differ, each with a few unchanged ones around it."""
    before, after = old.splitlines(), new.splitlines()
    lines: list[DiffLine] = []
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT_LINES):
        if lines or group[0][1] > 0:
            lines.append(DiffLine("gap", f"\u2026 line {group[0][3] + 1}"))
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                lines += [DiffLine("same", f"  {text}") for text in before[i1:i2]]
                continue
            lines += [DiffLine("removed", f"- {text}") for text in before[i1:i2]]
            lines += [DiffLine("added", f"+ {text}") for text in after[j1:j2]]
    return tuple(lines)
