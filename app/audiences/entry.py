"""Entry rules: which contacts belong in an audience, beyond consent. Pure.

    {}                                        everybody with consent
    {"tags_any": ["alumni", "friends"]}       one of these tags
    {"tags_none": ["staff"]}                  none of these tags
    {"fields": {"country": ["DE", "AT"]}}     a field with one of these values
All parts given must hold. Case does not matter.
"""

from collections.abc import Collection, Mapping
from typing import Any

from app.core.errors import InvalidError

PARTS = ("tags_any", "tags_none", "fields")


def _folded(values: Any) -> frozenset[str]:
    many = values if isinstance(values, (list, tuple, set, frozenset)) else (values,)
    return frozenset(str(value).strip().casefold() for value in many)


def check_entry_rule(rule: Mapping[str, Any]) -> None:
    """InvalidError for a part that is not known or has the wrong form."""
    unknown = sorted(set(rule) - set(PARTS))
    if unknown:
        raise InvalidError(
            f"The entry rule has unknown parts: {', '.join(unknown)}.", f"Known: {', '.join(PARTS)}."
        )
    if not isinstance(rule.get("fields", {}), Mapping):
        raise InvalidError("`fields` of the entry rule must be an object: {field: value or [values]}.")


def is_entitled(rule: Mapping[str, Any], fields: Mapping[str, Any], tags: Collection[str]) -> bool:
    """True when a contact with these fields and tags belongs in the audience, consent apart."""
    own = _folded(list(tags))
    if "tags_any" in rule and not own & _folded(rule["tags_any"]):
        return False
    if "tags_none" in rule and own & _folded(rule["tags_none"]):
        return False
    return all(
        _folded(fields.get(name, "")) & _folded(wanted) for name, wanted in rule.get("fields", {}).items()
    )
