"""Shows how each rule of a mapping comes to its result on one event: found, after each step, result or problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mappings.language.compile import CompiledMapping
from mappings.language.event import EventInfo
from mappings.language.patch import Problem
from mappings.language.paths import Scope, is_blank
from mappings.language.problems import Refused, quoted
from mappings.language.rules import Draft, Program, Rejected


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule on one event. `steps` are (step, value after it); the step "" is the field's own last check."""

    place: str  # "fields[2]"
    to: str  # "email", "tags", "identity:email", "consent:email/newsletter"
    paths: tuple[str, ...]
    found: Any
    steps: tuple[tuple[str, Any], ...]
    result: Any
    problem: Problem | None = None


def explain(compiled: CompiledMapping, content: Mapping[str, Any], event: EventInfo) -> list[RuleTrace]:
    """One trace a rule, in order; of the first entry where the mapping has `each`. Never raises for bad input."""
    if not isinstance(content, Mapping):
        return []
    scope = Scope(content, content, event)
    if compiled.each is not None:
        entries = compiled.each(scope)
        first = entries[0] if isinstance(entries, list) and entries else entries
        if not isinstance(first, Mapping):
            return []
        scope = Scope(first, content, event)
    draft = Draft()
    return [_trace(program, scope, draft) for program in compiled.programs]


def _trace(program: Program, scope: Scope, draft: Draft) -> RuleTrace:
    found = program.read(scope) if program.read else None
    steps = _steps(program, found, scope)
    before = _sizes(draft)
    problem: Problem | None = None
    try:
        program.run(scope, draft)
    except Rejected as rejected:
        problem = rejected.problem
    problem = problem or (draft.warnings[-1] if len(draft.warnings) > before[-1] else None)
    return RuleTrace(program.place, program.to, program.paths, found, steps, _result(draft, before), problem)


def _steps(program: Program, found: Any, scope: Scope) -> tuple[tuple[str, Any], ...]:
    steps: list[tuple[str, Any]] = []
    value = found
    for link in program.chain.links if program.chain else ():
        if is_blank(value):
            break
        try:
            value = link.run(value, scope)
        except Refused as refused:
            return (*steps, (link.label, f"refused: {refused.reason}"))
        steps.append((link.label, value))
    return tuple(steps)


def _sizes(draft: Draft) -> tuple[int, ...]:
    lists = (
        draft.fields,
        draft.identities,
        draft.tags_added,
        draft.tags_removed,
        draft.consents,
        draft.warnings,
    )
    return tuple(len(entries) for entries in lists)


def _result(draft: Draft, before: tuple[int, ...]) -> Any:
    """What the rule added: a field's value, else the identities, tags or evidence."""
    if len(draft.fields) > before[0]:
        return list(draft.fields.values())[-1]
    added: list[Any] = [
        *draft.identities[before[1] :],
        *draft.tags_added[before[2] :],
        *draft.tags_removed[before[3] :],
    ]
    return (added + draft.consents[before[4] :]) or None


def trace_line(trace: RuleTrace) -> str:
    """One line for a terminal: found → step: value → result."""
    middle = "".join(f" → {label or 'check'}: {quoted(value)}" for label, value in trace.steps)
    end = f"  ✗ {trace.problem.reason}" if trace.problem else ""
    return f"{trace.to}: {quoted(trace.found)}{middle}{end}"
