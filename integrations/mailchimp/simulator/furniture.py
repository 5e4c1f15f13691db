"""What an audience had before a recording beside members and fields: segments, webhooks, groups."""

import re
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.parts import Category, Interest, Tag, Webhook
from integrations.mailchimp.simulator.person import seconds_of, unknown_name
from integrations.mailchimp.simulator.recording import Exchange, objects_of, tags_of

Told = dict[str, Any]
# Collection in the path -> its name in the answer.
KINDS = {
    "segments": "segments",
    "webhooks": "webhooks",
    "interest-categories": "categories",
    "interests": "interests",
}
NAMES = {"segments": "name", "webhooks": "url", "categories": "title"}
TAKEN = re.compile(r'^Cannot add "(.*)" because it already exists on the list')
TAKEN_TAG = "that tag already exists"
TAKEN_URL = "multiple WebHooks for one URL"
UNSEEN_NUMBER = 900_000_000


@dataclass(slots=True)
class Furniture:
    """Things with ids, as first shown; what the recording itself makes was not there before."""

    shown: dict[str, dict[Any, Told]] = field(default_factory=lambda: {kind: {} for kind in KINDS.values()})
    made: dict[str, set[Any]] = field(default_factory=lambda: {kind: set() for kind in KINDS.values()})
    tag_names: dict[int, str] = field(default_factory=dict)
    interest_ids: dict[str, None] = field(default_factory=dict)  # of members
    permissions: list[Told] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(
        default_factory=list
    )  # category and name of interests told by refusals
    whole_starts: list[str] = field(default_factory=list)  # of names: all such tags were shown at some time
    listed: set[str] = field(default_factory=set)  # categories whose interests were shown
    told_names: set[str] = field(default_factory=set)  # of tags, by requests
    guessed_ids: set[Any] = field(default_factory=set)  # of what refusals tell
    order: list[Any] = field(default_factory=list)  # of segments, as they are listed
    since: int = 0  # when the recording began

    def learn(self, exchange: Exchange) -> None:
        """Take one exchange about this audience into account."""
        parts = exchange.parts[2:]
        self.since = self.since or exchange.at
        for body in (exchange.told, *objects_of(exchange.told, "members")):
            tags = body.get("tags") if isinstance(body, dict) else None
            for tag in tags if isinstance(tags, list) else ():
                self.told_names.add(str(tag.get("name") if isinstance(tag, dict) else tag).casefold())
        if exchange.status == 400:  # noqa: PLR2004
            self._learn_refusal(exchange, parts)
        if not exchange.is_fine:
            return
        for place in range(0, len(parts), 2):
            if parts[place] in KINDS:
                kind, is_last = KINDS[parts[place]], len(parts) <= place + 2
                self._learn_place(exchange, kind, parts[place + 1 : place + 2], is_last=is_last)
        if parts == ["tag-search"]:
            for one in tags_of(exchange.found):
                self._see("segments", one["id"], one)
            self.whole_starts.append(exchange.query.get("name", "").casefold())
        for one in (exchange.found, *exchange.members):
            self._learn_member(one)

    def _learn_place(self, exchange: Exchange, kind: str, ids: list[str], *, is_last: bool) -> None:
        """Shown in a collection or alone, made, or only named in the path."""
        answer = exchange.found
        if not ids and exchange.method == "POST":
            self.made[kind].add(answer.get("id"))
        elif not ids:
            for one in objects_of(answer, kind):
                if "id" in one:
                    self._see(kind, one["id"], one)
            if kind == "interests":
                self.listed.add(exchange.parts[3])
            is_whole = exchange.total == len(objects_of(answer, kind))
            if kind == "segments" and is_whole and not exchange.query.keys() - {"count"}:
                self.whole_starts.append("")
                self.order = self.order or [one.get("id") for one in objects_of(answer, kind)]
        else:
            is_whole = is_last and exchange.method in {"GET", "PATCH"}
            own_id = int(ids[0]) if kind == "segments" and ids[0].isdigit() else ids[0]
            self._see(kind, own_id, answer if is_whole else {})
        if kind == "interests" and exchange.method != "POST" and ids:
            self.shown[kind].get(ids[0], {}).setdefault("category_id", exchange.parts[3])

    def _see(self, kind: str, own_id: Any, told: Told) -> None:
        if kind == "segments" and self._is_new_tag(own_id, told):
            self.made[kind].add(own_id)
        if own_id in self.made[kind]:
            return
        known = self.shown[kind].setdefault(own_id, {"id": own_id})
        for name, value in told.items():
            known.setdefault(name, value)
        if kind == "segments" and "name" in known:
            self.tag_names.setdefault(own_id, known["name"])

    def _is_new_tag(self, own_id: int, told: Told) -> bool:
        """Whether a request put it on somebody first: of that no answer tells, but its time, or an earlier list."""
        name = str(told.get("name") or "").casefold()
        if own_id in self.shown["segments"] or not name:
            return False
        is_late = seconds_of(told.get("created_at")) >= self.since > 0
        return (is_late and name in self.told_names) or any(
            name.startswith(start) for start in self.whole_starts
        )

    def _learn_member(self, body: Told) -> None:
        for tag in tags_of(body):
            self.tag_names.setdefault(tag["id"], tag["name"])
        if "email_address" in body and body.get("interests"):
            self.interest_ids |= dict.fromkeys(body["interests"])
        self.permissions = self.permissions or objects_of(body, "marketing_permissions")

    def _learn_refusal(self, exchange: Exchange, parts: list[str]) -> None:
        """What could not be made because it was there."""
        detail, told = str(exchange.found.get("detail")), exchange.told
        taken = TAKEN.match(detail)
        number = UNSEEN_NUMBER + len(self.guessed_ids)
        self.guessed_ids |= {number, f"{number:010d}"}
        if TAKEN_TAG in detail and not self._has("segments", "name", told.get("name")):
            self._see("segments", number, {"name": str(told.get("name"))})
        elif TAKEN_URL in detail and not self._has("webhooks", "url", told.get("url")):
            self._see("webhooks", f"{number:010d}", {"url": told.get("url")})
        elif taken and parts[-1:] == ["interests"]:
            self.taken.append((parts[1], taken[1]))
        elif taken and parts[0] == "interest-categories" and not self._has("categories", "title", taken[1]):
            self._see("categories", f"{number:010d}", {"title": taken[1]})

    def _of_the_start(self, kind: str) -> list[tuple[Any, Told]]:
        """Whatever is only known by a refusal is left out where an answer shows it after all."""
        key, shown = NAMES[kind], self.shown[kind].items()
        known = {str(one.get(key)).casefold() for own_id, one in shown if own_id not in self.guessed_ids}
        return [
            (own_id, one)
            for own_id, one in shown
            if own_id not in self.guessed_ids or str(one.get(key)).casefold() not in known
        ]

    def _has(self, kind: str, name: str, value: Any) -> bool:
        """Whether it is known, or made by the recording itself."""
        return bool(self.made[kind]) or any(one.get(name) == value for one in self.shown[kind].values())

    def plant(self, audience: Audience) -> None:
        """Put everything into its audience."""
        self._plant_segments(audience)
        for own_id, one in self._of_the_start("webhooks"):
            secret = "unknown" if one.get("signing_enabled") else ""
            flags = dict(one.get("events") or {}), dict(one.get("sources") or {})
            url = str(one.get("url") or f"https://{own_id}.unknown.example")
            audience.webhooks[own_id] = Webhook(own_id, url, *flags, secret=secret)
        for own_id, one in self._of_the_start("categories"):
            title, type_ = one.get("title") or f"Not recorded {own_id}", one.get("type") or "checkboxes"
            audience.categories[own_id] = Category(own_id, title, type_, int(one.get("display_order") or 0))
        self._plant_interests(audience)
        if self.permissions:
            audience.permissions = {one["marketing_permission_id"]: one["text"] for one in self.permissions}

    def _plant_segments(self, audience: Audience) -> None:
        places = {own_id: place for place, own_id in enumerate(self.order)}
        for own_id, one in sorted(
            self._of_the_start("segments"), key=lambda pair: places.get(pair[0], len(places))
        ):
            options = one.get("options") if one.get("type") not in {None, "static"} else None
            times = seconds_of(one.get("created_at")), seconds_of(one.get("updated_at"))
            name = one.get("name") or self.tag_names.get(own_id) or unknown_name(own_id)
            audience.put_tag(Tag(own_id, name, *times, options))
        audience.foretold_ids = {name.casefold(): own_id for own_id, name in self.tag_names.items()}

    def _plant_interests(self, audience: Audience) -> None:
        shown = {own_id: None for own_id in self.interest_ids if own_id not in self.made["interests"]}
        known = {
            own_id: dict(self.shown["interests"].get(own_id, {}))
            for own_id in self.shown["interests"] | shown
        }
        self._name_taken(known)
        free = next((one for one in audience.categories if one not in self.listed), "0000000000")
        for own_id, one in known.items():
            category = one.get("category_id") or free
            if category not in self.made["categories"]:
                audience.categories.setdefault(category, Category(category, "Not recorded", "checkboxes"))
            name, order = one.get("name") or own_id, int(one.get("display_order") or 0)
            audience.interests[own_id] = Interest(own_id, category, name, order)

    def _name_taken(self, known: dict[str, Told]) -> None:
        """Names that a refusal tells are those of interests without one; or of further ones, where members show none."""
        for category, name in self.taken:
            if self.made["interests"] or any(one.get("name") == name for one in known.values()):
                continue
            nameless = [own_id for own_id, one in known.items() if "name" not in one]
            if nameless or not self.interest_ids:
                own_id = nameless[0] if nameless else f"{UNSEEN_NUMBER + len(known):010d}"
                known[own_id] = {"category_id": category, "name": name}
