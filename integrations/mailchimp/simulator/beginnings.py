"""One member as it was before a recording: as first seen, with every write until then taken back."""

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.mailchimp.simulator.member import ADDRESS_PARTS, md5_of, new_contact_id
from integrations.mailchimp.simulator.person import TOLERANCE_SECONDS, Person, seconds_of
from integrations.mailchimp.simulator.recording import Exchange, elements_of, tags_of

# Some value of each type that no request will have told: the field was not empty before it was emptied.
SOME_VALUE: Mapping[str, Any] = {
    "number": -1,
    "date": "1999-12-31",
    "birthday": "12/31",
    "address": {**dict.fromkeys(ADDRESS_PARTS, "unknown"), "country": "US"},
}
CONTENT = ("merge_fields", "tags", "status", "vip", "language", "email_type", "interests")
STATUS_BEFORE = {"unsubscribed": "subscribed", "cleaned": "subscribed", "pending": "subscribed"}


def beginning_of(person: Person, emails: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Any]:
    """The member's body at the start, in the API's own words."""
    before = _beginning_of(person, emails, types)
    for name, value in person.parts.items():
        known = before.get(name)
        before[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    if "email_address" in person.parts:
        before["id"] = md5_of(before["email_address"])
    return before


def _beginning_of(person: Person, emails: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Any]:
    seen = person.seen
    if seen is None:
        return _unseen(person, emails)
    writes = [write for write in person.writes if _has_content(write)]
    if not writes or seconds_of(seen.get("last_changed")) < writes[0].at - TOLERANCE_SECONDS:
        return {**seen, "status": person.status or seen["status"]}
    before = {**seen, "last_changed": seen.get("timestamp_opt") or seen["last_changed"]}
    before["merge_fields"] = _values_before(seen, writes, types)
    before["tags"] = _tags_before(tags_of(seen), writes)
    before |= _settings_before(seen, writes)
    before["status"] = person.status or _status_before(seen["status"], writes)
    if not any(before.get(name) != seen.get(name) for name in CONTENT) and person.start_hash == seen["id"]:
        return {**seen, "status": before["status"]}  # nothing of what was told could change anything
    if person.start_hash != seen["id"]:
        before |= {"email_address": _email(person.start_hash, emails), "unique_email_id": ""}
        before["id"] = person.start_hash
    return before


def _email(email_hash: str, emails: Mapping[str, str]) -> str:
    return emails.get(email_hash) or f"{email_hash}@unknown.example"


def _unseen(person: Person, emails: Mapping[str, str]) -> dict[str, Any]:
    status = person.status or _status_before("subscribed", person.writes)
    return {
        "id": person.start_hash,
        "contact_id": new_contact_id(),
        "email_address": _email(person.start_hash, emails),
        "status": status,
        "tags": _tags_before(person.tags, person.writes) if person.tags else [],
        "timestamp_opt": "2001-01-01T00:00:00+00:00",
        "last_changed": "2001-01-01T00:00:00+00:00",
    }


def _has_content(write: Exchange) -> bool:
    """Whether it could have changed anything: empty tags and the bare address do not."""
    if write.method == "DELETE":
        return True
    if "tags" in write.path.rpartition("/")[2]:
        return bool(write.told.get("tags"))
    return any(
        value not in ({}, [], None)
        for name, value in write.told.items()
        if name not in {"email_address", "status_if_new"}
    ) or (bool(write.found.get("id")) and write.found["id"] not in write.path)


def _values_before(
    seen: Mapping[str, Any], writes: list[Exchange], types: Mapping[str, str]
) -> dict[str, Any]:
    """Values that a request told are taken back: to nothing, or from nothing to some value."""
    before = dict(seen.get("merge_fields") or {})
    told: dict[str, Any] = {}
    for write in writes:
        for tag, value in (write.told.get("merge_fields") or {}).items():
            told.setdefault(tag, value)
    for tag, value in told.items():
        if tag in before:
            before[tag] = SOME_VALUE.get(types.get(tag, ""), "unknown") if value == "" else ""
    return before


def _settings_before(seen: Mapping[str, Any], writes: list[Exchange]) -> dict[str, Any]:
    """Whatever was told first was otherwise before, where the member shows it."""
    told: dict[str, Any] = {}
    for write in writes:
        told = {**write.told, **told}
    before: dict[str, Any] = {}
    if "vip" in told and "vip" in seen:
        before["vip"] = not told["vip"]
    if "language" in told and "language" in seen:
        before["language"] = "" if told["language"] else "en"
    if "email_type" in told and "email_type" in seen:
        before["email_type"] = "text" if told["email_type"] == "html" else "html"
    if isinstance(told.get("interests"), dict) and "interests" in seen:
        turned = {one: not is_on for one, is_on in told["interests"].items() if one in seen["interests"]}
        before["interests"] = seen["interests"] | turned
    return before


def _told_tags(writes: list[Exchange]) -> Iterator[tuple[str, bool]]:
    for write in writes:
        for tag in elements_of(write.told, "tags"):
            if isinstance(tag, dict):
                yield str(tag["name"]), tag.get("status") == "active"
            elif write.method == "POST":
                yield str(tag), True


def _tags_before(seen: list[dict[str, Any]], writes: list[Exchange]) -> list[dict[str, Any]]:
    """Tags that were put on first were not there; those that were taken off first were."""
    first: dict[str, tuple[str, bool]] = {}
    for name, is_active in _told_tags(writes):
        first.setdefault(name.casefold(), (name, is_active))
    kept = [tag for tag in seen if tag["name"].casefold() not in first]
    known = {tag["name"].casefold(): tag for tag in seen}
    back = [
        known.get(folded) or {"id": 0, "name": name}
        for folded, (name, is_active) in first.items()
        if not is_active
    ]
    return kept + back


def _status_before(status: str, writes: list[Exchange]) -> str:
    """From the first write that was about the status."""
    for write in writes:
        wanted = write.told.get("status") if write.method in {"PUT", "PATCH", "POST"} else None
        if write.method == "DELETE":
            return "subscribed"
        if wanted in STATUS_BEFORE:
            return STATUS_BEFORE[wanted]
        if wanted == "subscribed":
            is_all = set(write.told) <= {"status", "email_address", "status_if_new"}
            is_renamed = bool(write.found.get("id")) and write.found["id"] not in write.path
            return "unsubscribed" if is_all and not is_renamed else "subscribed"
    return status
