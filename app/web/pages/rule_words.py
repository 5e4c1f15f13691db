"""An entry rule as a sentence for people. Pure; what the sentence says is what app.audiences.entry tests."""

from collections.abc import Iterator, Mapping
from typing import Any

from mappings.language.fields import default_fields

EVERYBODY = "Everybody with consent and an e-mail address."
NOBODY = "of whom nobody is asked for"
LISTS: Mapping[str, tuple[str, str]] = {  # part -> what it asks, and how several are joined
    "tags_any": ("who have the tag {}", "or"),
    "tags_all": ("who have the tags {}", "and"),
    "tags_none": ("who do not have the tag {}", "or"),
    "sources_any": ("who came through {}", "or"),
    "sources_none": ("who did not come through {}", "or"),
    "consents": ("who consented to {} too", "and"),
}


def rule_sentence(rule: Mapping[str, Any]) -> str:
    """`People with consent who have the tag alumni, and whose country is DE or AT.`"""
    parts = [*_of_lists(rule), *_of_fields(rule.get("fields") or {})]
    return f"People with consent {', and '.join(parts)}." if parts else EVERYBODY


def _of_lists(rule: Mapping[str, Any]) -> Iterator[str]:
    for part, (words, joint) in LISTS.items():
        if part in rule:
            values = rule[part] if isinstance(rule[part], (list, tuple)) else [rule[part]]
            yield words.format(_several(values, joint)) if values else NOBODY


def _of_fields(wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, test in wanted.items():
        entry = default_fields().find(name)
        label = entry.label.lower() if entry else name
        kind, argument = ("is", test) if not isinstance(test, Mapping) else next(iter(test.items()))
        if kind == "is_set":
            yield f"who have a value for {label}" if argument else f"who have no value for {label}"
        else:
            verb = "is not" if kind == "not" else "is"
            values = argument if isinstance(argument, (list, tuple)) else [argument]
            yield f"whose {label} {verb} {_several(values, 'or')}"


def _several(values: Any, joint: str) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"
