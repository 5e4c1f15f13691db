"""Who was in an audience before a recording began: told by the first sight of each, less what was written until then.

A recording may begin anywhere. Somebody who is only written to, or found to exist by a refusal, was there too; who
is first answered with 404 was not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.person import (
    Person,
    handle,
    has_told_status,
    is_creation,
    is_fresh,
    is_member,
    is_tagging,
    keys_of,
    needs_member,
    unknown_name,
)
from integrations.mailchimp.simulator.recording import Exchange, elements_of, objects_of, tags_of

TAG_PART = 3  # /lists/{id}/segments/{id}
OF_TAGS = frozenset({"tags", "tags_count", "last_changed"})
# Of GET members: all members are listed where none of these is told.
FILTERS = frozenset(
    {
        "status", "email_type", "since_timestamp_opt", "before_timestamp_opt", "since_last_changed", "offset",
        "before_last_changed", "unique_email_id", "vip_only", "interest_category_id", "interest_ids", "interest_match",
        "since_last_campaign", "unsubscribed_since",
    }
)  # fmt: skip
WRITES = frozenset({"POST", "PUT", "PATCH"})
TAKEN = "is already in this list"
ONLY_SUBSCRIBED = re.compile(r'status is "(\w+)\.?"')  # with the full stop inside the quotes
# The same refusals as a member of its own meets, by words of theirs.
TITLES = {
    "is in a compliance state": "Member In Compliance State",
    "was permanently deleted": "Forgotten Email Not Subscribed",
}
UNREMOVABLE = frozenset({"archived", "cleaned", "pending"})
# What answers to many at once leave out and no request changes.
LASTING = ("contact_id", "web_id", "unique_email_id", "source")


@dataclass(slots=True)
class People:
    """Everybody of one audience, by whatever they are known by at this point of the recording."""

    everybody: list[Person] = field(default_factory=list)
    by_key: dict[str, Person] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # keys that were answered with 404
    forgotten: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    pages: list[tuple[bool, list[Person]]] = field(
        default_factory=list
    )  # whether it begins with the first of all; in the order shown

    def learn(self, exchange: Exchange, tag_names: Mapping[int, str]) -> None:
        """Take one exchange about this audience's members into account."""
        parts = exchange.parts[2:]
        if not parts and exchange.method == "POST" and exchange.is_fine:
            self._learn_batch(exchange)
        elif parts[:1] == ["segments"] and exchange.is_fine:
            self._learn_segment(exchange, tag_names)
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
            if "/" not in tail:  # not of a part of the member's
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
                person.tags = tags_of(exchange.found)
            elif exchange.method != "GET" and tail in {"", "tags"}:  # notes and events change nothing of it
                person.writes.append(exchange)
        elif tail == "tags" and exchange.method == "GET" and person.seen is not None:
            self._learn_times(person, tags_of(exchange.found))

    def _learn_times(self, person: Person, shown: list[dict[str, Any]]) -> None:
        """When tags were put on, which a member does not show."""
        dates = {tag["id"]: tag for tag in shown}
        tags = [{**dates.get(tag["id"], {}), **tag} for tag in tags_of(person.seen or {})]
        if tags:
            person.seen = {**(person.seen or {}), "tags": tags}

    def _learn_collection(self, exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.is_fine:
            shown = [self._learn_shown(body) for body in objects_of(exchange.found, "members")]
            if "sort_field" not in exchange.query:
                is_first = not exchange.offset and not exchange.query.keys() & FILTERS - {"offset"}
                self.pages.append((is_first, [person for person in shown if person is not None]))
            if not exchange.query.keys() & FILTERS and exchange.total == len(shown):
                self._learn_hidden([person for person in shown if person is not None])
        elif exchange.is_fine:
            self._learn_answer(exchange, "")
        elif exchange.status == 400:  # noqa: PLR2004
            self._learn_refusal(exchange, "")

    def _learn_hidden(self, shown: list[Person]) -> None:
        """Who is there and not among all that are listed is archived."""
        for person in self.by_key.values():
            is_unknown = (
                person.seen is None and not person.parts and not person.is_created and not person.status
            )
            if is_unknown and person not in shown and all(map(is_tagging, person.writes)):
                person.status = "archived"

    def _learn_shown(self, body: dict[str, Any], key: str = "") -> Person | None:
        """A member on a page, whole or in part; None where nothing tells which."""
        keys = [key] if key else keys_of(body)
        if not keys:
            return None
        person = self._known(body) or self._person(keys[0])
        if is_member(body):
            self._see(person, body)
        elif not person.is_created and person.seen is None and all(map(is_tagging, person.writes)):
            left_out = OF_TAGS if person.writes else frozenset()
            told = {name: value for name, value in body.items() if name not in left_out}
            person.parts = {**told, **person.parts}
        return person

    def _learn_segment(self, exchange: Exchange, tag_names: Mapping[int, str]) -> None:
        """Members who were given a tag, lost it, or are shown as having it."""
        if exchange.parts[4:] == ["members"] and exchange.method == "GET":
            for body in exchange.members:
                self._learn_shown(body)
        tag_id = exchange.parts[3] if len(exchange.parts) > TAG_PART else ""
        name = tag_names.get(int(tag_id), unknown_name(tag_id)) if tag_id.isdigit() else None
        for kind, status in (("members_added", "active"), ("members_removed", "inactive")):
            write = replace(exchange, body={"tags": [{"name": name, "status": status}]}, answer={})
            for body in objects_of(exchange.found, kind):
                person = self._known(body) or self._person(keys_of(body)[0])
                if name and person.seen is None and not person.is_created:
                    person.writes.append(write)
                self._learn_shown(body)
        if exchange.method == "POST":
            self._learn_unmoved(exchange, name)

    def _learn_unmoved(self, exchange: Exchange, tag: str | None) -> None:
        """Who is neither shown nor named as unknown had the tag already, or not at all."""
        strange = {email for error in exchange.errors for email in elements_of(error, "email_addresses")}
        shown = {str(body.get("email_address")).lower() for body in exchange.members}
        for kind, status in (("members_to_add", "active"), ("members_to_remove", "inactive")):
            for email in elements_of(exchange.told, kind):
                if email in strange or str(email).lower() in shown:
                    continue
                person = self._person(md5_of(str(email)))
                if tag and status == "active" and person.seen is None and not person.is_created:
                    person.tags = person.tags or [{"id": 0, "name": tag}]

    def _known(self, body: Mapping[str, Any]) -> Person | None:
        return next((self.by_key[key] for key in keys_of(body) if key in self.by_key), None)

    def _learn_answer(self, exchange: Exchange, key: str) -> None:
        """A member was answered, to a look or to a write."""
        body = exchange.found
        if not is_member(body):
            if key:
                self._learn_partly_answered(exchange, key)
            return
        person = self.by_key.get(key) or self._known(body)
        if person is None:
            person = Person(key or body["id"], is_created=is_creation(exchange, key, self.gone))
            is_write = exchange.method in {"POST", "PUT"} and not needs_member(exchange)
            is_back = is_write and not person.is_created and is_fresh(exchange) and has_told_status(exchange)
            person.status = "archived" if is_back else ""
            if is_back:
                person.start_hash = body["id"]
            self.everybody.append(person)
        if exchange.method in WRITES and person.seen is None:
            person.writes.append(exchange)
        if key and key not in keys_of(body):
            self.by_key.pop(key, None)
            self.gone.add(key)
        self._see(person, body)

    def _learn_partly_answered(self, exchange: Exchange, key: str) -> None:
        """With `fields=` an answer shows only that somebody is there, and a little of it."""
        if key in self.gone and exchange.method == "PUT" and key not in self.by_key:
            self.by_key[key] = Person(key, is_created=True)
            self.everybody.append(self.by_key[key])
        elif exchange.method == "GET":
            self._learn_shown(exchange.found, key)
        else:
            person = self._person(key)
            if person.seen is None and not person.is_created:
                person.writes.append(exchange)

    def _see(self, person: Person, body: dict[str, Any]) -> None:
        for key in keys_of(body):
            self.by_key[key] = person
            self.gone.discard(key)
        if person.seen is not None:
            person.seen = {**{name: body[name] for name in LASTING if name in body}, **person.seen}
        else:
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
        elif key and needs_member(exchange) and detail.startswith("Your merge fields"):
            self._person(key)
        elif key:
            self._learn_refused_move(exchange, key, email_hash)

    def _learn_refused_move(self, exchange: Exchange, key: str, taken: str) -> None:
        """Who was to have another address was there; and so was whoever has that address already."""
        for error in exchange.errors:
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
        for body in objects_of(exchange.found, "new_members"):
            if body["id"] not in self.by_key:
                person = self.by_key[body["id"]] = Person(body["id"], is_created=True)
                self.everybody.append(person)
        told = {md5_of(str(one.get("email_address"))): one for one in objects_of(exchange.told, "members")}
        for body in objects_of(exchange.found, "updated_members"):
            if "id" in body:
                self._learn_updated(exchange, told.get(body["id"], {}), body)
        for error in exchange.errors:
            email, text = str(error.get("email_address") or ""), str(error.get("error"))
            if error.get("error_code") == "ERROR_CONTACT_EXISTS":
                self._person(md5_of(email))
            elif email:
                title = next((title for words, title in TITLES.items() if words in text), "")
                answer = {"title": title, "detail": text}
                self._learn_refusal(replace(exchange, body={"email_address": email}, answer=answer), "")

    def _learn_updated(self, exchange: Exchange, told: dict[str, Any], body: dict[str, Any]) -> None:
        """One of many: as a PUT of its own would be."""
        person = self._person(body["id"])
        if person.seen is not None or person.is_created or not is_member(body):
            return
        tags = [
            {"name": tag, "status": "active"} for tag in elements_of(told, "tags") if isinstance(tag, str)
        ]
        told, path = {**told, "tags": tags}, f"/3.0/lists/{exchange.parts[1]}/members/{body['id']}"
        if not exchange.told.get("update_existing") and not person.writes:
            person.status = "archived"  # nobody else comes back unasked
        person.writes.append(replace(exchange, method="PUT", path=path, body=told, answer=body))
        self._see(person, body)

    def of_the_start(self) -> Iterator[Person]:
        """In an order that fits the pages which were asked for in no special one."""
        order = list(self.everybody)
        for is_first, page in reversed(self.pages):  # the earliest is nearest to the start
            numbers = {id(person) for person in page}
            places = [place for place, person in enumerate(order) if id(person) in numbers]
            if is_first:
                order = page + [person for person in order if id(person) not in numbers]
            elif len(places) == len(page):
                for place, person in zip(places, page, strict=True):
                    order[place] = person
        return (person for person in order if not person.is_created)
