"""The `do` list of a rule: each entry a step with its argument, checked against the steps' declarations."""

from dataclasses import dataclass
from typing import Any

from mappings.language.paths import Path, parse_path
from mappings.language.problems import Refused, suggestion
from mappings.language.steps.declare import Step
from mappings.language.steps.registry import STEPS

MAX_STEPS = 20
Place = tuple[str | int, ...]
Flaws = list[tuple[Place, Refused]]


@dataclass(frozen=True, slots=True)
class StepCall:
    """One step with its checked argument; `inner` are the steps inside `each`; `beside` the path it reads besides."""

    step: Step
    argument: Any = None
    prepared: Any = None
    inner: tuple["StepCall", ...] = ()
    beside: Path | None = None


def parse_calls(raw: Any, flaws: Flaws, place: Place = (), level: int = 0) -> tuple[StepCall, ...]:
    """The steps of a `do`; what is wrong is added to `flaws` with its place."""
    entries = raw if isinstance(raw, list) else [raw]
    if len(entries) > MAX_STEPS or level > 2:  # noqa: PLR2004 - each inside each is the deepest
        flaws.append((place, Refused("too_long", f"At most {MAX_STEPS} steps, and each inside each once.")))
        return ()
    calls: list[StepCall] = []
    for index, entry in enumerate(entries):
        here = (*place, index) if isinstance(raw, list) else place
        try:
            calls.append(_call(entry, flaws, here, level))
        except Refused as refused:
            flaws.append((here, refused))
    return tuple(calls)


def _call(entry: Any, flaws: Flaws, place: Place, level: int) -> StepCall:
    name, argument, has_argument = _name_and_argument(entry)
    step = STEPS.get(name.replace(".", "_"))
    if step is None:
        raise Refused("unknown_step", f'There is no step "{name[:40]}".', suggestion(name, STEPS))
    if step.name == "each":
        if not has_argument:
            raise Refused("bad_argument", "each needs a step to do.", "Write {each: trim}.")
        return StepCall(step, argument, inner=parse_calls(argument, flaws, (*place, "each"), level + 1))
    if step.prepare is None:
        if has_argument and argument is not None:
            raise Refused("bad_argument", f"{step.name} takes no argument.", f"Write {step.name} alone.")
        return StepCall(step)
    beside = argument.get(step.reads) if step.reads and isinstance(argument, dict) else None
    return StepCall(step, argument, step.prepare(argument), beside=_beside(beside))


def _name_and_argument(entry: Any) -> tuple[str, Any, bool]:
    if isinstance(entry, str):
        return entry, None, False
    if isinstance(entry, dict) and len(entry) == 1:
        (name, argument), *_ = entry.items()
        return name, argument, True
    raise Refused("not_a_step", "A step is a name, or a name with its argument.", "Write trim, or {cut: 40}.")


def _beside(text: Any) -> Path | None:
    return parse_path(text) if isinstance(text, str) else None
