"""What must have been there before a recording began, derived from its own answers.

An audience is known by its answers or by its members' merge fields; a member was there before if it is seen
(by contact_id) without having been created by a request of the recording.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member
from integrations.mailchimp.simulator.parts import MergeField, Tag
from integrations.mailchimp.simulator.world import World

LIST_PATH = re.compile(r"^/3\.0/lists/([0-9a-f]{10})\b")
MEMBERS_PATH = re.compile(r"^/3\.0/lists/[0-9a-f]{10}/members\b[^/]*$")
MEMBER_PATH = re.compile(r"^/3\.0/lists/[0-9a-f]{10}/members/([^/?]+)(?:\?.*)?$")
ONE_LIST_PATH = re.compile(r"^/3\.0/lists/[0-9a-f]{10}(?:\?.*)?$")
NOT_SETTINGS = frozenset({"_links", "stats", "total_subscribers"})
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
USUAL_TYPES = {"ADDRESS": "address", "PHONE": "phone", "BIRTHDAY": "birthday"}
CREATION_SECONDS = 2


class Recorded(Protocol):
    """What of an exchange is read here."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def body(self) -> Any: ...
    @property
    def status(self) -> int: ...
    @property
    def answer(self) -> Any: ...
    @property
    def at(self) -> int: ...


@dataclass(slots=True)
class ListSeed:
    """One audience as it was before."""

    list_id: str
    name: str = "Recorded audience"
    merge_fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_complete: bool = False  # the fields come from GET merge-fields, not from guessing
    members: dict[str, dict[str, Any]] = field(default_factory=dict)  # by contact_id
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Seeds:
    """Everything that was there before."""

    lists: dict[str, ListSeed] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)


def derive_seeds(exchanges: Iterable[Recorded]) -> Seeds:
    seeds = Seeds()
    created: set[str] = set()
    for exchange in exchanges:
        _learn_about(seeds, exchange)
        found = LIST_PATH.match(exchange.path)
        if found is None:
            continue
        seed = seeds.lists.setdefault(found[1], ListSeed(found[1]))
        _learn_merge_fields(seed, exchange)
        if isinstance(exchange.answer, dict) and exchange.status == 200:  # noqa: PLR2004
            for member in _members(exchange):
                _learn_member(seed, exchange, member, created)
    return seeds


def _learn_about(seeds: Seeds, exchange: Recorded) -> None:
    """Settings of the account and its audiences; nothing of a request can change them, so the first answer tells."""
    answer = exchange.answer if isinstance(exchange.answer, dict) else {}
    if exchange.method != "GET" or exchange.status != 200:  # noqa: PLR2004
        return
    if "account_id" in answer and not seeds.account:
        seeds.account = {key: value for key, value in answer.items() if key not in NOT_SETTINGS}
    found = answer["lists"] if "lists" in answer else [answer] if ONE_LIST_PATH.match(exchange.path) else []
    for one in found:
        if "id" in one:
            seed = seeds.lists.setdefault(one["id"], ListSeed(one["id"]))
            seed.about |= {key: value for key, value in one.items() if key not in NOT_SETTINGS}


def _members(exchange: Recorded) -> Iterator[dict[str, Any]]:
    if MEMBERS_PATH.match(exchange.path) and "members" in exchange.answer:
        yield from exchange.answer["members"]
    elif "contact_id" in exchange.answer:
        yield exchange.answer


def _learn_merge_fields(seed: ListSeed, exchange: Recorded) -> None:
    answer = exchange.answer if isinstance(exchange.answer, dict) else {}
    if "merge_fields" in answer and "/merge-fields" in exchange.path and not seed.is_complete:
        seed.merge_fields = {one["tag"]: one for one in answer["merge_fields"]}
        seed.is_complete = True
    for error in answer.get("errors") or ():
        if error.get("message") == "Please enter a number":
            _learn_type(seed, error["field"], "number")
    if "contact_id" in answer:
        _learn_from_values(seed, answer.get("merge_fields") or {})
    for member in answer.get("members") or ():
        _learn_from_values(seed, member.get("merge_fields") or {})


def _learn_from_values(seed: ListSeed, values: Mapping[str, Any]) -> None:
    for tag, value in values.items():
        _learn_type(seed, tag, USUAL_TYPES.get(tag, "text"))
        if isinstance(value, (int, float)):
            _learn_type(seed, tag, "number")
        elif isinstance(value, dict):
            _learn_type(seed, tag, "address")
        elif isinstance(value, str) and DATE.match(value):
            _learn_type(seed, tag, "date")


def _learn_type(seed: ListSeed, tag: str, type_: str) -> None:
    if seed.is_complete:
        return
    known = seed.merge_fields.setdefault(tag, {"tag": tag, "name": tag, "type": type_})
    if type_ != "text":
        known["type"] = type_


def _learn_member(seed: ListSeed, exchange: Recorded, member: dict[str, Any], created: set[str]) -> None:
    contact_id = str(member.get("contact_id", ""))
    if not contact_id or contact_id in created or contact_id in seed.members:
        return
    if exchange.method == "GET":
        seed.members[contact_id] = member
        return
    before = _before_write(exchange, member)
    is_fresh = _seconds(member.get("timestamp_opt")) >= exchange.at - CREATION_SECONDS
    if exchange.method in {"POST", "PUT"} and is_fresh:
        if not before["tags"] and not any(value != "" for value in before["merge_fields"].values()):
            created.add(contact_id)
            return
        before = {
            **before,
            "status": "archived",
        }  # it brought more along than the request said: it was revived
    seed.members[contact_id] = before


def _before_write(exchange: Recorded, member: dict[str, Any]) -> dict[str, Any]:
    """A member first seen in the answer to a write: as answered, less what the request said."""
    if _seconds(member.get("last_changed")) < exchange.at:
        return member  # the write changed nothing
    body = exchange.body if isinstance(exchange.body, dict) else {}
    told, told_tags = body.get("merge_fields") or {}, {str(tag).casefold() for tag in body.get("tags") or ()}
    kept = {tag: value for tag, value in (member.get("merge_fields") or {}).items() if tag not in told}
    tags = [tag for tag in member.get("tags") or () if tag["name"].casefold() not in told_tags]
    return {**member, "merge_fields": kept, "tags": tags, "last_changed": member.get("timestamp_opt", "")}


def _seconds(text: Any) -> int:
    return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) and text else 0


def plant(world: World, seeds: Seeds) -> None:
    """Put the seeds into a world."""
    with world.change():
        world.accounts[world.config.api_key].about = seeds.account
        for seed in seeds.lists.values():
            audience = world.audiences.get(seed.list_id)
            if audience is None:
                audience = Audience(seed.list_id, seed.name, world.config.api_key)
                world.audiences[seed.list_id] = audience
            audience.about, audience.name = seed.about, seed.about.get("name", seed.name)
            if seed.merge_fields:
                audience.merge_fields = {
                    number: _merge_field(number, one)
                    for number, one in enumerate(seed.merge_fields.values(), start=1)
                }
            for member in seed.members.values():
                world.save_member(audience, _member(audience, member))
            world.save_audience(audience)


def _merge_field(number: int, told: Mapping[str, Any]) -> MergeField:
    return MergeField(
        int(told.get("merge_id") or number),
        told["tag"],
        told.get("name") or told["tag"],
        told.get("type") or "text",
        is_required=bool(told.get("required")),
        default_value=str(told.get("default_value") or ""),
        is_public=bool(told.get("public")),
        display_order=int(told.get("display_order") or number),
        options=dict(told.get("options") or {}),
        help_text=str(told.get("help_text") or ""),
    )


def _member(audience: Audience, told: Mapping[str, Any]) -> Member:
    for tag in told.get("tags") or ():
        audience.name_tag(int(tag["id"]), tag["name"])
    location = told.get("location") or {}
    return Member(
        contact_id=told["contact_id"],
        web_id=int(told.get("web_id") or 0),
        email=told["email_address"],
        status=told["status"],
        cause="api" if told["status"] == "unsubscribed" else "bounce" if told["status"] == "cleaned" else "",
        email_type=told.get("email_type") or "html",
        merge_fields={tag: value for tag, value in (told.get("merge_fields") or {}).items() if value != ""},
        tags={int(tag["id"]): 0 for tag in told.get("tags") or ()},
        ip_signup=told.get("ip_signup") or "",
        signup_at=_seconds(told.get("timestamp_signup")),
        ip_opt=told.get("ip_opt") or "",
        opt_at=_seconds(told.get("timestamp_opt")),
        changed_at=_seconds(told.get("last_changed")),
        language=told.get("language") or "",
        is_vip=bool(told.get("vip")),
        latitude=location.get("latitude") or 0,
        longitude=location.get("longitude") or 0,
        source=told.get("source") or "",
        unique_id=told.get("unique_email_id") or "",
    )
