"""Recorded exchanges with the real API: one JSON object a line, read as they stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

# Where answers show members: beside themselves, in pages and in answers to many at once.
MEMBER_LISTS = ("members", "new_members", "updated_members", "members_added", "members_removed")
SEARCHES = ("exact_matches", "full_search")


def elements_of(body: Mapping[str, Any], name: str) -> list[Any]:
    """The elements of an array in a body; none where there is no array."""
    told = body.get(name)
    return told if isinstance(told, list) else []


def objects_of(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Those of them that are objects."""
    return [one for one in elements_of(body, name) if isinstance(one, dict)]


def tags_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A member's tags with id and name, as answers show them."""
    return [
        one
        for one in objects_of(body, "tags")
        if isinstance(one.get("name"), str) and isinstance(one.get("id"), int)
    ]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its answer. Of `world` are all exchanges that touch the same state."""

    method: str
    path: str  # with the query
    body: Any
    status: int
    answer: Any
    headers: Mapping[str, str]
    host: str
    world: str = ""

    @property
    def at(self) -> int:
        """When it was answered, epoch seconds; 0 where the recording does not say."""
        return int(parsedate_to_datetime(self.headers["date"]).timestamp()) if "date" in self.headers else 0

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's borders

    @property
    def parts(self) -> list[str]:
        """The path behind /3.0 without its query, part by part."""
        return [unquote(part) for part in urlsplit(self.path).path.removeprefix("/3.0").split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def told(self) -> dict[str, Any]:
        """The body that was sent, where it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def found(self) -> dict[str, Any]:
        """The answer, where it is an object."""
        return self.answer if isinstance(self.answer, dict) else {}

    @property
    def form(self) -> str:
        """What the answer's body is: "json", "html" (or any other text), or "empty"."""
        if self.answer in ("", None):
            return "empty"
        return "html" if isinstance(self.answer, str) else "json"

    @property
    def members(self) -> list[dict[str, Any]]:
        """Every member that the answer shows, also in part."""
        if not self.is_fine:
            return []
        shown = [self.found] if "email_address" in self.found else []
        for name in MEMBER_LISTS:
            shown += objects_of(self.found, name)
        for name in SEARCHES:
            found = self.found.get(name)
            shown += objects_of(found, "members") if isinstance(found, dict) else []
        return shown

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What a refusal says of single fields, or an answer to many of single members."""
        return objects_of(self.found, "errors")

    @property
    def total(self) -> int | None:
        """How many there are of what a page shows, where it says so."""
        told = self.found.get("total_items")
        return told if isinstance(told, int) else None

    @property
    def offset(self) -> int:
        told = self.query.get("offset", "")
        return int(told) if told.isdigit() else 0


def read_exchanges(path: Path) -> list[Exchange]:
    return [_exchange(json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def tell_apart(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Give audiences that one answer lists under one id an id each: a recorder wrote its own over several.

    It stays with the one that has marketing permissions if the recorded members have them, and with the last of these.
    """
    members = [
        one
        for exchange in exchanges
        for one in (exchange.found, *objects_of(exchange.found, "members"))
        if "email_address" in one
    ]
    has_permissions = any(one.get("marketing_permissions") for one in members)
    return [
        replace(exchange, answer=_listed_apart(exchange.found, has_permissions))
        if isinstance(exchange.found.get("lists"), list)
        else exchange
        for exchange in exchanges
    ]


def _listed_apart(answer: Mapping[str, Any], has_permissions: bool) -> dict[str, Any]:
    keeps = {}
    for place, one in enumerate(answer["lists"]):
        is_alike = bool(one.get("marketing_permissions")) == has_permissions
        if is_alike or one.get("id") not in keeps:
            keeps[one.get("id")] = place
    told = [
        one if keeps[one.get("id")] == place else {**one, "id": f"{one['id']}-{one.get('web_id', place)}"}
        for place, one in enumerate(answer["lists"])
    ]
    return {**answer, "lists": told}


def _exchange(line: Mapping[str, Any]) -> Exchange:
    told = line.get("headers") or []
    pairs = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)
    headers = {str(name).lower(): str(value) for name, value in pairs}
    return Exchange(
        method=line["method"].upper(),
        path=line["path"],
        body=line.get("body"),
        status=line["status"],
        answer=line.get("resp"),
        headers=headers,
        host=line.get("host") or "",
        world=line.get("file") or "",
    )
