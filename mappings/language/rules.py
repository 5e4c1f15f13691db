"""Field rules as functions that add to a draft of a contact patch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mappings.language.chain import Chain, Mismatch, build_chain, tidy_text
from mappings.language.document import TAGS, FieldRule
from mappings.language.fields import FieldDictionary, FieldEntry
from mappings.language.patch import ConsentEvidence, Identity, Problem
from mappings.language.paths import Path, Reader, Scope, compile_first_present, is_blank
from mappings.language.problems import Refused, quoted
from mappings.language.schema import MAX_TAG
from mappings.language.steps.declare import as_text, fits
from mappings.language.steps.text import searchable
from mappings.language.when import compile_condition


class Draft:
    """A contact patch while rules add to it."""

    __slots__ = ("consents", "fields", "identities", "tags_added", "tags_removed", "warnings")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.identities: list[Identity] = []
        self.tags_added: list[str] = []
        self.tags_removed: list[str] = []
        self.consents: list[ConsentEvidence] = []
        self.warnings: list[Problem] = []


class Rejected(Exception):  # noqa: N818 - a verdict, not a fault
    """The event cannot become a contact patch."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


Run = Callable[[Scope, Draft], None]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled rule. `read` and `chain` are there for explaining it."""

    place: str
    to: str
    paths: tuple[str, ...]
    run: Run
    read: Reader | None = None
    chain: Chain | None = None
    rule: FieldRule | None = None
    store: Callable[[Any, Scope, Draft], None] | None = None
    default: Any = None
    identity_kind: str | None = (
        None  # "": a plain field; a kind: stored as an identity too, unscoped; None: more to it
    )


def compile_field(rule: FieldRule, dictionary: FieldDictionary, problems: list[Problem]) -> Program | None:
    """A field rule; None when it has problems, which are added to `problems`."""
    entry = FieldEntry(TAGS, "Tags", "list") if rule.to == TAGS else dictionary.find(rule.to)
    if entry is None:
        problems.append(
            _document_problem(rule, "to", Refused("unknown_field", f'There is no field "{rule.to}".'))
        )
        return None
    found = _rule_flaws(rule, entry)
    problems.extend(_document_problem(rule, key, refused) for key, refused in found)
    try:
        chain = build_chain(rule.do, entry.type)
    except Mismatch as mismatch:
        problems.append(
            _document_problem(rule, f"do[{mismatch.index}]" if rule.do else "from", mismatch.refused)
        )
        return None
    return None if found else _field_program(rule, entry, chain)


def _rule_flaws(rule: FieldRule, entry: FieldEntry) -> list[tuple[str, Refused]]:
    flaws = []
    if rule.on_error == "keep_raw" and entry.type != "text":
        flaws.append(
            (
                "on_error",
                Refused(
                    "bad_on_error",
                    f"Only text can be kept raw; {rule.to} is {entry.type}.",
                    "Use skip or review.",
                ),
            )
        )
    if (rule.mode == "set") == (rule.to == TAGS):
        reason = "Tags are added or removed." if rule.to == TAGS else "Only tags are added or removed."
        flaws.append(("mode", Refused("bad_mode", reason, "Leave mode out.")))
    if rule.is_key and not entry.identity:
        flaws.append(
            (
                "key",
                Refused(
                    "not_an_identity", f"{rule.to} does not point at a person.", "Use required: true instead."
                ),
            )
        )
    if any(name == "between" for name, _ in rule.check) and fits(entry.type, "number") != "yes":
        flaws.append(("check", Refused("bad_check", f"between needs a number; {rule.to} is {entry.type}.")))
    try:
        _default(rule, entry)
    except Refused as refused:
        flaws.append(("default", refused))
    return flaws


def _document_problem(rule: FieldRule, key: str, refused: Refused) -> Problem:
    return Problem(
        f"{rule.place}.{key}", refused.code, refused.reason, refused.hint, field=rule.to, line=rule.line
    )


def _default(rule: FieldRule, entry: FieldEntry) -> Any:
    if rule.default is None:
        return None
    links = build_chain((), entry.type).links
    value = rule.default
    for link in links:
        value = link.call(value)
    return value


def _field_program(rule: FieldRule, entry: FieldEntry, chain: Chain) -> Program:
    read = compile_first_present(rule.paths) if rule.paths else lambda _scope: None
    finish = _checker(rule)
    store = _store(rule, entry)
    guard = compile_condition(rule.when)
    default, convert, name = _default(rule, entry), chain.run, rule.to

    def run(scope: Scope, draft: Draft) -> None:
        # Rules run from top to bottom; the first that yields a value for a field wins.
        if name in draft.fields or (guard is not None and not guard(scope)):
            return
        raw = read(scope)
        if raw is None or is_blank(raw):
            value = None
        else:
            try:
                value = convert(raw, scope)
                if finish is not None and value is not None:
                    value = finish(value)
            except Refused as refused:
                _fail(rule, raw, refused, draft)
                return
        if value is None:
            value = default.copy() if isinstance(default, list) else default
        if value is not None:
            store(value, scope, draft)
        elif rule.is_required:
            raise Rejected(_missing(rule))

    kind = None if name == TAGS or entry.identity_scope else entry.identity
    return Program(rule.place, name, texts_of(rule.paths), run, read, chain, rule, store, default, kind)


def _store(rule: FieldRule, entry: FieldEntry) -> Callable[[Any, Scope, Draft], None]:
    name, kind, is_scoped = entry.name, entry.identity, entry.identity_scope == "source"
    if name == TAGS:
        is_added = rule.mode == "add"
        return lambda value, _scope, draft: add_tags(
            draft.tags_added if is_added else draft.tags_removed, value
        )

    def store(value: Any, scope: Scope, draft: Draft) -> None:
        draft.fields[name] = value
        if kind:
            add_identity(draft, Identity(kind, value, scope.event.source if is_scoped else ""))

    return store


def add_identity(draft: Draft, identity: Identity) -> None:
    """Add an identity that is not there yet."""
    if identity not in draft.identities:
        draft.identities.append(identity)


def add_tags(tags: list[str], found: list[str] | tuple[str, ...]) -> None:
    """Add tags that are not there yet, cut to Mailchimp's length."""
    tags.extend(tag for tag in (text[:MAX_TAG].strip() for text in found) if tag and tag not in tags)


def _missing(rule: FieldRule) -> Problem:
    paths = " or ".join(path.text for path in rule.paths[:5])
    return Problem(
        path=rule.paths[0].text if rule.paths else rule.place,
        code="required",
        reason=f"{rule.to} is required, but nothing stands at {paths}.",
        hint="Check the name of the field at the sender, or the rule's from.",
        field=rule.to,
        line=rule.line,
    )


def _fail(rule: FieldRule, raw: Any, refused: Refused, draft: Draft) -> None:
    code = f"review.{refused.code}" if rule.on_error == "review" else refused.code
    problem = Problem(rule.paths[0].text, code, refused.reason, refused.hint, quoted(raw), rule.to, rule.line)
    if rule.on_error == "reject":
        raise Rejected(problem)
    draft.warnings.append(problem)
    if rule.on_error == "keep_raw":
        kept = raw_text(raw)
        if kept:
            draft.fields[rule.to] = kept


def raw_text(raw: Any) -> str:
    """A value as the text it was, for `on_error: keep_raw`; "" when it is no text."""
    try:
        return tidy_text(raw)
    except Refused:
        return ""


def _checker(rule: FieldRule) -> Callable[[Any], Any] | None:
    if not rule.check:
        return None

    def finish(value: Any) -> Any:
        for name, argument in rule.check:
            if not _passes(name, argument, value):
                raise Refused("check_failed", f"{rule.to} does not pass the check {name}.")
        return value

    return finish


def _passes(name: str, argument: Any, value: Any) -> bool:
    if name == "between":
        least, most = argument
        return bool(least <= value <= most)
    if name == "max_length":
        return bool(len(value if isinstance(value, str | list) else str(value)) <= argument)
    entries = value if isinstance(value, list) else [value]
    texts = [str(entry).lower() if isinstance(entry, bool) else as_text(entry) for entry in entries]
    if name == "one_of":
        return all(text in argument for text in texts)
    return not any(argument.search(searchable(text)) is None for text in texts)


def texts_of(paths: tuple[Path | None, ...]) -> tuple[str, ...]:
    """The texts of the paths that are there."""
    return tuple(path.text for path in paths if path is not None)
