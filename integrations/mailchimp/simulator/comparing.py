"""Compares an answer of the simulator with the recorded one: what is alike, what is left out, and why."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.mailchimp.simulator.recording import Exchange

TIME_TOLERANCE_SECONDS = 2
# Made by the server. (What a request makes beside members has the recorded id: see recorded_world.py.)
MADE_UP = frozenset(
    {"contact_id", "web_id", "unique_email_id", "instance", "email_id", "signing_secret", "response_body_url"}
)
TIMES = frozenset(
    {
        "timestamp_opt", "timestamp_signup", "last_changed", "date_added", "created_at", "updated_at", "occurred_at",
        "submitted_at", "completed_at",
    }
)  # fmt: skip
CALLER_IPS = frozenset({"ip_opt", "ip_signup"})  # the recorder's own address
# Said since 2022 or so, and not in older recordings; and the recorder's own address, which they take out.
NOT_ALWAYS_THERE = frozenset({"merge_field_limit", "signing_enabled", "signing_secret", "contact"})
# What is told by a key that is always beside it: of members not until April 2021, but in November; of places not until
# January 2022, but in February.
NOT_OF_OLD: Mapping[str, frozenset[str]] = {
    "email_address": frozenset({"contact_id", "full_name", "consents_to_one_to_one_messaging"}),
    "country_code": frozenset({"region"}),
    "activity": frozenset({"contact_id"}),
    "note": frozenset({"contact_id"}),
}
# Of members made since 2023; the simulator's have no telephone.
OF_LATE = frozenset({"sms_phone_number", "sms_subscription_status", "sms_subscription_last_updated"})
# Left out of a member's activity where there is nothing to tell.
LEFT_OUT_EMPTY = frozenset({"url", "type", "title", "parent_campaign"})
# Answers to many at once show members with more of these or less of them, by year.
MANY_AT_ONCE = re.compile(r"^\.(new_members|updated_members|members_added|members_removed)\[\]")
NOT_OF_MANY = frozenset(
    {"contact_id", "full_name", "web_id", "source", "unsubscribe_reason", "consents_to_one_to_one_messaging"}
)
# Words of servers in trouble; which of them answered, the status and the title tell.
BUSY = (429, 500, 502, 503, 504)
# Older words for the same: key, its value (or the end of it) in recordings up to that year, and today's.
OLDER_WORDS = (
    # 2020
    (
        "type",
        "http://developer.mailchimp.com/documentation/mailchimp/guides/error-glossary/",
        "https://mailchimp.com/developer/marketing/docs/errors/",
    ),
    ("schema", "/CollectionLinks/Lists/Members.json", "/Paths/Lists/Members/Collection.json"),
    # April 2021
    (
        "detail",
        "This list member cannot be removed.  Please contact support.",
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
    ),
)
# Counted by Mailchimp at most every five minutes, over members that no recording shows.
STALE = frozenset(
    {
        "stats", "total_subscribers", "member_count", "subscriber_count",
        "existing", "imports", "optins", "reconfirm", "deleted", "last_login",
    }
)  # fmt: skip
COMPARED_HEADERS = ("content-type", "allow")


@dataclass(slots=True)
class Comparison:
    """What was found different, exchange by exchange (by its number in the recording)."""

    total: int = 0
    differences: dict[int, list[str]] = field(default_factory=dict)
    places: dict[int, int] = field(
        default_factory=dict
    )  # of a page's first member among all that we would list

    @property
    def equal_count(self) -> int:
        return self.total - len(self.differences)

    @property
    def sentence(self) -> str:
        return f"recorded exchanges: {self.equal_count} of {self.total} equal"


class Relation:
    """Ids that one side made up against those of the other: each has exactly one partner, for good."""

    def __init__(self) -> None:
        self._forth: dict[tuple[str, Any], Any] = {}
        self._back: dict[tuple[str, Any], Any] = {}

    def holds(self, kind: str, ours: Any, theirs: Any) -> bool:
        if (ours == "") != (theirs == ""):
            return False
        if isinstance(ours, (dict, list)) or isinstance(theirs, (dict, list)):
            return False
        forth = self._forth.setdefault((kind, ours), theirs)
        back = self._back.setdefault((kind, theirs), ours)
        return bool(forth == theirs and back == ours)


def differences(
    exchange: Exchange, status: int, content: bytes, headers: Mapping[str, str], relation: Relation
) -> list[str]:
    """What is different, in words; nothing where the answers are alike."""
    if status != exchange.status:
        return [f"status {status} instead of {exchange.status}: {content[:300].decode(errors='replace')}"]
    if exchange.form != "json" and not exchange.is_fine:
        return _unlike_page(exchange, content, headers)
    try:
        ours = json.loads(content) if content else ""
    except ValueError:
        ours = content.decode(errors="replace")
    theirs = exchange.answer if exchange.answer is not None else ""
    found = list(_unequal("", ours, theirs, relation))
    return found + [
        f"header {name}: {headers.get(name)!r} instead of {exchange.headers[name]!r}"
        for name in COMPARED_HEADERS
        if name in exchange.headers and headers.get(name) != exchange.headers[name]
    ]


def _unlike_page(exchange: Exchange, content: bytes, headers: Mapping[str, str]) -> list[str]:
    """A page of whoever stands before Mailchimp's servers: its words are theirs, that it is one (or empty) counts."""
    is_html = headers.get("content-type", "").startswith("text/html")
    form = "empty" if not content else "html" if is_html else "json"
    return [] if form == exchange.form else [f"the body is {form} instead of {exchange.form}"]


def _unequal(path: str, ours: Any, theirs: Any, relation: Relation) -> Iterator[str]:
    name = path.rpartition(".")[2]
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from _unequal_objects(path, ours, theirs, relation)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path} has {len(ours)} entries instead of {len(theirs)}"
        if name == "tags":  # their order means nothing
            ours, theirs = (sorted(each, key=lambda tag: str(tag.get("name"))) for each in (ours, theirs))
        for mine, their in zip(ours, theirs, strict=False):
            yield from _unequal(f"{path}[]", mine, their, relation)
    elif not _is_equal(name, ours, theirs, relation):
        yield f"{path} is {ours!r} instead of {theirs!r}"


def _unequal_objects(
    path: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], relation: Relation
) -> Iterator[str]:
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        if _is_left_out(key, ours, theirs) or _is_of_other_years(path, key, ours, theirs):
            continue
        if key not in ours or key not in theirs:
            yield f"{path}.{key} is {'missing' if key not in ours else 'too much'}"
        else:
            known_as = "tag_id" if key == "id" and path.endswith("tags[]") else key
            yield from _unequal(f"{path}.{known_as}", ours[key], theirs[key], relation)


def _is_left_out(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Navigation (but for a single member's, which is recorded whole), what is not always recorded, and stale counts."""
    is_member = "email_address" in theirs
    if key == "_links":
        return not is_member
    if key not in theirs and (key in NOT_ALWAYS_THERE or _is_newer(key, theirs)):
        return True
    return key in STALE and not is_member and key in ours


def _is_of_other_years(path: str, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """What Mailchimp shows in some years or places only, or with no meaning."""
    if (key in ours) != (key in theirs):
        shown = ours.get(key, theirs.get(key))
        if MANY_AT_ONCE.match(path) and path.endswith("[]"):
            return key in NOT_OF_MANY
        is_act = path.endswith("activity[]") and key in LEFT_OUT_EMPTY and key in ours
        return shown == "" and (is_act or (key in OF_LATE and key in theirs))
    if key == "match":  # of no conditions at all
        return not ours.get("conditions") and not theirs.get("conditions")
    return key == "detail" and theirs.get("status") in BUSY and "title" in theirs


def _is_newer(key: str, theirs: Mapping[str, Any]) -> bool:
    return any(key in names for beside, names in NOT_OF_OLD.items() if beside in theirs)


def _in_todays_words(name: str, text: Any) -> Any:
    for key, older, today in OLDER_WORDS:
        if name == key and isinstance(text, str) and text.endswith(older):
            return text.removesuffix(older) + today
    return text


def _is_same_time(ours: str, theirs: Any) -> bool:
    try:
        apart = datetime.fromisoformat(ours) - datetime.fromisoformat(theirs)
    except (TypeError, ValueError):
        return False
    return abs(apart.total_seconds()) <= TIME_TOLERANCE_SECONDS


def _is_equal(name: str, ours: Any, theirs: Any, relation: Relation) -> bool:
    if name in MADE_UP or name == "tag_id":
        return relation.holds(name, ours, theirs)
    if name in CALLER_IPS:
        return bool(ours) == bool(theirs)
    if name in TIMES and ours and theirs:
        return _is_same_time(ours, theirs)
    return bool(ours == _in_todays_words(name, theirs))
