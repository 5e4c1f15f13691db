"""A Meta delivery taken apart: entries, changes, messaging; one event a lead, a name for everything else."""

from collections.abc import Iterator
from typing import Any

from integrations.kit.contract import Event, Ignored, Split, Unreadable
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time

# Ids come as numbers in some of Meta's samples and as text in others.
_ID_NAMES = ("leadgen_id", "page_id", "form_id", "ad_id", "adgroup_id")
_OTHER = "only leadgen changes make contacts here"
_MESSAGES = "messages are not leads"
_NO_ID = "a leadgen change without an id: there is nothing to fetch"
_REPEATED = "the same lead stands in this delivery already"
_VALUES_OFF = "the delivery names changed fields without their values"
_VALUES_OFF_HINT = 'Open the webhook in the app dashboard and switch on "Include Values".'


def split_changes(body: bytes) -> Split:
    """Every change of every entry: Meta puts up to 1,000 in one POST, in groupings that differ between tries."""
    value = load_json(body)
    if not isinstance(value, dict):
        raise Unreadable("the JSON is no object", "Meta sends one object with object and entry.")
    events: dict[str, Event] = {}
    ignored: list[Ignored] = []
    for part in _parts(value):
        if isinstance(part, Ignored):
            ignored.append(part)
        elif part.key in events:
            ignored.append(Ignored("leadgen", _REPEATED))
        else:
            events[part.key] = part
    return Split(tuple(events.values()), tuple(ignored))


def _parts(value: dict[str, Any]) -> Iterator[Event | Ignored]:
    kind = value.get("object", "page")
    for entry in _entries(value):
        account = _identifier(entry.get("id"))
        for field, content in _changes(entry):
            if field == "leadgen" and kind == "page":
                yield _lead(content, account)
            else:
                yield Ignored(field if kind == "page" else f"{_name(kind)}.{field}"[:80], _OTHER)
        if any(name in entry for name in ("messaging", "standby", "sender")):
            yield Ignored("messaging", _MESSAGES)


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


def _changes(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(field, value) of each change: in changes[], or flat on the entry as Instagram Login sends them."""
    if "leadgen" in _listed(entry, "changed_fields"):
        raise Unreadable(_VALUES_OFF, _VALUES_OFF_HINT, path="changed_fields")
    for name in _listed(entry, "changed_fields"):
        yield _name(name), None
    if "field" in entry:
        yield _name(entry["field"]), entry.get("value")
    for change in _listed(entry, "changes"):
        is_change = isinstance(change, dict)
        yield (_name(change.get("field")), change.get("value")) if is_change else ("change", None)


def _lead(content: Any, account: str) -> Event | Ignored:
    found = {name: _identifier(content.get(name)) for name in _ID_NAMES} if isinstance(content, dict) else {}
    ids = {name: value for name, value in found.items() if value}
    if "leadgen_id" not in ids:
        return Ignored("leadgen", _NO_ID)
    return Event(
        key=ids["leadgen_id"],
        kind="leadgen",
        content=ids,
        occurred_at=find_time(content.get("created_time")),
        account=ids.get("page_id", account),
        needs_enrich=True,
    )


def _listed(entry: dict[str, Any], name: str) -> list[Any]:
    found = entry.get(name)
    return found if isinstance(found, list) else []


def _name(value: Any) -> str:
    return value[:40] if isinstance(value, str) and value else "unnamed"


def _identifier(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    return str(value).strip()
