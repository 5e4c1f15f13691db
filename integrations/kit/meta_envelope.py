"""The envelope of every Meta webhook taken apart: entries, and in each whatever stands there, told by its keys.

Meta puts up to 1,000 updates into one POST, in groupings that differ between tries
(https://developers.facebook.com/docs/graph-api/webhooks/getting-started, seen 2026-11-22).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from integrations.kit.contract import Unreadable
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.kit.values import identifier, text_of

TEST = "a test of the app dashboard"
_LONGEST_FIELD = 40
_VALUES_OFF = "the delivery names changed fields without their values"
_VALUES_OFF_HINT = 'Open the webhook in the app dashboard and switch on "Include Values".'
# Instagram sends messages as changes too; their value is what messaging[] holds elsewhere.
_LISTS: tuple[Literal["messaging", "standby"], ...] = ("messaging", "standby")


@dataclass(frozen=True, slots=True)
class Part:
    """One update. A change has a field; what stands in messaging[] or standby[] has none. Nothing: an empty entry."""

    kind: Literal["change", "messaging", "standby", "nothing"]
    account: str  # the entry's id: Page, Instagram account, WhatsApp business account
    field: str = ""
    value: Any = None
    sent_at: datetime | None = None

    @property
    def is_test(self) -> bool:
        """The dashboard's Test button sends entries of the account 0, always with the same ids."""
        return self.account == "0"


@dataclass(frozen=True, slots=True)
class Envelope:
    """`object` is "" where the body does not say it."""

    object: str
    parts: tuple[Part, ...]


def read_envelope(body: bytes, wanted: Collection[str]) -> Envelope:
    """Every update in the body. Unreadable where it is no envelope, or names a wanted field without its value."""
    bodies = _bodies(load_json(body))
    if not bodies:
        raise Unreadable("the JSON is no object", "Meta sends one object with object and entry.")
    parts = [part for one in bodies for entry in _entries(one) for part in _parts(entry, wanted)]
    return Envelope(next(filter(None, (text_of(one.get("object")) for one in bodies)), ""), tuple(parts))


def find_entries(value: Any) -> list[dict[str, Any]]:
    """The entries of a parsed body, for whoever takes words out of them; none where it is no envelope."""
    try:
        return [entry for one in _bodies(value) for entry in _entries(one)]
    except Unreadable:
        return []


def find_changes(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes of an entry as they stand there: in changes[], or flat on the entry."""
    flat = [entry] if "field" in entry else []
    return flat + [change for change in _listed(entry, "changes") if isinstance(change, dict)]


def find_messaging(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in messaging[] and standby[] of an entry, or flat on it, or is the value of a change."""
    found = [item for name in _LISTS for item in _listed(entry, name)]
    found += [change.get("value") for change in find_changes(entry)]
    if "sender" in entry:
        found.append(entry)
    return [item for item in found if isinstance(item, dict) and "sender" in item]


def _bodies(value: Any) -> list[dict[str, Any]]:
    """The body, or those of a list: Meta's page on Instagram shows the object inside one. Nothing where it is neither."""
    found = value if isinstance(value, list) else [value]
    return found if all(isinstance(one, dict) for one in found) else []


def _entries(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries; a bare change or message, as the dashboard shows samples, counts as an entry of its own."""
    entries = value.get("entry")
    if entries is None and ("field" in value or "sender" in value):
        return [value]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Unreadable(
            "the JSON has no list of entries",
            "Meta sends object and entry[]; check which program posts to this address.",
            path="entry",
        )
    return entries


def _parts(entry: dict[str, Any], wanted: Collection[str]) -> list[Part]:
    account, sent_at = identifier(entry.get("id")), find_time(entry.get("time"))
    found = [
        *(Part("change", account, field, value, sent_at) for field, value in _changes(entry, wanted)),
        *(Part(name, account, "", item, sent_at) for name in _LISTS for item in _listed(entry, name)),
    ]
    if "sender" in entry:
        found.append(Part("messaging", account, "", entry, sent_at))
    return found or [Part("nothing", account)]


def _changes(entry: dict[str, Any], wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
    """(field, value) of each change: in changes[], or flat on the entry as Instagram Login sends them."""
    for name in _listed(entry, "changed_fields"):
        if isinstance(name, str) and name in wanted:
            raise Unreadable(_VALUES_OFF, _VALUES_OFF_HINT, path="changed_fields")
        yield _name(name), None
    if "field" in entry:
        yield _name(entry["field"]), entry.get("value")
    for change in _listed(entry, "changes"):
        is_change = isinstance(change, dict)
        yield (_name(change.get("field")), change.get("value")) if is_change else ("change", None)


def _listed(entry: dict[str, Any], name: str) -> list[Any]:
    found = entry.get(name)
    return found if isinstance(found, list) else []


def _name(value: Any) -> str:
    return value[:_LONGEST_FIELD] if isinstance(value, str) and value else "unnamed"
