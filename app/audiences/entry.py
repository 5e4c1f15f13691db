"""Entry rules: which contacts belong in an audience, beyond consent. Pure; compiled once for an audience.

    {}                                              everybody with consent
    {"tags_any": ["alumni", "friends"]}             one of these tags
    {"tags_all": ["alumni", "donor"]}               all of these tags
    {"tags_none": ["staff"]}                        none of these tags
    {"fields": {"country": ["DE", "AT"]}}           a field with one of these values; {"is": v} and {"one_of": [...]} too
    {"fields": {"country": {"not": ["DE"]}}}        a field with none of these values, or without any
    {"fields": {"phone": {"is_set": true}}}         a field with a value; false: without one
    {"sources_any": ["website"], "sources_none": ["import"]}   slugs of the sources that told of the contact
    {"consents": ["events"]}                        consent to each of these purposes too, on the audience's channel
All parts given must hold. Case does not matter.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.errors import InvalidError
from mappings.language.fields import default_fields

LISTS = ("tags_any", "tags_all", "tags_none", "sources_any", "sources_none", "consents")
PARTS = (*LISTS, "fields")
FIELD_TESTS = ("is", "one_of", "not", "is_set")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule looks at. `sources` and `purposes` are filled only where the rule asks for them."""

    fields: Mapping[str, Any]
    tags: Collection[str] = ()
    sources: Collection[str] = ()
    purposes: Collection[str] = ()


Holds = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class EntryTest:
    """A compiled rule, and what it needs to be loaded."""

    tests: tuple[Holds, ...] = ()
    fields: tuple[str, ...] = ()
    needs_sources: bool = False
    needs_purposes: bool = False

    def holds(self, facts: Facts) -> bool:
        """True when a contact with these facts belongs in the audience, consent to its purpose apart."""
        return all(test(facts) for test in self.tests)


def _folded(values: Any) -> frozenset[str]:
    many = values if isinstance(values, (list, tuple, set, frozenset)) else (values,)
    return frozenset(str(value).strip().casefold() for value in many)


def check_entry_rule(rule: Mapping[str, Any]) -> None:
    """InvalidError for a part that is not known or has the wrong form."""
    check_storable("entry rule", rule)
    unknown = sorted(set(rule) - set(PARTS))
    if unknown:
        raise InvalidError(
            f"The entry rule has unknown parts: {', '.join(unknown)}.", f"Known: {', '.join(PARTS)}."
        )
    for part in LISTS:
        values = rule.get(part, [])
        if not isinstance(values, (list, tuple, str)) or not all(isinstance(one, str) for one in values):
            raise InvalidError(f"`{part}` of the entry rule must be a list of words.")
        if part in rule:
            _check_named(f"`{part}`", values)
    wanted = rule.get("fields", {})
    if not isinstance(wanted, Mapping):
        raise InvalidError("`fields` of the entry rule must be an object: {field: value or [values]}.")
    for name, test in wanted.items():
        _check_field(str(name), test)


def check_storable(name: str, value: Any) -> None:
    """InvalidError for characters that PostgreSQL keeps in no text: U+0000, and halves of a pair."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    if "\\u0000" in written or (
        not written.isascii() and any("\ud800" <= one <= "\udfff" for one in written)
    ):
        raise InvalidError(
            f"The {name} has a character that no text can have (U+0000, or half of a pair).",
            "Type the value anew instead of pasting it.",
        )


def _check_named(part: str, values: Any) -> None:
    """A part that names nothing would let in everybody or nobody, which is hardly what is meant."""
    words = values if isinstance(values, (list, tuple)) else (values,)
    if not words or any(word in (None, [], {}) or not str(word).strip() for word in words):
        raise InvalidError(
            f"{part} of the entry rule is empty.", "Name what it asks for, or take that part out of the rule."
        )


def _check_field(name: str, test: Any) -> None:
    if default_fields().find(name) is None:
        raise InvalidError(
            f"There is no contact field {name[:40]!r}, which the entry rule tests for {json.dumps(test, default=str)[:80]}.",
            f"Known: {', '.join(default_fields().names())}.",
        )
    if not isinstance(test, Mapping):
        _check_named(f"The test of {name}", test)
        return
    if len(test) != 1 or not set(test) <= set(FIELD_TESTS):
        raise InvalidError(
            f"The entry rule's test of {name} is not understood.",
            f"Give one of {', '.join(FIELD_TESTS)}, a value, or a list of values.",
        )
    if "is_set" in test and not isinstance(test["is_set"], bool):
        raise InvalidError(f"`is_set` of {name} is true or false.")
    _check_named(f"The test of {name}", *test.values())


def compile_entry(rule: Mapping[str, Any]) -> EntryTest:
    """The rule as tests. It was checked when it was saved; what is not known in it lets nobody in."""
    tests: list[Holds] = [_never] if set(rule) - set(PARTS) else []
    tests += [MAKERS[part](_folded(rule[part])) for part in LISTS if part in rule]
    wanted = rule.get("fields") or {}
    tests += [_field_test(name, test) for name, test in wanted.items()]
    return EntryTest(
        tuple(tests),
        tuple(wanted),
        needs_sources=bool({"sources_any", "sources_none"} & set(rule)),
        needs_purposes="consents" in rule,
    )


def is_entitled(rule: Mapping[str, Any], fields: Mapping[str, Any], tags: Collection[str]) -> bool:
    """One contact against one rule of fields and tags."""
    return compile_entry(rule).holds(Facts(fields, tags))


def _never(_facts: Facts) -> bool:
    return False


def _any_of(pick: Callable[[Facts], Collection[str]], wanted: frozenset[str]) -> Holds:
    return lambda facts: any(one.strip().casefold() in wanted for one in pick(facts))


def _none_of(pick: Callable[[Facts], Collection[str]], wanted: frozenset[str]) -> Holds:
    return lambda facts: not any(one.strip().casefold() in wanted for one in pick(facts))


def _all_of(pick: Callable[[Facts], Collection[str]], wanted: frozenset[str]) -> Holds:
    return lambda facts: wanted <= {one.strip().casefold() for one in pick(facts)}


def _tags(facts: Facts) -> Collection[str]:
    return facts.tags


def _sources(facts: Facts) -> Collection[str]:
    return facts.sources


def _purposes(facts: Facts) -> Collection[str]:
    return facts.purposes


MAKERS: Mapping[str, Callable[[frozenset[str]], Holds]] = {
    "tags_any": lambda wanted: _any_of(_tags, wanted),
    "tags_all": lambda wanted: _all_of(_tags, wanted),
    "tags_none": lambda wanted: _none_of(_tags, wanted),
    "sources_any": lambda wanted: _any_of(_sources, wanted),
    "sources_none": lambda wanted: _none_of(_sources, wanted),
    "consents": lambda wanted: _all_of(_purposes, wanted),
}


def _field_test(name: str, test: Any) -> Holds:
    if isinstance(test, Mapping):
        (kind, argument), *_ = test.items()
        if kind == "is_set":
            return lambda facts: bool(_words(facts.fields.get(name))) is argument
        wanted = _folded(argument)
        if kind == "not":
            return lambda facts: not _words(facts.fields.get(name)) & wanted
        return lambda facts: bool(_words(facts.fields.get(name)) & wanted)
    wanted = _folded(test)
    return lambda facts: bool(_words(facts.fields.get(name)) & wanted)


def _words(value: Any) -> frozenset[str]:
    """The value's words; none where there is no value. A list has several."""
    if value is None or value == "":
        return frozenset()
    return _folded(value) - {""}
