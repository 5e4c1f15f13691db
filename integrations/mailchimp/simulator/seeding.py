"""What must have been there before a recording began, derived from its own answers; and planting it in a world."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.beginnings import beginning_of
from integrations.mailchimp.simulator.fieldset import Fieldset
from integrations.mailchimp.simulator.furnish import turn_permissions
from integrations.mailchimp.simulator.furniture import Furniture
from integrations.mailchimp.simulator.member import Member, md5_of, new_contact_id
from integrations.mailchimp.simulator.parts import Tag
from integrations.mailchimp.simulator.people import People
from integrations.mailchimp.simulator.person import seconds_of
from integrations.mailchimp.simulator.recording import Exchange, objects_of, tags_of
from integrations.mailchimp.simulator.render import ADMIN_REASON
from integrations.mailchimp.simulator.shapes import Shapes
from integrations.mailchimp.simulator.stories import Stories
from integrations.mailchimp.simulator.world import World

NOT_SETTINGS = frozenset({"_links", "stats", "total_subscribers"})
EMAIL = re.compile(r"[^\s\"@<>/\\]+@[^\s\"@<>/\\]+\.[A-Za-z]{2,}")
# What every member of the simulator's shows alike; a recorded one may differ.
SHOWN_ALIKE = ("member_rating", "stats", "email_client", "location", "consents_to_one_to_one_messaging")
NOT_FOUND = 404
# Of an audience that is there none of these is ever answered with 404.
COLLECTIONS = frozenset(
    {
        "members", "merge-fields", "segments", "tag-search", "interest-categories", "webhooks", "activity",
        "growth-history", "abuse-reports",
    }
)  # fmt: skip


@dataclass(slots=True)
class ListSeed:
    """One audience as it was before."""

    list_id: str
    fields: Fieldset = field(default_factory=Fieldset)
    people: People = field(default_factory=People)
    about: dict[str, Any] = field(default_factory=dict)
    furniture: Furniture = field(default_factory=Furniture)
    stories: Stories = field(default_factory=Stories)
    exchanges: list[Exchange] = field(default_factory=list)
    is_there: bool | None = None  # at the start, as the first exchange tells that tells anything

    @property
    def is_absent(self) -> bool:
        return self.is_there is False

    def learn(self, exchange: Exchange) -> None:
        """Take one exchange about this audience into account; its members after all the rest, for they need names."""
        if self.is_there is None:
            self.is_there = _tells_presence(exchange)
        self.fields.learn(exchange)
        self.furniture.learn(exchange)
        self.stories.learn(exchange)
        self.exchanges.append(exchange)

    def learn_people(self) -> None:
        """From all exchanges that were taken into account."""
        for exchange in self.exchanges:
            self.people.learn(exchange, self.furniture.tag_names)


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

    def of_list(self, list_id: str) -> ListSeed:
        """The audience's seed, known or new."""
        return self.lists.setdefault(list_id, ListSeed(list_id))


def derive_seeds(exchanges: Sequence[Exchange]) -> Seeds:
    seeds = Seeds()
    for exchange in exchanges:
        for email in EMAIL.findall(json.dumps([exchange.path, exchange.body, exchange.answer])):
            seeds.emails.setdefault(md5_of(email), email)
        _learn_about(seeds, exchange)
        parts = exchange.parts
        if parts == ["lists"] and exchange.method == "POST" and exchange.is_fine and "id" in exchange.found:
            seed = seeds.of_list(str(exchange.found["id"]))
            seed.is_there = bool(seed.is_there)  # not there before, unless somebody met it
        elif parts == ["search-members"]:
            _learn_search(seeds, exchange)
        elif len(parts) > 1 and parts[0] == "lists":
            seeds.of_list(parts[1]).learn(exchange)
    for seed in seeds.lists.values():
        seed.learn_people()
    seeds.lists = {list_id: seeds.lists[list_id] for list_id in dict.fromkeys([*seeds.listed, *seeds.lists])}
    return seeds


def _tells_presence(exchange: Exchange) -> bool | None:
    """Whether the audience was there, where the answer tells: many a 404 is about a part of it."""
    if exchange.is_fine:
        return True
    tail = exchange.parts[2:]
    is_own = not tail or (len(tail) == 1 and tail[0] in COLLECTIONS)
    wants_member = len(tail) == 2 and tail[0] == "members" and exchange.method == "PUT"  # noqa: PLR2004
    is_own |= wants_member and bool(exchange.told.get("status") or exchange.told.get("status_if_new"))
    return False if exchange.status == NOT_FOUND and is_own else None


def _learn_search(seeds: Seeds, exchange: Exchange) -> None:
    """GET /search-members: in one audience, or in all of them."""
    if not exchange.is_fine:
        return
    if "list_id" in exchange.query:
        seeds.of_list(exchange.query["list_id"]).is_there = True
    for body in exchange.members:
        list_id = body.get("list_id") or exchange.query.get("list_id")
        if list_id:
            one = replace(exchange, path=f"/3.0/lists/{list_id}/members", answer={"members": [body]})
            seeds.of_list(list_id).learn(one)


def _learn_about(seeds: Seeds, exchange: Exchange) -> None:
    """Settings of the account and its audiences; nothing of a request can change them, so the first answer tells."""
    answer = exchange.found
    if exchange.method != "GET" or not exchange.is_fine:
        return
    if exchange.path.startswith("/oauth2/metadata"):
        seeds.metadata = seeds.metadata or {key: one for key, one in answer.items() if key != "api_endpoint"}
    elif not exchange.parts:
        _add(seeds.account, answer)
    lists = objects_of(answer, "lists") if exchange.parts == ["lists"] else []
    if lists:
        seeds.constraints = seeds.constraints or dict(answer.get("constraints") or {})
        seeds.listed += [one["id"] for one in lists if "id" in one]
        seeds.list_count = max(seeds.list_count, exchange.total or 0)
    if len(exchange.parts) == 2 and exchange.parts[0] == "lists":  # noqa: PLR2004
        lists = [{"id": exchange.parts[1], **answer}]
    for one in lists:
        if "id" in one:
            seed = seeds.of_list(one["id"])
            seed.is_there = seed.is_there is not False
            _add(seed.about, one)


def _add(known: dict[str, Any], told: Mapping[str, Any]) -> None:
    for name, value in told.items():
        if name not in NOT_SETTINGS:
            known.setdefault(name, value)


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
    audience.merge_fields = seed.fields.of_the_start()
    seed.furniture.plant(audience)
    turn_permissions(
        audience, is_on=bool(seed.furniture.permissions or seed.about.get("marketing_permissions"))
    )
    types = {one.tag: one.type for one in audience.merge_fields.values()}
    persons = list(seed.people.of_the_start())
    bodies = [(one, beginning_of(one, seeds.emails, types)) for one in persons]
    for _, told in bodies:
        for tag in tags_of(told):
            if tag["id"] and tag["id"] not in audience.tags:
                audience.put_tag(Tag(int(tag["id"]), tag["name"]))
    members = [(_member(world, audience, told, person.cause), told) for person, told in bodies]
    for member, _ in members:
        world.save_member(audience, member)
    seed.stories.plant(audience)
    for member, told in members:
        _keep_differences(world, audience, member, told)
    audience.forgotten |= seed.people.forgotten
    audience.signup_blocks |= dict.fromkeys(seed.people.blocked, 2**40)
    world.save_audience(audience)


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
        language=str(told.get("language") or ""),
        is_vip=bool(told.get("vip")),
        latitude=location.get("latitude") or 0,
        longitude=location.get("longitude") or 0,
        source=str(told.get("source", "API - Generic") or ""),
        unique_id=str(told.get("unique_email_id") or ""),
        hash=told["id"],
    )
    member.merge_fields = {tag: one for tag, one in (told.get("merge_fields") or {}).items() if one != ""}
    ids = tuple(audience.tag_id(tag["name"], now) for tag in tags_of(told))
    member.set_tags(ids, tuple(seconds_of(tag.get("date_added")) for tag in tags_of(told)))
    member.interests = tuple(one for one, is_on in (told.get("interests") or {}).items() if is_on)
    given = (one for one in objects_of(told, "marketing_permissions") if one.get("enabled"))
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
