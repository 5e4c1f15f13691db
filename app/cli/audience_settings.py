"""How an audience's settings are written on a command line: `key=value`, tables as JSON or one entry at a time."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.audiences.models import Audience
from app.core.errors import InvalidError

YES, NO = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
LONGEST_LABEL = 100


def read_wishes(row: Audience, pairs: Mapping[str, str]) -> dict[str, Any]:
    """`{"merge_fields.PHONE": "phone", "guard_share": "5%"}` as settings, what is not named as it stands. InvalidError."""
    wishes: dict[str, Any] = {}
    for key, written in pairs.items():
        name, _, entry = key.partition(".")
        if entry and name in TABLES:
            table = wishes.setdefault(name, dict(getattr(row, name)))
            _put(table, entry, written)
        elif entry or name not in READERS:
            raise InvalidError(f"An audience has no setting {key[:60]!r}.", f"It has: {', '.join(READERS)}.")
        else:
            wishes[name] = READERS[name](name, written)
    return wishes


def _put(table: dict[str, Any], entry: str, written: str) -> None:
    """One entry of a table; nothing after the `=` takes it out."""
    if not written.strip():
        table.pop(entry, None)
        return
    table[entry] = _json(entry, written) if written.lstrip().startswith("{") else written.strip()


def _json(name: str, written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError as error:
        raise InvalidError(
            f"What was given for {name[:60]} is not JSON.",
            f"Write it like {EXAMPLES.get(name, EXAMPLES[''])}.",
        ) from error


def _table(name: str, written: str) -> dict[str, Any]:
    found = _json(name, written or "{}")
    if not isinstance(found, dict):
        raise InvalidError(f"{name} is a JSON object.", f"Write it like {EXAMPLES.get(name, EXAMPLES[''])}.")
    return found


def _words(name: str, written: str) -> list[str]:
    """Words between commas, or a JSON list where a word has a comma itself."""
    if not written.lstrip().startswith("["):
        return [word.strip() for word in written.split(",") if word.strip()]
    found = _json(name, written)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise InvalidError(f"{name} is a list of words.", 'Write it like alumni,friends or ["alumni"].')
    return found


def _yes_or_no(name: str, written: str) -> bool:
    word = written.strip().casefold()
    if word not in YES | NO:
        raise InvalidError(f"{name} is yes or no.")
    return word in YES


def _share(name: str, written: str) -> float:
    """`0.05` and `5%` alike."""
    number, is_per_cent = written.strip().removesuffix("%"), written.strip().endswith("%")
    try:
        share = float(number) / (100 if is_per_cent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidError(f"{name} is a share from 0 to 1.", "Write it like 0.05 or 5%.")
    return share


def _label(_name: str, written: str) -> str:
    return written.strip()[:LONGEST_LABEL]


def _plain(_name: str, written: str) -> str:
    return written.strip()


EXAMPLES: Mapping[str, str] = {
    "": '{"key": "value"}',
    "merge_fields": '{"FNAME": "first_name"}',
    "entry_rule": '{"tags_any": ["alumni"]}',
    "interests": '{"a1b2c3d4e5": {"tag": "donor"}}',
    "marketing_permissions": '{"9f1e8d7c6b": "newsletter"}',
}
# What is made of the words after `=`; the names are the columns of `audiences`.
READERS: Mapping[str, Callable[[str, str], Any]] = {
    "label": _label,
    "merge_fields": _table,
    "entry_rule": _table,
    "tags": _words,
    "interests": _table,
    "marketing_permissions": _table,
    "contact_id_field": _plain,
    "is_double_opt_in": _yes_or_no,
    "on_leave": _plain,
    "on_return": _plain,
    "guard_share": _share,
    "keeps_activity": _yes_or_no,
    "is_enabled": _yes_or_no,
}
TABLES = frozenset(name for name, read in READERS.items() if read is _table)
