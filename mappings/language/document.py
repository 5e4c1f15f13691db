"""A mapping document: the frozen tree that a YAML text becomes, or the list of everything that is wrong with it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from marshmallow import ValidationError

from mappings.language.calls import StepCall
from mappings.language.fields import FieldDictionary, FieldEntry, default_fields, load_fields
from mappings.language.flaws import problems_of
from mappings.language.patch import Problem
from mappings.language.paths import Path
from mappings.language.problems import MappingError, quoted, suggestion
from mappings.language.schema import MISSING, DocumentSchema
from mappings.language.when import Condition
from mappings.language.yaml_text import YamlTree, read_yaml

__all__ = [
    "Case", "Condition", "ConsentRule", "Document", "FieldDictionary", "FieldEntry", "FieldRule", "IdentityRule",
    "MappingError", "StepCall", "TagRule", "default_fields", "load_document", "load_fields",
]  # fmt: skip

TAGS = "tags"  # the target that is not a field: tags are added or removed


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row of a mapping: where a field's value comes from and what is done to it."""

    place: str
    line: int | None
    to: str
    paths: tuple[Path, ...] = ()
    do: tuple[StepCall, ...] = ()
    default: Any = None
    is_required: bool = False
    is_key: bool = False
    on_error: Literal["reject", "skip", "keep_raw", "review"] = "skip"
    mode: Literal["set", "add", "remove"] = "set"
    check: tuple[tuple[str, Any], ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class IdentityRule:
    """A value that points at a person besides the fields that do."""

    place: str
    line: int | None
    kind: str
    paths: tuple[Path, ...]
    do: tuple[StepCall, ...] = ()
    scope: str = ""
    scope_from: Path | None = None
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class TagRule:
    """Tags with fixed names."""

    place: str
    line: int | None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Where evidence of consent is read; never a status."""

    place: str
    line: int | None
    channel: str
    purpose: str
    paths: tuple[Path, ...] = ()
    do: tuple[StepCall, ...] = ()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    always: Literal["", "given", "withdrawn"] = ""
    wording: str = ""
    wording_from: tuple[Path, ...] = ()
    at: Path | None = None
    method: str = ""
    proof: Literal["claimed", "confirmed"] = "claimed"
    address_from: Path | None = None
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An inline test: what is given, and what it becomes."""

    place: str
    line: int | None
    name: str
    given: Any
    event: dict[str, Any] = field(default_factory=dict)
    expect: Any = None
    error: dict[str, Any] | None = None
    ignored: Any = None


@dataclass(frozen=True, slots=True)
class Document:
    """A checked mapping document."""

    mapping: str
    source: str = ""
    when: Condition | None = None
    each: Path | None = None
    fields: tuple[FieldRule, ...] = ()
    identities: tuple[IdentityRule, ...] = ()
    tags: tuple[TagRule, ...] = ()
    consent: tuple[ConsentRule, ...] = ()
    erase: Condition | None = None
    summary: str = ""
    tests: tuple[Case, ...] = ()


def load_document(text: str, fields: FieldDictionary | None = None) -> Document:
    """The document in a YAML text. Raises MappingError with every problem found: path, line, value, reason, hint."""
    tree = read_yaml(text)
    if not isinstance(tree.value, dict):
        raise MappingError(
            [
                Problem(
                    "",
                    "not_a_mapping",
                    "A mapping is an object with mapping, version, target and fields.",
                    line=1,
                )
            ]
        )
    problems = _unknown_fields(tree, fields or default_fields())
    loaded: dict[str, Any] = {}
    try:
        loaded = DocumentSchema().load(tree.value)
    except ValidationError as error:
        problems += problems_of(error.messages, tree)
    if problems:
        raise MappingError(sorted(problems, key=lambda problem: problem.line or 0))
    return _document(loaded, tree)


def _unknown_fields(tree: YamlTree, dictionary: FieldDictionary) -> list[Problem]:
    rules = tree.value.get("fields")
    problems = []
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        name = rule.get("to") if isinstance(rule, dict) else None
        if isinstance(name, str) and name != TAGS and dictionary.find(name) is None:
            hint = (
                suggestion(name, (*dictionary.names(), TAGS))
                or "The fields are listed in mappings/fields.yaml."
            )
            line = tree.line_at(("fields", index, "to"))
            problems.append(
                Problem(
                    f"fields[{index}].to",
                    "unknown_field",
                    f'There is no field "{name[:40]}".',
                    hint,
                    quoted(name),
                    name[:40],
                    line,
                )
            )
    return problems


def _document(loaded: dict[str, Any], tree: YamlTree) -> Document:
    return Document(
        mapping=loaded["mapping"],
        source=loaded["source"],
        when=loaded["when"],
        each=loaded["each"],
        fields=tuple(
            _field_rule(rule, *_where("fields", index, tree)) for index, rule in enumerate(loaded["rules"])
        ),
        identities=tuple(
            IdentityRule(*_where("identities", index, tree), **rule)
            for index, rule in enumerate(loaded["identities"])
        ),
        tags=tuple(
            TagRule(*_where("tags", index, tree), **rule) for index, rule in enumerate(loaded["tags"])
        ),
        consent=tuple(
            ConsentRule(*_where("consent", index, tree), **rule)
            for index, rule in enumerate(loaded["consent"])
        ),
        erase=loaded["erase"],
        summary=loaded["summary"],
        tests=tuple(
            Case(*_where("tests", index, tree), **case) for index, case in enumerate(loaded["tests"])
        ),
    )


def _where(section: str, index: int, tree: YamlTree) -> tuple[str, int | None]:
    return f"{section}[{index}]", tree.line_at((section, index))


def _field_rule(rule: dict[str, Any], place: str, line: int | None) -> FieldRule:
    is_strict = rule["is_required"] or rule["is_key"]
    meant = {
        "on_error": rule["on_error"] or ("reject" if is_strict else "skip"),
        "mode": rule["mode"] or ("add" if rule["to"] == TAGS else "set"),
        "default": None if rule["default"] is MISSING else rule["default"],
    }
    return FieldRule(place, line, **(rule | meant))
