"""Merge fields outward: an audience's mapping, compiled once; a contact's fields in, merge field values out. Pure.

    {"FNAME": "first_name"}                                               a contact field
    {"ADDRESS": "address"}                                                the contact's six address fields as one
    {"SINCE": {"from": "class_year", "direction": "ours"}}                with a direction
    {"GREET": {"from": ["preferred_name", "first_name"], "do": [upper], "default": "friend"}}   the mapping language
    {"ADDRESS": {"from": {"addr1": "address_line1", "city": "city", "state": "region", "zip": "postal_code"}}}
What `from`, `do`, `default`, `check` and `when` mean stands in mappings/README.md; the paths read the contact's fields.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from app.audiences.formats import ADDRESS_PARTS, FORMATS, FieldSpec, MergeValues, text_value
from app.core.errors import InvalidError
from mappings.language.compile import CompiledMapping, compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.fields import FieldDictionary, FieldEntry, default_fields
from mappings.language.paths import Scope
from mappings.language.problems import MappingError
from mappings.language.rules import Draft, Rejected

DIRECTIONS = ("ours", "theirs", "newest", "never_blank", "review")
DEFAULT_DIRECTION = "newest"
# Mailchimp cuts longer ones, so that two of them could become one (10 characters: its merge field reference).
TAG = re.compile(r"[A-Z0-9_]{1,10}")
EMAIL_TAG = "EMAIL"  # no merge field: here it only carries the direction of the address
ADDRESS_NAME = "address"
ADDRESS_FIELDS = {
    "addr1": "address_line1",
    "addr2": "address_line2",
    "city": "city",
    "state": "region",
    "zip": "postal_code",
    "country": "country",
}
RULE_KEYS = ("from", "do", "default", "check", "when")
KEYS = (*RULE_KEYS, "direction")
NO_EVENT = EventInfo()


@dataclass(frozen=True, slots=True)
class OutwardField:
    """One merge field. `inputs` are the contact fields it reads; `takes` those that a value of theirs may change.

    `takes` is contact field -> part of an address ("" = the whole value); empty where an expression stands between.
    """

    tag: str
    direction: str
    inputs: tuple[str, ...]
    takes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outward:
    """The whole mapping. `expressions` is None where there are only plain fields."""

    fields: Mapping[str, OutwardField]
    plain: tuple[tuple[str, str], ...]  # (tag, contact field)
    addresses: tuple[tuple[str, Mapping[str, str]], ...]  # (tag, part -> contact field)
    expressions: CompiledMapping | None
    email_direction: str = DEFAULT_DIRECTION

    def raw_values(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What the contact says for each tag, before the type of the merge field; blanks left out."""
        found = {
            tag: value
            for tag, name in self.plain
            if (value := fields.get(name)) or value is False or value == 0
        }
        for tag, parts in self.addresses:
            whole = fields.get(ADDRESS_NAME) if parts == ADDRESS_FIELDS else None
            address = whole or {part: value for part, name in parts.items() if (value := fields.get(name))}
            if address:
                found[tag] = address
        if self.expressions is not None:
            found.update(_evaluate(self.expressions, fields))
        return found


def _evaluate(expressions: CompiledMapping, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    draft = Draft()
    try:
        expressions.run(Scope(fields, fields, NO_EVENT), draft)
    except Rejected:  # `required` has no meaning outward: what is missing is left out
        return draft.fields
    return draft.fields


def check_merge_fields(mapping: Mapping[str, Any]) -> None:
    """InvalidError for a tag, field, direction or expression that cannot be; says which and why."""
    for tag, value in mapping.items():
        if not TAG.fullmatch(tag):
            raise InvalidError(
                f"{tag[:40]!r} is no merge tag.",
                "A tag has 1 to 10 capital letters, digits and _; Mailchimp would cut a longer one, and two might become one.",
            )
        if isinstance(value, Mapping):
            _check_object(tag, value)
        elif not isinstance(value, str):
            raise InvalidError(f"The mapping of {tag} must be a contact field's name or an object.")
        elif value != ADDRESS_NAME and default_fields().find(value) is None:
            raise InvalidError(f"There is no contact field {value[:40]!r}, which {tag} is to take.", _known())
    compile_outward(mapping)


def _check_object(tag: str, value: Mapping[str, Any]) -> None:
    unknown = sorted(set(value) - set(KEYS))
    if unknown:
        raise InvalidError(
            f"The mapping of {tag} has unknown keys: {', '.join(unknown)}.", f"Known: {', '.join(KEYS)}."
        )
    direction = value.get("direction", DEFAULT_DIRECTION)
    if direction not in DIRECTIONS:
        raise InvalidError(
            f"{direction!r} is no direction, for {tag}.", f"Directions: {', '.join(DIRECTIONS)}."
        )
    if tag == EMAIL_TAG:
        return
    source = value.get("from")
    if (
        isinstance(source, Mapping)
        and not set(source) & set(RULE_KEYS)
        and not set(source) <= set(ADDRESS_FIELDS)
    ):
        raise InvalidError(f"The address of {tag} has unknown parts.", f"Parts: {', '.join(ADDRESS_FIELDS)}.")
    for name in _direct_names(value):
        if name != ADDRESS_NAME and default_fields().find(name) is None:
            raise InvalidError(f"There is no contact field {name[:40]!r}, which {tag} is to take.", _known())
    if direction in {"theirs", "review"} and not _direct_names(value):
        raise InvalidError(
            f"{tag} is made by an expression, so Mailchimp's value cannot be taken back.",
            "Use the direction ours or newest, or map a contact field as it is.",
        )


def _direct_names(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The contact fields that are taken as they are; none where an expression stands between."""
    source = value.get("from")
    if set(value) & {"do", "default", "check", "when"}:
        return ()
    if isinstance(source, Mapping):
        return () if set(source) & set(RULE_KEYS) else tuple(str(name) for name in source.values())
    return (source,) if isinstance(source, str) and re.fullmatch(r"[a-z][a-z0-9_]*", source) else ()


def _known() -> str:
    return f"Known: {', '.join(default_fields().names())}."


def compile_outward(mapping: Mapping[str, Any]) -> Outward:
    """The mapping, compiled; InvalidError where the mapping language does not understand an expression."""
    return _compiled(json.dumps(mapping, sort_keys=True, default=str))


@lru_cache(maxsize=128)
def _compiled(text: str) -> Outward:
    mapping: dict[str, Any] = json.loads(text)
    email = mapping.pop(EMAIL_TAG, None)
    email_direction = (
        email.get("direction", DEFAULT_DIRECTION) if isinstance(email, dict) else DEFAULT_DIRECTION
    )
    fields: dict[str, OutwardField] = {}
    plain, addresses, rules = [], [], []
    for tag, value in mapping.items():
        whole = value if isinstance(value, Mapping) else {"from": value}
        direction = str(whole.get("direction") or DEFAULT_DIRECTION)
        names, source = _direct_names(whole), whole.get("from")
        parts = (
            ADDRESS_FIELDS if names == (ADDRESS_NAME,) else source if isinstance(source, Mapping) else None
        )
        if names and parts is not None:
            addresses.append((tag, dict(parts)))
            takes = {str(name): str(part) for part, name in parts.items()}
        elif names:
            plain.append((tag, names[0]))
            takes = {names[0]: ""}
        else:
            rules.append((tag, whole))
            takes = {}
        fields[tag] = OutwardField(tag, direction, tuple(takes), takes)
    expressions = _expressions(rules) if rules else None
    if expressions is not None:
        fields |= {
            program.to: _of_expression(fields[program.to], program.paths) for program in expressions.programs
        }
    return Outward(fields, tuple(plain), tuple(addresses), expressions, email_direction)


def _of_expression(found: OutwardField, paths: tuple[str, ...]) -> OutwardField:
    return OutwardField(found.tag, found.direction, tuple(path.split(".")[0].split("[")[0] for path in paths))


def _expressions(rules: list[tuple[str, Mapping[str, Any]]]) -> CompiledMapping:
    """The rules as one document of the mapping language, whose fields are the merge tags."""
    dictionary = FieldDictionary({tag: FieldEntry(tag, tag, "any") for tag, _ in rules})
    document = {
        "mapping": "merge-fields",
        "version": 1,
        "target": "contact",
        "fields": [{"to": tag, **_rule(whole)} for tag, whole in rules],
    }
    try:
        return compile_mapping(load_document(json.dumps(document), dictionary), dictionary)
    except MappingError as error:
        first = error.problems[0]
        raise InvalidError(
            f"The mapping of {first.field or 'a merge field'}: {first.reason}", first.hint
        ) from error


def _rule(whole: Mapping[str, Any]) -> dict[str, Any]:
    source = whole.get("from")
    nested = dict(source) if isinstance(source, Mapping) else {"from": source}
    return {
        key: value for key, value in {**whole, **nested}.items() if key in RULE_KEYS and value is not None
    }


Emit = tuple[str, Callable[[Any, FieldSpec], Any], FieldSpec]


@dataclass(frozen=True, slots=True)
class Shape:
    """An outward mapping beside the live schema: what is ready to be sent."""

    outward: Outward
    emits: Mapping[str, Emit]

    def merge_values(self, fields: Mapping[str, Any]) -> MergeValues:
        """A contact's fields as merge fields."""
        values, unfit = self.values_and_unfit(fields)
        return MergeValues(values, tuple(unfit))

    def values_and_unfit(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The same, by tag, and the tags whose value does not fit. A blank of ours never clears what Mailchimp has."""
        values: dict[str, Any] = {}
        unfit: list[str] = []
        emits = self.emits
        for tag, given in self.outward.raw_values(fields).items():
            emit = emits.get(tag)
            if emit is None:
                continue  # Mailchimp no longer has the field
            value = emit[1](given, emit[2])
            if value is None or value == "":
                unfit.append(tag)
            else:
                values[tag] = value
        return values, unfit


def make_shape(
    mapping: Mapping[str, Any], schema: Mapping[str, FieldSpec], gone: Collection[str] = ()
) -> Shape:
    """A field that the schema does not know counts as text; one that is `gone` from Mailchimp is not sent."""
    outward = compile_outward(mapping)
    emits: dict[str, Emit] = {}
    for tag in outward.fields:
        if tag not in gone:
            spec = schema.get(tag, FieldSpec())
            emits[tag] = (tag, FORMATS.get(spec.type, text_value), spec)
    return Shape(outward, emits)


def merge_values(
    fields: Mapping[str, Any], mapping: Mapping[str, Any], schema: Mapping[str, FieldSpec]
) -> MergeValues:
    """One contact's merge fields."""
    return make_shape(mapping, schema).merge_values(fields)


def is_half_address(value: Any) -> bool:
    """Something of an address, but not enough of it for Mailchimp."""
    return isinstance(value, Mapping) and not all(value.get(part) for part in ADDRESS_PARTS)
