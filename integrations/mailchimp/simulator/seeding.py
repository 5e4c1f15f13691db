"""What must have been there before a recording began, derived from its own answers; and planting it in a world."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.beginnings import beginning_of
from integrations.mailchimp.simulator.furnish import turn_permissions
from integrations.mailchimp.simulator.member import Member, md5_of, new_contact_id
from integrations.mailchimp.simulator.parts import Category, Interest, MergeField, Tag, Webhook
from integrations.mailchimp.simulator.people import People, seconds_of
from integrations.mailchimp.simulator.recording import Exchange
from integrations.mailchimp.simulator.render import ADMIN_REASON
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.world import World

NOT_SETTINGS = frozenset({"_links", "stats", "total_subscribers"})
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
EMAIL = re.compile(r"[^\s\"@<>/\\]+@[^\s\"@<>/\\]+\.[A-Za-z]{2,}")
USUAL_TYPES = {"ADDRESS": "address", "PHONE": "phone", "BIRTHDAY": "birthday"}
TYPE_OF_MESSAGE = {
    "Please enter a number": "number",
    "Please enter a complete address": "address",
    "Please enter a valid date": "date",
    "Please enter a month (01-12) and a day (01-31)": "birthday",
}
# What every member of the simulator's shows alike; a recorded one may differ.
SHOWN_ALIKE = ("member_rating", "stats", "email_client", "location", "consents_to_one_to_one_messaging")
# Parts of an audience by what their collection is called in the answer.
FURNITURE = ("segments", "webhooks", "categories", "interests")


@dataclass(slots=True)
class ListSeed:
    """One audience as it was before."""

    list_id: str
    merge_fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_complete: bool = False  # the fields come from GET merge-fields, not from guessing
    created_tags: set[str] = field(default_factory=set)  # merge fields that the recording itself creates
    people: People = field(default_factory=People)
    about: dict[str, Any] = field(default_factory=dict)
    furniture: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pages: list[Exchange] = field(default_factory=list)  # of members
    example: dict[str, Any] = field(default_factory=dict)  # a member, for groups and permissions
    is_absent: bool = False


@dataclass(slots=True)
class Seeds:
    """Everything that was there before."""

    lists: dict[str, ListSeed] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)  # ids as answers list them, first to last
    list_count: int = 0
    emails: dict[str, str] = field(default_factory=dict)  # hash -> every address that is mentioned


def derive_seeds(exchanges: Sequence[Exchange]) -> Seeds:
    seeds = Seeds()
    for exchange in exchanges:
        for email in EMAIL.findall(json.dumps([exchange.path, exchange.body, exchange.answer])):
            seeds.emails.setdefault(md5_of(email), email)
        _learn_about(seeds, exchange)
        parts = exchange.parts
        if len(parts) < 2 or parts[0] != "lists":  # noqa: PLR2004
            continue
        seed = seeds.lists.setdefault(parts[1], ListSeed(parts[1]))
        if len(parts) == 2 and exchange.status == 404:  # noqa: PLR2004
            seed.is_absent = True
        _learn_merge_fields(seed, exchange)
        _learn_furniture(seed, exchange)
        seed.people.learn(exchange)
        if parts[2:] == ["members"] and exchange.method == "GET" and exchange.is_fine:
            seed.pages.append(exchange)
    seeds.lists = {list_id: seeds.lists[list_id] for list_id in dict.fromkeys([*seeds.listed, *seeds.lists])}
    return seeds


def _learn_about(seeds: Seeds, exchange: Exchange) -> None:
    """Settings of the account and its audiences; nothing of a request can change them, so the first answer tells."""
    answer = exchange.found
    if exchange.method != "GET" or not exchange.is_fine:
        return
    if exchange.path.startswith("/oauth2/metadata"):
        seeds.metadata = seeds.metadata or {key: one for key, one in answer.items() if key != "api_endpoint"}
    if "account_id" in answer and not seeds.account:
        seeds.account = {key: value for key, value in answer.items() if key not in NOT_SETTINGS}
    lists = answer["lists"] if exchange.parts == ["lists"] and "lists" in answer else []
    if lists:
        seeds.constraints = seeds.constraints or dict(answer.get("constraints") or {})
        seeds.listed += [one["id"] for one in lists if "id" in one]
        seeds.list_count = max(seeds.list_count, int(answer.get("total_items") or 0))
    if len(exchange.parts) == 2 and exchange.parts[0] == "lists":  # noqa: PLR2004
        lists = [answer]
    for one in lists:
        if "id" in one:
            seed = seeds.lists.setdefault(one["id"], ListSeed(one["id"]))
            seed.about |= {
                key: value for key, value in one.items() if key not in NOT_SETTINGS and key not in seed.about
            }


def _learn_furniture(seed: ListSeed, exchange: Exchange) -> None:
    """Tags, groups and webhooks, from the first answer that lists them."""
    for kind in FURNITURE:
        if exchange.method == "GET" and exchange.is_fine and isinstance(exchange.found.get(kind), list):
            known = {one["id"] for one in seed.furniture.get(kind, ())}
            fresh = [one for one in exchange.found[kind] if one.get("id") not in known]
            seed.furniture[kind] = seed.furniture.get(kind, []) + fresh


def _learn_merge_fields(seed: ListSeed, exchange: Exchange) -> None:
    answer = exchange.found
    is_about_fields = exchange.parts[2:3] == ["merge-fields"]
    if is_about_fields and exchange.method == "POST" and exchange.is_fine:
        seed.created_tags.add(str(answer.get("tag")))
    if is_about_fields and "merge_fields" in answer and not seed.is_complete:
        seed.merge_fields = {
            one["tag"]: one for one in answer["merge_fields"] if one["tag"] not in seed.created_tags
        }
        seed.is_complete = True
    for error in answer.get("errors") or ():
        if error.get("message") in TYPE_OF_MESSAGE and error.get("field"):
            _learn_type(seed, error["field"], TYPE_OF_MESSAGE[error["message"]])
    for member in [answer, *(answer.get("members") or ())] if not is_about_fields else ():
        if "email_address" in member and isinstance(member.get("merge_fields"), dict):
            _learn_from_values(seed, member["merge_fields"])
            seed.example = seed.example or member


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
    if seed.is_complete or tag in seed.created_tags:
        return
    known = seed.merge_fields.setdefault(tag, {"tag": tag, "name": tag, "type": type_})
    if type_ != "text":
        known["type"] = type_


def plant(world: World, seeds: Seeds) -> None:
    """Put the seeds into a world."""
    with world.change():
        account = world.accounts[world.config.api_key]
        account.about, account.metadata, account.constraints = (
            seeds.account,
            seeds.metadata,
            seeds.constraints,
        )
        for seed in seeds.lists.values():
            if seed.is_absent:
                world.audiences.pop(seed.list_id, None)
            else:
                _plant_audience(world, seeds, seed)
        while len(world.audiences) < seeds.list_count:
            number = len(world.audiences)
            world.make_audience(f"{number:010d}", f"Not recorded {number}", account.api_key)


def _plant_audience(world: World, seeds: Seeds, seed: ListSeed) -> None:
    # In the order of the answers: the default one, too, is put at its place.
    world.audiences.pop(seed.list_id, None)
    name = str(seed.about.get("name") or "Recorded audience")
    audience = world.make_audience(seed.list_id, name, world.config.api_key)
    audience.about = seed.about
    audience.is_double_optin = bool(seed.about.get("double_optin"))
    if seed.merge_fields:
        fields = (_merge_field(number, one) for number, one in enumerate(seed.merge_fields.values(), start=1))
        audience.merge_fields = {one.merge_id: one for one in fields}
    _plant_furniture(audience, seed)
    types = {one.tag: one.type for one in audience.merge_fields.values()}
    persons = list(seed.people.of_the_start())
    bodies = [(one, beginning_of(one, seeds.emails, types)) for one in persons]
    for _, told in bodies:
        for tag in told.get("tags") or ():
            if tag["id"] and tag["id"] not in audience.tags:
                audience.put_tag(Tag(int(tag["id"]), tag["name"]))
    for person, told in bodies:
        member = _member(world, audience, told, person.cause)
        world.save_member(audience, member)
        _keep_differences(world, audience, member, told)
    audience.forgotten |= seed.people.forgotten
    audience.signup_blocks |= dict.fromkeys(seed.people.blocked, 2**40)
    world.save_audience(audience)


def _plant_furniture(audience: Audience, seed: ListSeed) -> None:
    for one in seed.furniture.get("segments", ()):
        options = one.get("options") if one.get("type") != "static" else None
        times = seconds_of(one.get("created_at")), seconds_of(one.get("updated_at"))
        audience.put_tag(Tag(int(one["id"]), one["name"], *times, options))
    for one in seed.furniture.get("webhooks", ()):
        audience.webhooks[one["id"]] = Webhook(one["id"], one["url"], one["events"], one["sources"])
    for one in seed.furniture.get("categories", ()):
        order = int(one.get("display_order") or 0)
        audience.categories[one["id"]] = Category(one["id"], one["title"], one["type"], order)
    for one in seed.furniture.get("interests", ()):
        order = int(one.get("display_order") or 0)
        audience.interests[one["id"]] = Interest(one["id"], one["category_id"], one["name"], order)
    for interest_id in seed.example.get("interests") or ():
        category = next(iter(audience.categories), "0000000000")
        audience.categories.setdefault(category, Category(category, "Not recorded", "checkboxes"))
        audience.interests.setdefault(interest_id, Interest(interest_id, category, interest_id))
    permissions = seed.example.get("marketing_permissions")
    if permissions:
        audience.permissions = {one["marketing_permission_id"]: one["text"] for one in permissions}
    turn_permissions(audience, is_on=bool(permissions or seed.about.get("marketing_permissions")))


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


def _cause(told: Mapping[str, Any], cause: str) -> str:
    if cause or told["status"] not in {"unsubscribed", "cleaned"}:
        return cause
    if told["status"] == "cleaned":
        return "bounce"
    return "api" if told.get("unsubscribe_reason", ADMIN_REASON) == ADMIN_REASON else "contact"


def _member(world: World, audience: Audience, told: Mapping[str, Any], cause: str) -> Member:
    location, now = told.get("location") or {}, world.clock.now()
    member = Member(
        contact_id=told.get("contact_id") or new_contact_id(),
        web_id=int(told.get("web_id") or world.next_web_id()),
        email=told["email_address"],
        status=told["status"],
        cause=_cause(told, cause),
        email_type=told.get("email_type") or "html",
        ip_signup=told.get("ip_signup") or "",
        signup_at=seconds_of(told.get("timestamp_signup")),
        ip_opt=told.get("ip_opt") or ("0.0.0.0" if told.get("timestamp_opt") else ""),  # noqa: S104 - shown only
        opt_at=seconds_of(told.get("timestamp_opt")),
        changed_at=seconds_of(told.get("last_changed")),
        language=told.get("language") or "",
        is_vip=bool(told.get("vip")),
        latitude=location.get("latitude") or 0,
        longitude=location.get("longitude") or 0,
        source=told.get("source", "API - Generic"),
        unique_id=told.get("unique_email_id") or "",
        hash=told["id"],
    )
    member.merge_fields = {tag: one for tag, one in (told.get("merge_fields") or {}).items() if one != ""}
    ids = tuple(audience.tag_id(tag["name"], now) for tag in told.get("tags") or ())
    member.set_tags(ids, tuple(seconds_of(tag.get("date_added")) for tag in told.get("tags") or ()))
    member.interests = tuple(one for one, is_on in (told.get("interests") or {}).items() if is_on)
    given = (one for one in told.get("marketing_permissions") or () if one["enabled"])
    member.permissions = tuple(one["marketing_permission_id"] for one in given)
    return member


def _is_shown(told: Any, shown: Any) -> bool:
    """Whether nothing is told otherwise than shown; a recorded place may lack its region."""
    if isinstance(told, dict) and isinstance(shown, dict):
        return told.items() <= shown.items()
    return bool(told == shown)


def _keep_differences(world: World, audience: Audience, member: Member, told: Mapping[str, Any]) -> None:
    """Whatever the simulator would show otherwise and no request of a recording changes: rating, place, reason."""
    shown = json.loads(Shapes(world.accounts[audience.api_key]).texts(audience).full(member, has_links=False))
    names = [*SHOWN_ALIKE, "unsubscribe_reason", *(set(told) - set(shown) - {"_links"})]
    other = {
        name: told[name] for name in names if name in told and not _is_shown(told[name], shown.get(name))
    }
    if other and member.unique_id:
        audience.extras[member.contact_id] = other
