"""Runs the tests inside a mapping, and reads a mapping for what is wrong or unwise in it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import Case, Document, load_document
from mappings.language.event import EventInfo, time_text
from mappings.language.fields import FieldDictionary
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity, MappingResult, Problem
from mappings.language.problems import MappingError, Refused, suggestion
from mappings.language.steps.values import datetime as read_time

# Problems that do not stand in the way of publishing.
ADVICE_CODES = frozenset({"no_tests", "no_wording", "no_key"})
# Keys of `expect` beside the names of fields; each is compared only where it stands there.
_BESIDE_FIELDS = ("identities", "tags", "tags_removed", "consents", "warnings", "erase", "summary")
TEST_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of one inline test. `differences` are sentences; none = passed."""

    name: str
    place: str
    line: int | None
    differences: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether the mapping did what the test expects."""
        return not self.differences


def run_tests(compiled: CompiledMapping) -> list[CaseOutcome]:
    """One outcome for each inline test. Never raises for what stands in a test."""
    return [
        CaseOutcome(case.name, case.place, case.line, tuple(_differences(compiled, case)))
        for case in compiled.document.tests
    ]


def _differences(compiled: CompiledMapping, case: Case) -> list[str]:
    try:
        event = _event(case)
    except Refused as refused:
        return [refused.reason]
    result = compiled.apply(case.given, event)
    if case.error is not None:
        return _compare_error(case.error, result)
    if case.ignored is not None:
        return _compare_ignored(case.ignored, result)
    expected = case.expect if isinstance(case.expect, list) else [case.expect]
    if len(expected) != len(result.patches):
        return [f"{len(expected)} contact patches expected, {_outcome(result)}."]
    pairs = zip(expected, result.patches, strict=True)
    return [text for wanted, patch in pairs for text in _compare_patch(wanted, patch, result)]


def _event(case: Case) -> EventInfo:
    known = [entry.name for entry in fields(EventInfo)]
    values: dict[str, Any] = {"key": "test", "occurred_at": TEST_TIME, "received_at": TEST_TIME}
    for name, value in case.event.items():
        if name not in known:
            raise Refused("unknown_key", f'An event has no "{name}". {suggestion(name, known)}')
        values[name] = (
            datetime.fromisoformat(read_time.run(str(value))) if name.endswith("_at") else str(value)
        )
    return EventInfo(**values)


def _outcome(result: MappingResult) -> str:
    if result.rejected:
        return f"but the event was rejected: {result.rejected.field or result.rejected.path} {result.rejected.code}: {result.rejected.reason}"
    return f"but the event was ignored: {result.ignored}" if result.ignored else f"got {len(result.patches)}"


def _compare_error(error: dict[str, Any], result: MappingResult) -> list[str]:
    if result.rejected is None:
        return [f"A rejection expected, {_outcome(result)}."]
    found = {entry.name: getattr(result.rejected, entry.name) for entry in fields(Problem)}
    return [
        f"error.{key}: expected {wanted!r}, got {found.get(key)!r}."
        for key, wanted in error.items()
        if found.get(key) != wanted
    ]


def _compare_ignored(wanted: Any, result: MappingResult) -> list[str]:
    is_met = bool(result.ignored) is True and (wanted is True or str(wanted) in result.ignored)
    return [] if is_met else [f"ignored: expected {wanted!r}, {_outcome(result)}."]


def _compare_patch(wanted: Any, patch: ContactPatch, result: MappingResult) -> list[str]:
    if not isinstance(wanted, dict):
        return ["expect is an object of fields."]
    texts = _compare_fields(
        {key: value for key, value in wanted.items() if key not in _BESIDE_FIELDS}, dict(patch.fields)
    )
    found = _beside_fields(patch, result)
    texts += [
        _difference(key, wanted[key], found[key])
        for key in _BESIDE_FIELDS
        if key in wanted and not _matches(wanted[key], found[key])
    ]
    return texts


def _compare_fields(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    names = dict.fromkeys((*wanted, *found))
    return [
        _difference(name, wanted.get(name), found.get(name))
        for name in names
        if wanted.get(name) != found.get(name)
    ]


def _difference(name: str, wanted: Any, found: Any) -> str:
    return f"{name}: expected {wanted!r}, got {found!r}."


def _beside_fields(patch: ContactPatch, result: MappingResult) -> dict[str, Any]:
    return {
        "identities": [_plain(identity) for identity in patch.identities],
        "tags": list(patch.tags_added),
        "tags_removed": list(patch.tags_removed),
        "consents": [_plain(evidence) for evidence in patch.consents],
        "warnings": [
            {"field": warning.field, "code": warning.code, "path": warning.path}
            for warning in result.warnings
        ],
        "erase": patch.is_erasure,
        "summary": patch.summary,
    }


def _plain(value: Identity | ConsentEvidence) -> dict[str, Any]:
    found = {entry.name: getattr(value, entry.name) for entry in fields(value)}
    return {name: time_text(inner) if isinstance(inner, datetime) else inner for name, inner in found.items()}


def _matches(wanted: Any, found: Any) -> bool:
    """Equal; objects in a list match when what is wanted of each is there."""
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(
            _matches(one, other) for one, other in zip(wanted, found, strict=True)
        )
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and found[key] == value for key, value in wanted.items())
    return bool(wanted == found)


def lint(text: str, dictionary: FieldDictionary | None = None) -> list[Problem]:
    """Everything wrong with a mapping text: errors, failing tests, and advice (codes in ADVICE_CODES)."""
    try:
        document = load_document(text, dictionary)
        compiled = compile_mapping(document, dictionary)
    except MappingError as error:
        return error.problems
    failed = [
        Problem(
            outcome.place,
            "test_failed",
            f'The test "{outcome.name}" fails: {" ".join(outcome.differences)}',
            line=outcome.line,
        )
        for outcome in run_tests(compiled)
        if not outcome.is_passed
    ]
    return [*failed, *_advice(document)]


def _advice(document: Document) -> Iterable[Problem]:
    if not document.tests:
        yield Problem(
            "tests", "no_tests", "The mapping has no tests.", "Add one with name, given and expect."
        )
    if not document.identities and not any(rule.is_key for rule in document.fields):
        yield Problem(
            "fields",
            "no_key",
            "No rule is marked key: true.",
            "Mark the rule that finds the person, mostly email.",
        )
    for rule in document.consent:
        if (
            rule.always != "withdrawn"
            and (rule.yes or not rule.no)
            and not rule.wording
            and not rule.wording_from
        ):
            hint = "Add wording, or wording_from: proof of consent names what was agreed to."
            yield Problem(
                rule.place,
                "no_wording",
                "The evidence does not say what was agreed to.",
                hint,
                line=rule.line,
            )
