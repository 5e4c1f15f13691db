"""Compiles a mapping document once; applies it to event after event without ever raising."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mappings.language.calls import StepCall
from mappings.language.consent import compile_consent
from mappings.language.document import ConsentRule, Document, FieldRule, IdentityRule
from mappings.language.event import EventInfo
from mappings.language.fields import FieldDictionary, default_fields
from mappings.language.frozen import quick_maker
from mappings.language.generate import generate_run
from mappings.language.patch import ContactPatch, MappingResult, Problem
from mappings.language.paths import Reader, Scope, compile_path
from mappings.language.points import compile_identity, compile_tags
from mappings.language.problems import MappingError
from mappings.language.rules import Draft, Program, Rejected, Run, compile_field
from mappings.language.when import Holds, compile_condition

__all__ = ["CompiledMapping", "EventInfo", "compile_mapping"]

MAX_EACH = 1_000
_make_patch, _make_result = quick_maker(ContactPatch), quick_maker(MappingResult)


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping ready for use. `inputs` are the paths it reads, `outputs` what it can write."""

    document: Document
    programs: tuple[Program, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    holds: Holds | None
    erases: Holds | None
    each: Reader | None
    run: Run  # all programs in a row

    def apply(self, content: Mapping[str, Any], event: EventInfo) -> MappingResult:
        """What one event becomes: patches, a reason to ignore it, or the problem that rejects it."""
        if content.__class__ is not dict and not isinstance(content, Mapping):
            return MappingResult(
                rejected=Problem(
                    "", "not_an_object", "The event's content is no object.", "See the raw delivery."
                )
            )
        scope = Scope(content, content, event)
        if self.holds is not None and not self.holds(scope):
            condition = self.document.when
            return MappingResult(
                ignored=f"This mapping is for events where {condition.sentence() if condition else ''}."
            )
        if self.each is not None:
            return self._apply_each(scope)
        draft = Draft()
        try:
            result: MappingResult = _make_result(
                (self._patch(scope, draft),), tuple(draft.warnings), None, ""
            )
        except Rejected as rejected:
            return MappingResult(warnings=tuple(draft.warnings), rejected=rejected.problem)
        return result

    def _patch(self, scope: Scope, draft: Draft) -> ContactPatch:
        self.run(scope, draft)
        if not draft.identities:
            raise Rejected(_nobody(draft))
        patch: ContactPatch = _make_patch(
            tuple(draft.identities),
            draft.fields,
            tuple(draft.tags_added),
            tuple(draft.tags_removed),
            tuple(draft.consents),
            None,
            self.document.summary,
            self.erases is not None and self.erases(scope),
        )
        return patch

    def _apply_each(self, scope: Scope) -> MappingResult:
        path = self.document.each.text if self.document.each else ""
        entries = self.each(scope) if self.each else None
        entries = entries if isinstance(entries, list) else [] if entries is None else [entries]
        if not entries:
            return MappingResult(ignored=f"The list at {path} is empty.")
        if len(entries) > MAX_EACH:
            reason = f"The list at {path} has {len(entries)} entries; {MAX_EACH} are allowed."
            return MappingResult(rejected=Problem(path, "too_long", reason, "Send smaller batches."))
        patches: list[ContactPatch] = []
        warnings: list[Problem] = []
        rejected: Problem | None = None
        for index, entry in enumerate(entries):
            draft = Draft()
            try:
                patches.append(self._patch(_entry_scope(entry, scope), draft))
            except Rejected as refusal:
                rejected = rejected or _inside(refusal.problem, path, index)
                draft.warnings.append(refusal.problem)
            warnings.extend(_inside(warning, path, index) for warning in draft.warnings)
        # One bad entry does not hold back the others; only when none is left is the event rejected.
        return MappingResult(tuple(patches), tuple(warnings), None if patches else rejected)


def _entry_scope(entry: Any, scope: Scope) -> Scope:
    if not isinstance(entry, Mapping):
        raise Rejected(Problem("", "not_an_object", "An entry of the list is no object."))
    return Scope(entry, scope.root, scope.event)


def _inside(problem: Problem, path: str, index: int) -> Problem:
    return replace(problem, path=f"{path}[{index}].{problem.path}".rstrip("."))


def _nobody(draft: Draft) -> Problem:
    cause = f" {draft.warnings[0].field}: {draft.warnings[0].reason}" if draft.warnings else ""
    hint = "A mapping needs a value for an identity: email, phone, external_id, or a rule under identities."
    return Problem("", "no_identity", f"Nothing here points at a person.{cause}", hint)


def compile_mapping(document: Document, fields: FieldDictionary | None = None) -> CompiledMapping:
    """Compile a document. Raises MappingError with every step whose types do not fit and every rule that cannot work."""
    dictionary = fields or default_fields()
    problems: list[Problem] = []
    made = (
        *(compile_field(rule, dictionary, problems) for rule in document.fields),
        *(compile_identity(rule, problems) for rule in document.identities),
        *(compile_tags(rule) for rule in document.tags),
        *(compile_consent(rule, problems) for rule in document.consent),
    )
    if problems:
        raise MappingError(problems)
    programs = tuple(program for program in made if program is not None)
    return CompiledMapping(
        document,
        programs,
        _inputs(document, programs),
        tuple(dict.fromkeys(program.to for program in programs)),
        compile_condition(document.when),
        compile_condition(document.erase),
        compile_path(document.each) if document.each else None,
        generate_run(programs),
    )


def _inputs(document: Document, programs: tuple[Program, ...]) -> tuple[str, ...]:
    rules: list[FieldRule | IdentityRule | ConsentRule] = [
        *document.fields,
        *document.identities,
        *document.consent,
    ]
    conditions = [
        document.when,
        document.erase,
        *(rule.when for rule in rules),
        *(tag.when for tag in document.tags),
    ]
    texts = [text for program in programs for text in program.paths]
    texts += [text for rule in rules for text in _beside(rule.do)]
    texts += [text for condition in conditions if condition is not None for text in condition.paths()]
    texts += [document.each.text] if document.each else []
    return tuple(dict.fromkeys(texts))


def _beside(calls: tuple[StepCall, ...]) -> list[str]:
    own = [call.beside.text for call in calls if call.beside is not None]
    return own + [text for call in calls for text in _beside(call.inner)]
