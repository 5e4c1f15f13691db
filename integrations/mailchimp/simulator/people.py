"""Who was in an audience before a recording began: told by the first sight of each, less what was written until then.

A recording may begin anywhere. Somebody who is only written to, or found to exist by a refusal, was there too; who
is first answered with 404 was not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.recording import Exchange

TOLERANCE_SECONDS = 2
MEMBER_PARTS = 4  # /lists/{id}/members/{key}
WRITES = frozenset({"POST", "PUT", "PATCH"})
TAKEN = "is already in this list"
ONLY_SUBSCRIBED = re.compile(r'status is "(\w+)\.?"')  # with the full stop inside the quotes
UNREMOVABLE = frozenset({"archived", "cleaned", "pending"})
OLD_MEMBER = frozenset({"id", "email_address", "status", "merge_fields", "last_changed"})


@dataclass(slots=True)
class Person:
    """One member as the recording tells of it; `start_hash` is the key under which it was there at the start."""

    start_hash: str
    is_created: bool = False
    status: str = ""  # at the start, where a refusal or archiving tells it
    cause: str = ""
    writes: list[Exchange] = field(default_factory=list)  # until first seen
    seen: dict[str, Any] | None = None
    tags: list[dict[str, Any]] | None = None  # where only the tags were seen


def seconds_of(text: Any) -> int:
    return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) and text else 0


def handle(key: str) -> str:
    """An address as its hash; hashes and contact ids as they are."""
    return md5_of(key) if "@" in key else key.lower()


@dataclass(slots=True)
class People:
    """Everybody of one audience, by whatever they are known by at this point of the recording."""

    everybody: list[Person] = field(default_factory=list)
    by_key: dict[str, Person] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # keys that were answered with 404
    forgotten: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)

    def learn(self, exchange: Exchange) -> None:
        """Take one exchange about this audience's members into account."""
        parts = exchange.parts[2:]
        if not parts and exchange.method == "POST" and exchange.is_fine:
            self._learn_batch(exchange)
        elif parts[:1] == ["members"]:
            if len(parts) == 1:
                self._learn_collection(exchange)
            else:
                self._learn_one(exchange, handle(parts[1]), "/".join(parts[2:]))

    def _person(self, key: str) -> Person:
        """Known by this key, or somebody who must have been there."""
        known = self.by_key.get(key)
        if known is None:
            known = self.by_key[key] = Person(key)
            self.everybody.append(known)
        return known

    def _learn_one(self, exchange: Exchange, key: str, tail: str) -> None:
        if exchange.status == 404:  # noqa: PLR2004
            self.gone.add(key)
        elif exchange.status == 405 and exchange.method == "DELETE":  # noqa: PLR2004
            self._learn_unremovable(self._person(key))
        elif exchange.status == 400:  # noqa: PLR2004
            self._learn_refusal(exchange, key)
        elif exchange.is_fine and not tail and exchange.method != "DELETE":
            self._learn_answer(exchange, key)
        elif exchange.is_fine:
            self._learn_act(exchange, key, tail)

    def _learn_unremovable(self, person: Person) -> None:
        """Who cannot be archived was so already, unless an earlier request did it."""
        is_archived_here = any(write.method == "DELETE" for write in person.writes)
        if person.seen is None and not person.is_created and not is_archived_here:
            person.status = "archived"

    def _learn_act(self, exchange: Exchange, key: str, tail: str) -> None:
        """Archived, erased, tagged, or asked for something of its own."""
        person = self._person(key)
        if tail == "actions/delete-permanent":
            self.by_key = {one: known for one, known in self.by_key.items() if known is not person}
            self.gone.add(key)
        elif person.seen is None and not person.is_created:
            if tail == "tags" and exchange.method == "GET" and person.tags is None:
                person.tags = list(exchange.found.get("tags") or ())
            elif exchange.method != "GET":
                person.writes.append(exchange)

    def _learn_collection(self, exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.is_fine:
            for body in exchange.found.get("members") or ():
                if _is_member(body):
                    self._see(self._known(body) or self._person(_keys(body)[0]), body)
        elif exchange.is_fine:
            self._learn_answer(exchange, "")
        elif exchange.status == 400:  # noqa: PLR2004
            self._learn_refusal(exchange, "")

    def _known(self, body: Mapping[str, Any]) -> Person | None:
        return next((self.by_key[key] for key in _keys(body) if key in self.by_key), None)

    def _learn_answer(self, exchange: Exchange, key: str) -> None:
        """A member was answered, to a look or to a write."""
        body = exchange.found
        if not _is_member(body):
            if key:
                self._person(key)
            return
        person = self.by_key.get(key) or self._known(body)
        if person is None:
            person = Person(key or body["id"], is_created=_is_creation(exchange, key, self.gone))
            is_write = exchange.method in {"POST", "PUT"} and not _needs_member(exchange)
            is_back = is_write and not person.is_created and _is_fresh(exchange)
            person.status = "archived" if is_back else ""
            if is_back:
                person.start_hash = body["id"]
            self.everybody.append(person)
        if exchange.method in WRITES and person.seen is None:
            person.writes.append(exchange)
        if key and key not in _keys(body):
            self.by_key.pop(key, None)
            self.gone.add(key)
        self._see(person, body)

    def _see(self, person: Person, body: dict[str, Any]) -> None:
        for key in _keys(body):
            self.by_key[key] = person
            self.gone.discard(key)
        if person.seen is None:
            person.seen = body
            if not person.writes and body.get("status") in UNREMOVABLE:
                person.status = ""  # shown, and so no longer guessed
            if person.start_hash == body.get("contact_id"):
                person.start_hash = body["id"]

    def _learn_refusal(self, exchange: Exchange, key: str) -> None:
        """What a refusal says of the member that was there, or may not come."""
        title, detail = exchange.found.get("title", ""), str(exchange.found.get("detail", ""))
        email = str(exchange.told.get("email_address") or "")
        email_hash = md5_of(email) if email else key
        if title == "Member Exists":
            self._person(email_hash)
        elif title == "Member In Compliance State":
            person = self.by_key.get(key) or self._person(email_hash)
            person.cause = person.cause or "contact"
            if person.seen is None:
                person.status = person.status or "unsubscribed"
        elif title == "Forgotten Email Not Subscribed":
            self.forgotten.add(email_hash)
        elif "signed up to a lot of lists" in detail:
            self.blocked.add(email_hash)
        elif key and _needs_member(exchange) and detail.startswith("Your merge fields"):
            self._person(key)
        elif key:
            self._learn_refused_move(exchange, key, email_hash)

    def _learn_refused_move(self, exchange: Exchange, key: str, taken: str) -> None:
        """Who was to have another address was there; and so was whoever has that address already."""
        for error in exchange.found.get("errors") or ():
            held = ONLY_SUBSCRIBED.search(str(error.get("message")))
            if held:
                person = self._person(key)
                if person.seen is None and not person.writes:
                    person.status = held[1]
            elif TAKEN in str(error.get("message")):
                self._person(key)
                self._person(taken)

    def _learn_batch(self, exchange: Exchange) -> None:
        """POST /lists/{id}: who is updated, or refused as known, was there."""
        for body in exchange.found.get("new_members") or ():
            if body["id"] not in self.by_key:
                person = self.by_key[body["id"]] = Person(body["id"], is_created=True)
                self.everybody.append(person)
        for body in exchange.found.get("updated_members") or ():
            self._person(body["id"])
        for error in exchange.found.get("errors") or ():
            if error.get("error_code") == "ERROR_CONTACT_EXISTS":
                self._person(md5_of(error["email_address"]))

    def of_the_start(self) -> Iterator[Person]:
        return (person for person in self.everybody if not person.is_created)


def _is_member(body: Mapping[str, Any]) -> bool:
    """Whether a member is shown; up to April 2021, and so without a contact_id, only whole."""
    return "contact_id" in body or body.keys() >= OLD_MEMBER


def _keys(body: Mapping[str, Any]) -> list[str]:
    """What a member is found by: its contact_id, where it is told, and the hash of its address."""
    return [str(body[name]) for name in ("contact_id", "id") if name in body]


def _is_fresh(exchange: Exchange) -> bool:
    """Whether the member looks as if it had come in by this very request."""
    body, since = exchange.found, exchange.at - TOLERANCE_SECONDS
    if seconds_of(body.get("last_changed")) < since:
        return False
    came_at = seconds_of(body.get("timestamp_opt"))
    if "timestamp_opt" in exchange.told:
        return True
    return came_at >= since or (not came_at and body.get("status") != "subscribed")


def _needs_member(exchange: Exchange) -> bool:
    """Nobody is created without a status."""
    is_write = exchange.method == "PATCH" or (
        exchange.method == "PUT" and len(exchange.parts) == MEMBER_PARTS
    )
    return is_write and not (exchange.told.get("status") or exchange.told.get("status_if_new"))


def _is_creation(exchange: Exchange, key: str, gone: set[str]) -> bool:
    """POST or PUT for somebody unknown: created, unless it brought along more than the request said."""
    if _needs_member(exchange) or not exchange.told.get("email_address"):
        return False
    if exchange.method not in {"POST", "PUT"} or not _is_fresh(exchange):
        return exchange.method == "PUT" and key in gone and key == exchange.found["id"]
    body, told = exchange.found, exchange.told
    values = told.get("merge_fields") or {}
    told_tags = {str(tag).casefold() for tag in told.get("tags") or ()}
    is_more = any(value != "" for tag, value in (body.get("merge_fields") or {}).items() if tag not in values)
    is_more |= any(tag["name"].casefold() not in told_tags for tag in body.get("tags") or ())
    return not is_more
