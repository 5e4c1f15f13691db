"""The field dictionary: every field of a contact, its type, which value wins, its merge tag, the identity it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from marshmallow import fields, validate

from mappings.language.flaws import problems_of
from mappings.language.patch import Problem
from mappings.language.problems import MappingError
from mappings.language.strict import StrictSchema
from mappings.language.yaml_text import read_yaml

FIELD_TYPES = (
    "text", "email", "phone", "url", "country", "language", "integer", "number", "boolean", "date", "datetime",
    "birthday", "year", "list",
)  # fmt: skip
SURVIVORSHIP_RULES = ("most_recent", "most_trusted", "longest", "never_blank")
Survivorship = Literal["most_recent", "most_trusted", "longest", "never_blank"]


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field of a contact. `identity` is the identity kind its value also is; "" for most."""

    name: str
    label: str
    type: str
    survivorship: Survivorship = "most_recent"
    merge_tag: str = ""  # suggested, at most 10 characters as in Mailchimp
    identity: str = ""
    identity_scope: Literal["", "source"] = ""  # "source": the value is unique only inside its source
    doc: str = ""


@dataclass(frozen=True, slots=True)
class FieldDictionary:
    """The fields by name, in the order of the document."""

    entries: Mapping[str, FieldEntry]

    def find(self, name: str) -> FieldEntry | None:
        """The entry of a field, or None."""
        return self.entries.get(name)

    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(self.entries)


class _EntrySchema(StrictSchema):
    label = fields.String(required=True, validate=validate.Length(min=1, max=80))
    type = fields.String(required=True, validate=validate.OneOf(FIELD_TYPES))
    survivorship = fields.String(load_default="most_recent", validate=validate.OneOf(SURVIVORSHIP_RULES))
    merge_tag = fields.String(load_default="", validate=validate.Regexp(r"^[A-Z0-9_]{0,10}$"))
    identity = fields.String(load_default="", validate=validate.Regexp(r"^[a-z_]{0,40}$"))
    identity_scope = fields.String(load_default="", validate=validate.OneOf(("", "source")))
    doc = fields.String(load_default="")


_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


def load_fields(text: str) -> FieldDictionary:
    """The dictionary in a YAML text. Raises MappingError."""
    tree = read_yaml(text)
    raw = tree.value.get("fields") if isinstance(tree.value, dict) else None
    if not isinstance(raw, dict) or not raw:
        raise MappingError(
            [Problem("fields", "missing", "A field dictionary is an object of fields by name.", line=1)]
        )
    errors: dict[str, Any] = {
        name: _EntrySchema().validate(entry) for name, entry in raw.items() if isinstance(entry, dict)
    }
    errors |= {
        name: ["A field is an object with label and type."]
        for name, entry in raw.items()
        if not isinstance(entry, dict)
    }
    errors |= {
        name: ["Small letters, digits and _ make a field's name."] for name in raw if not _NAME.match(name)
    }
    problems = problems_of({"fields": {name: found for name, found in errors.items() if found}}, tree)
    if problems:
        raise MappingError(problems)
    return FieldDictionary({name: FieldEntry(name=name, **_loaded(entry)) for name, entry in raw.items()})


def _loaded(entry: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = _EntrySchema().load(entry)
    return loaded


@lru_cache(maxsize=1)
def default_fields() -> FieldDictionary:
    """The dictionary of `mappings/fields.yaml`."""
    return load_fields(files("mappings").joinpath("fields.yaml").read_text(encoding="utf-8"))
